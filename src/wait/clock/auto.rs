//! The clock that moves when none of its threads can run.
//!
//! # Who counts
//!
//! Invariant: `running` is the number of threads that take part and do not sleep. Time moves only while it is zero, in a
//! step under the lock.
//!
//! - **The waker counts the thread that it wakes**, in the step in which it publishes the wake-up; not the thread itself
//!   when it runs. Between the two, every other thread may fall asleep: the time would move although one is about to
//!   run. Test: `stressed` in `tests/clock`.
//! - **A thread stops counting in the step in which it publishes that it sleeps.** If a wake-up comes first, the thread
//!   does not fall asleep, and neither counts. Test: `waker_before_park`.
//! - **The thread that moves the time counts while it does.** It first takes back that it sleeps: a waker that it calls
//!   may wait, or wake this very thread, which would then count although it sleeps. Tests: `nested_waits`,
//!   `woken_by_an_outsider`.
//! - **A thread that leaves moves no time.** It has one that sleeps do it: a waker that waits would keep the thread from
//!   ending, while another one joins it and counts. Test: `nested_waits`.
//! - **One timer at a time.** The next one fires when all threads sleep again, so that those woken at one instant do not
//!   race. Test: `at_the_same_instant_a_delivery_wins`.

use core::{fmt, mem};
use std::panic::Location;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::Duration;
use std::vec::Vec;
use std::{eprintln, format};

use crate::sync::Lock;
use crate::sync::thread::{self, ThreadId};
use crate::wait::clock::error::ClockError;
use crate::wait::clock::member::Member;
use crate::wait::clock::queue::{HeapTimers, Timers as _};
use crate::wait::clock::source::{TimeSource, Timer};
use crate::wait::clock::time::{Class, Time};
use crate::wait::clock::watchdog::Watchdog;
use crate::wait::waker::{discard, wake};

/// A time that moves by itself, and the threads that it waits for.
pub(crate) struct Auto {
    state: Lock<State>,
    watchdog: Watchdog,
}

struct State {
    now: Time,
    /// The number of the last timer.
    made: u64,
    timers: HeapTimers,
    /// How many threads take part and do not sleep.
    running: usize,
    /// How many threads take part, but let go of the time.
    outside: usize,
    seats: Vec<Arc<Seat>>,
    /// Threads that use networks of this clock, and take no part. They may wake one that does.
    outsiders: Vec<ThreadId>,
    /// Whether there are more outsiders than are kept.
    more_outsiders: bool,
    networks: Vec<Weak<dyn Member>>,
    /// Counts what threads do, for the watchdog.
    steps: u64,
}

/// What a thread is counted by.
pub(crate) struct Seat {
    /// The name of the thread, once it has started.
    name: OnceLock<String>,
    place: &'static Location<'static>,
    /// Written under the lock of the clock.
    doing: AtomicU8,
    /// What wakes the thread where it slept last. It holds this seat: it is dropped when the thread leaves.
    waker: Lock<Option<Waker>>,
}

const RUNS: u8 = 0;
const WAITS: u8 = 1;
const IS_OUTSIDE: u8 = 2;
const HAS_LEFT: u8 = 3;

/// What a thread does that finds no other thread running.
enum Next {
    /// It was woken.
    Run,
    Sleep,
    Fire(Waker),
    Fail(Vec<Weak<dyn Member>>),
}

/// Why networks go down in which nothing can happen.
const DEADLOCK: &str = "deadlock: no participant can run";

/// The watchdog looks so often, and reports when it has seen nothing happen so many times.
const LOOK: Duration = Duration::from_millis(500);
const STALLED: u32 = 10;

/// So many outsiders are kept apart.
const OUTSIDERS: usize = 64;

impl Auto {
    pub(crate) fn new() -> Self {
        let state = State {
            now: Time::ZERO,
            made: 0,
            timers: HeapTimers::new(),
            running: 0,
            outside: 0,
            seats: Vec::new(),
            outsiders: Vec::new(),
            more_outsiders: false,
            networks: Vec::new(),
            steps: 0,
        };
        Self { state: Lock::new(state), watchdog: Watchdog::new() }
    }

    /// Counts a thread that runs, or is about to.
    pub(crate) fn take_seat(self: &Arc<Self>, place: &'static Location<'static>) -> Arc<Seat> {
        let seat = Arc::new(Seat { name: OnceLock::new(), place, doing: AtomicU8::new(RUNS), waker: Lock::new(None) });
        let kept = seat.clone();
        self.state.with(|state| {
            state.steps += 1;
            state.running += 1;
            state.seats.push(kept);
        });
        let (auto, mut seen) = (Arc::downgrade(self), Seen::default());
        self.watchdog.start(LOOK, move || auto.upgrade().map(|auto| auto.look(&mut seen)).is_some());
        seat
    }

