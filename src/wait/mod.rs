//! Operations that may wait, and the ways to wait for them.
//!
//! # One registration per operation
//!
//! Invariant: until an operation moves between tasks for the second time, at most one waker is registered for it: that
//! of the task that polled it last. A listener depends on it, as it claims one request for each registered accept.
//!
//! `Registered` guards against the interleaving in which task A polls an accept, the accept moves to task B, and B
//! polls it. Without a check, A stays registered beside B: the listener claims two requests for one accept, and the
//! second request waits for an accept that does not exist. So the first poll by another task sets `moved` and
//! unregisters A. Test: `an_accept_that_another_task_polls_claims_one_connection` in `tests/two_subnetworks/accept.rs`.
//!
//! A is also woken: another operation of task A may share the waker, and has lost its registration along with this one.
//! The same happens when an operation is dropped. Test:
//! `a_dropped_operation_takes_no_wake_up_from_another_of_its_task` in `tests/hostile/executor.rs`.
//!
//! `moved` is set once and never cleared. Some executors pass a new waker to each poll, and the old waker may cause the
//! next poll: waking it every time would poll forever. After the first move, earlier wakers therefore stay registered
//! until the event wakes them. Test: `an_executor_with_a_new_waker_for_each_poll_comes_to_rest` in
//! `tests/hostile/executor.rs`.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

#[cfg(feature = "std")]
use crate::wait::block::{Parker, SpinHistory};
use crate::wait::budget::poll_proceed;
use crate::wait::waker::{discard, is_noop, noop_waker, wake};

pub(crate) mod block;
mod budget;
#[cfg(feature = "sim")]
pub mod clock;
#[cfg(not(feature = "sim"))]
mod no_clock;
pub(crate) mod waker;

#[cfg(feature = "sim")]
pub(crate) use clock::slot::{ClockSlot, NetClock};
#[cfg(not(feature = "sim"))]
pub(crate) use no_clock::{ClockSlot, NetClock};

pin_project! {
    /// A pending operation: `.await` it on any executor, or block a thread on it with [`wait`](Op::wait).
    ///
    /// It does nothing before it is polled or waited for. Dropping it cancels the operation and leaves no trace, unless
    /// its *Cancel safety* section says otherwise. It is not `Unpin`: to poll one more than once, `pin!` it.
    /// Without the feature `std`, use [`wait_with`](Op::wait_with) or [`try_wait`](Op::try_wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::{ErrorKind, pipenet};
    ///
    /// let net = pipenet::Network::new("t");
    /// let listener = net.host("a")?.listen(":1")?;
    /// let error = listener.accept().wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[must_use = "an operation does nothing unless it is awaited or waited for"]
    pub struct Op<F> {
        #[pin]
        future: F,
        // The clock of its network.
        clock: ClockSlot,
    }
}

impl<F: Future> Op<F> {
    /// Wraps a future, so that a thread can block on it.
    pub fn new(future: F) -> Self {
        Self { future, clock: ClockSlot::EMPTY }
    }

    /// Its timeouts are measured on the clock of its network.
    pub(crate) fn on(self, clock: NetClock<'_>) -> Self {
        Self { clock: clock.to_slot(), ..self }
    }

    /// Blocks the thread until the operation completes.
    #[cfg(feature = "std")]
    #[doc(alias = "block_on")]
    pub fn wait(self) -> F::Output {
        let Self { future, clock } = self;
        let mut future = core::pin::pin!(future);
        let wait =
            |parker: &Parker| parker.wait(|cx| future.as_mut().poll(cx), None, clock.get(), &SpinHistory::default());
        match Parker::with(wait) {
            Some(output) => output,
            None => unreachable!("a wait without a deadline ends with an outcome"),
        }
    }

    /// Polls until the operation completes, and calls `relax` after each poll that returns `Pending`. `relax` may
    /// pause, wait for an interrupt, or run the next round of a main loop.
    pub fn wait_with(self, mut relax: impl FnMut()) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(noop_waker())) {
                Poll::Ready(output) => return output,
                Poll::Pending => relax(),
            }
        }
    }

    /// Polls once, without waiting. Returns the outcome if there is one, and `None` where the `try_` methods of
    /// connections fail with `would block`. After it has returned the outcome, it must not be called again.
    ///
    /// # Examples
    ///
    /// Both ends of a connection, on one thread:
    ///
    /// ```
    /// use std::pin::pin;
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let (a, b) = (net.host("a")?, net.host("b")?);
    /// let listener = a.listen(":1")?;
    /// let mut dial = pin!(b.dial("a:1"));
    /// assert!(dial.as_mut().try_wait().is_none());
    /// let accepted = listener.try_accept()?;
    /// let dialled = dial.try_wait().expect("the listener has accepted")?;
    /// assert_eq!(dialled.peer_addr(), accepted.local_addr());
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    pub fn try_wait(self: Pin<&mut Self>) -> Option<F::Output> {
        match self.project().future.poll(&mut Context::from_waker(noop_waker())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl<F: OnTimeout> Op<F> {
    /// Converts the outcome, also that of a timeout. With it, a [`Networker`](crate::Networker) around another one
    /// returns the operations of the inner one.
    ///
    /// # Cancel safety
    ///
    /// That of the operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::{ErrorKind, pipenet};
    ///
    /// let net = pipenet::Network::new("t");
    /// let listener = net.host("a")?.listen(":1")?;
    /// let kind = listener.accept().map(|accepted| accepted.map(drop).map_err(|error| error.kind()));
    /// assert_eq!(kind.wait_timeout(Duration::ZERO), Err(ErrorKind::TimedOut));
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    pub fn map<T, M: FnOnce(F::Output) -> T>(self, map: M) -> Op<impl OnTimeout<Output = T> + use<F, T, M>> {
        Op { future: Map { future: self.future, map: Some(map) }, clock: self.clock }
    }

    /// Blocks the thread until the operation completes, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// `timed out`, which leaves everything as if the operation had not been started. An outcome that is available at
    /// once is returned even with a timeout of zero. A [`Snapshot`](crate::snapshot::Snapshot) shows what other tasks
    /// wait for.
    #[cfg(feature = "std")]
    pub fn wait_timeout(self, timeout: core::time::Duration) -> F::Output {
        let Self { future, clock } = self;
        let mut future = core::pin::pin!(future);
        Parker::with(|parker| {
            let history = SpinHistory::default();
            let outcome = parker.wait(|cx| future.as_mut().poll(cx), Some(timeout), clock.get(), &history);
            outcome.unwrap_or_else(|| future.as_mut().expire(parker.waker()))
        })
    }
}

/// A task whose operations are always ready yields once its budget is spent, if its runtime has budgets.
impl<F: Future> Future for Op<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let turn = ready!(poll_proceed(cx));
        let output = ready!(self.project().future.poll(cx));
        turn.made_progress();
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Op<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Op")
    }
}

