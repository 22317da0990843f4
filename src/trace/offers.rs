//! The writes of a rendezvous that are under way.

use alloc::vec::Vec;
use core::task::Waker;

use crate::sync::Lock;
use crate::wait::waker::Task;

/// A write whose bytes are on offer: by which end and which task, and how many.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Offer {
    end: u32,
    task: Task,
    of: usize,
}

/// The writes that are under way. It is empty in networks that are no rendezvous.
pub(super) struct Offers(Lock<Vec<Offer>>);

impl Offers {
    pub(super) const fn new() -> Self {
        Self(Lock::new(Vec::new()))
    }

    /// Begins a write of `of` bytes, unless it is under way. Another write of the same task at the same end is over then.
    pub(super) fn begin(&self, end: u32, waker: &Waker, of: usize) -> bool {
        let offer = Offer { end, task: Task::of(waker), of };
        self.0.with(|list| {
            if list.contains(&offer) {
                return false;
            }
            list.retain(|known| known.end != end || known.task != offer.task);
            list.push(offer);
            true
        })
    }

    /// Ends the write of this task at this end; returns how many bytes it offered, if it was under way.
    pub(super) fn end(&self, end: u32, waker: &Waker) -> Option<usize> {
        let task = Task::of(waker);
        self.0.with(|list| {
            let at = list.iter().position(|known| known.end == end && known.task == task)?;
            Some(list.swap_remove(at).of)
        })
    }

    /// Forgets the writes at an end that is gone.
    pub(super) fn forget(&self, end: u32) {
        self.0.with(|list| list.retain(|known| known.end != end));
    }
}
