//! Waiting: the future of every operation that may wait, and the wakers of those who do.

use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

pin_project! {
    /// An operation under way: `.await` it on any executor, or [`wait`](Op::wait) for it on a thread.
    ///
    /// Nothing happens before it is polled or waited for. Dropping it cancels the operation, as if it had not been
    /// started.
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
        match Parker::new().wait(|cx| future.as_mut().poll(cx), None) {
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

    /// Polls once: the outcome if there is one by now, and no waiting. Once it gave the outcome, it must not be called
    /// again.
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
        let outcome = parker.wait(|cx| future.as_mut().poll(cx), deadline);
        outcome.unwrap_or_else(|| future.expire(parker.waker()))
    }
}

impl<F: Future> Future for Op<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<F> fmt::Debug for Op<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Op")
    }
}

/// Waits on the thread for what `poll` finds, at most for `timeout`; `expired` then gives the outcome. With `look`, the
/// first attempt costs no waker. Without threads, `relax` is called between polls.
#[cfg(feature = "std")]
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    look: bool,
    timeout: Option<core::time::Duration>,
    _relax: fn(),
    expired: impl FnOnce(&Waker) -> R,
) -> R {
    if look && let Poll::Ready(outcome) = poll(&mut Context::from_waker(Waker::noop())) {
        return outcome;
    }
    let deadline = timeout.and_then(|timeout| std::time::Instant::now().checked_add(timeout));
    let parker = Parker::new();
    parker.wait(|cx| poll(cx), deadline).unwrap_or_else(|| expired(parker.waker()))
}

/// Waits by polling, with `relax` in between.
#[cfg(not(feature = "std"))]
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    _look: bool,
    _timeout: Option<core::time::Duration>,
    relax: fn(),
    _expired: impl FnOnce(&Waker) -> R,
) -> R {
    loop {
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => relax(),
        }
    }
}

/// How long a connection's blocking reads and writes may take.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub(crate) struct Timeouts {
    read: Limit,
    write: Limit,
}

#[cfg(feature = "std")]
impl Timeouts {
    /// None.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn read(&self) -> Option<core::time::Duration> {
        self.read.get()
    }

    pub(crate) fn write(&self) -> Option<core::time::Duration> {
        self.write.get()
    }

    pub(crate) fn set_read(&self, limit: Option<core::time::Duration>) {
        self.read.set(limit);
    }

    pub(crate) fn set_write(&self, limit: Option<core::time::Duration>) {
        self.write.set(limit);
    }
}

#[cfg(feature = "std")]
impl Clone for Timeouts {
    fn clone(&self) -> Self {
        let copy = Self::default();
        copy.set_read(self.read());
        copy.set_write(self.write());
        copy
    }
}

/// A time limit in nanoseconds; 0 is none.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
struct Limit(core::sync::atomic::AtomicU64);

#[cfg(feature = "std")]
impl Limit {
    fn get(&self) -> Option<core::time::Duration> {
        match self.0.load(core::sync::atomic::Ordering::Relaxed) {
            0 => None,
            nanos => Some(core::time::Duration::from_nanos(nanos)),
        }
    }

    fn set(&self, limit: Option<core::time::Duration>) {
        let nanos = limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self.0.store(nanos, core::sync::atomic::Ordering::Relaxed);
    }
}

/// Without a clock there are no timeouts.
#[cfg(not(feature = "std"))]
#[derive(Clone, Debug)]
pub(crate) struct Timeouts;

#[cfg(not(feature = "std"))]
impl Timeouts {
    /// None.
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn read(&self) -> Option<core::time::Duration> {
        None
    }

    pub(crate) fn write(&self) -> Option<core::time::Duration> {
        None
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

impl<F: Future, E: Fn(&Waker) -> F::Output> Expire for Expiring<F, E> {
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> F::Output {
        (self.expired)(waker)
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
pub struct Task(usize, usize);

#[cfg(feature = "pipenet")]
impl Task {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), core::ptr::from_ref(waker.vtable()).addr())
    }
}

#[cfg(feature = "pipenet")]
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

#[cfg(feature = "std")]
pub(crate) use parker::Parker;

#[cfg(feature = "std")]
mod parker {
    use core::sync::atomic::{AtomicU8, Ordering};
    use core::task::{Context, Poll, Waker};
    use std::sync::Arc;
    use std::task::Wake;
    use std::thread::{self, Thread};
    use std::time::Instant;

    /// Lets the thread that made it sleep until it is woken.
    pub(crate) struct Parker {
        signal: Arc<Signal>,
        waker: Waker,
    }

    struct Signal {
        state: AtomicU8,
        thread: Thread,
    }

    /// The thread runs, and nobody has woken it.
    const RUNNING: u8 = 0;
    /// The thread sleeps, or is about to.
    const PARKED: u8 = 1;
    /// Somebody has woken it.
    const WOKEN: u8 = 2;

    /// How often to look before going to sleep.
    const PAUSES: u32 = 128;

    impl Parker {
        pub(crate) fn new() -> Self {
            let signal = Arc::new(Signal { state: AtomicU8::new(RUNNING), thread: thread::current() });
            Self { waker: Waker::from(signal.clone()), signal }
        }

        pub(crate) fn waker(&self) -> &Waker {
            &self.waker
        }

        /// Polls, and sleeps until it is worth another poll, until there is an outcome or the deadline has passed.
        pub(crate) fn wait<R>(
            &self,
            mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
            deadline: Option<Instant>,
        ) -> Option<R> {
            let mut cx = Context::from_waker(&self.waker);
            let mut in_time = true;
            loop {
                match poll(&mut cx) {
                    Poll::Ready(outcome) => return Some(outcome),
                    Poll::Pending if in_time => self.park(deadline),
                    Poll::Pending => return None,
                }
                in_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
            }
        }

        fn park(&self, deadline: Option<Instant>) {
            let state = &self.signal.state;
            for _ in 0..PAUSES {
                if state.load(Ordering::Acquire) == WOKEN {
                    break;
                }
                core::hint::spin_loop();
            }
            if state.compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                while state.load(Ordering::Acquire) == PARKED {
                    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                        None => thread::park(),
                        Some(left) if left.is_zero() => break,
                        Some(left) => thread::park_timeout(left),
                    }
                }
            }
            state.swap(RUNNING, Ordering::AcqRel);
        }
    }

    impl Wake for Signal {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            if self.state.swap(WOKEN, Ordering::AcqRel) == PARKED {
                self.thread.unpark();
            }
        }
    }
}
