//! Directions on the heap: simple and common reads and writes of buffered networks with little code, and tasks of a
//! rendezvous that are told apart for certain.

use alloc::vec::Vec;
use core::task::Waker;

use super::{Direction, EndState};
use crate::contract::engine::FastPath;
use crate::pipenet::ring::{HeapRing, Ring};
use crate::wait::waker::{ManyWakers, ReusedWakers, Wakers};

impl Direction<ReusedWakers, HeapRing> {
    /// Whether a write is simple, and would be the first.
    pub(in crate::pipenet) fn is_empty(&self) -> bool {
        let open = self.writer == EndState::Open && self.reader == EndState::Open;
        open && self.ring.len() == 0 && !self.readers.is_crowd()
    }

    /// Reads, if that is simple. Returns the tasks to wake.
    #[inline]
    pub(in crate::pipenet) fn fast_read(&mut self, waker: &Waker, buf: &mut [u8]) -> (FastPath, Option<Waker>) {
        if self.ring.len() == 0 {
            let waits = self.writer == EndState::Open && self.reader == EndState::Open && self.readers.reuse(waker);
            return (if waits { FastPath::Pending } else { FastPath::Fallback }, None);
        }
        if self.writers.is_crowd() {
            (FastPath::Fallback, None)
        } else {
            (FastPath::Done(self.ring.read(buf)), self.writers.take_one())
        }
    }

    /// Writes, if that is simple. Returns the tasks to wake.
    #[inline]
    pub(in crate::pipenet) fn fast_write(&mut self, waker: &Waker, bytes: &[u8]) -> (FastPath, Option<Waker>) {
        if self.writer != EndState::Open || self.reader != EndState::Open || self.readers.is_crowd() {
            return (FastPath::Fallback, None);
        }
        match self.ring.write(bytes) {
            0 => (if self.writers.reuse(waker) { FastPath::Pending } else { FastPath::Fallback }, None),
            count => (FastPath::Done(count), self.readers.take_one()),
        }
    }

    /// Holds the wakers of woken writers whose tasks may still poll for the outcome of their writes: while they are
    /// held, no other task gets their address and is mistaken for one of them. Returns the wakers that need not be
    /// held.
    pub(in crate::pipenet) fn hold_writers(&mut self, woken: ManyWakers) -> ManyWakers {
        let ring = &self.ring;
        self.writers.hold(woken, |task| ring.owes(task))
    }

    /// The spare memory of a drained direction, if there still is.
    pub(in crate::pipenet) fn take_spare(&mut self) -> Vec<u8> {
        if self.has_spare() { self.ring.take_memory() } else { Vec::new() }
    }

    /// The buffered bytes, to hand over their memory.
    pub(in crate::pipenet) fn ring(&mut self) -> &mut HeapRing {
        &mut self.ring
    }
}
