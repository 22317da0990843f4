//! How long a check waits without an event.

use core::task::{Context, Poll};
use core::time::Duration;

#[cfg(feature = "std")]
use crate::trace::alarm::Alarm;

/// Measures how long there was no event. Without `std` there is no clock, and no limit.
pub(super) struct Silence {
    pub(super) limit: Duration,
    #[cfg(feature = "std")]
    since: Option<std::time::Instant>,
    #[cfg(feature = "std")]
    alarm: Alarm,
}

#[cfg(feature = "std")]
impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since: None, alarm: Alarm::default() }
    }

    /// An event came, or a new wait begins.
    pub(super) fn end(&mut self) {
        self.since = None;
    }

    /// Ready once there was no event for as long as the limit; counts from the first poll on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = std::time::Instant::now();
        match self.since.get_or_insert(now).checked_add(self.limit) {
            Some(deadline) if deadline <= now => Poll::Ready(()),
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

    pub(super) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
