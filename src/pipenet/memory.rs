//! Where pipes are: on the heap, or in a pool of a fixed size.

use core::fmt;

#[cfg(feature = "alloc")]
use alloc::sync::{Arc, Weak};

use super::pipe::Direction;
#[cfg(feature = "alloc")]
use super::ring::HeapRing;
use super::ring::{FixedRing, Ring};
use crate::cause::{Cause, Table};
use crate::sync::Lock;
#[cfg(feature = "alloc")]
use crate::waker::ReusedWakers;
use crate::waker::{TwoWakers, Wakers};
#[cfg(feature = "alloc")]
use crate::waker::{discard, wake_by_ref};

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

/// Pipes on the heap.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct HeapPipes {
    /// The most that waits in one direction, in bytes.
    buffer: usize,
    /// The directions that keep their memory although nothing waits in them.
    kept: Lock<Kept>,
}

#[cfg(feature = "alloc")]
impl HeapPipes {
    pub(super) fn new(buffer: usize) -> Self {
        let slots = [const { (Weak::new(), false) }; KEPT];
        Self { buffer, kept: Lock::new(Kept { slots, oldest: 0 }) }
    }
}

#[cfg(feature = "alloc")]
type HeapDirection = Direction<ReusedWakers, HeapRing>;

#[cfg(feature = "alloc")]
type HeapPipe = [Lock<HeapDirection>; 2];

/// How many directions of a network keep their memory: those that were drained last.
#[cfg(feature = "alloc")]
const KEPT: usize = 16;

#[cfg(feature = "alloc")]
#[derive(Debug)]
struct Kept {
    /// Pipes, and which of their directions.
    slots: [(Weak<HeapPipe>, bool); KEPT],
    oldest: usize,
}

/// One end of a pipe on the heap.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug)]
pub struct HeapLink {
    pipe: Arc<HeapPipe>,
    /// The direction that this end writes.
    side: bool,
}

#[cfg(feature = "alloc")]
impl PipeMemory for HeapPipes {
    type Link = HeapLink;
    type Wakers = ReusedWakers;
    type Ring = HeapRing;

    const QUICK: bool = true;

    /// So many bytes take longer to copy than two locks.
    const LARGE: usize = 8 << 10;

    fn open(&self) -> Result<(HeapLink, HeapLink), Cause> {
        let direction =
            || Lock::new(Direction::new(ReusedWakers::default(), ReusedWakers::default(), HeapRing::new(self.buffer)));
        let pipe = Arc::new([direction(), direction()]);
        Ok((HeapLink { pipe: pipe.clone(), side: false }, HeapLink { pipe, side: true }))
    }

    #[inline]
    fn incoming<R>(
        &self,
        link: &HeapLink,
        step: impl FnOnce(Option<&mut Direction<ReusedWakers, HeapRing>>) -> R,
    ) -> R {
        link.pipe[usize::from(!link.side)].with(|direction| step(Some(direction)))
    }

    #[inline]
    fn outgoing<R>(
        &self,
        link: &HeapLink,
        step: impl FnOnce(Option<&mut Direction<ReusedWakers, HeapRing>>) -> R,
    ) -> R {
        link.pipe[usize::from(link.side)].with(|direction| step(Some(direction)))
    }

    fn write_large(&self, link: &HeapLink, bytes: &[u8]) -> Option<usize> {
        let bytes = &bytes[..bytes.len().min(self.buffer)];
        if bytes.len() < Self::LARGE {
            return None;
        }
        let empty = |direction: &mut HeapDirection| direction.is_empty().then(|| direction.ring().lend());
        let mut memory = self.outgoing(link, |direction| direction.and_then(empty))?;
        memory.clear();
        memory.reserve_exact(bytes.len());
        memory.extend_from_slice(bytes);
        let (written, woken, left) = self.outgoing(link, |direction| match direction {
            Some(direction) if direction.is_empty() => {
                let left = direction.ring().fill(memory);
                (true, direction.readers().take_one(), left)
            }
            // Somebody else has written, or closed.
            _ => (false, None, memory),
        });
        drop(left);
        if let Some(waker) = woken.and_then(wake_by_ref) {
            let left = self.outgoing(link, |direction| direction?.readers().keep(waker));
            left.into_iter().for_each(discard);
        }
        written.then_some(bytes.len())
    }

