//! How many instructions recording an event takes. QEMU runs it with `-icount shift=0`: its clock then counts
//! instructions, and the same in every run.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_semihosting::debug::{EXIT_SUCCESS, exit};
use cortex_m_semihosting::hprintln;
use virtnet::Addr;
use virtnet::trace::{CoreEvent, EventRing, Observer, RawEvent};

mod chip;

static RING: EventRing<64> = EventRing::new();

const TIMES: u32 = 1000;

/// How long a number of rounds takes, in ticks of the clock.
fn ticks(mut round: impl FnMut()) -> u32 {
    let before = SYST::get_current();
    for _ in 0..TIMES {
        round();
    }
    // It counts down.
    before.wrapping_sub(SYST::get_current()) & 0x00ff_ffff
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(peripherals) = cortex_m::Peripherals::take() else { chip::sleep() };
    let mut clock = peripherals.SYST;
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(0x00ff_ffff);
    clock.clear_current();
    clock.enable_counter();
    let [Ok(local), Ok(peer)] = ["a:10", "b:1"].map(str::parse::<Addr>) else { chip::sleep() };
    let ring = black_box::<&dyn Observer>(&RING);
    let note = |event: RawEvent<'_>| ring.now(black_box(&event));
    // As a write does: its ticket is drawn before its outcome is known.
    let write = || {
        let ticket = ring.ticket();
        ring.record(ticket, black_box(&RawEvent::Wrote { end: 2, bytes: b"hello", of: 5 }));
    };
    let ended = |end| note(RawEvent::Core(&CoreEvent::Ended, Some(end)));

    // A loop of two instructions, a thousand of them in a round.
    let thousand = ticks(|| cortex_m::asm::delay(1000));
    let instructions = |ticks: u32| (u64::from(ticks) * 1000 / u64::from(thousand)) as u32;
    note(RawEvent::Core(&CoreEvent::Accepted { listener: &local, local: &local, peer: &peer }, Some(3)));
    let near = instructions(ticks(write));
    // Its addresses are looked for among all events of the ring, and not found.
    let far = instructions(ticks(|| ended(8)));
    hprintln!("near {}", near);
    hprintln!("far {}", far);
    exit(EXIT_SUCCESS);
    chip::sleep()
}
