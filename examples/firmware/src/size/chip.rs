//! The parts that every program needs: an exit, and a panic handler that costs nothing.

use core::panic::PanicInfo;

/// Ends the program.
pub fn sleep() -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    sleep()
}
