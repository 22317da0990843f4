//! Blocking waits: threads sleep, and where there are none, waiting polls.

#[cfg(not(feature = "std"))]
mod poll;
#[cfg(feature = "std")]
mod thread;

#[cfg(not(feature = "std"))]
pub(crate) use poll::*;
#[cfg(feature = "std")]
pub(crate) use thread::*;
