//! Time as a value: a [`Clock`] is given to networks, and to the threads and tasks that use them.
//!
//! | clock | its time moves |
//! |---|---|
//! | [`Clock::manual`], [`ManualClock`] | when the program advances it |
//! | [`Clock::of`] | as its [`TimeSource`] says |
//!
//! # Order
//!
//! Time starts at [`Time::ZERO`] and never goes back. A clock stops at each deadline: it wakes its task at exactly that
//! time, and never jumps over one. Of several timers that are due at one instant, those of [`Class::Delivery`] come
//! before those of [`Class::Timeout`], and those of one class come in the order in which they were registered. So bytes
//! that arrive at the very end of a timeout are read.
//!
//! Wakers are called, cloned and dropped under no lock of the clock.

mod error;
mod handle;
mod manual;
#[cfg(feature = "alloc")]
mod manual_heap;
mod queue;
mod sleep;
mod source;
mod time;

pub use error::ClockError;
pub use handle::Clock;
pub use manual::ManualClock;
pub use sleep::Sleep;
pub use source::{TimeSource, Timer};
pub use time::{Class, Time};
