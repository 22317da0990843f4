//! Those who wait: sets of wakers, and how a task gets into one without running its code under a lock.

use core::mem;
use core::task::{Poll, Waker};

#[cfg(all(feature = "alloc", feature = "pipenet"))]
mod reused;
mod set;

#[cfg(all(feature = "alloc", feature = "pipenet"))]
pub(crate) use reused::ReusedWakers;
pub(crate) use set::TwoWakers;
#[cfg(feature = "alloc")]
pub(crate) use set::{ManyWakers, OneWaker};

/// The waker of whoever only looks. It is one value: each crate that asks the standard library for one may get another.
pub(crate) fn noop_waker() -> &'static Waker {
    static IDLE: &Waker = Waker::noop();
    IDLE
}

/// Whether nobody waits with `waker`.
pub(crate) fn is_noop(waker: &Waker) -> bool {
    waker.will_wake(noop_waker())
}

/// Those who wait for one thing. All are woken at once, and look again.
pub trait Wakers: Default + Send {
    /// The task of `waker` alone. Nobody waits with a waker that does nothing.
    fn of(waker: &Waker) -> Self {
        let mut set = Self::default();
        if !is_noop(waker) {
            // An empty set has room.
            let _ = set.insert(waker.clone());
        }
        set
    }

    /// Those who were taken out of such a set.
    type Taken: Wakers;

    /// How many wait.
    fn count(&self) -> usize;

    /// Whether nobody waits.
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether `waker` or one like it waits.
    fn contains(&self, waker: &Waker) -> bool;

    /// Whether one who waits can lose its place to another.
    const BOUNDED: bool;

    /// Lets `waker` wait. Gives back the waker whose place it takes, if it does: one that waited longest and has to be
    /// woken, as it looks again, if the set is [bounded](Wakers::BOUNDED), else one that waits no longer.
    fn insert(&mut self, waker: Waker) -> Option<Waker>;

    /// Lets `waker` wait no longer, and hands it over to be dropped outside the lock.
    fn remove(&mut self, waker: &Waker) -> Option<Waker>;

    /// Wakes all. To be called outside of any lock.
    fn wake(self);

    /// Lets the task of `waker` wait with the one that was kept of it; says whether it does.
    fn reuse(&mut self, waker: &Waker) -> bool {
        let _ = waker;
        false
    }

    /// Drops all. To be called outside of any lock.
    fn discard(self);

    /// Takes all out, to be woken outside the lock.
    fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Takes those out who wait, to be woken outside the lock.
    fn take_all(&mut self) -> Self::Taken;
}

/// Wakes `waker`. One that panics harms nobody else: its panic ends here.
pub(crate) fn wake(waker: Waker) {
    contain(|| waker.wake());
}

/// Drops `waker`. One that panics harms nobody: its panic ends here.
pub(crate) fn discard(waker: Waker) {
    contain(|| drop(waker));
}

/// Runs the code of a waker. Its panic ends here, where there is a way to end one.
fn contain(code: impl FnOnce()) {
    #[cfg(feature = "std")]
    if let Err(panic) = std::panic::catch_unwind(core::panic::AssertUnwindSafe(code)) {
        // What it panicked with may panic when it is dropped.
        mem::forget(panic);
    }
    #[cfg(not(feature = "std"))]
    code();
}

/// Wakes the task of `waker`, and gives the waker back unless it panics.
#[cfg(all(feature = "alloc", feature = "pipenet"))]
pub(crate) fn wake_by_ref(waker: Waker) -> Option<Waker> {
    let mut woken = false;
    contain(|| {
        waker.wake_by_ref();
        woken = true;
    });
    if woken {
        Some(waker)
    } else {
        discard(waker);
        None
    }
}

/// A task's way into a set of those who wait, for a step under a lock: what it leaves there is cloned before that step,
/// and what it displaces is woken after it.
pub(crate) struct Registration<'a> {
    pub(crate) waker: &'a Waker,
    /// What the task brings along to leave it there; then what that displaced.
    spare_waker: Option<Waker>,
    state: RegistrationState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RegistrationState {
    /// There is nothing to do after the step but to drop what it left.
    Done,
    /// A place was asked for without spare_waker.
    Wanted,
    /// Somebody may have lost a place.
    Taken,
}

impl Registration<'_> {
    /// Lets the task wait among `set`; says whether it does. If not, the step answers `Pending` and is taken again.
    ///
    /// Nobody waits with a waker that does nothing.
    pub(crate) fn register<W: Wakers>(&mut self, set: &mut W) -> bool {
        if set.reuse(self.waker) || set.contains(self.waker) || is_noop(self.waker) {
            return true;
        }
        let Some(clone) = self.spare_waker.take() else {
            self.state = RegistrationState::Wanted;
            return false;
        };
        // The set may know the clone where it does not know the waker itself.
        if set.contains(&clone) {
            self.spare_waker = Some(clone);
            return true;
        }
        self.spare_waker = set.insert(clone);
        self.state = if W::BOUNDED { RegistrationState::Taken } else { RegistrationState::Done };
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
/// The step takes its registration before it answers `Pending`.
#[inline]
pub(crate) fn poll_locked<R>(waker: &Waker, mut step: impl FnMut(&mut Registration<'_>) -> Poll<R>) -> Poll<R> {
    let mut registration = Registration { waker, spare_waker: None, state: RegistrationState::Done };
    loop {
        let outcome = step(&mut registration);
        match registration.state {
            RegistrationState::Done => {
                registration.spare_waker.into_iter().for_each(discard);
                return outcome;
            }
            RegistrationState::Taken => {
                registration.spare_waker.into_iter().for_each(wake);
                return outcome;
            }
            RegistrationState::Wanted => {
                (registration.spare_waker, registration.state) = (Some(waker.clone()), RegistrationState::Done)
            }
        }
    }
}

/// Tells one waiting task from another, as far as their wakers point to different things.
///
/// Not by their vtables: of those there may be several for one type.
#[cfg(feature = "pipenet")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task(core::num::NonZero<usize>);

#[cfg(feature = "pipenet")]
impl Task {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(core::num::NonZero::new(waker.data().addr()).unwrap_or(core::num::NonZero::<usize>::MAX))
    }
}

#[cfg(feature = "pipenet")]
impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Task")
    }
}
