//! Sets of wakers, and how a task registers in one without running the waker's code under a lock.
//!
//! Invariant: no code of a waker runs under a lock of this crate. `clone`, `wake` and `drop` are the executor's code:
//! they may call back into the network, or panic. Only `will_wake`, which compares pointers, is called under a lock.
//!
//! - **Clone before the lock.** [`poll_locked`] first takes a step without a clone. If the step has to register, it
//!   registers nothing and returns `Pending`. The lock is released, the waker is cloned, and the whole step is
//!   repeated. This guards against a waker whose `clone` calls back on the same thread and waits for the lock that it
//!   holds. The step is repeated from its start because the event may occur between the two attempts, on another
//!   thread: to register without checking again would lose that wake-up.
//! - **Wake after the lock.** A full bounded set evicts its oldest waker, and an event takes all wakers out of their
//!   set. Both are woken once the lock is released. An evicted waker that was only dropped would leave its task asleep.
//! - **Drop outside the lock.** A waker that is replaced, or a clone that was not needed, is dropped after the step.
//! - **Panics are contained** in [`wake`] and [`discard`], so that one task's waker cannot keep another from being
//!   woken.
//!
//! Tests in `tests/hostile/waker.rs`: `a_waker_may_call_back_into_the_network_when_woken_cloned_or_dropped` hangs if a
//! waker is cloned under the lock, `a_replaced_waker_may_call_back_into_the_network_when_dropped` if a replaced one is
//! dropped there, and `an_evicted_waker_may_call_back_into_the_network_when_woken` if an evicted one is woken there.
//! `a_third_waiter_of_a_fixed_network_makes_the_first_poll_again` fails if an evicted waker is not woken, and
//! `a_waker_that_panics_when_woken_harms_no_other_task` fails if a panic is not contained.

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

/// The waker for a poll that must not register. Everything uses this one static: `Waker::noop()` may return a different
/// value in each crate that calls it.
pub(crate) fn noop_waker() -> &'static Waker {
    static IDLE: &Waker = Waker::noop();
    IDLE
}

/// Whether `waker` is [`noop_waker`], which no set registers.
pub(crate) fn is_noop(waker: &Waker) -> bool {
    waker.will_wake(noop_waker())
}

/// The wakers registered for one event. All are woken together, and their tasks poll again.
pub trait Wakers: Default + Send {
    /// A set of `waker` alone, or an empty set if it is the no-op waker.
    fn of(waker: &Waker) -> Self {
        let mut set = Self::default();
        if !is_noop(waker) {
            // An empty set has room.
            let _ = set.insert(waker.clone());
        }
        set
    }

    /// The wakers that [`take_all`](Wakers::take_all) takes out of a set.
    type Taken: Wakers;

    /// How many wakers are registered.
    fn count(&self) -> usize;

    /// Whether no waker is registered.
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether `waker`, or one that wakes the same task, is registered.
    fn contains(&self, waker: &Waker) -> bool;

    /// Whether the set has a fixed size, so that a registered waker may be evicted by another.
    const BOUNDED: bool;

    /// Registers `waker`. Returns the waker that it replaces, if any. In a [bounded](Wakers::BOUNDED) set that is the
    /// oldest registered waker, which has to be woken so that its task polls again. In any other set it is a waker that
    /// is no longer registered.
    fn insert(&mut self, waker: Waker) -> Option<Waker>;

    /// Unregisters `waker`, and returns the set's clone, to be dropped outside the lock.
    fn remove(&mut self, waker: &Waker) -> Option<Waker>;

    /// Wakes all. Must be called outside any lock.
    fn wake(self);

    /// Registers the task of `waker` again with the clone that the set kept of it. Returns whether there was one.
    fn reuse(&mut self, waker: &Waker) -> bool {
        let _ = waker;
        false
    }

    /// Drops all. Must be called outside any lock.
    fn discard(self);

    /// Takes the whole set, to be woken outside the lock.
    fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Takes the registered wakers out, to be woken outside the lock.
    fn take_all(&mut self) -> Self::Taken;
}

/// Wakes `waker`. A panic of the waker is contained, so the remaining wakers are still woken.
pub(crate) fn wake(waker: Waker) {
    contain(|| waker.wake());
}

/// Drops `waker`. A panic of the waker is contained.
pub(crate) fn discard(waker: Waker) {
    contain(|| drop(waker));
}

/// Runs the code of a waker. With the feature `std` its panic is caught here.
fn contain(code: impl FnOnce()) {
    #[cfg(feature = "std")]
    if let Err(panic) = std::panic::catch_unwind(core::panic::AssertUnwindSafe(code)) {
        // The payload of the panic may panic when it is dropped.
        mem::forget(panic);
    }
    #[cfg(not(feature = "std"))]
    code();
}

/// Wakes the task of `waker`, and returns the waker unless it panics.
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

/// Registers a task in a set of wakers, in a step under a lock. The clone that it inserts is made before that step, and
/// the waker that it replaces is woken or dropped after it.
pub(crate) struct Registration<'a> {
    pub(crate) waker: &'a Waker,
    /// Before the insertion the clone to insert, after it the waker that was replaced.
    spare_waker: Option<Waker>,
    state: RegistrationState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RegistrationState {
    /// After the step, the spare waker is dropped.
    Done,
    /// The step has to register, but has no clone yet: it is repeated with one.
    Wanted,
    /// A bounded set may have evicted a waker: after the step, the spare waker is woken.
    Taken,
}

impl Registration<'_> {
    /// Registers the task in `set`. Returns `false` if a clone of the waker is needed first: the step then returns
    /// `Pending` and is repeated.
    ///
    /// A no-op waker is not registered.
    pub(crate) fn register<W: Wakers>(&mut self, set: &mut W) -> bool {
        if set.reuse(self.waker) || set.contains(self.waker) || is_noop(self.waker) {
            return true;
        }
        let Some(clone) = self.spare_waker.take() else {
            self.state = RegistrationState::Wanted;
            return false;
        };
        // `will_wake` may recognize the clone though it does not recognize the waker itself.
        if set.contains(&clone) {
            self.spare_waker = Some(clone);
            return true;
        }
        self.spare_waker = set.insert(clone);
        self.state = if W::BOUNDED { RegistrationState::Taken } else { RegistrationState::Done };
        true
    }

    /// The identity of the task.
    #[cfg(feature = "pipenet")]
    pub(crate) fn task(&self) -> Task {
        Task::of(self.waker)
    }
}

/// Runs `step`, which takes a lock. Runs it again with a clone of the waker if the first attempt has to register.
///
/// The step registers before it returns `Pending`.
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

/// The identity of a waiting task: the address of its waker's data.
///
/// The vtable is not compared, as one type may have several.
#[cfg(any(feature = "pipenet", feature = "trace"))]
#[cfg_attr(not(feature = "pipenet"), allow(unreachable_pub, reason = "public for pipenet's rings"))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task(core::num::NonZero<usize>);

#[cfg(any(feature = "pipenet", feature = "trace"))]
impl Task {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(core::num::NonZero::new(waker.data().addr()).unwrap_or(core::num::NonZero::<usize>::MAX))
    }
}

#[cfg(any(feature = "pipenet", feature = "trace"))]
impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Task")
    }
}
