//! Test firmware: every case of `case` on the chip, one line each, and the outcome as the exit status of QEMU.
//!
//! `run.sh` builds it for each chip and runs it.

#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
use cortex_m_semihosting::hprintln;

mod case;
mod check;
mod executor;

#[entry]
fn main() -> ! {
    for (name, case) in case::CASES {
        case();
        passed(name);
    }
    // The last one never returns: it ends the run.
    case::embassy::run(|| {
        passed(case::embassy::NAME);
        hprintln!("{} cases passed", case::CASES.len() + 1);
        leave(true)
    })
}

fn passed(name: &str) {
    hprintln!("passed: {name}");
}

/// Ends the run, with its status.
fn leave(passed: bool) -> ! {
    exit(if passed { EXIT_SUCCESS } else { EXIT_FAILURE });
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("FAILED: {info}");
    leave(false)
}

#[exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    hprintln!("FAILED: {frame:?}");
    leave(false)
}

#[cfg(feature = "critical-section")]
#[exception]
fn SysTick() {
    case::interrupt::tick();
}
