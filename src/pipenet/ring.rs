//! Where the bytes of one direction wait, and what becomes of writes in a rendezvous network.

#[cfg(feature = "alloc")]
use alloc::{boxed::Box, vec::Vec};

use crate::waker::Task;

/// A queue of bytes with a bound.
pub trait Ring {
    /// How many bytes wait.
    fn len(&self) -> usize;

    /// How many bytes there is room for.
    fn room(&self) -> usize;

    /// Puts as much of `bytes` behind those that wait as there is room for; says how much.
    fn write(&mut self, bytes: &[u8]) -> usize;

    /// Moves the first bytes out; says how many.
    fn read(&mut self, buf: &mut [u8]) -> usize;

    /// Copies the first bytes; says how many.
    fn peek(&self, buf: &mut [u8]) -> usize;

    /// The first `len` bytes that came after the ring was last empty, if it did not wrap since.
    fn written(&self, len: usize) -> &[u8];

    /// Drops all bytes.
    fn clear(&mut self);

    /// Gives back memory that an empty ring need not keep.
    fn give_back(&mut self) {}

    /// Whether it keeps its memory when it is empty.
    fn keeps_memory(&self) -> bool {
        true
    }

    /// Whether an empty ring has memory to give back, and was not asked before: from then on it keeps it.
    fn wants_to_keep(&mut self) -> bool {
        false
    }

    /// Whether a write is under way in a rendezvous network.
    fn has_offer(&self) -> bool;

    /// The write under way in a rendezvous network; the ring has what is left of it.
    fn offer(&mut self) -> &mut Option<Answer>;

    /// Keeps the answer to a writer whose bytes were taken, until its task comes back.
    fn keep_answer(&mut self, answer: Answer);

    /// Drops the write under way, and the answers that are kept.
    fn forget_offers(&mut self);

    /// Takes the answer to a task, if one is kept.
    fn take_answer(&mut self, task: Task) -> Option<Answer>;
}

/// How many bytes of a task's write were taken.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub(super) task: Task,
    pub(super) len: usize,
    /// Tells those bytes from others, once they are gone; 0 before that.
    sum: u32,
}

impl Answer {
    pub(super) fn new(task: Task, len: usize) -> Self {
        Self { task, len, sum: 0 }
    }

    /// The answer for when the bytes that were taken will be gone.
    pub(super) fn sealed(self, taken: &[u8]) -> Self {
        Self { len: taken.len(), sum: sum(taken), ..self }
    }

    /// Whether the bytes that were taken are gone.
    pub(super) fn is_sealed(&self) -> bool {
        self.sum != 0
    }

    /// Whether it is the answer to a write of `bytes`; `written` are those of the write that it answers, unless they
    /// are gone.
    pub(super) fn is_to(&self, bytes: &[u8], written: &[u8]) -> bool {
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

/// A ring in an array.
#[derive(Debug)]
pub struct FixedRing<S: ?Sized> {
    start: usize,
    len: usize,
    offer: Option<Answer>,
    /// The latest two; as many tasks wait to write without disturbing each other.
    answers: [Option<Answer>; 2],
    bytes: S,
}

impl<const N: usize> FixedRing<[u8; N]> {
    pub(super) const fn new() -> Self {
        Self { start: 0, len: 0, offer: None, answers: [None; 2], bytes: [0; N] }
    }
}

impl Ring for FixedRing<[u8]> {
    fn len(&self) -> usize {
        self.len
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.len == 0 {
            self.start = 0;
        }
        let count = bytes.len().min(self.room());
        let size = self.bytes.len();
        let end = self.start + self.len;
        let end = if end < size { end } else { end - size };
        copy_in(&mut self.bytes, end, bytes.get(..count).unwrap_or_default());
        self.len += count;
        count
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let count = self.peek(buf);
        self.len -= count;
        self.start += count;
        if self.start >= self.bytes.len() {
            self.start -= self.bytes.len();
        }
        count
    }

    fn peek(&self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.len);
        copy_out(&self.bytes, self.start, buf.get_mut(..count).unwrap_or_default());
        count
    }

    fn written(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or_default()
    }

    fn clear(&mut self) {
        (self.start, self.len) = (0, 0);
    }

    fn has_offer(&self) -> bool {
        self.offer.is_some()
    }

    fn offer(&mut self) -> &mut Option<Answer> {
        &mut self.offer
    }

    fn keep_answer(&mut self, answer: Answer) {
        self.answers = [self.answers[1], Some(answer)];
    }

    fn forget_offers(&mut self) {
        (self.offer, self.answers) = (None, [None; 2]);
    }

    fn take_answer(&mut self, task: Task) -> Option<Answer> {
        self.answers.iter_mut().find_map(|kept| kept.take_if(|answer| answer.task == task))
    }
}

/// A ring that grows to its bound as it is filled, and gives its memory back when it is drained.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct HeapRing {
    /// Written up to where it has ever been; wraps once it is `size` bytes long.
    bytes: Vec<u8>,
    start: usize,
    len: usize,
    /// How long `bytes` gets before it wraps; a power of two, or `limit`.
    size: usize,
    /// The most that `size` may be.
    limit: usize,
    /// Whether it may keep its memory when it is drained.
    kept: bool,
    /// What most rings never need.
    aside: Option<Box<Aside>>,
}

