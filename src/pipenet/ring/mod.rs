//! The buffered bytes of one direction, and the outcomes of writes in a rendezvous network.

use crate::wait::waker::Task;

mod fixed;
#[cfg(feature = "alloc")]
mod heap;

pub(super) use fixed::FixedRing;
#[cfg(feature = "alloc")]
pub(super) use heap::HeapRing;

/// A queue of bytes with a bound.
pub trait Ring {
    /// How many bytes are buffered.
    fn len(&self) -> usize;

    /// How many bytes there is room for.
    fn room(&self) -> usize;

    /// Appends as many of `bytes` as there is room for; returns how many.
    fn write(&mut self, bytes: &[u8]) -> usize;

    /// Moves the first bytes out; returns how many.
    fn read(&mut self, buf: &mut [u8]) -> usize;

    /// Copies the first bytes; returns how many.
    fn peek(&self, buf: &mut [u8]) -> usize;

    /// The first `len` bytes that came after the ring was last empty, if it did not wrap since.
    fn written(&self, len: usize) -> &[u8];

    /// Drops all bytes.
    fn clear(&mut self);

    /// How many bytes lie behind those that are buffered, and are not yet to be read.
    #[cfg(feature = "sim")]
    fn hidden(&self) -> usize {
        0
    }

    /// Appends as many of `bytes` as there is room for, behind those that are hidden; returns how many.
    #[cfg(feature = "sim")]
    fn write_hidden(&mut self, bytes: &[u8]) -> usize {
        self.write(bytes)
    }

    /// Hides all bytes. They are not to be read again.
    #[cfg(feature = "sim")]
    fn hide(&mut self) {}

    /// Buffers the first `count` hidden bytes, or all if there are less.
    #[cfg(feature = "sim")]
    fn show(&mut self, count: usize) {
        let _ = count;
    }

    /// Drops the hidden bytes. No byte is written from then on.
    #[cfg(feature = "sim")]
    fn drop_hidden(&mut self) {}

    /// Whether it is empty, with memory that it may not keep.
    fn has_spare(&self) -> bool {
        false
    }

    /// Whether a write is under way in a rendezvous network.
    fn has_offer(&self) -> bool;

    /// The write under way in a rendezvous network; the ring has the rest of it.
    fn offer(&mut self) -> &mut Option<Offer>;

    /// Keeps the outcome of a write whose bytes were taken, until its task polls again.
    fn keep_answer(&mut self, answer: Offer);

    /// Drops the write under way, and the outcomes that are kept.
    fn forget_offers(&mut self);

    /// Takes the outcome for a task, if one is kept.
    fn take_answer(&mut self, task: Task) -> Option<Offer>;
}

/// How many bytes of a task's write were taken.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    pub(in crate::pipenet) task: Task,
    pub(in crate::pipenet) len: usize,
    /// A hash of those bytes, once they are gone; 0 before that.
    sum: u32,
}

impl Offer {
    pub(in crate::pipenet) fn new(task: Task, len: usize) -> Self {
        Self { task, len, sum: 0 }
    }

    /// The outcome as it is kept once the bytes that were taken are gone.
    pub(in crate::pipenet) fn sealed(self, taken: &[u8]) -> Self {
        Self { len: taken.len(), sum: sum(taken), ..self }
    }

    /// Whether the bytes that were taken are gone.
    pub(in crate::pipenet) fn is_sealed(&self) -> bool {
        self.sum != 0
    }

    /// Whether it is the outcome of a write of `bytes`; `written` are those of its write, unless they are gone.
    pub(in crate::pipenet) fn is_to(&self, bytes: &[u8], written: &[u8]) -> bool {
        match self.sum {
            0 => bytes.starts_with(written),
            known => bytes.get(..self.len).is_some_and(|bytes| sum(bytes) == known),
        }
    }
}

/// FNV-1a, but never 0.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)).max(1)
}

/// Copies `bytes` into `ring` from `at` on, around its end.
#[inline]
fn copy_in(ring: &mut [u8], at: usize, bytes: &[u8]) {
    match ring.get_mut(at..at + bytes.len()) {
        Some(place) => place.copy_from_slice(bytes),
        None => {
            let (start, end) = ring.split_at_mut_checked(at).unwrap_or_default();
            let (back, front) = bytes.split_at_checked(end.len()).unwrap_or_default();
            copy(end, back);
            copy(start, front);
        }
    }
}

/// Copies out of `ring` from `at` on, around its end, as much as `buf` holds.
#[inline]
fn copy_out(ring: &[u8], at: usize, buf: &mut [u8]) {
    match ring.get(at..at + buf.len()) {
        Some(bytes) => buf.copy_from_slice(bytes),
        None => {
            let (start, end) = ring.split_at_checked(at).unwrap_or_default();
            let (back, front) = buf.split_at_mut_checked(end.len()).unwrap_or_default();
            copy(back, end);
            copy(front, start);
        }
    }
}

/// Copies as many bytes as both have.
fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    extern crate std;
    use std::collections::VecDeque;

    use super::*;

    /// A small generator of numbers, the same in each run.
    fn next(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) as usize
    }

    fn behaves_as_a_queue<R: Ring + ?Sized>(ring: &mut R, limit: usize) {
        let (mut model, mut seed, mut byte) = (VecDeque::<u8>::new(), limit as u64, 0u8);
        for _ in 0..20_000 {
            let mut buf = [0; 600];
            let len = next(&mut seed) % (limit + 3).min(600);
            if next(&mut seed).is_multiple_of(2) {
                for slot in &mut buf[..len] {
                    byte = byte.wrapping_add(1);
                    *slot = byte;
                }
                let count = ring.write(&buf[..len]);
                assert_eq!(count, len.min(limit - model.len()));
                byte = byte.wrapping_sub((len - count) as u8);
                model.extend(&buf[..count]);
            } else {
                let peeked = ring.peek(&mut buf[..len]);
                let front = buf;
                assert_eq!(ring.read(&mut buf[..len]), peeked);
                assert_eq!(front, buf);
                assert!(model.drain(..peeked).eq(buf[..peeked].iter().copied()));
                assert_eq!(peeked, len.min(peeked + model.len()));
            }
            assert_eq!((ring.len(), ring.room()), (model.len(), limit - model.len()));
        }
    }

    #[test]
    fn rings_are_queues() {
        for limit in [1, 2, 255, 257, 1000, 5000] {
            behaves_as_a_queue(&mut HeapRing::new(limit), limit as usize);
        }
        behaves_as_a_queue::<FixedRing<[u8]>>(&mut FixedRing::<[u8; 1]>::new(), 1);
        behaves_as_a_queue::<FixedRing<[u8]>>(&mut FixedRing::<[u8; 7]>::new(), 7);
        behaves_as_a_queue::<FixedRing<[u8]>>(&mut FixedRing::<[u8; 64]>::new(), 64);
    }
}
