//! Sets of wakers: of two, of many, and of many whose tasks wait again and again.

use core::task::Waker;

#[cfg(all(feature = "alloc", feature = "pipenet"))]
use super::{Task, wake_by_ref};
use super::{Wakers, discard, wake};

/// Room for two wakers; a third takes the place of the older one, which is woken.
#[derive(Debug, Default)]
pub struct TwoWakers([Option<Waker>; 2]);

impl TwoWakers {
    pub(crate) const NONE: Self = Self([None, None]);
}

impl Wakers for TwoWakers {
    type Taken = Self;

    const BOUNDED: bool = true;

    fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.0.iter().flatten().any(|known| known.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Waker> {
        let [older, newer] = &mut self.0;
        match newer.replace(waker) {
            Some(waited) => older.replace(waited),
            None => None,
        }
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        let [older, newer] = &mut self.0;
        let of_task = |known: &mut Waker| known.will_wake(waker);
        older.take_if(of_task).or_else(|| newer.take_if(of_task))
    }

    fn take_all(&mut self) -> Self {
        core::mem::take(self)
    }

    fn wake(self) {
        self.0.into_iter().flatten().for_each(wake);
    }

    fn discard(self) {
        self.0.into_iter().flatten().for_each(discard);
    }
}

/// Room for the waker of one future: of who polled it last.
#[cfg(feature = "alloc")]
#[derive(Debug, Default)]
pub struct OneWaker(Option<Waker>);

#[cfg(feature = "alloc")]
impl Wakers for OneWaker {
    type Taken = Self;

    const BOUNDED: bool = false;

    fn count(&self) -> usize {
        usize::from(self.0.is_some())
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.0.as_ref().is_some_and(|one| one.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Waker> {
        self.0.replace(waker)
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        self.0.take_if(|known| known.will_wake(waker))
    }

    fn take_all(&mut self) -> Self {
        core::mem::take(self)
    }

    fn wake(self) {
        self.0.into_iter().for_each(wake);
    }

    fn discard(self) {
        self.0.into_iter().for_each(discard);
    }
}

/// Room for as many wakers as wait.
#[cfg(feature = "alloc")]
#[derive(Debug, Default)]
pub struct ManyWakers {
    /// The first one; mostly there is no other.
    one: Option<Waker>,
    #[allow(clippy::box_collection, reason = "one word instead of three, taken out and put back all the time")]
    more: Option<alloc::boxed::Box<alloc::vec::Vec<Waker>>>,
}

#[cfg(feature = "alloc")]
impl ManyWakers {
    fn more(&self) -> &[Waker] {
        self.more.as_deref().map_or(&[], |more| more)
    }

    fn into_each(self) -> impl Iterator<Item = Waker> {
        self.one.into_iter().chain(self.more.into_iter().flat_map(|more| *more))
    }

    /// Wakes all. Gives those back that did not panic.
    #[cfg(feature = "pipenet")]
    pub(crate) fn wake_by_ref(self) -> Self {
        let mut woken = Self::default();
        for waker in self.into_each().filter_map(wake_by_ref) {
            woken.insert(waker);
        }
        woken
    }
}

#[cfg(feature = "alloc")]
impl Wakers for ManyWakers {
    type Taken = Self;

    const BOUNDED: bool = false;

    fn count(&self) -> usize {
        usize::from(self.one.is_some()) + self.more().len()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.one.is_none() && self.more.is_none()
    }

    #[inline]
    fn contains(&self, waker: &Waker) -> bool {
        self.one.as_ref().is_some_and(|one| one.will_wake(waker)) || self.more().iter().any(|one| one.will_wake(waker))
    }

    #[inline]
    fn insert(&mut self, waker: Waker) -> Option<Waker> {
        match self.one {
            None => self.one = Some(waker),
            Some(_) => self.more.get_or_insert_default().push(waker),
        }
        None
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        let one = self.one.take_if(|known| known.will_wake(waker));
        one.or_else(|| {
            let more = self.more.as_deref_mut()?;
            let found = more.iter().position(|known| known.will_wake(waker))?;
            Some(more.swap_remove(found))
        })
    }

    #[inline]
    fn take_all(&mut self) -> Self {
        core::mem::take(self)
    }

    #[inline]
    fn wake(self) {
        if let Some(one) = self.one {
            wake(one);
        }
        if let Some(more) = self.more {
            wake_each(*more);
        }
    }

    fn discard(self) {
        self.into_each().for_each(discard);
    }
}

/// Room for as many wakers as wait, for sets in which a task waits again and again: the last waker stays when it was used.
/// Takes no memory until somebody waits.
#[cfg(all(feature = "alloc", feature = "pipenet"))]
#[derive(Debug, Default)]
pub struct ReusedWakers(Option<alloc::boxed::Box<Reused>>);

#[cfg(all(feature = "alloc", feature = "pipenet"))]
#[derive(Debug, Default)]
struct Reused {
    one: Option<Waker>,
    /// Whether `one` waits. If not, it is kept for its task to wait again.
    waits: bool,
    more: alloc::vec::Vec<Waker>,
    /// Wakers of tasks that do not wait, for no other task to get their place in memory.
    held: alloc::vec::Vec<Waker>,
}

#[cfg(all(feature = "alloc", feature = "pipenet"))]
impl ReusedWakers {
    fn waiting(&self) -> impl Iterator<Item = &Waker> {
        self.0.iter().flat_map(|set| set.one.iter().filter(|_| set.waits).chain(&set.more))
    }

    /// Whether more than one may wait.
    #[inline]
    pub(crate) fn is_crowd(&self) -> bool {
        self.0.as_ref().is_some_and(|set| !set.more.is_empty())
    }

    /// Takes the one out that waits where there is [no crowd](Self::is_crowd).
    #[inline]
    pub(crate) fn take_one(&mut self) -> Option<Waker> {
        let set = self.0.as_mut()?;
        match core::mem::take(&mut set.waits) {
            true => set.one.take(),
            false => None,
        }
    }

    /// Holds those of the `woken` whose tasks are `wanted`. Gives all others, and those held before that are not wanted any
    /// more where one comes in their place, to be dropped outside the lock.
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

    /// Keeps a waker that waits no longer, until its task waits again. Gives one that is not kept, to be dropped outside
    /// the lock.
    pub(crate) fn keep(&mut self, waker: Waker) -> Option<Waker> {
        match &mut self.0 {
            Some(set) if !set.waits => set.one.replace(waker),
            _ => Some(waker),
        }
    }
}

#[cfg(all(feature = "alloc", feature = "pipenet"))]
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
        // One that is kept does not wait, and its task may wait among the others.
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
        let each = |set: alloc::boxed::Box<Reused>| set.one.into_iter().chain(set.more).chain(set.held);
        self.0.into_iter().flat_map(each).for_each(discard);
    }

