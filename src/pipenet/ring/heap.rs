//! A ring that grows.

use alloc::{boxed::Box, vec::Vec};

use super::{Offer, Ring, copy_in, copy_out};
use crate::wait::waker::Task;

/// A ring that grows to its bound as it is filled, and gives its memory back when it is drained.
#[derive(Debug)]
pub struct HeapRing {
    /// Written up to where it has ever been; wraps once it is as long as it may get.
    bytes: Vec<u8>,
    start: u32,
    len: u32,
    /// The most that it may hold, and the longest that it may get.
    limit: u32,
    drained: Drained,
    /// Parts that most rings never need.
    aside: Option<Box<Aside>>,
}

/// The fate of memory beyond a little when the ring is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    /// Not decided yet.
    Asks,
    /// It stays.
    Keeps,
    /// It is in the pool.
    Lends,
}

/// Outcomes of the writes of a rendezvous network, or a second piece of memory where large ones are handed over, or how
/// many bytes are hidden.
#[derive(Debug, Default)]
struct Aside {
    offer: Option<Offer>,
    answers: Vec<Offer>,
    spare: Vec<u8>,
    /// How many hidden bytes lie behind the buffered ones, in `bytes`.
    #[cfg(feature = "sim")]
    hidden: u32,
}

/// The first size of a ring that grows, and the most that a drained one always keeps.
const SMALL: usize = 128;

impl HeapRing {
    pub(in crate::pipenet) fn new(limit: u32) -> Self {
        Self { bytes: Vec::new(), start: 0, len: 0, limit, drained: Drained::Asks, aside: None }
    }

    /// How long it gets before it wraps or grows.
    #[inline]
    fn size(&self) -> usize {
        self.bytes.capacity().min(self.limit as usize)
    }

