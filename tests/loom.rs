//! Models that loom runs in every order in which threads can reach the locks and wakers of this crate, including the
//! values that reads without a lock can see.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom,sim --test loom -- --nocapture
//! ```
//!
//! A model is a small program of two to four threads. It is run many times, each time in an order that differs in
//! something observable to the threads, and asserts in each run the properties that hold in all of them. A lost wake-up
//! is a deadlock, which loom finds. A model returns the outcome of one run, and its test lists the possible outcomes of
//! all runs: a missing outcome fails the test, and so does an extra one.
//!
//! Where there are too many orders, only those with up to some number of preemptions are tried. A preemption is a
//! switch away from a thread that could have continued. `LOOM_MAX_PREEMPTIONS` tries more.
#![cfg(loom)]

#[path = "loom/act.rs"]
mod act;
#[path = "loom/backend.rs"]
mod backend;
#[cfg(feature = "sim")]
#[path = "loom/clock.rs"]
mod clock;
#[path = "loom/close.rs"]
mod close;
#[path = "loom/dial.rs"]
mod dial;
#[path = "loom/explore.rs"]
mod explore;
#[path = "loom/half.rs"]
mod half;
#[path = "loom/host.rs"]
mod host;
#[path = "loom/idle.rs"]
mod idle;
#[cfg(feature = "sim")]
#[path = "loom/lane.rs"]
mod lane;
#[path = "loom/notifier.rs"]
mod notifier;
#[path = "loom/park.rs"]
mod park;
#[path = "loom/pipe.rs"]
mod pipe;
#[path = "loom/rendezvous.rs"]
mod rendezvous;
#[cfg(feature = "trace")]
#[path = "loom/trace.rs"]
mod trace;
#[cfg(feature = "trace")]
#[path = "loom/traced.rs"]
mod traced;
#[path = "loom/wire.rs"]
mod wire;