    fn take_all(&mut self) -> ManyWakers {
        let more = self.0.as_mut().filter(|set| !set.more.is_empty());
        let more = more.map(|set| alloc::boxed::Box::new(core::mem::take(&mut set.more)));
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

#[cfg(feature = "alloc")]
#[cold]
fn wake_each(wakers: alloc::vec::Vec<Waker>) {
    wakers.into_iter().for_each(wake);
}

#[cfg(all(test, feature = "std", feature = "pipenet"))]
mod tests {
    extern crate std;
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    /// As many wakers, each a clone: a waker need not know its clones.
    fn wakers<const N: usize>() -> [Waker; N] {
        [(); N].map(|()| Waker::from(Arc::new(Nobody)).clone())
    }

    #[test]
    fn who_leaves_does_not_wait() {
        let [a, b] = wakers();
        let mut set = ReusedWakers::default();
        assert!(set.insert(a.clone()).is_none());
        let woken = set.take_one().expect("it waits");
        // While it is woken, another one waits, then it does again, and the other one leaves.
        assert!(set.insert(b.clone()).is_none());
        assert!(set.insert(a.clone()).is_none());
        assert!(set.remove(&b).is_some());
        assert!(set.keep(woken).is_none());
        assert!(set.remove(&a).is_some());
        assert_eq!(set.count(), 0);
    }

    #[test]
    fn who_is_held_does_not_wait() {
        let [a, b, c] = wakers();
        let mut set = ReusedWakers::default();
        for waker in [&a, &b, &c] {
            assert!(set.insert(waker.clone()).is_none());
        }
        let woken = set.take_all();
        let left = set.hold(woken, |task| task != Task::of(&b));
        assert!((left.count(), left.contains(&b)) == (1, true));
        assert_eq!(set.count(), 0);
        // Each is held once.
        for waker in [&a, &c] {
            assert!(set.insert(waker.clone()).is_none());
        }
        let woken = set.take_all();
        assert_eq!(set.hold(woken, |task| task == Task::of(&a)).count(), 2);
        // Those not wanted any more make room for one that is.
        assert!(set.insert(b.clone()).is_none());
        let woken = set.take_all();
        let left = set.hold(woken, |task| task == Task::of(&b));
        assert_eq!((left.count(), left.contains(&a), left.contains(&c)), (2, true, true));
    }
}