/// What becomes of the writes of a rendezvous network, or a second piece of memory where large ones change hands.
#[cfg(feature = "alloc")]
#[derive(Debug, Default)]
struct Aside {
    offer: Option<Answer>,
    answers: Vec<Answer>,
    spare: Vec<u8>,
}

/// The first size of a ring that grows, and the most that a drained one keeps without being allowed to.
#[cfg(feature = "alloc")]
const SMALL: usize = 128;

#[cfg(feature = "alloc")]
impl HeapRing {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, len: 0, size: 0, limit, kept: false, aside: None }
    }

    /// May no longer keep its memory when it is drained. Gives what it has to give back.
    pub(super) fn stop_keeping(&mut self) -> [Vec<u8>; 2] {
        self.kept = false;
        let drained = if self.len == 0 { self.take_memory() } else { Vec::new() };
        [drained, self.aside.as_mut().map(|aside| core::mem::take(&mut aside.spare)).unwrap_or_default()]
    }

    /// Takes the memory out of an empty ring, for bytes to be put there outside of the lock.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        match (self.bytes.capacity(), &mut self.aside) {
            (0, Some(aside)) => core::mem::take(&mut aside.spare),
            _ => self.take_memory(),
        }
    }

    /// Puts memory with bytes into an empty ring. Gives what is left over.
    pub(super) fn fill(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        (self.start, self.len, self.size) = (0, bytes.len(), bytes.capacity().min(self.limit));
        let before = core::mem::replace(&mut self.bytes, bytes);
        match self.kept && before.capacity() > 0 {
            true => core::mem::replace(&mut self.aside.get_or_insert_default().spare, before),
            false => before,
        }
    }

    /// Takes the memory out with all bytes, which begin at the given place, if they lie in a row and are `least` to `most`.
    pub(super) fn take_all(&mut self, least: usize, most: usize) -> Option<(Vec<u8>, usize)> {
        let (start, end) = (self.start, self.start + self.len);
        let fits = (least..=most).contains(&self.len) && end == self.bytes.len();
        fits.then(|| (self.take_memory(), start))
    }

    /// Gives back memory that was taken out. Gives what is not kept, and whether that has to be asked for.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
        bytes.clear();
        let asks = !core::mem::replace(&mut self.kept, true);
        let left = match self.bytes.capacity() {
            0 => self.fill(bytes),
            _ => core::mem::replace(&mut self.aside.get_or_insert_default().spare, bytes),
        };
        (left, asks)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn take_memory(&mut self) -> Vec<u8> {
        (self.start, self.len, self.size) = (0, 0, 0);
        core::mem::take(&mut self.bytes)
    }

    /// Writes, with a larger ring or around its end.
    #[cold]
    fn write_around(&mut self, bytes: &[u8]) {
        if self.len + bytes.len() > self.size {
            self.grow(self.len + bytes.len());
        }
        let end = self.start + self.len;
        if end == self.bytes.len() {
            // Not wrapped: append up to the size, the rest goes to the front.
            let (append, front) = bytes.split_at(bytes.len().min(self.size - end));
            self.bytes.extend_from_slice(append);
            if !front.is_empty() {
                self.bytes[..front.len()].copy_from_slice(front);
            }
        } else {
            // Wrapped, or with a gap behind: `bytes` has its full size.
            let size = self.bytes.len();
            copy_in(&mut self.bytes, if end < size { end } else { end - size }, bytes);
        }
    }

    /// Makes the ring at least `size` bytes long, and lays what waits at its start.
    #[cold]
    fn grow(&mut self, size: usize) {
        self.size = size.next_power_of_two().clamp(SMALL.min(self.limit), self.limit);
        let mut bytes = Vec::with_capacity(self.size);
        let (head, tail) = self.parts();
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(tail);
        self.bytes = bytes;
        self.start = 0;
    }

    /// What waits, in two pieces.
    fn parts(&self) -> (&[u8], &[u8]) {
        let end = self.start + self.len;
        match end.checked_sub(self.bytes.len()) {
            Some(wrapped) => (&self.bytes[self.start..], &self.bytes[..wrapped]),
            None => (&self.bytes[self.start..end], &[]),
        }
    }
}

