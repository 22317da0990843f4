//! How long a check waits without an event.

use alloc::format;
use alloc::string::String;
#[cfg(feature = "std")]
use core::future::Future as _;
#[cfg(feature = "std")]
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::trace::NetworkClock;
#[cfg(feature = "std")]
use crate::trace::Stuck;
#[cfg(feature = "std")]
use crate::trace::alarm::Alarm;

/// Measures how long there was no event. Without `std` there is no clock, and no limit.
pub(super) struct Silence {
    pub(super) limit: Duration,
    #[cfg(feature = "std")]
    since: Option<std::time::Instant>,
    #[cfg(feature = "std")]
    alarm: Alarm,
    /// From the first poll on, if the clock of the network can tell that there will be no event.
    #[cfg(feature = "std")]
    stuck: Option<Stuck>,
}

/// Why there is no event.
#[cfg_attr(not(feature = "std"), allow(dead_code, reason = "without threads, a check waits on"))]
pub(super) enum Silent {
    /// There was none for as long as the limit.
    TooLong,
    /// There will be none.
    ForEver,
}

#[cfg(feature = "std")]
impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since: None, alarm: Alarm::default(), stuck: None }
    }

    /// An event came, or a wait begins or ends.
    pub(super) fn end(&mut self) {
        self.since = None;
        self.stuck = None;
    }

    /// Ready once there was no event for as long as the limit, or will be none; counts from the first poll on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, clock: &NetworkClock) -> Poll<Silent> {
        let now = std::time::Instant::now();
        if self.since.is_none() {
            self.stuck = clock.stuck();
        }
        if let Some(stuck) = &mut self.stuck
            && Pin::new(stuck).poll(cx).is_ready()
        {
            return Poll::Ready(Silent::ForEver);
        }
        match self.since.get_or_insert(now).checked_add(self.limit) {
            Some(deadline) if deadline <= now => Poll::Ready(Silent::TooLong),
            Some(deadline) => {
                self.alarm.set(deadline, cx.waker());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

#[cfg(not(feature = "std"))]
impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit }
    }

    pub(super) fn end(&mut self) {}

    pub(super) fn poll(&mut self, _: &mut Context<'_>, _: &NetworkClock) -> Poll<Silent> {
        Poll::Pending
    }
}

/// A time in whole seconds, or else in milliseconds.
pub(super) fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}
