//! Pipes on the heap.

use alloc::sync::{Arc, Weak};

use super::PipeMemory;
use crate::cause::Cause;
use crate::pipenet::pipe::Direction;
use crate::pipenet::ring::HeapRing;
use crate::sync::Lock;
use crate::waker::{ReusedWakers, Wakers, discard, wake_by_ref};

/// Pipes on the heap.
#[derive(Debug)]
pub struct HeapPipes {
    /// The most that waits in one direction, in bytes.
    buffer: usize,
    /// The directions that keep their memory although nothing waits in them.
    kept: Lock<Kept>,
}

impl HeapPipes {
    pub(in crate::pipenet) fn new(buffer: usize) -> Self {
        let slots = [const { (Weak::new(), false) }; KEPT];
        Self { buffer, kept: Lock::new(Kept { slots, oldest: 0 }) }
    }
}

type HeapDirection = Direction<ReusedWakers, HeapRing>;

type HeapPipe = [Lock<HeapDirection>; 2];

/// How many directions of a network keep their memory: those that were drained last.
const KEPT: usize = 16;

#[derive(Debug)]
struct Kept {
    /// Pipes, and which of their directions.
    slots: [(Weak<HeapPipe>, bool); KEPT],
    oldest: usize,
}

/// One end of a pipe on the heap.
#[derive(Clone, Debug)]
pub struct HeapLink {
    pipe: Arc<HeapPipe>,
    /// The direction that this end writes.
    side: bool,
}

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

    #[inline(never)]
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

    #[inline(never)]
    fn read_large(&self, link: &HeapLink, buf: &mut [u8]) -> Option<usize> {
        let all = |direction: &mut HeapDirection| {
            let (memory, start) = direction.ring().take_all(Self::LARGE, buf.len())?;
            Some((memory, start, direction.writers().take_all()))
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

#[cfg(test)]
mod tests {
    extern crate std;
    use core::task::{Context, Waker};

    use super::*;
    use crate::engine::Engine;
    use crate::pipenet::Pipes;

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
