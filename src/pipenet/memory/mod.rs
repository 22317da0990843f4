//! Where pipes are: on the heap, or in a pool of a fixed size.

use super::pipe::Direction;
use super::ring::Ring;
use crate::contract::engine::FastIo;
use crate::error::cause::Cause;
use crate::wait::waker::Wakers;

mod fixed;
#[cfg(feature = "alloc")]
mod heap;
#[cfg(feature = "alloc")]
mod pool;

pub use fixed::FixedPipes;
pub(super) use fixed::{PipePool, PipeSlots};
#[cfg(feature = "alloc")]
pub use heap::HeapPipes;

/// Makes pipes, and finds the directions of each. A direction has a lock of its own.
pub trait PipeMemory: FastIo<Self::Link> + Send + Sync {
    /// One end of a pipe.
    type Link: Clone + Send + Sync;
    /// The tasks that wait.
    type Wakers: Wakers;
    /// The bytes of a direction.
    type Ring: Ring + Send + ?Sized;

    /// Whether bytes of it can be hidden from their reader for a time.
    #[cfg(feature = "sim")]
    const DELAYS: bool = false;

    /// The other end of a pipe.
    #[cfg(feature = "sim")]
    fn peer(&self, link: &Self::Link) -> Self::Link {
        link.clone()
    }

    /// Makes a pipe for a dial of `host`, of a rendezvous network or of a buffered one.
    ///
    /// # Errors
    ///
    /// `pipe pool is full`.
    fn open(&self, host: &str, rendezvous: bool) -> Result<(Self::Link, Self::Link), Cause>;

    /// Runs a step on the direction that this end reads, or on none if the end was released.
    fn incoming<R>(
        &self,
        link: &Self::Link,
        step: impl FnOnce(Option<&mut Direction<Self::Wakers, Self::Ring>>) -> R,
    ) -> R;

    /// Runs a step on the direction that this end writes, or on none if the end was released.
    fn outgoing<R>(
        &self,
        link: &Self::Link,
        step: impl FnOnce(Option<&mut Direction<Self::Wakers, Self::Ring>>) -> R,
    ) -> R;

    /// Wakes writers of the direction that this end reads, whose bytes it has taken.
    fn wake_writers(&self, link: &Self::Link, woken: <Self::Wakers as Wakers>::Taken) {
        let _ = link;
        woken.wake();
    }

    /// Whether the caller holds the only copy of an end of the pipe.
    fn is_last(&self, link: &Self::Link) -> bool {
        let _ = link;
        false
    }

    /// The direction that this end reads, or the one that it writes, is drained and has memory that it may not keep:
    /// lets it keep it, or moves it to the pool.
    fn reclaim(&self, link: &Self::Link, writes: bool) {
        let _ = (link, writes);
    }

    /// Gives memory from the pool to the direction that this end writes, if its own was moved there.
    fn borrow_buffer(&self, link: &Self::Link) {
        let _ = link;
    }

    /// The number of the pipe; 0 if it has none.
    fn number(&self, link: &Self::Link) -> u32 {
        let _ = link;
        0
    }

    /// Gives an end back, once.
    fn release(&self, link: &Self::Link);
}
