//! Clocks that the program advances.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use virtnet::Clock;
use virtnet::clock::{Class, ManualClock, Time, TimeSource};

use super::bed::*;

/// A waker that notes its name and the time.
fn notes(log: &Arc<Mutex<Vec<String>>>, clock: &Clock, name: &'static str) -> Waker {
    let (log, clock) = (log.clone(), clock.clone());
    calls(move || log.lock().unwrap().push(format!("{name} {}", clock.now())))
}

#[test]
fn advancing_stops_at_each_deadline_in_order() {
    let (clock, log) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    for (millis, class, name) in [
        (7, Class::Timeout, "late"),
        (5, Class::Timeout, "timeout"),
        (5, Class::Delivery, "first delivery"),
        (5, Class::Delivery, "second delivery"),
        (2, Class::Timeout, "early"),
    ] {
        clock.wake_at(at(millis), class, notes(&log, &clock, name));
    }
    clock.advance(ms(6)).unwrap();
    let woken = ["early 0.002s", "first delivery 0.005s", "second delivery 0.005s", "timeout 0.005s"];
    assert_eq!(*log.lock().unwrap(), woken);
    assert_eq!((clock.now(), clock.timers(), clock.next()), (at(6), Ok(1), Ok(Some(at(7)))));
}

#[test]
fn a_waker_may_register_a_timer_that_is_due_on_the_way() {
    let (clock, log) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    let again = {
        let (clock, later) = (clock.clone(), notes(&log, &clock, "later"));
        calls(move || {
            clock.wake_at(at(3), Class::Timeout, later.clone());
        })
    };
    clock.wake_at(at(2), Class::Timeout, again);
    clock.wake_at(at(4), Class::Timeout, notes(&log, &clock, "last"));
    clock.advance(ms(10)).unwrap();
    assert_eq!(*log.lock().unwrap(), ["later 0.003s", "last 0.004s"]);
    assert_eq!((clock.now(), clock.timers()), (at(10), Ok(0)));
}

#[test]
fn advancing_to_the_next_deadline_wakes_all_that_wait_for_it() {
    let (clock, log) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    assert_eq!(clock.advance_to_next(), Ok(false));
    for (millis, name) in [(5, "a"), (5, "b"), (9, "c")] {
        clock.wake_at(at(millis), Class::Timeout, notes(&log, &clock, name));
    }
    assert_eq!(clock.advance_to_next(), Ok(true));
    assert_eq!(*log.lock().unwrap(), ["a 0.005s", "b 0.005s"]);
    assert_eq!(clock.advance_to_next(), Ok(true));
    assert_eq!(clock.advance_to_next(), Ok(false));
    assert_eq!((clock.now(), clock.next()), (at(9), Ok(None)));
}

#[test]
fn a_forgotten_timer_wakes_nothing() {
    let (clock, log) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    let timer = clock.wake_at(at(5), Class::Timeout, notes(&log, &clock, "forgotten"));
    assert!(clock.forget(timer));
    assert!(!clock.forget(timer));
    let fired = clock.wake_at(at(6), Class::Timeout, notes(&log, &clock, "fired"));
    clock.advance(ms(6)).unwrap();
    assert!(!clock.forget(fired));
    assert_eq!(*log.lock().unwrap(), ["fired 0.006s"]);
}

#[test]
fn a_timer_that_is_due_wakes_at_once() {
    let (clock, log) = (Clock::manual(), Arc::new(Mutex::new(Vec::new())));
    clock.advance(ms(5)).unwrap();
    let timer = clock.wake_at(at(5), Class::Timeout, notes(&log, &clock, "due"));
    assert_eq!(*log.lock().unwrap(), ["due 0.005s"]);
    assert_eq!((clock.forget(timer), clock.timers()), (false, Ok(0)));
}

#[test]
fn a_waker_may_call_the_clock_when_woken_and_when_dropped() {
    struct Advances(Clock);

    impl Wake for Advances {
        fn wake(self: Arc<Self>) {
            self.0.advance(ms(1)).unwrap();
        }
    }

    impl Drop for Advances {
        fn drop(&mut self) {
            self.0.advance(ms(1)).unwrap();
        }
    }

    let clock = Clock::manual();
    let advances = || Waker::from(Arc::new(Advances(clock.clone())));
    clock.wake_at(at(1), Class::Timeout, advances());
    clock.advance(ms(1)).unwrap();
    assert_eq!(clock.now(), at(3));
    let timer = clock.wake_at(at(10), Class::Timeout, advances());
    clock.forget(timer);
    assert_eq!(clock.now(), at(4));
}

#[test]
fn a_full_clock_keeps_what_is_due_first_and_wakes_the_others() {
    static CLOCK: ManualClock<2> = ManualClock::new();
    static WOKEN: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];
    let register = |number: usize, millis| {
        let waker = calls(move || {
            WOKEN[number].fetch_add(1, Ordering::Relaxed);
        });
        CLOCK.wake_at(at(millis), Class::Timeout, waker)
    };
    let woken = || WOKEN.each_ref().map(|woken| woken.load(Ordering::Relaxed));
    let evicted = [register(0, 5), register(1, 7)][1];
    register(2, 6);
    assert_eq!(woken(), [0, 1, 0, 0], "the last one is evicted");
    assert!(!CLOCK.forget(evicted));
    register(3, 8);
    assert_eq!(woken(), [0, 1, 0, 1], "it would be the last one");
    assert_eq!((CLOCK.timers(), CLOCK.next()), (2, Some(at(5))));
    CLOCK.advance(ms(10));
    assert_eq!((woken(), CLOCK.timers(), CLOCK.now()), ([1, 1, 1, 1], 0, at(10)));
}

#[test]
fn a_sleep_ends_at_its_time_and_leaves_no_timer() {
    let clock = Clock::manual();
    let woken = Arc::new(AtomicU32::new(0));
    let waker = {
        let woken = woken.clone();
        calls(move || {
            woken.fetch_add(1, Ordering::Relaxed);
        })
    };
    let mut cx = Context::from_waker(&waker);
    {
        let mut sleep = pin!(clock.sleep(ms(5)));
        clock.advance(ms(1)).unwrap();
        // It counts from here.
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(clock.next(), Ok(Some(at(6))));
        clock.advance(Duration::from_nanos(4_999_999)).unwrap();
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
        clock.advance(Duration::from_nanos(1)).unwrap();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(()));
    }
    {
        let mut dropped = pin!(clock.sleep(ms(5)));
        assert_eq!(dropped.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(clock.timers(), Ok(1));
    }
    assert_eq!(clock.timers(), Ok(0));
}

#[test]
fn a_static_clock_is_a_clock() {
    static CLOCK: ManualClock = ManualClock::new();
    let clock = Clock::of_static(&CLOCK);
    CLOCK.advance(ms(3));
    clock.advance(ms(4)).unwrap();
    assert_eq!((clock.now(), CLOCK.now()), (at(7), at(7)));
}

#[test]
fn time_ends_and_never_goes_back() {
    let clock = Clock::manual();
    clock.advance(Duration::MAX).unwrap();
    assert_eq!(clock.now(), Time::MAX);
    clock.advance(ms(1)).unwrap();
    assert_eq!(clock.now(), Time::MAX);
    TimeSource::advance_to(&clock, at(1)).unwrap();
    assert_eq!(clock.now(), Time::MAX);
}