#[cfg(feature = "alloc")]
impl Ring for HeapRing {
    #[inline]
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn room(&self) -> usize {
        self.limit - self.len
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        let bytes = &bytes[..count];
        if self.len == 0 {
            self.start = 0;
            self.bytes.clear();
        }
        let end = self.start + self.len;
        match end == self.bytes.len() && end + count <= self.size {
            true => self.bytes.extend_from_slice(bytes),
            false => self.write_around(bytes),
        }
        self.len += count;
        count
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> usize {
        let count = self.peek(buf);
        self.len -= count;
        self.start += count;
        if self.start >= self.bytes.len() {
            self.start -= self.bytes.len();
        }
        count
    }

    #[inline]
    fn peek(&self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.len);
        copy_out(&self.bytes, self.start, &mut buf[..count]);
        count
    }

    fn written(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or_default()
    }

    fn clear(&mut self) {
        drop(self.take_memory());
        if let Some(aside) = &mut self.aside {
            aside.spare = Vec::new();
        }
    }

    #[inline]
    fn has_offer(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.offer.is_some())
    }

    fn offer(&mut self) -> &mut Option<Answer> {
        &mut self.aside.get_or_insert_default().offer
    }

    fn keep_answer(&mut self, answer: Answer) {
        self.aside.get_or_insert_default().answers.push(answer);
    }

    fn forget_offers(&mut self) {
        self.aside = None;
    }

    fn take_answer(&mut self, task: Task) -> Option<Answer> {
        let answers = &mut self.aside.as_mut()?.answers;
        let found = answers.iter().position(|answer| answer.task == task)?;
        Some(answers.remove(found))
    }

    fn give_back(&mut self) {
        if self.size > SMALL && !self.kept {
            self.clear();
        }
    }

    #[inline]
    fn keeps_memory(&self) -> bool {
        self.size <= SMALL || self.kept
    }

    fn wants_to_keep(&mut self) -> bool {
        self.size > SMALL && !core::mem::replace(&mut self.kept, true)
    }
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
                if peeked > 0 && peeked == ring.len() {
                    assert_eq!(ring.read(&mut buf[..len]), peeked);
                    ring.give_back();
                } else {
                    assert_eq!(ring.read(&mut buf[..len]), peeked);
                }
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
            behaves_as_a_queue(&mut HeapRing::new(limit), limit);
        }
        behaves_as_a_queue::<FixedRing<[u8]>>(&mut FixedRing::<[u8; 1]>::new(), 1);
        behaves_as_a_queue::<FixedRing<[u8]>>(&mut FixedRing::<[u8; 7]>::new(), 7);
        behaves_as_a_queue::<FixedRing<[u8]>>(&mut FixedRing::<[u8; 64]>::new(), 64);
    }

    #[test]
    fn a_drained_ring_keeps_little() {
        let mut ring = HeapRing::new(1 << 16);
        assert_eq!(ring.bytes.capacity(), 0);
        assert_eq!(ring.write(&[7; 1 << 17]), 1 << 16);
        assert_eq!(ring.read(&mut [0; 1 << 17]), 1 << 16);
        ring.give_back();
        assert_eq!(ring.bytes.capacity(), 0);
        ring.write(&[7]);
        ring.read(&mut [0]);
        ring.give_back();
        assert!(ring.bytes.capacity() <= SMALL);
    }
}
