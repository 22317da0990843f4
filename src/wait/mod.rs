//! Operations that may wait, and how they are waited for.

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
pub(crate) mod waker;

pin_project! {
    /// An operation under way: `.await` it on any executor, or [`wait`](Op::wait) for it on a thread.
    ///
    /// Nothing happens before it is polled or waited for. Dropping it cancels the operation, as if it had not been
    /// started, unless its own *cancel safety* says otherwise. It is not `Unpin`: to poll one more than once, `pin!` it.
    /// Without the feature `std`, there are [`wait_with`](Op::wait_with) and [`try_wait`](Op::try_wait).
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
    }
}

impl<F: Future> Op<F> {
    /// Makes an operation of a future, so that it can be waited for.
    pub fn new(future: F) -> Self {
        Self { future }
    }

    /// Blocks the thread until the operation is done.
    #[cfg(feature = "std")]
    #[doc(alias = "block_on")]
    pub fn wait(self) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        match Parker::with(|parker| parker.wait(|cx| future.as_mut().poll(cx), None, &SpinHistory::default())) {
            Some(output) => output,
            None => unreachable!("a wait without a deadline ends with an outcome"),
        }
    }

    /// Polls until the operation is done and calls `relax` whenever it is not: a pause, a wait for an interrupt, or the
    /// next round of a loop that does all the work.
    pub fn wait_with(self, mut relax: impl FnMut()) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(noop_waker())) {
                Poll::Ready(output) => return output,
                Poll::Pending => relax(),
            }
        }
    }

    /// Polls once: the outcome if there is one by now, and no waiting; `None` where the `try_` methods of connections say
    /// `would block`. Once it gave the outcome, it must not be called again.
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
    /// Blocks the thread until the operation is done, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// `timed out`; then all is as if the operation had not been started. An outcome that is there at once wins, even
    /// over a timeout of zero. A [`Snapshot`](crate::snapshot::Snapshot) shows what others wait for.
    #[cfg(feature = "std")]
    pub fn wait_timeout(self, timeout: core::time::Duration) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        // A deadline beyond the end of time is none.
        let deadline = std::time::Instant::now().checked_add(timeout);
        Parker::with(|parker| {
            let outcome = parker.wait(|cx| future.as_mut().poll(cx), deadline, &SpinHistory::default());
            outcome.unwrap_or_else(|| future.as_mut().expire(parker.waker()))
        })
    }
}

/// A task that goes on and on with operations which need not wait yields when its budget is spent, where its runtime
/// gives it one.
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

/// A future that can be given up with an error of its own.
pub trait OnTimeout: Future {
    /// The outcome of an operation whose time is over. `waker` is the one that it was last polled with and need not be
    /// woken any more.
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> Self::Output;
}

pin_project! {
    /// A future with the outcome that it has when its time is over.
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
    /// A future that waits among others, and leaves them when it is done or dropped.
    pub(crate) struct Registered<F, E, L: Fn(&Waker)> {
        #[pin]
        future: F,
        expired: E,
        unregister: L,
        // What it waits with.
        waker: Option<Waker>,
        // Whether another task has polled it than before.
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
    /// `expired` is the outcome when its time is over, `unregister` takes it out of those who wait.
    pub(crate) fn new(future: F, expired: E, unregister: L) -> Self {
        Self { future, expired, unregister, waker: None, moved: false }
    }
}

impl<F: Future, E, L: Fn(&Waker)> Future for Registered<F, E, L> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Only once: where each poll comes with a waker of its own, to wake the one before would go on forever.
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

/// Takes the task of `waker` out of those who wait.
#[inline(never)]
fn unregister(waker: Option<Waker>, unregister: &impl Fn(&Waker)) {
    if let Some(waker) = waker {
        unregister(&waker);
        // Something else of its task may have waited with the same waker, and looks again.
        wake(waker);
    }
}

/// Whether `new` is the waker of another task than `known`, which is a clone: a waker need not know its clones.
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
