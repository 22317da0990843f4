//! The writes of a rendezvous that are under way.

use alloc::collections::BTreeMap;
use core::task::Waker;

use crate::sync::Lock;

/// Which bytes are on offer, so that a write is told once though it is polled often. In a rendezvous a pending write
/// belongs to the task that polls it; an offer is known by the end, and by the data and vtable of the task's waker.
#[derive(Debug)]
pub struct Offers(Lock<BTreeMap<Key, usize>>);

type Key = (u32, usize, usize);

/// The effect of polling a write on the offers of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Whether it is a new offer, to be told as written.
    pub is_new: bool,
    /// The size of another offer of this task, which ended with this one.
    pub ended: Option<usize>,
}

impl Default for Offers {
    fn default() -> Self {
        Self(Lock::new(BTreeMap::new()))
    }
}

impl Offers {
    /// The task of `waker` polls a write of `len` bytes to `end`.
    pub fn offer(&self, end: u32, waker: &Waker, len: usize) -> Offered {
        let before = self.0.with(|offers| offers.insert(key(end, waker), len));
        Offered { is_new: before != Some(len), ended: before.filter(|&before| before != len) }
    }

    /// The write of the task of `waker` is done, or withdrawn; returns how many bytes were on offer.
    pub fn end(&self, end: u32, waker: &Waker) -> Option<usize> {
        self.0.with(|offers| offers.remove(&key(end, waker)))
    }

    /// The end is closed.
    pub fn forget(&self, end: u32) {
        self.0.with(|offers| offers.retain(|&(of, ..), _| of != end));
    }
}

fn key(end: u32, waker: &Waker) -> Key {
    (end, waker.data().addr(), core::ptr::from_ref(waker.vtable()).addr())
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use alloc::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_write_is_new_once_and_ends_once() {
        let [one, other] = [(), ()].map(|()| Waker::from(Arc::new(Task)));
        let offers = Offers::default();
        let new = Offered { is_new: true, ended: None };
        let known = Offered { is_new: false, ended: None };
        assert_eq!([offers.offer(2, &one, 5), offers.offer(2, &one, 5)], [new, known]);
        assert_eq!([offers.offer(2, &other, 5), offers.offer(3, &one, 5)], [new, new]);
        assert_eq!(offers.offer(2, &one, 4), Offered { is_new: true, ended: Some(5) });
        assert_eq!([offers.end(2, &one), offers.end(2, &one), offers.end(2, &other)], [Some(4), None, Some(5)]);
        offers.forget(3);
        assert_eq!(offers.end(3, &one), None);
    }
}
