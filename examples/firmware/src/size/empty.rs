//! The empty program, against which the others are compared.

#![no_std]
#![no_main]

mod chip;

#[cortex_m_rt::entry]
fn main() -> ! {
    chip::sleep()
}
