//! Time as a value: a [`Clock`] is given to networks, and to the threads and tasks that use them.
//!
//! | clock | its time moves |
//! |---|---|
//! | [`Clock::manual`], [`ManualClock`] | when the program advances it |
//! | [`Clock::real`] | as that of the machine |
//! | [`Clock::auto`] | to the next deadline, when none of its threads can run |
//! | `Clock::tokio`, with the feature `tokio` | as that of a tokio runtime, which may be paused |
//! | [`Clock::of`] | as its [`TimeSource`] says |
//!
//! A network gets a clock from its builder, a thread by [`Clock::enter`] or by being [spawned](Clock::spawn) on one.
//! Timeouts are measured on the clock of the thread, else on that of the network, else in real time.
//!
//! # Order
//!
//! Time starts at [`Time::ZERO`] and never goes back. A clock stops at each deadline: it wakes its task at exactly that
//! time, and never jumps over one. Of several timers that are due at one instant, those of [`Class::Delivery`] come
//! before those of [`Class::Timeout`], and those of one class come in the order in which they were registered. So bytes
//! that arrive at the very end of a timeout are read.
//!
//! Wakers are called, cloned and dropped under no lock of the clock.

#[cfg(feature = "std")]
pub(crate) mod auto;
mod error;
mod handle;
mod manual;
#[cfg(feature = "alloc")]
mod manual_heap;
#[cfg(feature = "alloc")]
pub(crate) mod member;
#[cfg(feature = "std")]
mod participant;
pub(crate) mod queue;
#[cfg(feature = "std")]
mod real;
mod sleep;
pub(crate) mod slot;
mod source;
#[cfg(feature = "std")]
mod spawn;
#[cfg(feature = "std")]
pub(crate) mod stuck;
mod time;
#[cfg(feature = "std")]
mod watchdog;

pub use error::ClockError;
pub use handle::Clock;
pub use manual::ManualClock;
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub use member::Member;
#[cfg(feature = "std")]
pub use participant::{Entered, Invitation};
pub use sleep::Sleep;
pub use source::{TimeSource, Timer};
#[cfg(feature = "std")]
pub use spawn::{JoinHandle, Scope, ScopedJoinHandle};
pub use time::{Class, Time};