    fn read_large(&self, link: &HeapLink, buf: &mut [u8]) -> Option<usize> {
        let all = |direction: &mut HeapDirection| {
            let (memory, start) = direction.ring().take_all(Self::LARGE, buf.len())?;
            Some((memory, start, direction.writers().take()))
        };
        let (memory, start, woken) = self.incoming(link, |direction| direction.and_then(all))?;
        woken.wake();
        let bytes = &memory[start..];
        let count = bytes.len();
        buf[..count].copy_from_slice(bytes);
        let (left, asks) = self.incoming(link, |direction| match direction {
            Some(direction) => direction.ring().put_back(memory),
            None => (memory, false),
        });
        drop(left);
        if asks {
            self.keep(link);
        }
        Some(count)
    }

    fn is_last(&self, link: &HeapLink) -> bool {
        Arc::strong_count(&link.pipe) == 1
    }

    #[cold]
    fn keep(&self, link: &HeapLink) {
        let mut place = (Arc::downgrade(&link.pipe), !link.side);
        self.kept.with(|kept| {
            core::mem::swap(&mut kept.slots[kept.oldest], &mut place);
            kept.oldest = (kept.oldest + 1) % KEPT;
        });
        let (pipe, side) = place;
        if let Some(pipe) = pipe.upgrade() {
            drop(pipe[usize::from(side)].with(|direction| direction.ring().stop_keeping()));
        }
    }

    fn release(&self, _: &HeapLink) {}
}

/// Pipes in a pool of a fixed size.
#[derive(Clone, Copy)]
pub struct FixedPipes<'m> {
    pub(super) pool: &'m (dyn Pool + 'm),
}

/// A pool of pipes with buffers of any size, so that what works on them is compiled once.
pub(super) trait Pool: Sync {
    /// Which pipes are in use.
    fn leases(&self) -> &Lock<[Lease]>;

    /// A direction of a pipe.
    fn direction(&self, pipe: usize, side: usize) -> Option<&FixedDirection>;
}

type FixedDirection = Lock<Direction<TwoWakers, FixedRing<[u8]>>>;

/// Whether a pipe is in use.
#[derive(Debug)]
pub(super) struct Lease {
    /// Counts the connections that used it.
    generation: u16,
    /// How many of its ends are held.
    ends: u8,
}

/// `PIPES` pipes with buffers of `BUFFER` bytes in each direction.
#[derive(Debug)]
#[allow(clippy::type_complexity, reason = "two directions a pipe, a lock each")]
pub(super) struct PipePool<const PIPES: usize, const BUFFER: usize> {
    leases: Lock<[Lease; PIPES]>,
    directions: [[Lock<Direction<TwoWakers, FixedRing<[u8; BUFFER]>>>; 2]; PIPES],
}

impl<const PIPES: usize, const BUFFER: usize> PipePool<PIPES, BUFFER> {
    pub(super) const fn new() -> Self {
        const { assert!(BUFFER > 0, "the buffers of a network have at least 1 byte") };
        const { assert!(PIPES <= 0x8000, "a fixed network has at most 32,768 connections") };
        Self {
            leases: Lock::new([const { Lease { generation: 0, ends: 0 } }; PIPES]),
            directions: [const {
                [const { Lock::new(Direction::new(TwoWakers::NONE, TwoWakers::NONE, FixedRing::new())) }; 2]
            }; PIPES],
        }
    }
}

impl<const PIPES: usize, const BUFFER: usize> Pool for PipePool<PIPES, BUFFER> {
    fn leases(&self) -> &Lock<[Lease]> {
        &self.leases
    }

    fn direction(&self, pipe: usize, side: usize) -> Option<&FixedDirection> {
        Some(self.directions.get(pipe)?.get(side)?)
    }
}

