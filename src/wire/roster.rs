//! Who needs the reactor's thread: its users, and the work that was handed to it.
//!
//! Invariant: work that was taken is done before the thread ends. The thread ends in one step under the lock, only if
//! there are neither users nor work, and work that comes later is handed back. This guards against the interleaving in
//! which the last user leaves, the thread finds nothing to do, a closed connection hands over its socket to be drained,
//! and the thread ends without it. Model: `the_last_release_leaves_no_drain_behind` in `tests/loom/wire.rs`.

use alloc::vec::Vec;
use core::mem;

use crate::sync::Lock;

/// The users of a thread, and its new work.
pub(crate) struct Roster<T>(Lock<State<T>>);

struct State<T> {
    users: usize,
    /// Work that is not done yet, new or under way.
    open: usize,
    new: Vec<T>,
    ended: bool,
}

impl<T> Roster<T> {
    /// A thread with one user.
    pub(crate) fn new() -> Self {
        Self(Lock::new(State { users: 1, open: 0, new: Vec::new(), ended: false }))
    }

    /// Adds a user. Returns whether the thread still runs.
    pub(crate) fn join(&self) -> bool {
        self.0.with(|state| {
            state.users += usize::from(!state.ended);
            !state.ended
        })
    }

    /// Removes a user.
    pub(crate) fn leave(&self) {
        self.0.with(|state| state.users -= 1);
    }

    /// Hands over work; takes it back if the thread has ended.
    pub(crate) fn submit(&self, work: T) -> Result<(), T> {
        let mut work = Some(work);
        self.0.with(|state| {
            if !state.ended {
                state.open += 1;
                state.new.extend(work.take());
            }
        });
        work.map_or(Ok(()), Err)
    }

    /// Takes the new work.
    pub(crate) fn take_new(&self) -> Vec<T> {
        self.0.with(|state| mem::take(&mut state.new))
    }

    /// Some work is done.
    pub(crate) fn done(&self) {
        self.0.with(|state| state.open -= 1);
    }

    /// Ends the thread, if it is not needed any more.
    pub(crate) fn try_end(&self) -> bool {
        self.0.with(|state| {
            state.ended |= state.users == 0 && state.open == 0;
            state.ended
        })
    }
}
