//! Blocking waits where there are no threads: polling, with something else in between. There is no clock, so there are no
//! timeouts.

use core::task::{Context, Poll, Waker};

use crate::waker::idle;

/// Waits by polling, with `relax` in between.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    _look: bool,
    _patience: Patience<'_>,
    relax: fn(),
    _expired: impl FnOnce(&Waker) -> R,
) -> R {
    loop {
        match poll(&mut Context::from_waker(idle())) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => relax(),
        }
    }
}

/// How long blocking reads, or writes, of one connection may take: as long as it takes.
pub(crate) type Patience<'a> = &'a Patiences;

/// What a connection keeps of that: nothing.
#[derive(Clone)]
pub(crate) struct Patiences;

impl Patiences {
    pub(crate) fn default() -> Self {
        Self
    }

    pub(crate) fn take_writing(&self, _: &Self) {}

    pub(crate) fn reading(&self) -> Patience<'_> {
        self
    }

    pub(crate) fn writing(&self) -> Patience<'_> {
        self
    }
}
