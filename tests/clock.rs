//! Clocks: their time, their timers, and the order in which these fire.
#![cfg(all(feature = "std", feature = "sim"))]

#[path = "clock/manual.rs"]
mod manual;
