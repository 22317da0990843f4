//! The sizes of types: `sizes.sh` reads the sizes of these statics. The program is linked, and does nothing.

#![no_std]
#![no_main]
#![allow(missing_docs, reason = "the names say it")]

use virtnet::pipenet::fixed::{Conn, Host, Listener, Memory};
use virtnet::{Addr, Error};

mod chip;

#[cortex_m_rt::entry]
fn main() -> ! {
    chip::sleep()
}

/// The size of a function's return type.
const fn given<A, R>(_: fn(A) -> R) -> usize {
    size_of::<R>()
}

fn dial(host: Host) -> impl Sized {
    host.dial("a:1")
}

fn dial_addr(host: Host) -> impl Sized {
    host.dial(("a", 1))
}

fn accept(listener: &'static Listener) -> impl Sized {
    listener.accept()
}

macro_rules! sizes {
    ($($name:ident = $size:expr;)*) => {
        $(#[used]
        #[unsafe(no_mangle)]
        static $name: [u8; $size] = [0; $size];)*
    };
}

sizes! {
    SIZE_HOST = size_of::<Host>();
    SIZE_LISTENER = size_of::<Listener>();
    SIZE_CONN = size_of::<Conn>();
    SIZE_ADDR = size_of::<Addr>();
    SIZE_ERROR = size_of::<Error>();
    SIZE_DIAL = given(dial);
    SIZE_DIAL_PAIR = given(dial_addr);
    SIZE_ACCEPT = given(accept);
    SIZE_MEMORY_0 = size_of::<Memory<0, 0, 0, 64>>();
    SIZE_MEMORY_HOSTS = size_of::<Memory<16, 0, 0, 64>>();
    SIZE_MEMORY_PORTS = size_of::<Memory<0, 16, 0, 64>>();
    SIZE_MEMORY_PIPES = size_of::<Memory<0, 0, 16, 64>>();
    SIZE_MEMORY_GOAL = size_of::<Memory<2, 4, 1, 64>>();
}
