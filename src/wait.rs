//! Waiting: the future of every operation that may wait, and the wakers of those who do.

use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

#[cfg(feature = "std")]
use crate::block::{Parker, Patience};
use crate::budget::poll_proceed;

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
    pub fn wait(self) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        match Parker::new().wait(|cx| future.as_mut().poll(cx), None, &Patience::default()) {
            Some(output) => output,
            None => unreachable!("a wait without a deadline ends with an outcome"),
        }
    }

    /// Polls until the operation is done and calls `relax` whenever it is not: a pause, a wait for an interrupt, or the
    /// next round of a loop that does all the work.
    pub fn wait_with(self, mut relax: impl FnMut()) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
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
        match self.project().future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl<F: Expire> Op<F> {
    /// Blocks the thread until the operation is done, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// `timed out`; then all is as if the operation had not been started. An outcome that is there at once wins, even
    /// over a timeout of zero.
    #[cfg(feature = "std")]
    pub fn wait_timeout(self, timeout: core::time::Duration) -> F::Output {
        let mut future = core::pin::pin!(self.future);
        let parker = Parker::new();
        // A deadline beyond the end of time is none.
        let deadline = std::time::Instant::now().checked_add(timeout);
        let outcome = parker.wait(|cx| future.as_mut().poll(cx), deadline, &Patience::default());
        outcome.unwrap_or_else(|| future.expire(parker.waker()))
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
pub trait Expire: Future {
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

impl<F: Future, E: Fn() -> F::Output> Expire for Expiring<F, E> {
    fn expire(self: Pin<&mut Self>, _: &Waker) -> F::Output {
        (self.expired)()
    }
}

pin_project! {
    /// A future that waits among others, and leaves them when it is done or dropped.
    pub(crate) struct Waiting<F, E, L: Fn(&Waker)> {
        #[pin]
        future: F,
        expired: E,
        leave: L,
        // What it waits with.
        waker: Option<Waker>,
    }

    impl<F, E, L: Fn(&Waker)> PinnedDrop for Waiting<F, E, L> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(waker) = this.waker.take() {
                (this.leave)(&waker);
                // Something else of its task may have waited with the same waker, and looks again.
                wake(waker);
            }
        }
    }
}

impl<F, E, L: Fn(&Waker)> Waiting<F, E, L> {
    /// `expired` is the outcome when its time is over, `leave` takes it out of those who wait.
    pub(crate) fn new(future: F, expired: E, leave: L) -> Self {
        Self { future, expired, leave, waker: None }
    }
}

impl<F: Future, E, L: Fn(&Waker)> Future for Waiting<F, E, L> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outcome = this.future.poll(cx);
        match &outcome {
            Poll::Ready(_) => drop(this.waker.take()),
            Poll::Pending if cx.waker().will_wake(Waker::noop()) => {}
            Poll::Pending if this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) => {}
            Poll::Pending => *this.waker = Some(cx.waker().clone()),
        }
        outcome
    }
}

impl<F: Future, E: Fn() -> F::Output, L: Fn(&Waker)> Expire for Waiting<F, E, L> {
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> F::Output {
        let this = self.project();
        *this.waker = None;
        (this.leave)(waker);
        (this.expired)()
    }
}

/// Those who wait for one thing. All are woken at once, and look again.
pub trait Wakers: Default + Send {
    /// How many wait.
    fn count(&self) -> usize;

    /// Whether nobody waits.
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether `waker` or one like it waits.
    fn contains(&self, waker: &Waker) -> bool;

    /// Lets `waker` wait. If there is no room, gives back all who waited so far, to be woken: they look again.
    fn insert(&mut self, waker: Waker) -> Option<Self>;

    /// Lets `waker` wait no longer, and hands it over to be dropped outside the lock.
    fn remove(&mut self, waker: &Waker) -> Option<Waker>;

    /// Wakes all. To be called outside of any lock.
    fn wake(self);

    /// Takes all out, to be woken outside the lock.
    fn take(&mut self) -> Self {
        mem::take(self)
    }
}

/// Room for two wakers; a third wakes those two.
#[derive(Debug, Default)]
pub struct TwoWakers([Option<Waker>; 2]);

impl TwoWakers {
    pub(crate) const NONE: Self = Self([None, None]);
}

impl Wakers for TwoWakers {
    fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.0.iter().flatten().any(|known| known.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Self> {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(waker);
            return None;
        }
        let woken = self.take();
        self.0[0] = Some(waker);
        Some(woken)
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        self.0.iter_mut().find_map(|slot| slot.take_if(|known| known.will_wake(waker)))
    }

