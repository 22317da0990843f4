//! Blocking waits without threads: a loop that polls and calls a hook in between. Without a clock there are no
//! timeouts.

use core::marker::PhantomData;
use core::task::{Context, Poll, Waker};

use crate::wait::NetClock;
use crate::wait::waker::noop_waker;

/// Polls until there is an outcome, and calls the network's `relax` between two polls.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    _look: bool,
    timeout: IoTimeout<'_>,
    _expired: impl FnOnce(&Waker) -> R,
) -> R {
    loop {
        match poll(&mut Context::from_waker(noop_waker())) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => (timeout.relax)(),
        }
    }
}

/// A thread uses a network: without clocks that count threads, that is nothing.
#[inline(always)]
pub(crate) fn touch(_: NetClock<'_>) {}

/// The timeout of a blocking read or write: there is none, only what to call between two polls.
pub(crate) struct IoTimeout<'a> {
    relax: fn(),
    timeouts: PhantomData<&'a Timeouts>,
}

impl<'a> IoTimeout<'a> {
    pub(crate) fn new(_: &'a Timeouts, _: Key, _: &'a SpinHistories, relax: fn(), _: NetClock<'a>) -> Self {
        Self { relax, timeouts: PhantomData }
    }
}

/// The key of a timeout, as with threads.
pub(crate) type Key = (u32, u32, bool);

/// The timeouts of all connections of a network: there are none.
pub(crate) struct Timeouts;

impl Timeouts {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn watch(&self) {}

    /// A task may always wait until the host is idle.
    pub(crate) fn forget(&self, _: Key) -> bool {
        true
    }
}

/// The spin histories of a connection's handle: without threads there is nothing to record.
pub(crate) struct SpinHistories;

impl SpinHistories {
    pub(crate) fn default() -> Self {
        Self
    }
}
