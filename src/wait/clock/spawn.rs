//! Threads that take part in a clock from before they start until after they end.

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;

use crate::sync::Lock;
use crate::wait::Op;
use crate::wait::clock::handle::Clock;
use crate::wait::clock::participant::Invitation;
use crate::wait::waker::{ManyWakers, Wakers as _, poll_locked};

impl Clock {
    /// Starts a thread that takes part in the clock, as [`std::thread::spawn`] does: it counts as one that runs from now
    /// on, before it has begun.
    ///
    /// # Panics
    ///
    /// If the operating system fails to start a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::Clock;
    ///
    /// let clock = Clock::auto();
    /// let _me = clock.enter();
    /// let sleeper = clock.spawn({
    ///     let clock = clock.clone();
    ///     move || {
    ///         clock.sleep(Duration::from_secs(60)).wait();
    ///         clock.now()
    ///     }
    /// });
    /// assert_eq!(sleeper.join().unwrap().to_string(), "60.000s");
    /// ```
    #[track_caller]
    pub fn spawn<T: Send + 'static>(&self, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let ended = Arc::new(Unfinished::new());
        let child = Child::new(self, Location::caller(), [Some(ended.clone()), None]);
        JoinHandle { ended, thread: thread::spawn(move || child.run(run)) }
    }

    /// Runs `act`, which may start threads that borrow, as [`std::thread::scope`] does. These and the running thread
    /// take part in the clock until all of them have ended.
    ///
    /// # Panics
    ///
    /// If a thread panicked that was not joined.
    ///
    /// # Examples
    ///
    /// See [`Clock::auto`].
    #[track_caller]
    pub fn scope<'env, T>(&self, act: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> T) -> T {
        let _entered = self.enter();
        thread::scope(|threads| {
            // The threads are waited for on the clock, also after a panic, and then in reality.
            let all = Arc::new(Unfinished::new());
            let _ended = WaitsFor(all.clone());
            act(&Scope { threads, clock: self.clone(), all })
        })
    }
}

/// The handle of a thread that takes part in a clock; see [`Clock::spawn`]. Dropping it lets the thread run on.
pub struct JoinHandle<T> {
    ended: Arc<Unfinished>,
    thread: thread::JoinHandle<T>,
}

impl<T> JoinHandle<T> {
    /// Waits until the thread has ended, and returns its outcome. For the clock of the running thread this is a wait.
    ///
    /// # Errors
    ///
    /// The payload of the thread's panic.
    pub fn join(self) -> thread::Result<T> {
        self.ended.wait();
        self.thread.join()
    }

    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &thread::Thread {
        self.thread.thread()
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.thread.fmt(f)
    }
}

/// Starts threads that may borrow; see [`Clock::scope`].
#[derive(Clone)]
pub struct Scope<'scope, 'env> {
    threads: &'scope thread::Scope<'scope, 'env>,
    clock: Clock,
    all: Arc<Unfinished>,
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a thread that takes part in the clock; see [`Clock::spawn`].
    ///
    /// # Panics
    ///
    /// If the operating system fails to start a thread.
    #[track_caller]
    pub fn spawn<T: Send + 'scope>(&self, run: impl FnOnce() -> T + Send + 'scope) -> ScopedJoinHandle<'scope, T> {
        let ended = Arc::new(Unfinished::new());
        let child = Child::new(&self.clock, Location::caller(), [Some(ended.clone()), Some(self.all.clone())]);
        ScopedJoinHandle { ended, thread: self.threads.spawn(move || child.run(run)) }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.threads.fmt(f)
    }
}

/// The handle of a thread of a scope; see [`Clock::scope`].
pub struct ScopedJoinHandle<'scope, T> {
    ended: Arc<Unfinished>,
    thread: thread::ScopedJoinHandle<'scope, T>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits until the thread has ended, and returns its outcome. For the clock of the running thread this is a wait.
    ///
    /// # Errors
    ///
    /// The payload of the thread's panic.
    pub fn join(self) -> thread::Result<T> {
        self.ended.wait();
        self.thread.join()
    }

    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &thread::Thread {
        self.thread.thread()
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.thread.fmt(f)
    }
}

/// A thread that was counted by its parent, and that others may wait for.
struct Child {
    invitation: Invitation,
    ended: Ended,
}

impl Child {
    fn new(clock: &Clock, place: &'static Location<'static>, counts: [Option<Arc<Unfinished>>; 2]) -> Self {
        counts.iter().flatten().for_each(|count| count.add());
        Self { invitation: Invitation::new(clock, place), ended: Ended(counts) }
    }

    fn run<T>(self, run: impl FnOnce() -> T) -> T {
        let _entered = self.invitation.enter();
        // It is dropped first: threads that wait for this one count before it leaves.
        let _ended = self.ended;
        run()
    }
}

/// Tells those that wait for a thread, when this is dropped.
struct Ended([Option<Arc<Unfinished>>; 2]);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.iter().flatten().for_each(|count| count.finish());
    }
}

/// How many threads have not ended, and who waits for them.
struct Unfinished(Lock<(usize, ManyWakers)>);

impl Unfinished {
    fn new() -> Self {
        Self(Lock::new((0, ManyWakers::default())))
    }

    fn add(&self) {
        self.0.with(|(count, _)| *count += 1);
    }

    fn finish(&self) {
        let wakers = self.0.with(|(count, wakers)| {
            *count -= 1;
            if *count == 0 { wakers.take() } else { ManyWakers::default() }
        });
        wakers.wake();
    }

    /// Waits until all have ended.
    fn wait(&self) {
        Op::new(poll_fn(|cx| self.poll(cx.waker()))).wait();
    }

    fn poll(&self, waker: &Waker) -> Poll<()> {
        poll_locked(waker, |registration| {
            self.0.with(|(count, wakers)| {
                if *count == 0 {
                    return Poll::Ready(());
                }
                registration.register(wakers);
                Poll::Pending
            })
        })
    }
}

/// Waits for threads when it is dropped.
struct WaitsFor(Arc<Unfinished>);

impl Drop for WaitsFor {
    fn drop(&mut self) {
        self.0.wait();
    }
}