/// An operation within another one expires with it.
impl<F: OnTimeout> OnTimeout for Op<F> {
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> F::Output {
        self.project().future.expire(waker)
    }
}

pin_project! {
    /// A future whose outcome is converted.
    struct Map<F, M> {
        #[pin]
        future: F,
        map: Option<M>,
    }
}

impl<F, M> Map<F, M> {
    fn convert<A, T>(map: &mut Option<M>, outcome: A) -> T
    where
        M: FnOnce(A) -> T,
    {
        map.take().expect("an operation is not polled after it was done")(outcome)
    }
}

impl<F: Future, T, M: FnOnce(F::Output) -> T> Future for Map<F, M> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        this.future.poll(cx).map(|outcome| Self::convert(this.map, outcome))
    }
}

impl<F: OnTimeout, T, M: FnOnce(F::Output) -> T> OnTimeout for Map<F, M> {
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> T {
        let this = self.project();
        Self::convert(this.map, this.future.expire(waker))
    }
}

/// A future that has an outcome for the case that it times out.
pub trait OnTimeout: Future {
    /// Ends the operation, and returns its outcome for a timeout. `waker` is the one that it was last polled with; it
    /// no longer has to be woken.
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> Self::Output;
}

pin_project! {
    /// A future together with its outcome for a timeout.
    pub(crate) struct Expiring<F, E> {
        #[pin]
        pub(crate) future: F,
        pub(crate) expired: E,
    }
}

impl<F: Future, E> Future for Expiring<F, E> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<F: Future, E: Fn() -> F::Output> OnTimeout for Expiring<F, E> {
    fn expire(self: Pin<&mut Self>, _: &Waker) -> F::Output {
        (self.expired)()
    }
}

pin_project! {
    /// A future that registers its task's waker in a set. It unregisters the waker when it moves to another task, times
    /// out, or is dropped while pending.
    pub(crate) struct Registered<F, E, L: Fn(&Waker)> {
        #[pin]
        future: F,
        expired: E,
        unregister: L,
        // The waker that is registered.
        waker: Option<Waker>,
        // Whether the future has moved to another task. Set once, never cleared: see the module.
        moved: bool,
    }

    impl<F, E, L: Fn(&Waker)> PinnedDrop for Registered<F, E, L> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            unregister(this.waker.take(), this.unregister);
        }
    }
}

impl<F, E, L: Fn(&Waker)> Registered<F, E, L> {
    /// `expired` returns the outcome for a timeout, `unregister` removes a waker from the set.
    pub(crate) fn new(future: F, expired: E, unregister: L) -> Self {
        Self { future, expired, unregister, waker: None, moved: false }
    }
}

impl<F: Future, E, L: Fn(&Waker)> Future for Registered<F, E, L> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Only once: if each poll has a waker of its own, waking the previous one each time would never end.
        if !*this.moved && this.waker.as_ref().is_some_and(|before| is_other(before, cx.waker())) {
            *this.moved = true;
            unregister(this.waker.take(), this.unregister);
        }
        let outcome = this.future.poll(cx);
        match &outcome {
            Poll::Ready(_) => this.waker.take().into_iter().for_each(discard),
            Poll::Pending if is_noop(cx.waker()) => {}
            Poll::Pending if this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) => {}
            Poll::Pending => this.waker.replace(cx.waker().clone()).into_iter().for_each(discard),
        }
        outcome
    }
}

/// Unregisters the task of `waker`, and wakes it.
#[inline(never)]
fn unregister(waker: Option<Waker>, unregister: &impl Fn(&Waker)) {
    if let Some(waker) = waker {
        unregister(&waker);
        // Another operation of the task may have been registered with the same waker. It has to poll again.
        wake(waker);
    }
}

/// Whether `new` belongs to another task than `known`. `known` is a clone, and `will_wake` may be false between a waker
/// and its clones, so a clone of `new` is compared too.
#[cfg_attr(not(feature = "std"), inline(never))]
fn is_other(known: &Waker, new: &Waker) -> bool {
    if known.will_wake(new) || is_noop(new) {
        return false;
    }
    let clone = new.clone();
    let is_other = !known.will_wake(&clone);
    discard(clone);
    is_other
}

impl<F: Future, E: Fn() -> F::Output, L: Fn(&Waker)> OnTimeout for Registered<F, E, L> {
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> F::Output {
        let this = self.project();
        this.waker.take().into_iter().for_each(discard);
        (this.unregister)(waker);
        (this.expired)()
    }
}