    /// A thread takes no part any more. `stays` is its id, if it may use networks of this clock later on.
    pub(crate) fn leave(&self, seat: &Arc<Seat>, stays: Option<ThreadId>) {
        let gone = self.state.with(|state| {
            state.steps += 1;
            state.running -= 1;
            stays.into_iter().for_each(|thread| state.add_outsider(thread));
            let at = state.seats.iter().position(|known| Arc::ptr_eq(known, seat));
            at.map(|at| state.seats.swap_remove(at))
        });
        drop(gone);
        self.hand_over();
        self.state.with(|_| seat.doing.store(HAS_LEFT, Ordering::Relaxed));
        drop(seat.waker.with(Option::take));
    }

    /// A thread that takes part lets go of the time.
    pub(crate) fn let_go(&self, seat: &Seat) {
        self.state.with(|state| {
            state.steps += 1;
            state.outside += 1;
            state.running -= 1;
            seat.doing.store(IS_OUTSIDE, Ordering::Relaxed);
        });
        self.hand_over();
    }

    /// It takes part again.
    pub(crate) fn come_back(&self, seat: &Seat) {
        self.state.with(|state| {
            state.steps += 1;
            state.running += 1;
            state.outside -= 1;
            seat.doing.store(RUNS, Ordering::Relaxed);
        });
    }

    /// A thread that takes no part uses a network of this clock.
    pub(crate) fn touch(&self, thread: ThreadId) {
        self.state.with(|state| state.add_outsider(thread));
    }

    /// A thread takes part from now on.
    pub(crate) fn welcome(&self, thread: ThreadId) {
        self.state.with(|state| state.outsiders.retain(|known| *known != thread));
    }

    /// Puts the running thread to sleep by `park`, unless that returns `false`. Moves the time if it is the last one to
    /// fall asleep: before it wakes a task it is `back`. `waker` wakes the thread.
    pub(crate) fn sleep(&self, seat: &Seat, waker: &Waker, park: impl Fn() -> bool, back: impl Fn()) -> bool {
        loop {
            seat.set_waker(waker);
            let next = self.state.with(|state| {
                state.steps += 1;
                if !park() {
                    return Next::Run;
                }
                state.running -= 1;
                let next = state.next();
                if matches!(next, Next::Sleep) {
                    seat.doing.store(WAITS, Ordering::Relaxed);
                } else {
                    back();
                    state.running += 1;
                }
                next
            });
            match next {
                Next::Run => return false,
                Next::Sleep => return true,
                next => self.run(next),
            }
        }
    }

    /// Wakes a thread that takes part, by `publish`, which returns whether it slept. `by_outsider` says whether the
    /// running thread takes no part.
    pub(crate) fn wake(&self, seat: &Seat, publish: impl FnOnce() -> bool, by_outsider: impl FnOnce() -> bool) -> bool {
        self.state.with(|state| {
            let slept = publish();
            if slept {
                state.steps += 1;
                state.running += 1;
                seat.doing.store(RUNS, Ordering::Relaxed);
                if by_outsider() {
                    state.add_outsider(thread::current().id());
                }
            }
            slept
        })
    }

    /// Called by a thread that does not count, or no longer. If no thread runs, one that sleeps is woken to move the time.
    /// The caller does so only if there is none: a waker may wait, and the caller may have reported that it ended.
    fn hand_over(&self) {
        let sleeper = self.state.with(|state| {
            let sleeps = |seat: &&Arc<Seat>| seat.doing.load(Ordering::Relaxed) == WAITS;
            let is_idle = state.running == 0;
            is_idle.then(|| state.seats.iter().find(sleeps).cloned())
        });
        match sleeper {
            None => {}
            Some(None) => self.settle(),
            Some(Some(seat)) => seat.waker.with(|waker| waker.clone()).into_iter().for_each(wake),
        }
    }

    /// Moves the time for as long as no thread runs, on a thread that does not count otherwise.
    fn settle(&self) {
        loop {
            let next = self.state.with(|state| {
                let next = state.next();
                if !matches!(next, Next::Sleep) {
                    state.running += 1;
                }
                next
            });
            if matches!(next, Next::Sleep) {
                return;
            }
            self.run(next);
            self.state.with(|state| state.running -= 1);
        }
    }

    fn run(&self, next: Next) {
        match next {
            Next::Fire(waker) => wake(waker),
            Next::Fail(networks) => {
                let networks: Vec<_> = networks.iter().filter_map(Weak::upgrade).collect();
                eprintln!("virtnet: {DEADLOCK}\n{}", self.report(&networks));
                networks.iter().for_each(|network| network.fail(DEADLOCK));
            }
            Next::Run | Next::Sleep => {}
        }
    }

