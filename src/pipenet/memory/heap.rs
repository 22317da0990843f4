//! Pipes on the heap.

use alloc::sync::{Arc, Weak};
use core::task::Waker;

use super::PipeMemory;
use crate::cause::Cause;
use crate::engine::Quick;
use crate::pipenet::pipe::Direction;
use crate::pipenet::ring::HeapRing;
use crate::sync::Lock;
use crate::waker::{ManyWakers, ReusedWakers, Wakers, discard, wake_by_ref};

/// Pipes on the heap.
#[derive(Debug)]
pub struct HeapPipes {
    /// The most that waits in one direction, in bytes.
    buffer: u32,
    /// The directions that keep their memory although nothing waits in them.
    kept: Lock<Kept>,
}

impl HeapPipes {
    /// Pipes for as many bytes in each direction, or as many as 32 bits count.
    pub(in crate::pipenet) fn new(buffer: usize) -> Self {
        let slots = [const { (Weak::new(), false) }; KEPT];
        let buffer = u32::try_from(buffer).unwrap_or(u32::MAX);
        Self { buffer, kept: Lock::new(Kept { slots, oldest: 0 }) }
    }

    /// Reads, if that is simple. Where large pieces are all there is, the writer may copy meanwhile.
    #[inline(never)]
    fn read_large(&self, link: &HeapLink, waker: &Waker, buf: &mut [u8]) -> Quick {
        let taken = link.incoming().with(|direction| {
            let simple = !direction.writers().is_crowd();
            match simple.then(|| direction.ring().take_all(LARGE, buf.len())).flatten() {
                Some(taken) => Ok((taken, direction.writers().take_one())),
                None => Err(direction.quick_read(waker, buf)),
            }
        });
        let ((memory, start), woken) = match taken {
            Ok(taken) => taken,
            Err((quick, woken)) => {
                woken.into_iter().for_each(|woken| link.wake_writer(woken));
                return quick;
            }
        };
        woken.into_iter().for_each(|woken| link.wake_writer(woken));
        let bytes = &memory[start..];
        let count = bytes.len();
        buf[..count].copy_from_slice(bytes);
        let (left, asks) = link.incoming().with(|direction| direction.ring().put_back(memory));
        drop(left);
        if asks {
            self.keep(link);
        }
        Quick::Moved(count)
    }
}

type HeapDirection = Direction<ReusedWakers, HeapRing>;

type HeapPipe = [Lock<HeapDirection>; 2];

/// How many directions of a network keep their memory when they are drained: those that began to last.
const KEPT: usize = 16;

#[derive(Debug)]
struct Kept {
    /// Pipes, and which of their directions.
    slots: [(Weak<HeapPipe>, bool); KEPT],
    oldest: usize,
}

/// From how many bytes on copying them takes longer than two locks.
const LARGE: usize = 8 << 10;

/// One end of a pipe on the heap.
#[derive(Clone, Debug)]
pub struct HeapLink {
    pipe: Arc<HeapPipe>,
    /// The direction that this end writes.
    side: bool,
    /// Known here, too: what is read and written quickly needs to look at nothing but the link.
    rendezvous: bool,
}

impl HeapLink {
    #[inline]
    fn incoming(&self) -> &Lock<HeapDirection> {
        &self.pipe[usize::from(!self.side)]
    }

    #[inline]
    fn outgoing(&self) -> &Lock<HeapDirection> {
        &self.pipe[usize::from(self.side)]
    }

    /// Wakes the task that waits to read, and keeps its waker for the next time.
    #[inline(never)]
    fn wake_reader(&self, waker: Waker) {
        let left =
            wake_by_ref(waker).and_then(|waker| self.outgoing().with(|direction| direction.readers().keep(waker)));
        left.into_iter().for_each(discard);
    }

