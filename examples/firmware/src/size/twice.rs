//! As `blocking`, with two networks of the same capacity.

#![no_std]
#![no_main]

use core::hint::black_box;

use virtnet::pipenet::fixed::Network;

mod chip;
mod program;

static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 64);
static OTHER: Network<'static> = virtnet::fixed!("u", 2, 4, 1, 64);

#[cortex_m_rt::entry]
fn main() -> ! {
    let _ = black_box(program::blocking(&NET));
    let _ = black_box(program::blocking(&OTHER));
    chip::sleep()
}
