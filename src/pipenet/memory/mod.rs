//! Where pipes are: on the heap, or in a pool of a fixed size.

use super::pipe::Direction;
use super::ring::Ring;
use crate::cause::Cause;
use crate::waker::Wakers;

mod fixed;
#[cfg(feature = "alloc")]
mod heap;

pub use fixed::FixedPipes;
pub(super) use fixed::{FixedLink, PipePool, Pool};
#[cfg(feature = "alloc")]
pub(super) use heap::HeapLink;
#[cfg(feature = "alloc")]
pub use heap::HeapPipes;

/// Makes pipes, and finds the directions of each. A direction has a lock of its own.
pub trait PipeMemory: Send + Sync {
    /// One end of a pipe.
    type Link: Clone + Send + Sync;
    /// Those who wait.
    type Wakers: Wakers;
    /// The bytes of a direction.
    type Ring: Ring + Send + ?Sized;

    /// Whether speed is worth more code.
    const QUICK: bool = false;

    /// From how many bytes on it is worth to copy outside of the lock.
    const LARGE: usize = usize::MAX;

    /// Makes a pipe.
    ///
    /// # Errors
    ///
    /// `pipe pool is full`.
    fn open(&self) -> Result<(Self::Link, Self::Link), Cause>;

    /// Takes a step on the direction that this end reads, or on none if the end was released.
    fn incoming<R>(
        &self,
        link: &Self::Link,
        step: impl FnOnce(Option<&mut Direction<Self::Wakers, Self::Ring>>) -> R,
    ) -> R;

    /// Takes a step on the direction that this end writes, or on none if the end was released.
    fn outgoing<R>(
        &self,
        link: &Self::Link,
        step: impl FnOnce(Option<&mut Direction<Self::Wakers, Self::Ring>>) -> R,
    ) -> R;

    /// Writes what is worth copying outside of the lock, so that the reader may copy meanwhile. Not in a rendezvous.
    fn write_large(&self, link: &Self::Link, bytes: &[u8]) -> Option<usize> {
        let _ = (link, bytes);
        None
    }

    /// Reads what is worth copying outside of the lock, so that the writer may copy meanwhile. Not in a rendezvous.
    fn read_large(&self, link: &Self::Link, buf: &mut [u8]) -> Option<usize> {
        let _ = (link, buf);
        None
    }

    /// Whether nobody but the caller holds an end of the pipe, or a copy of it.
    fn is_last(&self, link: &Self::Link) -> bool {
        let _ = link;
        false
    }

    /// The direction that this end reads was drained and keeps its memory: somebody else's has to be given back for it.
    fn keep(&self, link: &Self::Link) {
        let _ = link;
    }

    /// Gives an end back, once.
    fn release(&self, link: &Self::Link);
}