    /// Wakes the task that waits to write, and keeps its waker for the next time.
    #[inline(never)]
    fn wake_writer(&self, waker: Waker) {
        let left =
            wake_by_ref(waker).and_then(|waker| self.incoming().with(|direction| direction.writers().keep(waker)));
        left.into_iter().for_each(discard);
    }

    /// Writes, if that is simple. A large piece is copied outside of the lock, so that the reader may copy meanwhile.
    #[inline(never)]
    fn write_large(&self, limit: usize, waker: &Waker, bytes: &[u8]) -> Quick {
        let bytes = &bytes[..bytes.len().min(limit)];
        let lent = self.outgoing().with(|direction| match bytes.len() >= LARGE && direction.is_empty() {
            true => Ok(direction.ring().lend()),
            false => Err(direction.quick_write(waker, bytes)),
        });
        let (quick, woken) = match lent {
            Err(done) => done,
            Ok(mut memory) => {
                memory.clear();
                memory.reserve_exact(bytes.len());
                memory.extend_from_slice(bytes);
                let (done, left) = self.outgoing().with(|direction| match direction.is_empty() {
                    true => {
                        let left = direction.ring().fill(memory);
                        ((Quick::Moved(bytes.len()), direction.readers().take_one()), left)
                    }
                    // Somebody else has written, or closed.
                    false => ((Quick::Slow, None), memory),
                });
                drop(left);
                done
            }
        };
        woken.into_iter().for_each(|woken| self.wake_reader(woken));
        quick
    }
}

impl PipeMemory for HeapPipes {
    type Link = HeapLink;
    type Wakers = ReusedWakers;
    type Ring = HeapRing;

    fn open(&self, rendezvous: bool) -> Result<(HeapLink, HeapLink), Cause> {
        let direction =
            || Lock::new(Direction::new(ReusedWakers::default(), ReusedWakers::default(), HeapRing::new(self.buffer)));
        let pipe = Arc::new([direction(), direction()]);
        let near = HeapLink { pipe: pipe.clone(), side: false, rendezvous };
        Ok((near, HeapLink { pipe, side: true, rendezvous }))
    }

    #[inline]
    fn incoming<R>(
        &self,
        link: &HeapLink,
        step: impl FnOnce(Option<&mut Direction<ReusedWakers, HeapRing>>) -> R,
    ) -> R {
        link.incoming().with(|direction| step(Some(direction)))
    }

    #[inline]
    fn outgoing<R>(
        &self,
        link: &HeapLink,
        step: impl FnOnce(Option<&mut Direction<ReusedWakers, HeapRing>>) -> R,
    ) -> R {
        link.outgoing().with(|direction| step(Some(direction)))
    }

    #[inline]
    fn quick_read(&self, link: &HeapLink, waker: &Waker, buf: &mut [u8]) -> Quick {
        if link.rendezvous {
            return Quick::Slow;
        }
        if buf.len() >= LARGE {
            return self.read_large(link, waker, buf);
        }
        let (quick, woken) = link.incoming().with(|direction| direction.quick_read(waker, buf));
        if let Some(woken) = woken {
            link.wake_writer(woken);
        }
        quick
    }

    #[inline]
    fn quick_write(&self, link: &HeapLink, waker: &Waker, bytes: &[u8]) -> Quick {
        if link.rendezvous {
            return Quick::Slow;
        }
        if bytes.len() >= LARGE {
            return link.write_large(self.buffer as usize, waker, bytes);
        }
        let (quick, woken) = link.outgoing().with(|direction| direction.quick_write(waker, bytes));
        if let Some(woken) = woken {
            link.wake_reader(woken);
        }
        quick
    }

    fn wake_writers(&self, link: &HeapLink, woken: ManyWakers) {
        if !link.rendezvous || woken.is_empty() {
            return woken.wake();
        }
        let woken = woken.wake_by_ref();
        link.incoming().with(|direction| direction.hold_writers(woken)).discard();
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
        let links: std::vec::Vec<_> = (0..KEPT + 3).map(|_| pipes.open(false).expect("the heap has room")).collect();
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
