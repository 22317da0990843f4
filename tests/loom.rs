//! Models: every order in which threads can reach the locks and wakers of this crate, and see what is read without a lock,
//! tried by loom.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom --test loom -- --nocapture
//! ```
//!
//! A model is a small program of two to four threads. It is run again and again, each time in an order that differs in
//! something the threads could notice, and asserts in each run what must hold in all; a wake-up that gets lost is a
//! deadlock, which loom finds. It gives what happened in one run, and its test states what can happen in all of them: an
//! outcome too few is as wrong as one too many.
//!
//! Where "all orders" are too many, those with up to some number of preemptions are tried: switches from a thread that
//! could have gone on. `LOOM_MAX_PREEMPTIONS` tries more.
#![cfg(loom)]

#[path = "loom/act.rs"]
mod act;
#[path = "loom/backend.rs"]
mod backend;
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
#[path = "loom/notifier.rs"]
mod notifier;
#[path = "loom/park.rs"]
mod park;
#[path = "loom/pipe.rs"]
mod pipe;
#[path = "loom/rendezvous.rs"]
mod rendezvous;
