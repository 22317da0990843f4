//! Clocks: their time, their timers, and the order in which these fire.
#![cfg(all(feature = "pipenet", feature = "std", feature = "sim"))]

#[path = "clock/auto.rs"]
mod auto;
#[path = "clock/bed.rs"]
mod bed;
#[path = "clock/deadlock.rs"]
mod deadlock;
#[path = "clock/gate.rs"]
mod gate;
#[path = "clock/limit.rs"]
mod limit;
#[path = "clock/manual.rs"]
mod manual;
#[path = "clock/real.rs"]
mod real;
#[path = "clock/stall.rs"]
mod stall;
#[path = "clock/trace.rs"]
mod trace;
#[path = "clock/verify.rs"]
mod verify;
