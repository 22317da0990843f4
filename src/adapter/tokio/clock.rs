//! The clock of a tokio runtime.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::sync::Lock;
use crate::wait::clock::queue::HeapTimers;
use crate::wait::clock::{Class, Clock, ClockError, Time, TimeSource, Timer};
use crate::wait::waker::{discard, wake};

impl Clock {
    /// The clock of the tokio runtime in which this is called, from now on: paused, resumed or real. So
    /// `tokio::time::timeout` and a network have one time. One task of the runtime wakes the timers.
    ///
    /// Like tokio's own timers, those of this clock fire at whole milliseconds of the runtime, and never early. A paused
    /// runtime moves its time when it has nothing else to do, and knows nothing of threads: time would run on while one
    /// works. Builds with debug assertions therefore refuse that a thread waits for a network with such a clock.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::Clock;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let clock = Clock::tokio();
    /// let hour = Duration::from_secs(3600);
    /// let outcome = tokio::time::timeout(hour, clock.sleep(2 * hour)).await;
    /// assert!(outcome.is_err());
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn tokio() -> Self {
        // Without time in the runtime this panics here, and not in the task.
        drop(sleep(Duration::ZERO));
        let state = Lock::new(State { timers: HeapTimers::new(), made: 0, started: false, gone: false });
        let runtime = Handle::current();
        Self::of(TokioClock(Arc::new(Shared { runtime, start: Instant::now(), state, changed: Notify::new() })))
    }
}

struct TokioClock(Arc<Shared>);

/// What the clock and its task share.
struct Shared {
    runtime: Handle,
    start: Instant,
    state: Lock<State>,
    /// The first timer is another one, or the clock is gone.
    changed: Notify,
}

struct State {
    timers: HeapTimers,
    /// The number of the last timer.
    made: u64,
    /// Whether there is a task.
    started: bool,
    /// Whether the clock is gone.
    gone: bool,
}

/// What the task does next.
enum Next {
    Fire(Waker),
    Wait(Option<Time>),
    End,
}

impl Shared {
    fn now(&self) -> Time {
        // The clock of a runtime is known within it only.
        let _runtime = self.runtime.enter();
        Time::ZERO + self.start.elapsed()
    }

    /// Wakes one task after the other until the clock is gone.
    async fn run(&self) {
        loop {
            let now = self.now();
            match self.state.with(|state| state.next(now)) {
                Next::Fire(waker) => wake(waker),
                Next::Wait(until) => self.wait(until).await,
                Next::End => return,
            }
        }
    }

    /// Waits until a time, or for a change.
    async fn wait(&self, until: Option<Time>) {
        let mut changed = pin!(self.changed.notified());
        // A time that an `Instant` cannot represent does not come.
        match until.and_then(|until| self.start.checked_add(until - Time::ZERO)) {
            None => changed.await,
            Some(until) => {
                let mut passed = pin!(sleep_until(until));
                poll_fn(|cx| match (changed.as_mut().poll(cx), passed.as_mut().poll(cx)) {
                    (Poll::Pending, Poll::Pending) => Poll::Pending,
                    _ => Poll::Ready(()),
                })
                .await;
            }
        }
    }

    /// Whether the runtime is paused: its clock stands still.
    fn is_paused(&self) -> bool {
        let _runtime = self.runtime.enter();
        let (before, real) = (Instant::now(), std::time::Instant::now());
        while real.elapsed() < Duration::from_micros(1) {}
        Instant::now() == before
    }
}

impl State {
    fn next(&mut self, now: Time) -> Next {
        if self.gone {
            return Next::End;
        }
        match self.timers.first_entry() {
            Some(first) if first.key().at() <= now => Next::Fire(first.remove()),
            first => Next::Wait(first.map(|first| first.key().at())),
        }
    }
}

impl TimeSource for TokioClock {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        let (timer, is_first, is_started) = self.0.state.with(|state| {
            state.made += 1;
            let timer = Timer::new(at, class, state.made);
            state.timers.insert(timer, waker);
            let is_first = state.timers.first_key_value().is_some_and(|(first, _)| *first == timer);
            (timer, is_first, mem::replace(&mut state.started, true))
        });
        if is_first {
            self.0.changed.notify_one();
        }
        if !is_started {
            let shared = self.0.clone();
            self.0.runtime.spawn(async move { shared.run().await });
        }
        timer
    }

    fn forget(&self, timer: Timer) -> bool {
        let waker = self.0.state.with(|state| state.timers.remove(&timer));
        waker.map(discard).is_some()
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        let first = |state: &State| state.timers.first_key_value().map(|(timer, _)| timer.at());
        Ok(self.0.state.with(|state| (state.timers.len(), first(state))))
    }

    fn check_wait(&self) {
        assert!(!cfg!(debug_assertions) || !self.0.is_paused(), "{PAUSED}");
    }
}

/// Why a thread must not wait.
const PAUSED: &str = "a thread waits for a network that has the clock of a paused tokio runtime: its time would run on \
                      while the thread works; await the operation in a task, or give the network Clock::auto()";

impl Drop for TokioClock {
    fn drop(&mut self) {
        let left = self.0.state.with(|state| {
            state.gone = true;
            mem::take(&mut state.timers)
        });
        self.0.changed.notify_one();
        left.into_values().for_each(discard);
    }
}
