//! Waiting for the next event of a stream.

use alloc::format;
use core::future::Future;
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use crate::trace::check::Check;
use crate::trace::event::Event;
use crate::trace::failure::Failure;
use crate::trace::pattern::Pattern;
use crate::trace::silence::{Silent, shown};
use crate::wait::waker::noop_waker;
use crate::wait::{OnTimeout, Op};

impl Check {
    /// Expects the next event of a stream to fit, and returns it.
    ///
    /// # Errors
    ///
    /// Another event comes, or none; events were dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation takes no event.
    #[track_caller]
    pub fn expect<'a, P: Pattern + Send>(
        &'a mut self,
        stream: &'a str,
        pattern: P,
    ) -> Op<impl OnTimeout<Output = Result<Event, Failure>> + Send + use<'a, P>> {
        Op::new(Expect::new(self, stream, pattern, Location::caller()))
    }

    /// Returns the next event of a stream.
    ///
    /// # Errors
    ///
    /// None comes; events were dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation takes no event.
    #[track_caller]
    pub fn next<'a>(
        &'a mut self,
        stream: &'a str,
    ) -> Op<impl OnTimeout<Output = Result<Event, Failure>> + Send + use<'a>> {
        Op::new(Expect::new(self, stream, "*", Location::caller()))
    }

    /// As [`expect`](Check::expect), without waiting: `None` if there is no event yet.
    #[track_caller]
    pub fn try_expect(&mut self, stream: &str, pattern: impl Pattern) -> Option<Result<Event, Failure>> {
        let at = Location::caller();
        let outcome = self.take(stream, &pattern, at);
        if outcome.is_none() {
            let _ = self.admit(noop_waker(), stream, &pattern);
        }
        outcome
    }
}

/// Waits for the next event of a stream.
struct Expect<'a, P> {
    check: &'a mut Check,
    stream: &'a str,
    pattern: P,
    at: &'static Location<'static>,
    /// Whether it was polled before.
    waits: bool,
    /// The operation that it has let run.
    admitted: Option<u64>,
}

impl<'a, P: Pattern> Expect<'a, P> {
    fn new(check: &'a mut Check, stream: &'a str, pattern: P, at: &'static Location<'static>) -> Self {
        Self { check, stream, pattern, at, waits: false, admitted: None }
    }

    fn none(&self, how: &str) -> Failure {
        let Self { check, stream, pattern, at, .. } = self;
        let want = pattern.shown();
        let failure = check.failure(stream, format!("stream {stream}: {how}; want: {want}"));
        failure.at(at)
    }
}

impl<P: Pattern> Future for Expect<'_, P> {
    type Output = Result<Event, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.waits {
            this.check.silence.end();
            this.waits = true;
        }
        loop {
            if this
                .admitted
                .is_some_and(|number| this.check.trace.holding().poll_arrived(cx.waker(), number).is_pending())
            {
                break;
            }
            if let Some(outcome) = this.check.take(this.stream, &this.pattern, this.at) {
                return Poll::Ready(outcome);
            }
            if this.admitted.is_none() {
                this.admitted = this.check.admit(cx.waker(), this.stream, &this.pattern);
            }
            if this.check.poll_event(cx).is_pending() {
                break;
            }
        }
        let Check { silence, trace, .. } = &mut *this.check;
        let how = match ready!(silence.poll(cx, trace.network_clock())) {
            Silent::TooLong => format!("no event for {}", shown(silence.limit)),
            Silent::ForEver => "nothing more can happen".into(),
        };
        Poll::Ready(Err(this.none(&how)))
    }
}

impl<P: Pattern> OnTimeout for Expect<'_, P> {
    fn expire(self: Pin<&mut Self>, _: &Waker) -> Self::Output {
        Err(self.none("no event in time"))
    }
}

/// No field is ever pinned.
impl<P> Unpin for Expect<'_, P> {}

/// The wait ends.
impl<P> Drop for Expect<'_, P> {
    fn drop(&mut self) {
        self.check.silence.end();
    }
}
