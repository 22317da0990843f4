//! Blocking waits where there are no threads: polling, with something else in between. There is no clock, so there are no
//! timeouts.

use core::marker::PhantomData;
use core::task::{Context, Poll, Waker};

use crate::wait::waker::noop_waker;

/// Waits by polling, with `relax` in between.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    _look: bool,
    _patience: Patience<'_>,
    relax: fn(),
    _expired: impl FnOnce(&Waker) -> R,
) -> R {
    loop {
        match poll(&mut Context::from_waker(noop_waker())) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => relax(),
        }
    }
}

/// How long a blocking read or write may take: as long as it takes.
pub(crate) struct Patience<'a>(PhantomData<&'a Timeouts>);

impl<'a> Patience<'a> {
    pub(crate) fn new(_: &'a Timeouts, _: Key, _: &'a Scores) -> Self {
        Self(PhantomData)
    }
}

/// Whose timeout it would be.
pub(crate) type Key = (u32, u32, bool);

/// The timeouts of all connections of a network: none.
pub(crate) struct Timeouts;

impl Timeouts {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn forget(&self, _: Key) {}
}

/// What a handle of a connection learns of its waits: nothing.
pub(crate) struct Scores;

impl Scores {
    pub(crate) fn default() -> Self {
        Self
    }
}