    /// Called from time to time: reports that the time stands still.
    fn look(&self, seen: &mut Seen) {
        let networks = self.state.with(|state| {
            let same = seen.steps == state.steps;
            *seen = Seen { steps: state.steps, times: if same { seen.times + 1 } else { 0 } };
            (seen.times == STALLED && state.is_stalled()).then(|| state.networks.clone())
        });
        if let Some(networks) = networks {
            let networks: Vec<_> = networks.iter().filter_map(Weak::upgrade).collect();
            eprintln!("virtnet: nothing has happened for {:?}\n{}", LOOK * STALLED, self.report(&networks));
        }
    }

    /// The time, what each thread does, the next deadline, and the networks.
    fn report(&self, networks: &[Arc<dyn Member>]) -> String {
        let (now, seats, next) =
            self.state.with(|state| (state.now, state.seats.clone(), state.timers.first().map(Timer::at)));
        let mut report =
            format!("time: {now}, next deadline: {}\n", next.map_or("none".into(), |next| next.to_string()));
        seats.iter().for_each(|seat| report += &format!("{seat}\n"));
        networks.iter().for_each(|network| report += &format!("{network}\n"));
        report
    }
}

/// What the watchdog has seen.
#[derive(Default)]
struct Seen {
    steps: u64,
    /// So many times in a row.
    times: u32,
}

impl State {
    /// What happens if no thread runs: the first timer fires, or the networks fail.
    fn next(&mut self) -> Next {
        if self.running > 0 {
            return Next::Sleep;
        }
        let is_alone = self.outside == 0 && self.outsiders.is_empty() && !self.more_outsiders;
        match self.timers.first_entry() {
            // It fires if nothing else can happen, and does not move the time.
            Some(end) if end.key().at() == Time::MAX => {
                return if is_alone { Next::Fire(end.remove()) } else { Next::Sleep };
            }
            Some(first) => {
                self.now = self.now.max(first.key().at());
                return Next::Fire(first.remove());
            }
            None => {}
        }
        if is_alone && !self.seats.is_empty() && self.networks.iter().any(|network| network.strong_count() > 0) {
            return Next::Fail(mem::take(&mut self.networks));
        }
        Next::Sleep
    }

    /// Whether threads wait for one that runs, or for one that takes no part.
    fn is_stalled(&self) -> bool {
        let waits = self.seats.iter().any(|seat| seat.doing.load(Ordering::Relaxed) == WAITS);
        (self.running > 0 || self.outside == 0) && (waits || !self.timers.is_empty())
    }

    fn add_outsider(&mut self, thread: ThreadId) {
        if self.outsiders.contains(&thread) {
            return;
        }
        if self.outsiders.len() < OUTSIDERS {
            self.outsiders.push(thread);
        } else {
            self.more_outsiders = true;
        }
    }
}

impl TimeSource for Arc<Auto> {
    fn now(&self) -> Time {
        self.state.with(|state| state.now)
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        let (timer, idle) = self.state.with(|state| {
            state.made += 1;
            let timer = Timer::new(at, class, state.made);
            state.timers.insert(timer, waker);
            (timer, state.running == 0)
        });
        if idle {
            self.hand_over();
        }
        timer
    }

    fn forget(&self, timer: Timer) -> bool {
        let waker = self.state.with(|state| state.timers.remove(&timer));
        waker.map(discard).is_some()
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        Ok(self.state.with(|state| (state.timers.len(), state.timers.first().map(Timer::at))))
    }

    /// The network goes down if nothing can happen any more.
    fn attach(&self, network: Weak<dyn Member>) {
        let gone: Vec<_> = self.state.with(|state| {
            let gone = state.networks.extract_if(.., |network| network.strong_count() == 0).collect();
            state.networks.push(network);
            gone
        });
        drop(gone);
    }
}

impl Seat {
    pub(crate) fn has_left(&self) -> bool {
        self.doing.load(Ordering::Relaxed) == HAS_LEFT
    }

    /// The thread is about to sleep. It may have slept elsewhere before, in a waker that it called.
    fn set_waker(&self, waker: &Waker) {
        let is_known = self.waker.with(|known| known.as_ref().is_some_and(|known| known.will_wake(waker)));
        if !is_known {
            let waker = Some(waker.clone());
            drop(self.waker.with(|known| mem::replace(known, waker)));
        }
    }

    pub(crate) fn set_name(&self, name: Option<&str>) {
        name.into_iter().for_each(|name| drop(self.name.set(name.into())));
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.get().map_or("a thread", |name| name);
        let doing = match self.doing.load(Ordering::Relaxed) {
            WAITS => "waits",
            IS_OUTSIDE => "is outside",
            _ => "runs",
        };
        write!(f, "{name} {doing}, of {}", self.place)
    }
}
