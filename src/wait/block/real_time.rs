//! Whose time a wait is measured in, without clocks: real time.

use std::marker::PhantomData;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::wait::NetClock;
use crate::wait::block::left;

/// The clock that a thread takes part in: none.
pub(crate) struct ThreadClock;

impl ThreadClock {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn is_counted(&self) -> bool {
        false
    }

    pub(crate) fn sleep(&self, _: &Waker, park: impl Fn() -> bool, _: impl Fn()) -> bool {
        park()
    }

    pub(crate) fn wake(&self, wake: impl FnOnce() -> bool) -> bool {
        wake()
    }
}

/// A thread uses a network: without clocks that count threads, that is nothing.
#[inline(always)]
pub(crate) fn touch(_: NetClock<'_>) {}

/// The running thread belongs to this crate.
#[cfg(feature = "trace")]
pub(crate) fn serve() {}

/// What a clock would wake a thread by. Real time needs none.
pub(crate) struct NoTimer;

/// The end of a wait, if it has one.
pub(crate) struct Deadline<'a>(Option<Instant>, PhantomData<&'a ()>);

impl<'a> Deadline<'a> {
    /// A limit that an `Instant` cannot represent is none.
    pub(crate) fn new(limit: Option<Duration>, _: &'a ThreadClock, _: NetClock<'a>) -> Self {
        Self(limit.and_then(|limit| Instant::now().checked_add(limit)), PhantomData)
    }

    pub(crate) fn arm(&self, _: &Waker) -> NoTimer {
        NoTimer
    }

    /// Whether the wait goes on.
    pub(crate) fn is_ahead(&self, _: NoTimer) -> bool {
        self.0.is_none_or(|deadline| !left(deadline).is_zero())
    }

    /// How long the thread may sleep, if not until it is woken.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.0.map(left)
    }
}
