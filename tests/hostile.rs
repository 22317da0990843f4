//! Networks withstand hostile and careless programs: the worst wakers, executors, futures, buffers, panics and clocks.
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
