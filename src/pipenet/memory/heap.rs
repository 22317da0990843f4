//! Pipes on the heap.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;

use super::PipeMemory;
use super::pool::BufferPool;
use crate::contract::engine::{FastIo, FastPath};
use crate::error::cause::Cause;
use crate::pipenet::pipe::Direction;
use crate::pipenet::ring::HeapRing;
use crate::sync::Lock;
use crate::wait::waker::{ManyWakers, ReusedWakers, Wakers, discard, wake_by_ref};

/// Pipes on the heap.
#[derive(Debug)]
pub struct HeapPipes {
    /// The most bytes that are buffered in one direction.
    buffer: u32,
    /// The pipes whose directions keep their memory when they are drained, once for each.
    kept: Lock<[Weak<HeapPipe>; KEPT]>,
    /// The memory of all others.
    pool: BufferPool,
    /// The number of the last pipe. Not modelled: nothing but the numbers depends on it.
    last: AtomicU32,
}

impl HeapPipes {
    /// Pipes for as many bytes in each direction, or as many as 32 bits count.
    pub(in crate::pipenet) fn new(buffer: usize) -> Self {
        let buffer = u32::try_from(buffer).unwrap_or(u32::MAX);
        Self {
            buffer,
            kept: Lock::new([const { Weak::new() }; KEPT]),
            pool: BufferPool::new(),
            last: AtomicU32::new(0),
        }
    }

    /// Whether one more direction of this pipe may keep its memory: the first ones may, until their pipes are gone.
    fn lets_keep(&self, link: &HeapLink) -> bool {
        let mut pipe = Arc::downgrade(&link.pipe);
        self.kept.with(|kept| {
            let free = kept.iter_mut().find(|kept| kept.strong_count() == 0);
            free.map(|free| core::mem::swap(free, &mut pipe)).is_some()
        })
    }

