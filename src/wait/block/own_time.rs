//! Whose time a wait is measured in: that of the clock in which the thread takes part, else that of the network, else
//! real time.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::sync::thread;
use crate::wait::NetClock;
use crate::wait::block::{Parker, left};
use crate::wait::clock::auto::{Auto, Seat};
use crate::wait::clock::{Class, Clock, Time, TimeSource as _, Timer};

crate::sync::thread_local! {
    // Loom's has no `const` form.
    #[allow(clippy::missing_const_for_thread_local)]
    /// The clock that the thread takes part in. Set by `Clock::spawn`, `scope`, `enter` and `outside` alone.
    static CURRENT: RefCell<ThreadClock> = RefCell::new(ThreadClock(None));
    /// Whether the thread belongs to this crate, and does nothing by itself.
    #[allow(clippy::missing_const_for_thread_local)]
    static SERVES: Cell<bool> = Cell::new(false);
}

/// The clock that a thread takes part in, if any.
#[derive(Clone)]
pub(crate) struct ThreadClock(pub(crate) Option<Part>);

/// A clock, and what it counts the thread by, if it counts threads.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) clock: Clock,
    pub(crate) seat: Option<(Arc<Auto>, Arc<Seat>)>,
}

impl ThreadClock {
    /// That of the running thread.
    pub(crate) fn current() -> Self {
        // The thread-local is gone while the thread exits.
        CURRENT.try_with(|current| current.borrow().clone()).unwrap_or(Self(None))
    }

    /// Makes it that of the running thread. Returns the one before.
    pub(crate) fn make_current(self) -> Self {
        // The waker of the spare parker knows the clock before.
        Parker::drop_spare();
        CURRENT.try_with(|current| current.replace(self)).unwrap_or(Self(None))
    }

    pub(crate) fn seat(&self) -> Option<&(Arc<Auto>, Arc<Seat>)> {
        self.0.as_ref().and_then(|part| part.seat.as_ref())
    }

    /// Whether the thread took part, and has left.
    pub(crate) fn has_left(&self) -> bool {
        self.seat().is_some_and(|(_, seat)| seat.has_left())
    }

    /// Whether a clock counts the thread as one that runs.
    pub(crate) fn is_counted(&self) -> bool {
        self.seat().is_some()
    }

    /// Puts the thread to sleep by `park`, unless that returns `false`: it was woken. `back` is called after `park`, if
    /// the thread has to run once more. `waker` wakes it.
    pub(crate) fn sleep(&self, waker: &Waker, park: impl Fn() -> bool, back: impl Fn()) -> bool {
        match self.seat() {
            Some((auto, seat)) => auto.sleep(seat, waker, park, back),
            None => park(),
        }
    }

    /// Wakes the thread by `wake`, which returns whether it slept.
    pub(crate) fn wake(&self, wake: impl FnOnce() -> bool) -> bool {
        match self.seat() {
            Some((auto, seat)) => auto.wake(seat, wake, || is_outside(auto)),
            None => wake(),
        }
    }
}

/// Whether the running thread takes no part in the clock.
pub(crate) fn is_outside(auto: &Arc<Auto>) -> bool {
    let is_inside =
        |current: &RefCell<ThreadClock>| current.borrow().seat().is_some_and(|(current, _)| Arc::ptr_eq(current, auto));
    // A thread that exits does nothing more.
    !CURRENT.try_with(is_inside).unwrap_or(true) && !SERVES.try_with(Cell::get).unwrap_or(true)
}

/// The running thread belongs to this crate: it wakes others as it was told, and is no outsider.
pub(crate) fn serve() {
    let _ = SERVES.try_with(|serves| serves.set(true));
}

/// A thread uses a network that has this clock.
pub(crate) fn touch(clock: NetClock<'_>) {
    if let Some(auto) = clock.0.and_then(Clock::counting)
        && is_outside(auto)
    {
        auto.touch(thread::current().id());
    }
}

/// The end of a wait, if it has one.
pub(crate) struct Deadline<'a> {
    end: End<'a>,
    net: NetClock<'a>,
}

enum End<'a> {
    Never,
    Real(Instant),
    Clock(&'a Clock, Time),
}

impl<'a> Deadline<'a> {
    /// A limit beyond the end of time is none.
    pub(crate) fn new(limit: Option<Duration>, thread: &'a ThreadClock, net: NetClock<'a>) -> Self {
        touch(net);
        let clock = thread.0.as_ref().map(|part| &part.clock).or(net.0);
        let end = match (limit, clock) {
            (None, _) => End::Never,
            (Some(limit), None) => Instant::now().checked_add(limit).map_or(End::Never, End::Real),
            (Some(limit), Some(clock)) => match clock.now() + limit {
                Time::MAX => End::Never,
                at => End::Clock(clock, at),
            },
        };
        Self { end, net }
    }

    /// Before the thread sleeps: has the clock wake it.
    pub(crate) fn arm(&self, waker: &Waker) -> Option<Timer> {
        self.net.0.into_iter().for_each(|clock| clock.check_wait());
        match self.end {
            End::Clock(clock, at) => Some(clock.wake_at(at, Class::Timeout, waker.clone())),
            End::Never | End::Real(_) => None,
        }
    }

    /// Whether the wait goes on. On a clock it ends when its timer fires, not merely when that is due: at that instant,
    /// deliveries come first.
    pub(crate) fn is_ahead(&self, timer: Option<Timer>) -> bool {
        match self.end {
            End::Never => true,
            End::Real(deadline) => !left(deadline).is_zero(),
            End::Clock(clock, at) => timer.is_some_and(|timer| clock.forget(timer)) || clock.now() < at,
        }
    }

    /// How long the thread may sleep, if not until it is woken.
    pub(crate) fn left(&self) -> Option<Duration> {
        match self.end {
            End::Real(deadline) => Some(left(deadline)),
            End::Never | End::Clock(..) => None,
        }
    }
}
