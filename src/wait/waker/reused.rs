//! A set of wakers for tasks that wait repeatedly.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::task::Waker;

use super::set::ManyWakers;
use super::{Task, Wakers, discard};

/// A growable set of wakers for tasks that wait repeatedly: the last waker is kept once it was woken, and reused
/// without another clone. Allocates nothing until a waker is registered.
#[derive(Debug, Default)]
pub struct ReusedWakers(Option<Box<Reused>>);

#[derive(Debug, Default)]
struct Reused {
    one: Option<Waker>,
    /// Whether `one` is registered. If not, it is kept for the next wait of its task.
    waits: bool,
    more: Vec<Waker>,
    /// Wakers of tasks that are not registered. Holding them keeps the addresses of their data from being reused by
    /// other tasks.
    held: Vec<Waker>,
}

impl ReusedWakers {
    fn waiting(&self) -> impl Iterator<Item = &Waker> {
        self.0.iter().flat_map(|set| set.one.iter().filter(|_| set.waits).chain(&set.more))
    }

    /// Whether more than one waker may be registered.
    #[inline]
    pub(crate) fn is_crowd(&self) -> bool {
        self.0.as_ref().is_some_and(|set| !set.more.is_empty())
    }

    /// Takes out the registered waker. For sets that are [no crowd](Self::is_crowd).
    #[inline]
    pub(crate) fn take_one(&mut self) -> Option<Waker> {
        let set = self.0.as_mut()?;
        if mem::take(&mut set.waits) { set.one.take() } else { None }
    }

    /// Holds those of the `woken` wakers whose tasks are `wanted`, and returns the rest. A waker that is newly held
    /// also releases the held ones that are no longer wanted: they are returned too. The caller drops them outside the
    /// lock.
    pub(crate) fn hold(&mut self, woken: ManyWakers, wanted: impl Fn(Task) -> bool) -> ManyWakers {
        let held = &mut self.0.get_or_insert_default().held;
        let mut left = ManyWakers::default();
        for waker in woken.into_each() {
            if !wanted(Task::of(&waker)) || held.iter().any(|known| known.will_wake(&waker)) {
                left.insert(waker);
                continue;
            }
            for unwanted in held.extract_if(.., |waker| !wanted(Task::of(waker))) {
                left.insert(unwanted);
            }
            held.push(waker);
        }
        left
    }

    /// Keeps a waker that was woken, for the next wait of its task. Returns the waker that is not kept, this or an
    /// earlier one, to be dropped outside the lock.
    pub(crate) fn keep(&mut self, waker: Waker) -> Option<Waker> {
        match &mut self.0 {
            Some(set) if !set.waits => set.one.replace(waker),
            _ => Some(waker),
        }
    }
}

impl Wakers for ReusedWakers {
    type Taken = ManyWakers;

    const BOUNDED: bool = false;

    fn count(&self) -> usize {
        self.waiting().count()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|set| !set.waits && set.more.is_empty())
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.waiting().any(|one| one.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Waker> {
        let set = self.0.get_or_insert_default();
        if set.waits {
            set.more.push(waker);
            return None;
        }
        set.waits = true;
        set.one.replace(waker)
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        let set = self.0.as_mut()?;
        // A kept waker is not registered; its task may be registered in `more`.
        if set.waits
            && let Some(one) = set.one.take_if(|one| one.will_wake(waker))
        {
            set.waits = false;
            return Some(one);
        }
        let found = set.more.iter().position(|one| one.will_wake(waker))?;
        Some(set.more.swap_remove(found))
    }

    fn wake(mut self) {
        self.take_all().wake();
        self.discard();
    }

    fn discard(self) {
        let each = |set: Box<Reused>| set.one.into_iter().chain(set.more).chain(set.held);
        self.0.into_iter().flat_map(each).for_each(discard);
    }

    fn take_all(&mut self) -> ManyWakers {
        let more = self.0.as_mut().filter(|set| !set.more.is_empty());
        let more = more.map(|set| Box::new(mem::take(&mut set.more)));
        ManyWakers { one: self.take_one(), more }
    }

    #[inline]
    fn reuse(&mut self, waker: &Waker) -> bool {
        match &mut self.0 {
            Some(set) if !set.waits && set.more.is_empty() => {
                set.waits = set.one.as_ref().is_some_and(|one| one.will_wake(waker));
                set.waits
            }
            _ => false,
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    extern crate std;
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct NoTask;

    impl Wake for NoTask {
        fn wake(self: Arc<Self>) {}
    }

    /// `N` wakers, each a clone: `will_wake` may be false between a waker and its clones.
    fn wakers<const N: usize>() -> [Waker; N] {
        [(); N].map(|()| Waker::from(Arc::new(NoTask)).clone())
    }

    #[test]
    fn a_removed_waker_is_not_registered() {
        let [a, b] = wakers();
        let mut set = ReusedWakers::default();
        assert!(set.insert(a.clone()).is_none());
        let woken = set.take_one().expect("it waits");
        // While `a` is woken, `b` is registered, then `a` again, and `b` is removed.
        assert!(set.insert(b.clone()).is_none());
        assert!(set.insert(a.clone()).is_none());
        assert!(set.remove(&b).is_some());
        assert!(set.keep(woken).is_none());
        assert!(set.remove(&a).is_some());
        assert_eq!(set.count(), 0);
    }

    #[test]
    fn a_held_waker_is_not_registered() {
        let [a, b, c] = wakers();
        let mut set = ReusedWakers::default();
        for waker in [&a, &b, &c] {
            assert!(set.insert(waker.clone()).is_none());
        }
        let woken = set.take_all();
        let left = set.hold(woken, |task| task != Task::of(&b));
        assert!((left.count(), left.contains(&b)) == (1, true));
        assert_eq!(set.count(), 0);
        // Each waker is held once.
        for waker in [&a, &c] {
            assert!(set.insert(waker.clone()).is_none());
        }
        let woken = set.take_all();
        assert_eq!(set.hold(woken, |task| task == Task::of(&a)).count(), 2);
        // Held wakers that are no longer wanted are released once a wanted one is held.
        assert!(set.insert(b.clone()).is_none());
        let woken = set.take_all();
        let left = set.hold(woken, |task| task == Task::of(&b));
        assert_eq!((left.count(), left.contains(&a), left.contains(&c)), (2, true, true));
    }
}
