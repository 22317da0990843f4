//! The automatic clock, and how the running thread takes part in it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::sync::thread::{self, ThreadId};
use crate::wait::Op;
use crate::wait::block::{Part, ThreadClock, is_outside};
use crate::wait::clock::auto::{Auto, Seat};
use crate::wait::clock::handle::Clock;

impl Clock {
    /// A clock that moves by itself, to the next deadline, when none of the threads that take part in it can run.
    ///
    /// A thread takes part if it was started by [`spawn`](Clock::spawn) or [`scope`](Clock::scope), or while it holds
    /// [`enter`](Clock::enter). Time stands still while any of them runs, also if it waits for something else than an
    /// [`Op`], a blocking read or a blocking write: a lock, a channel, a file. After 5 seconds of real time in which
    /// nothing has happened although a thread waits, a report on stderr says which threads run and which wait.
    ///
    /// If each thread waits and there is no deadline, nothing can ever happen: each network with this clock goes down
    /// at once, with the cause `deadlock: no participant can run`. That is so unless a thread that takes no part has
    /// used one of these networks; as it may still do something, there is only the report.
    ///
    /// # Examples
    ///
    /// Three hours in no time:
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::Clock;
    ///
    /// let clock = Clock::auto();
    /// let hours = |hours: u64| Duration::from_secs(3600 * hours);
    /// clock.scope(|scope| {
    ///     scope.spawn(|| {
    ///         clock.sleep(hours(1)).wait();
    ///         assert_eq!(clock.now().to_string(), "3600.000s");
    ///     });
    ///     clock.sleep(hours(3)).wait();
    /// });
    /// assert_eq!(clock.now().to_string(), "10800.000s");
    /// ```
    #[must_use]
    pub fn auto() -> Self {
        Self::of_auto(Arc::new(Auto::new()))
    }

    /// The running thread takes part in this clock while it holds what is returned: its timeouts are measured on it,
    /// and an [automatic](Clock::auto) clock stands still while it runs.
    ///
    /// Enter the clock before the first thread is spawned: time might pass until the second one is.
    #[must_use = "the thread takes part until this is dropped"]
    #[track_caller]
    pub fn enter(&self) -> Entered {
        let current = thread::current();
        if self.counting().is_some_and(|auto| !is_outside(auto)) {
            return Entered { before: None, seat: None, stays: None, thread: PhantomData };
        }
        let part = self.part(Location::caller());
        if let Some((auto, seat)) = &part.seat {
            seat.set_name(current.name());
            auto.welcome(current.id());
        }
        Entered::new(part, Some(current.id()))
    }

    /// Counts a thread that is not started yet as one that runs. It takes part from when it [enters](Invitation::enter)
    /// on. [`spawn`](Clock::spawn) does so by itself; this is for threads that are started in another way.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    /// use virtnet::Clock;
    ///
    /// let clock = Clock::auto();
    /// let (invitation, sleeps) = (clock.invite(), clock.clone());
    /// let sleeper = thread::Builder::new().name("sleeper".into()).spawn(move || {
    ///     let _me = invitation.enter();
    ///     sleeps.sleep(Duration::from_secs(3600)).wait();
    /// })?;
    /// sleeper.join().unwrap();
    /// assert_eq!(clock.now().to_string(), "3600.000s");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn invite(&self) -> Invitation {
        Invitation::new(self, Location::caller())
    }

    /// Waits for a future, and takes part in the clock meanwhile. While the future is pending, the thread waits: an
    /// executor whose run loop is a future runs tasks on an automatic clock.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        Op::new(future).wait()
    }

    /// Lets go of the time while `act` waits for something that the clock does not know, such as a file. On an
    /// [automatic](Clock::auto) clock any time may pass meanwhile, so the outcome may differ from run to run.
    pub fn outside<T>(&self, act: impl FnOnce() -> T) -> T {
        let is_inside = self.counting().is_some_and(|auto| !is_outside(auto));
        let _outside = is_inside.then(Outside::new);
        act()
    }

    /// A part for a thread to take, which is counted from now on.
    fn part(&self, place: &'static Location<'static>) -> Part {
        let seat = self.counting().map(|auto| (auto.clone(), auto.take_seat(place)));
        Part { clock: self.clone(), seat }
    }
}

/// A thread that is counted by a clock before it is started; see [`Clock::invite`]. Dropping it counts the thread no
/// longer.
#[must_use = "no thread is counted once this is dropped"]
pub struct Invitation(Option<Part>);

impl Invitation {
    /// A thread that is started at `place`.
    pub(super) fn new(clock: &Clock, place: &'static Location<'static>) -> Self {
        Self(Some(clock.part(place)))
    }

    /// The running thread takes part in the clock while it holds what is returned. It is meant to end then.
    pub fn enter(mut self) -> Entered {
        let part = self.0.take().expect("it is taken once");
        if let Some((_, seat)) = &part.seat {
            seat.set_name(thread::current().name());
        }
        Entered::new(part, None)
    }
}

impl Drop for Invitation {
    fn drop(&mut self) {
        drop(self.0.take().map(|part| Entered::new(part, None)));
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation")
    }
}

/// The running thread takes part in a clock until this is dropped; see [`Clock::enter`].
pub struct Entered {
    /// What the thread took part in before, if that was something else.
    before: Option<ThreadClock>,
    seat: Option<(Arc<Auto>, Arc<Seat>)>,
    /// The thread, if it may use networks of the clock afterwards.
    stays: Option<ThreadId>,
    /// It must be dropped by this thread.
    thread: PhantomData<*const ()>,
}

impl Entered {
    /// The running thread takes this part.
    fn new(part: Part, stays: Option<ThreadId>) -> Self {
        let seat = part.seat.clone();
        let before = ThreadClock(Some(part)).make_current();
        Self { before: Some(before), seat, stays, thread: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The thread may move the time once more, as one that takes part.
        if let Some((auto, seat)) = &self.seat {
            auto.leave(seat, self.stays);
        }
        // Clocks may be left in any order: the thread may take part in a later one, or have left the one before.
        let is_over = self.seat.is_none() || ThreadClock::current().has_left();
        if let Some(before) = self.before.take()
            && is_over
        {
            drop(if before.has_left() { ThreadClock(None) } else { before }.make_current());
        }
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}

/// The running thread lets go of the time until this is dropped.
struct Outside {
    inside: ThreadClock,
}

impl Outside {
    fn new() -> Self {
        let inside = ThreadClock::current();
        if let Some((auto, seat)) = inside.seat() {
            auto.let_go(seat);
        }
        drop(ThreadClock(None).make_current());
        Self { inside }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let Some((auto, seat)) = self.inside.seat() {
            auto.come_back(seat);
        }
        drop(self.inside.clone().make_current());
    }
}
