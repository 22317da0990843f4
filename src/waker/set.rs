//! Sets of wakers: of two, of many, and of many whose tasks wait again and again.

use core::task::Waker;

use super::{Wakers, discard, wake};

/// Room for two wakers; a third takes the place of the older one, which is woken.
#[derive(Debug, Default)]
pub struct TwoWakers([Option<Waker>; 2]);

impl TwoWakers {
    pub(crate) const NONE: Self = Self([None, None]);
}

impl Wakers for TwoWakers {
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
}

#[cfg(feature = "alloc")]
impl Wakers for ManyWakers {
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
    fn wake(self) {
        if let Some(one) = self.one {
            wake(one);
        }
        if let Some(more) = self.more {
            wake_each(*more);
        }
    }

    fn discard(self) {
        self.one.into_iter().for_each(discard);
        self.more.into_iter().for_each(|more| more.into_iter().for_each(discard));
    }
}

/// Room for as many wakers as wait, for sets in which a task waits again and again: the last waker stays when it was used.
#[cfg(all(feature = "alloc", feature = "pipenet"))]
#[derive(Debug, Default)]
pub struct ReusedWakers {
    one: Option<Waker>,
    /// Whether `one` waits. If not, it is kept for its task to wait again.
    waits: bool,
    #[allow(clippy::box_collection, reason = "one word instead of three")]
    more: Option<alloc::boxed::Box<alloc::vec::Vec<Waker>>>,
}

#[cfg(all(feature = "alloc", feature = "pipenet"))]
impl ReusedWakers {
    fn waiting(&self) -> impl Iterator<Item = &Waker> {
        self.one.iter().filter(|_| self.waits).chain(self.more.iter().flat_map(|more| more.iter()))
    }
}

#[cfg(all(feature = "alloc", feature = "pipenet"))]
impl Wakers for ReusedWakers {
    const BOUNDED: bool = false;

    fn count(&self) -> usize {
        self.waiting().count()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        !self.waits && self.more.is_none()
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.waiting().any(|one| one.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Waker> {
        if self.waits {
            self.more.get_or_insert_default().push(waker);
            return None;
        }
        self.waits = true;
        self.one.replace(waker)
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        if let Some(one) = self.one.take_if(|one| one.will_wake(waker)) {
            self.waits = false;
            return Some(one);
        }
        let more = self.more.as_deref_mut()?;
        let found = more.iter().position(|one| one.will_wake(waker))?;
        Some(more.swap_remove(found))
    }

    fn wake(self) {
        match self.waits {
            true => self.one.into_iter().for_each(wake),
            false => self.one.into_iter().for_each(discard),
        }
        if let Some(more) = self.more {
            wake_each(*more);
        }
    }

    fn discard(self) {
        self.one.into_iter().for_each(discard);
        self.more.into_iter().for_each(|more| more.into_iter().for_each(discard));
    }

    #[inline]
    fn is_crowd(&self) -> bool {
        self.more.is_some()
    }

    #[inline]
    fn take_one(&mut self) -> Option<Waker> {
        match core::mem::take(&mut self.waits) {
            true => self.one.take(),
            false => None,
        }
    }

    fn keep(&mut self, waker: Waker) -> Option<Waker> {
        match self.waits {
            true => Some(waker),
            false => self.one.replace(waker),
        }
    }

    #[inline]
    fn reuse(&mut self, waker: &Waker) -> bool {
        if !self.waits && self.more.is_none() {
            self.waits = self.one.as_ref().is_some_and(|one| one.will_wake(waker));
            return self.waits;
        }
        false
    }
}

#[cfg(feature = "alloc")]
#[cold]
fn wake_each(wakers: alloc::vec::Vec<Waker>) {
    wakers.into_iter().for_each(wake);
}
