//! Things that a task of the reactor looks at from time to time, as long as there are any.
//!
//! Invariant: the task runs while there are things. It ends in one step under the lock in which it finds none, and the
//! thing that comes next starts it again. This guards against the interleaving in which the task finds nothing, a thing
//! comes and finds the task running, and the task ends. Model: `a_thing_is_swept_whenever_it_comes` in
//! `tests/loom/wire.rs`.

use alloc::collections::VecDeque;
use core::mem;

use crate::sync::SleepLock;

/// Things, the oldest first.
pub(crate) struct Swept<T>(SleepLock<State<T>>);

struct State<T> {
    things: VecDeque<T>,
    /// Whether the task runs.
    runs: bool,
}

impl<T> Swept<T> {
    pub(crate) fn new() -> Self {
        Self(SleepLock::new(State { things: VecDeque::new(), runs: false }))
    }

    /// Adds a thing. Returns whether the task is to be started.
    #[must_use]
    pub(crate) fn push(&self, thing: T) -> bool {
        self.0.with(|state| {
            state.things.push_back(thing);
            !mem::replace(&mut state.runs, true)
        })
    }

    /// Takes the oldest, if `is_over` for it.
    #[cfg(feature = "lonet")]
    pub(crate) fn pop_if(&self, is_over: impl FnOnce(&T) -> bool) -> Option<T> {
        self.0.with(|state| {
            let over = state.things.front().is_some_and(is_over);
            if over { state.things.pop_front() } else { None }
        })
    }

    /// For the task: takes all. If there are none, the task has to end.
    pub(crate) fn take_all(&self) -> Option<VecDeque<T>> {
        self.0.with(|state| {
            state.runs = !state.things.is_empty();
            state.runs.then(|| mem::take(&mut state.things))
        })
    }
}
