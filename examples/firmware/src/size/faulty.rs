//! As `blocking`, with faults of which none is on.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;

use virtnet::clock::ManualClock;
use virtnet::pipenet::fixed::{Faulty, Network};
use virtnet::sim::FixedFaults;

mod chip;
mod program;

static CLOCK: ManualClock = ManualClock::new();
/// For `sizes.sh`.
#[unsafe(no_mangle)]
static SIZE_FAULTS: FixedFaults<4> = FixedFaults::new(&CLOCK);
static NET: Network<'static, Faulty> = virtnet::fixed!("t", 2, 4, 1, 64; faults = &SIZE_FAULTS);

#[cortex_m_rt::entry]
fn main() -> ! {
    if let Ok(route) = SIZE_FAULTS.route("a", "b") {
        route.latency(Duration::from_millis(1)).partition().repair().clear();
    }
    CLOCK.advance(Duration::from_millis(1));
    let _ = black_box(program::blocking(&NET));
    chip::sleep()
}
