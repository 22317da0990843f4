//! The empty program, which the others are compared with.

#![no_std]
#![no_main]

mod chip;

#[cortex_m_rt::entry]
fn main() -> ! {
    chip::sleep()
}
