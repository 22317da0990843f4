//! The clock of real time.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use crate::wait::clock::error::ClockError;
use crate::wait::clock::handle::Clock;
use crate::wait::clock::queue::HeapTimers;
use crate::wait::clock::source::{TimeSource, Timer};
use crate::wait::clock::time::{Class, Time};
use crate::wait::waker::{discard, wake};

impl Clock {
    /// A clock of real time, from now on. Timers are woken by a thread, which is started for the first one and ends with
    /// the clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::Clock;
    ///
    /// let clock = Clock::real();
    /// let before = clock.now();
    /// clock.sleep(Duration::from_millis(1)).wait();
    /// assert!(clock.now() - before >= Duration::from_millis(1));
    /// ```
    #[must_use]
    pub fn real() -> Self {
        Self::of(RealClock(Arc::new(Shared {
            start: Instant::now(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })))
    }
}

struct RealClock(Arc<Shared>);

/// What the clock and its thread share.
struct Shared {
    start: Instant,
    state: Mutex<State>,
    /// The first timer is another one, or the clock is gone.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    timers: HeapTimers,
    /// The number of the last timer.
    made: u64,
    /// Whether there is a thread.
    started: bool,
    /// Whether the clock is gone.
    gone: bool,
}

impl Shared {
    fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one task after the other until the clock is gone.
    fn run(&self) {
        let mut state = self.state();
        while !state.gone {
            let now = self.now();
            let left = state.timers.first_key_value().map(|(timer, _)| timer.at() - now);
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    let due = state.timers.pop_first();
                    drop(state);
                    due.into_iter().for_each(|(_, waker)| wake(waker));
                    self.state()
                }
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

impl TimeSource for RealClock {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        let mut state = self.0.state();
        state.made += 1;
        let timer = Timer::new(at, class, state.made);
        state.timers.insert(timer, waker);
        let is_first = state.timers.first_key_value().is_some_and(|(first, _)| *first == timer);
        let is_started = mem::replace(&mut state.started, true);
        drop(state);
        if is_first {
            self.0.changed.notify_one();
        }
        if !is_started {
            let shared = self.0.clone();
            // Without the thread nothing is woken: that is a failure of the system as in `std::thread::spawn`.
            let started = thread::Builder::new().name("virtnet clock".into()).spawn(move || shared.run());
            drop(started.expect("the system starts a thread"));
        }
        timer
    }

    fn forget(&self, timer: Timer) -> bool {
        let waker = self.0.state().timers.remove(&timer);
        waker.map(discard).is_some()
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        let state = self.0.state();
        Ok((state.timers.len(), state.timers.first_key_value().map(|(timer, _)| timer.at())))
    }
}

impl Drop for RealClock {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.gone = true;
        let left = mem::take(&mut state.timers);
        drop(state);
        self.0.changed.notify_one();
        left.into_values().for_each(discard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_ends_with_the_clock() {
        let clock =
            RealClock(Arc::new(Shared { start: Instant::now(), state: Mutex::default(), changed: Condvar::new() }));
        let shared = Arc::downgrade(&clock.0);
        clock.wake_at(Time::MAX, Class::Timeout, Waker::noop().clone());
        assert_eq!(shared.strong_count(), 2);
        drop(clock);
        while shared.strong_count() > 0 {
            thread::yield_now();
        }
    }
}
