//! Blocking waits: with threads the thread sleeps, without threads the wait polls in a loop.

#[cfg(all(feature = "std", feature = "sim"))]
mod own_time;
#[cfg(not(feature = "std"))]
mod poll;
#[cfg(all(feature = "std", not(feature = "sim")))]
mod real_time;
#[cfg(any(feature = "lonet", loom))]
pub(crate) mod sleeper;
#[cfg(feature = "std")]
mod thread;

#[cfg(all(feature = "std", feature = "sim"))]
pub(crate) use own_time::*;
#[cfg(not(feature = "std"))]
pub(crate) use poll::*;
#[cfg(all(feature = "std", not(feature = "sim")))]
pub(crate) use real_time::*;
#[cfg(feature = "std")]
pub(crate) use thread::*;
