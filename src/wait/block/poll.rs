//! Blocking waits where there are no threads: polling, with something else in between. There is no clock, so there are no
//! timeouts.

use core::marker::PhantomData;
use core::task::{Context, Poll, Waker};

use crate::wait::waker::noop_waker;

/// Waits by polling, with `relax` in between.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    _look: bool,
    _patience: IoTimeout<'_>,
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
pub(crate) struct IoTimeout<'a>(PhantomData<&'a Timeouts>);

impl<'a> IoTimeout<'a> {
    pub(crate) fn new(_: &'a Timeouts, _: Key, _: &'a SpinHistories) -> Self {
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
pub(crate) struct SpinHistories;

impl SpinHistories {
    pub(crate) fn default() -> Self {
        Self
    }
}
