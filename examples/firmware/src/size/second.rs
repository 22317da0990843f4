//! As `blocking`, with two networks of different capacities.

#![no_std]
#![no_main]

use core::hint::black_box;

use virtnet::pipenet::fixed::Network;

mod chip;
mod program;

static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 64);
static OTHER: Network<'static> = virtnet::fixed!("u", 3, 6, 2, 32);

#[cortex_m_rt::entry]
fn main() -> ! {
    let _ = black_box(program::blocking(&NET));
    let _ = black_box(program::blocking(&OTHER));
    chip::sleep()
}