    /// Where the next byte goes, unless it wraps.
    #[inline]
    fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }

    /// Whether it has to ask to keep its memory. From then on it does not keep it.
    pub(in crate::pipenet) fn asks_to_keep(&mut self) -> bool {
        match self.drained {
            Drained::Asks => {
                self.drained = Drained::Lends;
                true
            }
            Drained::Keeps | Drained::Lends => false,
        }
    }

    /// From now on it keeps its memory.
    pub(in crate::pipenet) fn keep(&mut self) {
        self.drained = Drained::Keeps;
    }

    /// Whether it has no memory, and the pool may have some for it.
    #[inline]
    pub(in crate::pipenet) fn is_bare(&self) -> bool {
        self.bytes.capacity() == 0 && self.drained == Drained::Lends
    }

    /// Takes memory from the pool, if it has none. Returns memory that it does not take.
    pub(in crate::pipenet) fn borrow(&mut self, memory: Vec<u8>) -> Vec<u8> {
        if self.is_bare() { core::mem::replace(&mut self.bytes, memory) } else { memory }
    }

    /// Takes the memory out of an empty ring, for bytes to be put there outside of the lock.
    pub(in crate::pipenet) fn lend(&mut self) -> Vec<u8> {
        match (self.bytes.capacity(), &mut self.aside) {
            (0, Some(aside)) => core::mem::take(&mut aside.spare),
            _ => self.take_memory(),
        }
    }

    /// Puts memory with bytes into an empty ring, no more than its limit. Returns the rest.
    pub(in crate::pipenet) fn fill(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        (self.start, self.len) = (0, bytes.len() as u32);
        let before = core::mem::replace(&mut self.bytes, bytes);
        if self.drained == Drained::Keeps && before.capacity() > 0 {
            core::mem::replace(&mut self.aside.get_or_insert_default().spare, before)
        } else {
            before
        }
    }

    /// Takes the memory out with all bytes, which begin at the given place, if they lie in a row and are `least` to
    /// `most`.
    pub(in crate::pipenet) fn take_all(&mut self, least: usize, most: usize) -> Option<(Vec<u8>, usize)> {
        let start = self.start as usize;
        let fits = (least..=most).contains(&self.len()) && self.end() == self.bytes.len();
        fits.then(|| (self.take_memory(), start))
    }

    /// Puts memory back that was taken out. Returns memory that it does not keep.
    pub(in crate::pipenet) fn put_back(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.clear();
        match (self.bytes.capacity(), self.drained) {
            (0, _) => self.fill(bytes),
            (_, Drained::Keeps) => core::mem::replace(&mut self.aside.get_or_insert_default().spare, bytes),
            (_, Drained::Asks | Drained::Lends) => bytes,
        }
    }

    /// Whether a task may still poll for the outcome of its write.
    pub(in crate::pipenet) fn owes(&self, task: Task) -> bool {
        let mut all = self.aside.iter().flat_map(|aside| aside.offer.iter().chain(&aside.answers));
        all.any(|answer| answer.task == task)
    }

    #[cfg(test)]
    pub(in crate::pipenet) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes the memory out of an empty ring.
    pub(in crate::pipenet) fn take_memory(&mut self) -> Vec<u8> {
        (self.start, self.len) = (0, 0);
        core::mem::take(&mut self.bytes)
    }

    /// Writes, with a larger ring or around its end.
    #[cold]
    fn write_around(&mut self, bytes: &[u8]) {
        if self.len() + bytes.len() > self.size() {
            self.grow(self.len() + bytes.len());
        }
        let (end, size) = (self.end(), self.size());
        if end == self.bytes.len() {
            // Not wrapped: append up to the size, the rest goes to the front.
            let (append, front) = bytes.split_at(bytes.len().min(size - end));
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

    /// Makes the ring at least `size` bytes long, and moves the buffered bytes to its start.
    #[cold]
    fn grow(&mut self, size: usize) {
        let limit = self.limit as usize;
        let mut bytes = Vec::with_capacity(size.next_power_of_two().clamp(SMALL.min(limit), limit));
        let (head, tail) = self.parts();
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(tail);
        self.bytes = bytes;
        self.start = 0;
    }

    /// The buffered bytes, in two pieces.
    fn parts(&self) -> (&[u8], &[u8]) {
        let (start, end) = (self.start as usize, self.end());
        match end.checked_sub(self.bytes.len()) {
            Some(wrapped) => (&self.bytes[start..], &self.bytes[..wrapped]),
            None => (&self.bytes[start..end], &[]),
        }
    }
}

impl Ring for HeapRing {
    #[inline]
    fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    fn room(&self) -> usize {
        (self.limit - self.len) as usize
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        let bytes = &bytes[..count];
        if self.len == 0 {
            self.start = 0;
            self.bytes.clear();
        }
        let end = self.end();
        if end == self.bytes.len() && end + count <= self.size() {
            self.bytes.extend_from_slice(bytes)
        } else {
            self.write_around(bytes)
        }
        self.len += count as u32;
        count
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> usize {
        let count = self.peek(buf);
        self.len -= count as u32;
        let start = self.start as usize + count;
        self.start = (if start < self.bytes.len() { start } else { start - self.bytes.len() }) as u32;
        count
    }

    #[inline]
    fn peek(&self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.len());
        copy_out(&self.bytes, self.start as usize, &mut buf[..count]);
        count
    }

    fn written(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or_default()
    }

    fn clear(&mut self) {
        drop(self.take_memory());
        if let Some(aside) = &mut self.aside {
            aside.spare = Vec::new();
            #[cfg(feature = "sim")]
            {
                aside.hidden = 0;
            }
        }
    }

    #[cfg(feature = "sim")]
    fn hidden(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.hidden as usize)
    }

    /// A ring with hidden bytes keeps its memory when it is drained, as they are in it.
    #[cfg(feature = "sim")]
    fn write_hidden(&mut self, bytes: &[u8]) -> usize {
        self.keep();
        let before = self.hidden() as u32;
        self.len += before;
        let count = self.write(bytes);
        let hidden = before + count as u32;
        self.len -= hidden;
        self.aside.get_or_insert_default().hidden = hidden;
        count
    }

    #[cfg(feature = "sim")]
    fn hide(&mut self) {
        self.keep();
        self.aside.get_or_insert_default().hidden += self.len;
        self.len = 0;
    }

    #[cfg(feature = "sim")]
    fn show(&mut self, count: usize) {
        if let Some(aside) = &mut self.aside {
            let shown = aside.hidden.min(count.try_into().unwrap_or(u32::MAX));
            aside.hidden -= shown;
            self.len += shown;
        }
    }

    #[cfg(feature = "sim")]
    fn drop_hidden(&mut self) {
        self.aside.iter_mut().for_each(|aside| aside.hidden = 0);
    }

    #[inline]
    fn has_offer(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.offer.is_some())
    }

    fn offer(&mut self) -> &mut Option<Offer> {
        &mut self.aside.get_or_insert_default().offer
    }

    fn keep_answer(&mut self, answer: Offer) {
        self.aside.get_or_insert_default().answers.push(answer);
    }

    fn forget_offers(&mut self) {
        self.aside = None;
    }

    fn take_answer(&mut self, task: Task) -> Option<Offer> {
        let answers = &mut self.aside.as_mut()?.answers;
        let found = answers.iter().position(|answer| answer.task == task)?;
        Some(answers.remove(found))
    }

    #[inline]
    fn has_spare(&self) -> bool {
        self.len == 0 && self.bytes.capacity() > SMALL && self.drained != Drained::Keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_ring_keeps_little() {
        let mut ring = HeapRing::new(1 << 16);
        assert_eq!(ring.bytes.capacity(), 0);
        assert_eq!(ring.write(&[7; 1 << 17]), 1 << 16);
        assert_eq!(ring.read(&mut [0; 1 << 17]), 1 << 16);
        assert!(ring.has_spare() && ring.asks_to_keep() && !ring.asks_to_keep());
        let memory = ring.take_memory();
        assert!(!ring.has_spare() && ring.is_bare());
        ring.write(&[7]);
        ring.read(&mut [0]);
        assert!(!ring.has_spare() && !ring.is_bare() && ring.bytes.capacity() <= SMALL);
        assert_eq!(ring.borrow(memory).capacity(), 1 << 16);
        ring.keep();
        ring.write(&[7; 1000]);
        ring.read(&mut [0; 1000]);
        assert!(!ring.has_spare());
    }

    #[cfg(feature = "sim")]
    #[test]
    fn hidden_bytes_are_read_once_they_are_shown() {
        let mut ring = HeapRing::new(300);
        let (mut next, mut read, mut buf) = (0u8, 0u8, [0; 7]);
        for round in 0..1000 {
            let bytes: [u8; 5] = core::array::from_fn(|at| next.wrapping_add(at as u8));
            let count = ring.write_hidden(&bytes);
            assert_eq!(count, 5.min(300 - ring.len() - (ring.hidden() - count)));
            next = next.wrapping_add(count as u8);
            if round % 3 == 0 {
                ring.show(round % 17);
            }
            let visible = ring.len();
            let count = ring.read(&mut buf);
            assert_eq!(count, visible.min(7));
            for &byte in &buf[..count] {
                assert_eq!(byte, read);
                read = read.wrapping_add(1);
            }
            assert_eq!(
                ring.len() + ring.hidden(),
                usize::from(next.wrapping_sub(read)) + (ring.len() + ring.hidden()) / 256 * 256
            );
        }
        ring.show(usize::MAX);
        assert_eq!(ring.hidden(), 0);
        ring.write_hidden(&[1; 9]);
        ring.clear();
        assert_eq!((ring.len(), ring.hidden()), (0, 0));
    }
}
