//! Something that arrives once, and the tasks that wait for it.

use core::fmt;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use crate::error::cause::Cause;
use crate::sync::{AtomicBool, Lock};
use crate::wait::waker::{ManyWakers, Wakers, poll_locked};

/// Something that arrives once, or fails. The first outcome stays.
pub(super) struct Letter {
    /// Whether there is an outcome.
    settled: AtomicBool,
    state: Lock<State>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Arrived,
    /// The dial that it is for is refused on its way, or takes too long.
    Refused,
    TimedOut,
}

impl From<Outcome> for Result<(), Cause> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Arrived => Ok(()),
            Outcome::Refused => Err(Cause::ConnectionRefused),
            Outcome::TimedOut => Err(Cause::TimedOut),
        }
    }
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    waiting: ManyWakers,
}

impl Letter {
    pub(super) fn new() -> Self {
        Self { settled: AtomicBool::new(false), state: Lock::new(State::default()) }
    }

    /// It arrives, or fails. Called under no lock.
    pub(super) fn settle(&self, outcome: Outcome) {
        let woken = self.state.with(|state| {
            state.outcome.get_or_insert(outcome);
            self.settled.store(true, Ordering::Relaxed);
            state.waiting.take()
        });
        woken.wake();
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        poll_locked(cx.waker(), |registration| {
            self.state.with(|state| match state.outcome {
                Some(outcome) => Poll::Ready(outcome.into()),
                None => {
                    registration.register(&mut state.waiting);
                    Poll::Pending
                }
            })
        })
    }

    /// Wakes the tasks that wait, to look at something else.
    pub(super) fn wake(&self) {
        self.state.with(|state| state.waiting.take()).wake();
    }

    /// Its outcome, if it has arrived or failed.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        if self.settled.load(Ordering::Relaxed) { self.state.with(|state| state.outcome) } else { None }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letter")
    }
}