    /// Reads, if that is simple. If only large pieces are buffered, the writer may copy meanwhile.
    #[inline(never)]
    fn read_large(&self, link: &HeapLink, waker: &Waker, buf: &mut [u8]) -> FastPath {
        let taken = link.incoming().with(|direction| {
            let simple = !direction.writers().is_crowd();
            match simple.then(|| direction.ring().take_all(LARGE, buf.len())).flatten() {
                Some(taken) => Ok((taken, direction.writers().take_one())),
                None => Err(direction.fast_read(waker, buf)),
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
        let (left, spare) = link.incoming().with(|direction| {
            let left = direction.ring().put_back(memory);
            (left, direction.has_spare())
        });
        self.pool.put(link.shelf, left);
        if spare {
            self.reclaim(link, false);
        }
        FastPath::Done(count)
    }

    /// Writes, if that is simple. A large piece is copied outside of the lock, so that the reader may copy meanwhile.
    #[inline(never)]
    fn write_large(&self, link: &HeapLink, waker: &Waker, bytes: &[u8]) -> FastPath {
        let bytes = &bytes[..bytes.len().min(self.buffer as usize)];
        let lent = link.outgoing().with(|direction| {
            if bytes.len() >= LARGE && direction.is_empty() {
                Ok(direction.ring().lend())
            } else {
                Err(direction.fast_write(waker, bytes))
            }
        });
        let (quick, woken) = match lent {
            Err(done) => done,
            Ok(mut memory) => {
                if memory.capacity() == 0 {
                    memory = self.pool.take(link.shelf);
                }
                memory.clear();
                memory.reserve_exact(bytes.len());
                memory.extend_from_slice(bytes);
                let (done, left) = link.outgoing().with(|direction| {
                    if direction.is_empty() {
                        let left = direction.ring().fill(memory);
                        ((FastPath::Done(bytes.len()), direction.readers().take_one()), left)
                    } else {
                        // Another task has written, or closed.
                        ((FastPath::Fallback, None), memory)
                    }
                });
                self.pool.put(link.shelf, left);
                done
            }
        };
        woken.into_iter().for_each(|woken| link.wake_reader(woken));
        quick
    }

    /// Writes, if that is simple, with memory from the pool.
    #[inline(never)]
    fn write_bare(&self, link: &HeapLink, waker: &Waker, bytes: &[u8]) -> FastPath {
        let memory = self.pool.take(link.shelf);
        let ((quick, woken), left) = link.outgoing().with(|direction| {
            let left = direction.ring().borrow(memory);
            (direction.fast_write(waker, bytes), left)
        });
        self.pool.put(link.shelf, left);
        woken.into_iter().for_each(|woken| link.wake_reader(woken));
        quick
    }
}

type HeapDirection = Direction<ReusedWakers, HeapRing>;

type HeapPipe = [Lock<HeapDirection>; 2];

/// How many directions of a network keep their memory when they are drained.
const KEPT: usize = 16;

/// The least number of bytes whose copy takes longer than two locks.
const LARGE: usize = 8 << 10;

/// One end of a pipe on the heap.
#[derive(Clone, Debug)]
pub struct HeapLink {
    pipe: Arc<HeapPipe>,
    /// The direction that this end writes.
    side: bool,
    /// A copy, so that fast reads and writes look at nothing but the link.
    rendezvous: bool,
    /// Where in the pool the memory of its directions is.
    shelf: u8,
    /// The number of the pipe: in bytes of the link that would be unused.
    number: u32,
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
}

impl FastIo<HeapLink> for HeapPipes {
    #[inline]
    fn works(&self) -> bool {
        true
    }

    #[inline]
    fn fast_read(&self, link: &HeapLink, waker: &Waker, buf: &mut [u8]) -> FastPath {
        if link.rendezvous {
            return FastPath::Fallback;
        }
        if buf.len() >= LARGE {
            return self.read_large(link, waker, buf);
        }
        let ((quick, woken), spare) = link.incoming().with(|direction| {
            let done = direction.fast_read(waker, buf);
            (done, direction.has_spare())
        });
        if let Some(woken) = woken {
            link.wake_writer(woken);
        }
        if spare {
            self.reclaim(link, false);
        }
        quick
    }

    #[inline]
    fn fast_write(&self, link: &HeapLink, waker: &Waker, bytes: &[u8]) -> FastPath {
        if link.rendezvous {
            return FastPath::Fallback;
        }
        if bytes.len() >= LARGE {
            return self.write_large(link, waker, bytes);
        }
        let done = link
            .outgoing()
            .with(|direction| if direction.ring().is_bare() { None } else { Some(direction.fast_write(waker, bytes)) });
        let Some((quick, woken)) = done else { return self.write_bare(link, waker, bytes) };
        if let Some(woken) = woken {
            link.wake_reader(woken);
        }
        quick
    }
}

impl PipeMemory for HeapPipes {
    type Link = HeapLink;
    type Wakers = ReusedWakers;
    type Ring = HeapRing;

    #[cfg(feature = "sim")]
    const DELAYS: bool = true;

    #[cfg(feature = "sim")]
    fn peer(&self, link: &HeapLink) -> HeapLink {
        HeapLink { side: !link.side, ..link.clone() }
    }

    fn open(&self, host: &str, rendezvous: bool) -> Result<(HeapLink, HeapLink), Cause> {
        let direction =
            || Lock::new(Direction::new(ReusedWakers::default(), ReusedWakers::default(), HeapRing::new(self.buffer)));
        let pipe = Arc::new([direction(), direction()]);
        let shelf = BufferPool::shelf(host);
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let near = HeapLink { pipe: pipe.clone(), side: false, rendezvous, shelf, number };
        Ok((near, HeapLink { pipe, side: true, rendezvous, shelf, number }))
    }

    #[inline]
    fn incoming<R>(&self, link: &HeapLink, step: impl FnOnce(Option<&mut HeapDirection>) -> R) -> R {
        link.incoming().with(|direction| step(Some(direction)))
    }

    #[inline]
    fn outgoing<R>(&self, link: &HeapLink, step: impl FnOnce(Option<&mut HeapDirection>) -> R) -> R {
        link.outgoing().with(|direction| step(Some(direction)))
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

    #[inline(never)]
    fn reclaim(&self, link: &HeapLink, writes: bool) {
        let direction = if writes { link.outgoing() } else { link.incoming() };
        let (asks, mut memory) = direction.with(|direction| {
            if direction.ring().asks_to_keep() { (true, Vec::new()) } else { (false, direction.take_spare()) }
        });
        if asks {
            let keeps = self.lets_keep(link);
            memory = direction.with(|direction| {
                if keeps {
                    direction.ring().keep();
                    Vec::new()
                } else {
                    direction.take_spare()
                }
            });
        }
        self.pool.put(link.shelf, memory);
    }

    fn borrow_buffer(&self, link: &HeapLink) {
        if link.outgoing().with(|direction| direction.ring().is_bare()) {
            let memory = self.pool.take(link.shelf);
            let left = link.outgoing().with(|direction| direction.ring().borrow(memory));
            self.pool.put(link.shelf, left);
        }
    }

    fn number(&self, link: &HeapLink) -> u32 {
        link.number
    }

    fn release(&self, _: &HeapLink) {}
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::task::{Context, Waker};

    use super::*;
    use crate::contract::engine::Engine;
    use crate::pipenet::Pipes;

    #[test]
    fn few_directions_keep_their_memory_and_all_others_share_theirs() {
        let clock = crate::wait::ClockSlot::EMPTY;
        let engine = Pipes { memory: HeapPipes::new(1 << 16), rendezvous: false, reset_unread: true, clock };
        let (pipes, mut cx) = (&engine.memory, Context::from_waker(Waker::noop()));
        let mut links: std::vec::Vec<_> =
            (0..KEPT + 3).map(|_| pipes.open("a", false).expect("the heap has room")).collect();
        let memory = |(_, far): &(HeapLink, HeapLink)| far.incoming().with(|direction| direction.ring().capacity());
        let mut pass = |(near, far): &(HeapLink, HeapLink)| {
            assert!(engine.poll_write(near, &mut cx, &[7; 1000]).is_ready());
            assert!(memory(&(near.clone(), far.clone())) >= 1000);
            assert!(engine.poll_read(far, &mut cx, &mut [0; 1000]).is_ready());
        };
        for _ in 0..3 {
            links.iter().for_each(&mut pass);
            let keep: std::vec::Vec<_> = links.iter().map(|link| memory(link) > 0).collect();
            assert_eq!(keep, [[true; KEPT].as_slice(), &[false; 3]].concat());
        }
        // The memory that the others share is in one shard, and taken from there.
        let shelf = BufferPool::shelf("a");
        let shared = pipes.pool.take(shelf);
        assert!(shared.capacity() >= 1000 && pipes.pool.take(shelf).capacity() > 0);
        pipes.pool.put(shelf, shared);
        let (near, far) = &links[KEPT];
        assert_eq!(pipes.fast_write(near, Waker::noop(), &[7; 1000]), FastPath::Done(1000));
        assert_eq!(pipes.pool.take(shelf).capacity(), 0);
        assert_eq!(pipes.fast_read(far, Waker::noop(), &mut [0; 1000]), FastPath::Done(1000));
        assert!(pipes.pool.take(shelf).capacity() >= 1000);

        // When a pipe is gone, another one may keep its memory.
        drop(links.remove(0));
        links.push(pipes.open("a", false).expect("the heap has room"));
        let last = links.last().expect("it was pushed");
        pass(last);
        assert!(memory(last) > 0);
    }
}
