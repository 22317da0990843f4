//! As `blocking`, and prints any error: the cost is mostly the formatting of `core`.

#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::hint::black_box;

use virtnet::pipenet::fixed::Network;

mod chip;
mod program;

static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 64);

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
    chip::sleep()
}
