//! Blocking waits: with threads the thread sleeps, without threads the wait polls in a loop.

#[cfg(not(feature = "std"))]
mod poll;
#[cfg(feature = "std")]
mod thread;

#[cfg(not(feature = "std"))]
pub(crate) use poll::*;
#[cfg(feature = "std")]
pub(crate) use thread::*;
