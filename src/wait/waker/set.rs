//! Sets of wakers: for two, for one, and growable.

use core::task::Waker;

#[cfg(all(feature = "alloc", feature = "pipenet"))]
use super::wake_by_ref;
use super::{Wakers, discard, wake};

/// A set of at most two wakers. Inserting a third evicts the older one, which is then woken.
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

/// A set for the waker of one future: that of the task that polled it last.
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

/// A growable set of wakers.
#[cfg(feature = "alloc")]
#[derive(Debug, Default)]
pub struct ManyWakers {
    /// The first waker; mostly it is the only one.
    pub(super) one: Option<Waker>,
    #[allow(clippy::box_collection, reason = "one word instead of three, taken out and put back all the time")]
    pub(super) more: Option<alloc::boxed::Box<alloc::vec::Vec<Waker>>>,
}

#[cfg(feature = "alloc")]
impl ManyWakers {
    fn more(&self) -> &[Waker] {
        self.more.as_deref().map_or(&[], |more| more)
    }

    pub(super) fn into_each(self) -> impl Iterator<Item = Waker> {
        self.one.into_iter().chain(self.more.into_iter().flat_map(|more| *more))
    }

    /// Wakes all. Returns the wakers that did not panic.
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

#[cfg(feature = "alloc")]
#[cold]
fn wake_each(wakers: alloc::vec::Vec<Waker>) {
    wakers.into_iter().for_each(wake);
}

#[cfg(all(test, feature = "std"))]
mod tests {
    extern crate std;
    use std::sync::Arc;
    use std::task::Wake;
    use std::vec::Vec;

    use super::*;

    struct NoTask;

    impl Wake for NoTask {
        fn wake(self: Arc<Self>) {}
    }

    /// Every order of six steps, each of which registers or unregisters one of three tasks.
    #[test]
    fn a_full_set_of_two_evicts_the_older_waker() {
        let wakers = [(); 3].map(|()| Waker::from(Arc::new(NoTask)));
        for order in 0..6_usize.pow(6) {
            let (mut set, mut waiting) = (TwoWakers::NONE, Vec::new());
            for step in 0..6 {
                let choice = order / 6_usize.pow(step) % 6;
                let (task, enters) = (choice % 3, choice < 3);
                let waker = &wakers[task];
                if !enters {
                    assert_eq!(set.remove(waker).is_some(), waiting.contains(&task));
                    waiting.retain(|&known| known != task);
                } else if !set.contains(waker) {
                    let displaced = set.insert(waker.clone());
                    let oldest = (waiting.len() == 2).then(|| waiting.remove(0));
                    let known = displaced.and_then(|one| wakers.iter().position(|waker| waker.will_wake(&one)));
                    assert_eq!(known, oldest);
                    waiting.push(task);
                }
                assert_eq!(set.count(), waiting.len());
                assert!(waiting.iter().all(|&task| set.contains(&wakers[task])));
            }
        }
    }
}
