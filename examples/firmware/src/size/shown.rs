//! As `traced`, and prints errors and events.

#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;

use virtnet::pipenet::fixed::{Network, Traced};
use virtnet::trace::EventRing;

mod chip;
mod program;

static RING: EventRing<64> = EventRing::new();
static NET: Network<'static, Traced> = virtnet::fixed!("t", 2, 4, 1, 64; trace = &RING);

/// The output of a program that prints.
struct Port;

impl Write for Port {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    if let Err(error) = program::blocking(&NET) {
        let _ = write!(Port, "{error}");
    }
    let _ = write!(Port, "{}", RING.show(&NET));
    chip::sleep()
}
