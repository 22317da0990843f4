//! The clock of real time.

use std::sync::mpsc;
use std::time::Instant;

use virtnet::Clock;
use virtnet::clock::{Class, ClockError};

use super::bed::*;

#[test]
fn real_time_is_not_shortened() {
    let clock = Clock::real();
    let start = Instant::now();
    clock.sleep(ms(20)).wait();
    assert!(start.elapsed() >= ms(20));
    assert_eq!((clock.timers(), clock.next(), clock.advance(ms(1))), (Ok(0), Ok(None), Err(ClockError::Advance)));
}

#[test]
fn an_earlier_timer_fires_before_one_that_was_registered_first() {
    let clock = Clock::real();
    let (sender, woken) = mpsc::channel();
    for millis in [3_600_000, 10] {
        let sender = sender.clone();
        clock.wake_at(at(millis), Class::Timeout, calls(move || sender.send(millis).unwrap()));
    }
    assert_eq!((woken.recv(), clock.timers()), (Ok(10), Ok(1)));
}

#[test]
fn a_forgotten_timer_wakes_nothing() {
    let clock = Clock::real();
    let (sender, woken) = mpsc::channel::<()>();
    let timer = clock.wake_at(at(3_600_000), Class::Timeout, calls(move || sender.send(()).unwrap()));
    assert!(clock.forget(timer));
    // The waker was dropped with its sender.
    assert!(woken.recv().is_err());
}

#[test]
fn dropping_the_clock_drops_its_wakers() {
    let clock = Clock::real();
    let (sender, woken) = mpsc::channel::<()>();
    clock.wake_at(at(3_600_000), Class::Timeout, calls(move || sender.send(()).unwrap()));
    drop(clock);
    assert!(woken.recv().is_err());
}

#[test]
fn verbs_of_threads_work_on_each_clock() {
    let clock = Clock::real();
    let _me = clock.enter();
    let child = clock.spawn(|| 7);
    let sum = clock.scope(|scope| scope.spawn(|| 8).join().unwrap()) + child.join().unwrap();
    assert_eq!(clock.outside(|| clock.block_on(async { sum })), 15);
}
