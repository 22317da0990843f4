//! The writes of a rendezvous that are under way.

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

/// With a heap, there is room for all.
#[cfg(feature = "alloc")]
type List = alloc::vec::Vec<Offer>;
/// Without a heap, the first is forgotten when there are more: its next poll is recorded as another offer.
#[cfg(not(feature = "alloc"))]
type List = heapless::Vec<Offer, 8>;

/// The writes that are under way. It is empty in networks that are no rendezvous.
pub(super) struct Offers(Lock<List>);

impl Offers {
    pub(super) const fn new() -> Self {
        Self(Lock::new(List::new()))
    }

    /// Begins a write of `of` bytes, unless it is under way. Another write of the same task at the same end is over then.
    pub(super) fn begin(&self, end: u32, waker: &Waker, of: usize) -> bool {
        let offer = Offer { end, task: Task::of(waker), of };
        self.0.with(|list| {
            if list.contains(&offer) {
                return false;
            }
            list.retain(|known| known.end != end || known.task != offer.task);
            push(list, offer);
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

#[cfg(feature = "alloc")]
fn push(list: &mut List, offer: Offer) {
    list.push(offer);
}

#[cfg(not(feature = "alloc"))]
fn push(list: &mut List, offer: Offer) {
    if let Err(offer) = list.push(offer)
        && let Some(first) = list.first_mut()
    {
        *first = offer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_under_way_is_offered_once() {
        let (offers, waker) = (Offers::new(), Waker::noop());
        assert_eq!([5, 5, 4].map(|of| offers.begin(1, waker, of)), [true, false, true]);
        assert_eq!((offers.end(1, waker), offers.end(1, waker)), (Some(4), None));
    }

    #[test]
    fn the_newest_eight_writes_under_way_are_known() {
        let (offers, waker) = (Offers::new(), Waker::noop());
        assert!((0..9).all(|end| offers.begin(end, waker, 1)));
        assert!((1..9).all(|end| !offers.begin(end, waker, 1)));
        // With a heap, all are.
        assert_eq!(offers.begin(0, waker, 1), cfg!(not(feature = "alloc")));
    }
}
