//! Those who wait: sets of wakers, and how a task gets into one without running its code under a lock.

use core::mem;
use core::task::{Context, Poll, Waker};

/// Those who wait for one thing. All are woken at once, and look again.
pub trait Wakers: Default + Send {
    /// How many wait.
    fn count(&self) -> usize;

    /// Whether nobody waits.
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether `waker` or one like it waits.
    fn contains(&self, waker: &Waker) -> bool;

    /// Lets `waker` wait. If there is no room, gives back all who waited so far, to be woken: they look again.
    fn insert(&mut self, waker: Waker) -> Option<Self>;

    /// Lets `waker` wait no longer, and hands it over to be dropped outside the lock.
    fn remove(&mut self, waker: &Waker) -> Option<Waker>;

    /// Wakes all. To be called outside of any lock.
    fn wake(self);

    /// Takes all out, to be woken outside the lock.
    fn take(&mut self) -> Self {
        mem::take(self)
    }
}

/// Room for two wakers; a third wakes those two.
#[derive(Debug, Default)]
pub struct TwoWakers([Option<Waker>; 2]);

impl TwoWakers {
    pub(crate) const NONE: Self = Self([None, None]);
}

impl Wakers for TwoWakers {
    fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.0.iter().flatten().any(|known| known.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Self> {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(waker);
            return None;
        }
        let woken = self.take();
        self.0[0] = Some(waker);
        Some(woken)
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        self.0.iter_mut().find_map(|slot| slot.take_if(|known| known.will_wake(waker)))
    }

    fn wake(self) {
        self.0.into_iter().flatten().for_each(wake);
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
    fn count(&self) -> usize {
        usize::from(self.one.is_some()) + self.more().len()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.one.is_none() && self.more.is_none()
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.one.iter().chain(self.more()).any(|known| known.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Self> {
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
            more.into_iter().for_each(wake);
        }
    }
}

/// Wakes `waker`. One that panics harms nobody else: its panic ends here.
pub(crate) fn wake(waker: Waker) {
    #[cfg(feature = "std")]
    let _ = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| waker.wake()));
    #[cfg(not(feature = "std"))]
    waker.wake();
}

/// A task's way into a set of those who wait, for a step under a lock: what it leaves there is cloned before that step,
/// and what it displaces is woken after it.
pub(crate) struct Seat<'a, W> {
    waker: &'a Waker,
    /// What the second attempt brings along. The first has nothing, and often needs nothing.
    luggage: Option<&'a mut Luggage<W>>,
    wanted: bool,
}

struct Luggage<W> {
    clone: Option<Waker>,
    /// Those who lost their place and look again.
    evicted: Option<W>,
}

impl<W: Wakers> Seat<'_, W> {
    /// Lets the task wait among `set`; says whether it does. If not, the step answers `Pending` and is taken again.
    ///
    /// Nobody waits with a waker that does nothing.
    pub(crate) fn take(&mut self, set: &mut W) -> bool {
        if set.contains(self.waker) || self.waker.will_wake(Waker::noop()) {
            return true;
        }
        let Some(luggage) = &mut self.luggage else {
            self.wanted = true;
            return false;
        };
        if let Some(clone) = luggage.clone.take() {
            luggage.evicted = set.insert(clone);
        }
        true
    }

    /// What tells this task from others.
    #[cfg(feature = "pipenet")]
    pub(crate) fn task(&self) -> Task {
        Task::of(self.waker)
    }
}

/// Takes `step` under a lock, again with a waker to leave behind if the first attempt wanted one.
///
/// The step takes its seat before it answers `Pending`.
#[inline]
pub(crate) fn poll_step<W: Wakers, R>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Seat<'_, W>) -> Poll<R>,
) -> Poll<R> {
    let mut seat = Seat { waker: cx.waker(), luggage: None, wanted: false };
    let outcome = step(&mut seat);
    if !seat.wanted {
        return outcome;
    }
    let mut luggage = Luggage { clone: Some(cx.waker().clone()), evicted: None };
    let outcome = step(&mut Seat { waker: cx.waker(), luggage: Some(&mut luggage), wanted: false });
    if let Some(evicted) = luggage.evicted {
        evicted.wake();
    }
    outcome
}

/// Tells one waiting task from another, as far as their wakers differ.
#[cfg(feature = "pipenet")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task(usize, core::num::NonZero<usize>);

#[cfg(feature = "pipenet")]
impl Task {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), core::ptr::NonNull::from(waker.vtable()).addr())
    }
}

#[cfg(feature = "pipenet")]
impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Task")
    }
}
