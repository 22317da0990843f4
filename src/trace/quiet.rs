//! A time without events.

use std::format;
use std::future::Future;
use std::pin::Pin;
use std::string::ToString;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::trace::Passing;
use crate::trace::alarm::Alarm;
use crate::trace::check::Check;
use crate::trace::failure::Failure;
use crate::trace::silence::shown;
use crate::wait::Op;

impl Check {
    /// Waits until there was no event for this time, counted from its first poll: on the clock of the network, if it has
    /// one, else in real time.
    ///
    /// # Errors
    ///
    /// An event came.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// trace.check().quiet(Duration::from_millis(1)).wait()?;
    /// # Ok::<(), virtnet::trace::Failure>(())
    /// ```
    pub fn quiet(&mut self, time: Duration) -> Op<impl Future<Output = Result<(), Failure>> + Send + use<'_>> {
        Op::new(Quiet { check: self, time, began: false, passing: None, until: None, alarm: Alarm::default() })
    }
}

struct Quiet<'a> {
    check: &'a mut Check,
    time: Duration,
    began: bool,
    /// On the clock of the network.
    passing: Option<Passing>,
    /// In real time.
    until: Option<Instant>,
    alarm: Alarm,
}

impl Future for Quiet<'_> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let now = Instant::now();
        if !this.began {
            this.check.pull_each(|_| ());
            this.began = true;
            this.passing = this.check.pass(this.time);
            // A time that an `Instant` cannot represent never ends.
            this.until = now.checked_add(this.time);
        }
        loop {
            let mut came = None;
            this.check.pull_each(|event| came = came.take().or_else(|| Some(event.to_string())));
            if let Some(event) = came {
                let text = format!("not quiet for {}: {event}", shown(this.time));
                return Poll::Ready(Err(this.check.failure("", text)));
            }
            if this.check.poll_event(cx).is_pending() {
                break;
            }
        }
        if let Some(passing) = &mut this.passing {
            return Pin::new(passing).poll(cx).map(Ok);
        }
        match this.until {
            Some(until) if until <= now => Poll::Ready(Ok(())),
            Some(until) => {
                this.alarm.set(until, cx.waker());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}