/// One end of a pipe of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedLink {
    /// The pipe's number, and in the lowest bit the direction that this end writes.
    end: u16,
    generation: u16,
}

impl FixedPipes<'_> {
    /// How many pipes are in use.
    pub(super) fn in_use(&self) -> usize {
        self.pool.leases().with(|leases| leases.iter().filter(|lease| lease.ends > 0).count())
    }

    fn direction<R>(
        &self,
        link: FixedLink,
        side: u16,
        step: impl FnOnce(Option<&mut Direction<TwoWakers, FixedRing<[u8]>>>) -> R,
    ) -> R {
        match self.pool.direction(usize::from(link.end >> 1), usize::from(side)) {
            Some(direction) => direction
                .with(|direction| step(Some(direction).filter(|direction| direction.generation == link.generation))),
            None => step(None),
        }
    }
}

impl PipeMemory for FixedPipes<'_> {
    type Link = FixedLink;
    type Wakers = TwoWakers;
    type Ring = FixedRing<[u8]>;

    fn open(&self) -> Result<(FixedLink, FixedLink), Cause> {
        let (pipe, generation) = self.pool.leases().with(|leases| {
            let capacity = leases.len() as u32;
            let free = leases.iter_mut().enumerate().find(|(_, lease)| lease.ends == 0);
            let (pipe, lease) = free.ok_or(Cause::Full(Table::Pipes, capacity))?;
            lease.ends = 2;
            lease.generation = lease.generation.wrapping_add(1);
            Ok::<_, Cause>((pipe, lease.generation))
        })?;
        for direction in (0..2).filter_map(|side| self.pool.direction(pipe, side)) {
            direction.with(|direction| direction.reset(generation));
        }
        let end = (pipe as u16) << 1;
        Ok((FixedLink { end, generation }, FixedLink { end: end | 1, generation }))
    }

    fn incoming<R>(
        &self,
        link: &FixedLink,
        step: impl FnOnce(Option<&mut Direction<TwoWakers, FixedRing<[u8]>>>) -> R,
    ) -> R {
        self.direction(*link, 1 - (link.end & 1), step)
    }

    fn outgoing<R>(
        &self,
        link: &FixedLink,
        step: impl FnOnce(Option<&mut Direction<TwoWakers, FixedRing<[u8]>>>) -> R,
    ) -> R {
        self.direction(*link, link.end & 1, step)
    }

    fn release(&self, link: &FixedLink) {
        self.pool.leases().with(|leases| {
            if let Some(lease) = leases.get_mut(usize::from(link.end >> 1)) {
                lease.ends = lease.ends.saturating_sub((lease.generation == link.generation).into());
            }
        });
    }
}

impl fmt::Debug for FixedPipes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FixedPipes")
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    extern crate std;
    use core::task::{Context, Waker};

    use super::super::Pipes;
    use super::*;
    use crate::engine::Engine;

    #[test]
    fn only_the_connections_drained_last_keep_their_memory() {
        let engine = Pipes { memory: HeapPipes::new(1 << 16), rendezvous: false };
        let (pipes, mut cx) = (&engine.memory, Context::from_waker(Waker::noop()));
        let links: std::vec::Vec<_> = (0..KEPT + 3).map(|_| pipes.open().expect("the heap has room")).collect();
        for (near, far) in &links {
            assert!(engine.poll_write(near, &mut cx, &[7; 1000]).is_ready());
            assert!(engine.poll_read(far, &mut cx, &mut [0; 1000]).is_ready());
        }
        let keeps =
            |far: &HeapLink| pipes.incoming(far, |direction| direction.is_some_and(|d| d.ring().capacity() > 0));
        let keeping: std::vec::Vec<_> = links.iter().map(|(_, far)| keeps(far)).collect();
        assert_eq!(keeping.iter().position(|&keeps| keeps), Some(3));
        assert!(keeping[3..].iter().all(|&keeps| keeps));
    }
}
