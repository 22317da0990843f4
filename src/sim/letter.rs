//! Something that arrives once, and the tasks that wait for it.

use core::fmt;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use crate::error::cause::Cause;
use crate::sync::{AtomicU32, Lock};
use crate::wait::waker::{ManyWakers, Wakers, poll_locked};

/// Something that arrives once, or fails. The first outcome stays.
pub(super) struct Letter {
    /// Its outcome, as a number; 0 if there is none.
    outcome: AtomicU32,
    waiting: Lock<ManyWakers>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Arrived = 1,
    /// The dial that it is for is refused on its way, or takes too long.
    Refused = 2,
    TimedOut = 3,
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

impl Letter {
    pub(super) fn new() -> Self {
        Self { outcome: AtomicU32::new(0), waiting: Lock::new(ManyWakers::default()) }
    }

    /// It arrives, or fails. Called under no lock.
    pub(super) fn settle(&self, outcome: Outcome) {
        self.take(outcome).wake();
    }

    /// It arrives, and the tasks that wait are not woken.
    pub(super) fn arrive(&self) -> ManyWakers {
        self.take(Outcome::Arrived)
    }

    fn take(&self, outcome: Outcome) -> ManyWakers {
        self.waiting.with(|waiting| {
            if self.outcome().is_none() {
                self.outcome.store(outcome as u32, Ordering::Release);
            }
            waiting.take()
        })
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        poll_locked(cx.waker(), |registration| {
            self.waiting.with(|waiting| match self.outcome() {
                Some(outcome) => Poll::Ready(outcome.into()),
                None => {
                    registration.register(waiting);
                    Poll::Pending
                }
            })
        })
    }

    /// Wakes the tasks that wait, to look at something else.
    pub(super) fn wake(&self) {
        self.waiting.with(ManyWakers::take).wake();
    }

    /// Its outcome, if it has arrived or failed.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.outcome.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Outcome::Arrived),
            2 => Some(Outcome::Refused),
            _ => Some(Outcome::TimedOut),
        }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letter")
    }
}
