//! To learn that nothing can happen any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::wait::block::is_outside;
use crate::wait::clock::handle::Clock;
use crate::wait::clock::source::Timer;
use crate::wait::clock::time::{Class, Time};
use crate::wait::waker::is_noop;

impl Clock {
    /// Ready when no thread that takes part in the clock can run any more, if the running thread is one of these.
    pub(crate) fn stuck(&self) -> Option<Stuck> {
        let is_inside = self.counting().is_some_and(|auto| !is_outside(auto));
        is_inside.then(|| Stuck { clock: self.clone(), timer: None })
    }
}

/// See [`Clock::stuck`]. It is a timer for the end of time.
pub(crate) struct Stuck {
    clock: Clock,
    timer: Option<Timer>,
}

impl Future for Stuck {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.take().is_some_and(|timer| !self.clock.forget(timer)) {
            return Poll::Ready(());
        }
        if !is_noop(cx.waker()) {
            self.timer = Some(self.clock.wake_at(Time::MAX, Class::Timeout, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.clock.forget(timer);
        }
    }
}
