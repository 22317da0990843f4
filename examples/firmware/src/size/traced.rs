//! As `blocking`, with a trace of which nothing is printed.

#![no_std]
#![no_main]

use core::hint::black_box;

use virtnet::pipenet::fixed::{Network, Traced};
use virtnet::trace::EventRing;

mod chip;
mod program;

/// For `sizes.sh`.
#[unsafe(no_mangle)]
static SIZE_RING: EventRing<64> = EventRing::new();
static NET: Network<'static, Traced> = virtnet::fixed!("t", 2, 4, 1, 64; trace = &SIZE_RING);

#[cortex_m_rt::entry]
fn main() -> ! {
    let _ = black_box((program::blocking(&NET), SIZE_RING.dropped()));
    chip::sleep()
}
