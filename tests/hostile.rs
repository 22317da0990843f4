//! What a network stands, of programs that mean no good or know no better: wakers, executors, futures, buffers, panics and
//! clocks of the worst kind.
#![cfg(all(feature = "std", feature = "pipenet"))]

#[path = "hostile/bed.rs"]
mod bed;
#[path = "hostile/buffer.rs"]
mod buffer;
#[path = "hostile/clock.rs"]
mod clock;
#[path = "hostile/executor.rs"]
mod executor;
#[path = "hostile/leak.rs"]
mod leak;
#[path = "hostile/unwind.rs"]
mod unwind;
#[path = "hostile/waker.rs"]
mod waker;