    fn wake(self) {
        self.0.into_iter().flatten().for_each(wake);
    }
}

/// Room for as many wakers as wait.
#[cfg(feature = "alloc")]
#[derive(Debug, Default)]
pub struct ManyWakers {
    /// The first one; mostly there is no other.
    one: Option<Waker>,
    #[allow(clippy::box_collection, reason = "one word instead of three, taken out and put back all the time")]
    more: Option<alloc::boxed::Box<alloc::vec::Vec<Waker>>>,
}

#[cfg(feature = "alloc")]
impl ManyWakers {
    fn more(&self) -> &[Waker] {
        self.more.as_deref().map_or(&[], |more| more)
    }
}

#[cfg(feature = "alloc")]
impl Wakers for ManyWakers {
    fn count(&self) -> usize {
        usize::from(self.one.is_some()) + self.more().len()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.one.is_none() && self.more.is_none()
    }

    fn contains(&self, waker: &Waker) -> bool {
        self.one.iter().chain(self.more()).any(|known| known.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Option<Self> {
        match self.one {
            None => self.one = Some(waker),
            Some(_) => self.more.get_or_insert_default().push(waker),
        }
        None
    }

    fn remove(&mut self, waker: &Waker) -> Option<Waker> {
        let one = self.one.take_if(|known| known.will_wake(waker));
        one.or_else(|| {
            let more = self.more.as_deref_mut()?;
            let found = more.iter().position(|known| known.will_wake(waker))?;
            Some(more.swap_remove(found))
        })
    }

    #[inline]
    fn wake(self) {
        if let Some(one) = self.one {
            wake(one);
        }
        if let Some(more) = self.more {
            more.into_iter().for_each(wake);
        }
    }
}

/// Wakes `waker`. One that panics harms nobody else: its panic ends here.
pub(crate) fn wake(waker: Waker) {
    #[cfg(feature = "std")]
    let _ = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| waker.wake()));
    #[cfg(not(feature = "std"))]
    waker.wake();
}

/// A task's way into a set of those who wait, for a step under a lock: what it leaves there is cloned before that step,
/// and what it displaces is woken after it.
pub(crate) struct Seat<'a, W> {
    waker: &'a Waker,
    /// What the second attempt brings along. The first has nothing, and often needs nothing.
    luggage: Option<&'a mut Luggage<W>>,
    wanted: bool,
}

struct Luggage<W> {
    clone: Option<Waker>,
    /// Those who lost their place and look again.
    evicted: Option<W>,
}

impl<W: Wakers> Seat<'_, W> {
    /// Lets the task wait among `set`; says whether it does. If not, the step answers `Pending` and is taken again.
    ///
    /// Nobody waits with a waker that does nothing.
    pub(crate) fn take(&mut self, set: &mut W) -> bool {
        if set.contains(self.waker) || self.waker.will_wake(Waker::noop()) {
            return true;
        }
        let Some(luggage) = &mut self.luggage else {
            self.wanted = true;
            return false;
        };
        if let Some(clone) = luggage.clone.take() {
            luggage.evicted = set.insert(clone);
        }
        true
    }

    /// What tells this task from others.
    #[cfg(feature = "pipenet")]
    pub(crate) fn task(&self) -> Task {
        Task::of(self.waker)
    }
}

/// Takes `step` under a lock, again with a waker to leave behind if the first attempt wanted one.
///
/// The step takes its seat before it answers `Pending`.
#[inline]
pub(crate) fn poll_step<W: Wakers, R>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Seat<'_, W>) -> Poll<R>,
) -> Poll<R> {
    let mut seat = Seat { waker: cx.waker(), luggage: None, wanted: false };
    let outcome = step(&mut seat);
    if !seat.wanted {
        return outcome;
    }
    let mut luggage = Luggage { clone: Some(cx.waker().clone()), evicted: None };
    let outcome = step(&mut Seat { waker: cx.waker(), luggage: Some(&mut luggage), wanted: false });
    if let Some(evicted) = luggage.evicted {
        evicted.wake();
    }
    outcome
}

/// Tells one waiting task from another, as far as their wakers differ.
#[cfg(feature = "pipenet")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Task(usize, core::num::NonZero<usize>);

#[cfg(feature = "pipenet")]
impl Task {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), core::ptr::NonNull::from(waker.vtable()).addr())
    }
}

#[cfg(feature = "pipenet")]
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}
