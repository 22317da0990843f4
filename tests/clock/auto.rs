//! The clock that moves when none of its threads can run.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use virtnet::clock::{Class, Time};
use virtnet::{Clock, Op};

use super::bed::*;

/// A flag that threads wait for.
#[derive(Default)]
struct Flag(Mutex<(bool, Vec<std::task::Waker>)>);

impl Flag {
    fn set(&self) {
        let wakers = {
            let mut flag = self.0.lock().unwrap();
            flag.0 = true;
            std::mem::take(&mut flag.1)
        };
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Waits until it is set, and clears it.
    fn wait(&self) {
        Op::new(poll_fn(|cx| {
            let mut flag = self.0.lock().unwrap();
            if std::mem::take(&mut flag.0) {
                return Poll::Ready(());
            }
            flag.1.push(cx.waker().clone());
            Poll::Pending
        }))
        .wait();
    }
}

/// A generator of numbers, for work between two steps.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// Keeps the CPU busy for a moment.
    fn work(&mut self, below: u64) {
        (0..self.next(below)).for_each(|_| std::hint::spin_loop());
    }
}

#[test]
fn virtual_time_is_exact_and_fast() {
    let done = within_a_minute(|| {
        let clock = Clock::auto();
        let net = network(&clock);
        let [_dialled, mut accepted] = connected(&net);
        let done = Mutex::new(Vec::new());
        let note = |name: &'static str| done.lock().unwrap().push((name, clock.now() - Time::ZERO));
        clock.scope(|scope| {
            scope.spawn(|| {
                clock.sleep(hours(1)).wait();
                note("first sleep");
            });
            scope.spawn(|| {
                clock.sleep(hours(2)).wait();
                note("second sleep");
            });
            scope.spawn(|| {
                accepted.set_read_timeout(Some(Duration::from_secs(90 * 60))).unwrap();
                accepted.read(&mut [0; 8]).unwrap_err();
                note("read");
            });
        });
        assert_eq!(clock.timers(), Ok(0));
        done.into_inner().unwrap()
    });
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(done, [("first sleep", minutes(60)), ("read", minutes(90)), ("second sleep", minutes(120))]);
}

#[test]
fn time_stands_still_while_a_participant_runs() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let _me = clock.enter();
        let woken = Arc::new(AtomicBool::new(false));
        let sleeper = clock.spawn({
            let (clock, woken) = (clock.clone(), woken.clone());
            move || {
                clock.sleep(ms(1)).wait();
                woken.store(true, Ordering::Relaxed);
            }
        });
        while clock.timers() == Ok(0) {
            thread::yield_now();
        }
        // The other thread sleeps. This one runs.
        let start = std::time::Instant::now();
        while start.elapsed() < ms(200) {
            assert_eq!((clock.now(), woken.load(Ordering::Relaxed)), (Time::ZERO, false));
        }
        sleeper.join().unwrap();
        assert_eq!((clock.now(), woken.load(Ordering::Relaxed)), (at(1), true));
    });
}

#[test]
fn stressed() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = if cfg!(debug_assertions) { 400 } else { 4000 };
    within_a_minute(|| {
        for seed in 0..4 {
            let clock = Clock::auto();
            let net = network(&clock);
            let pairs = (0..THREADS / 2).map(|_| connected(&net)).collect::<Vec<_>>();
            let sleeps = AtomicU32::new(0);
            clock.scope(|scope| {
                for (number, [dialled, accepted]) in (1_u64..).zip(pairs) {
                    for mut conn in [dialled, accepted] {
                        let (clock, sleeps) = (&clock, &sleeps);
                        let mut numbers = Numbers(seed << 32 | number << 8 | u64::from(conn.local_addr().port()));
                        scope.spawn(move || {
                            // Both write, and only then read.
                            for _ in 0..ROUNDS {
                                numbers.work(200);
                                let (before, length) = (clock.now(), Duration::from_micros(numbers.next(5) + 1));
                                clock.sleep(length).wait();
                                assert_eq!(clock.now(), before + length, "a sleep is exact");
                                sleeps.fetch_add(1, Ordering::Relaxed);
                                conn.write_all(&[1]).unwrap();
                                numbers.work(200);
                                let before = clock.now();
                                conn.set_read_timeout(Some(Duration::from_micros(numbers.next(4) + 1))).unwrap();
                                let limit = conn.read_timeout().unwrap();
                                match conn.read(&mut [0; 1]) {
                                    Ok(count) => {
                                        assert_eq!(count, 1);
                                        assert!(clock.now() <= before + limit, "it came in time");
                                    }
                                    Err(_) => assert_eq!(clock.now(), before + limit, "a timeout is exact"),
                                }
                                let work = clock.now();
                                numbers.work(200);
                                assert_eq!(clock.now(), work, "no time passes while a thread works");
                            }
                        });
                    }
                }
            });
            assert_eq!(u64::from(sleeps.into_inner()), THREADS * ROUNDS);
            assert_eq!(clock.timers(), Ok(0));
        }
    });
}

#[test]
fn waker_before_park() {
    const TRIPS: u64 = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    within_a_minute(|| {
        let clock = Clock::auto();
        let flags = [Flag::default(), Flag::default()];
        clock.scope(|scope| {
            for number in 0..2 {
                let (flags, clock) = (&flags, &clock);
                let mut numbers = Numbers(number as u64);
                scope.spawn(move || {
                    for trip in 0..TRIPS {
                        if number == 0 {
                            flags[1].set();
                        }
                        numbers.work(100);
                        flags[number].wait();
                        assert_eq!(clock.now(), Time::ZERO, "trip {trip}");
                        if number == 1 {
                            flags[0].set();
                        }
                    }
                });
            }
            // One that would let time pass as soon as none of the others runs.
            clock.sleep(ms(0)).wait();
        });
        clock.sleep(ms(1)).wait();
        assert_eq!((clock.now(), clock.timers()), (at(1), Ok(0)));
    });
}

#[test]
fn no_time_passes_between_a_wake_up_and_its_thread() {
    const TRIPS: u32 = if cfg!(debug_assertions) { 3_000 } else { 30_000 };
    within_a_minute(|| {
        let clock = Clock::auto();
        let (flag, back) = (Flag::default(), Flag::default());
        let over = AtomicBool::new(false);
        clock.scope(|scope| {
            // It has a deadline that time must not reach.
            scope.spawn(|| {
                clock.sleep(hours(1)).wait();
                assert!(over.load(Ordering::Relaxed));
            });
            scope.spawn(|| {
                for _ in 0..TRIPS {
                    flag.wait();
                    assert_eq!(clock.now(), Time::ZERO);
                    back.set();
                }
                over.store(true, Ordering::Relaxed);
            });
            for _ in 0..TRIPS {
                // The other thread is woken, and this one falls asleep at once.
                flag.set();
                back.wait();
            }
        });
        assert_eq!(clock.now(), Time::ZERO + hours(1));
    });
}

#[test]
fn woken_by_an_outsider() {
    const ROUNDS: u32 = if cfg!(debug_assertions) { 500 } else { 5_000 };
    within_a_minute(|| {
        let clock = Clock::auto();
        let net = network(&clock);
        let pairs = (0..4).map(|_| connected(&net)).collect::<Vec<_>>();
        thread::scope(|outside| {
            clock.scope(|scope| {
                for [mut dialled, mut accepted] in pairs {
                    let clock = &clock;
                    outside.spawn(move || {
                        let mut numbers = Numbers(u64::from(dialled.local_addr().port()));
                        for _ in 0..ROUNDS {
                            numbers.work(1000);
                            dialled.write_all(&[1]).unwrap();
                        }
                    });
                    scope.spawn(move || {
                        accepted.set_read_timeout(Some(ms(1))).unwrap();
                        let mut left = ROUNDS as usize;
                        while left > 0 {
                            let before = clock.now();
                            match accepted.read(&mut [0; 16]) {
                                Ok(count) => left -= count,
                                Err(_) => assert_eq!(clock.now(), before + ms(1)),
                            }
                        }
                    });
                }
            });
        });
        assert_eq!(clock.timers(), Ok(0));
        clock.block_on(async { clock.sleep(ms(1)).await });
    });
}

#[test]
fn nested_waits() {
    const ROUNDS: u64 = if cfg!(debug_assertions) { 300 } else { 3_000 };
    within_a_minute(|| {
        let clock = Clock::auto();
        clock.scope(|scope| {
            for number in 0..3 {
                let clock = &clock;
                scope.spawn(move || {
                    let mut numbers = Numbers(number);
                    for _ in 0..ROUNDS {
                        // A waker that waits, and that wakes the thread which calls it.
                        let (inner, length) = (clock.clone(), Duration::from_micros(numbers.next(3) + 1));
                        let own = Arc::new(Flag::default());
                        let waker = {
                            let own = own.clone();
                            calls(move || {
                                own.set();
                                inner.sleep(length).wait();
                            })
                        };
                        let start = clock.now();
                        clock.wake_at(start + Duration::from_micros(1), Class::Timeout, waker);
                        own.wait();
                        assert!(clock.now() > start);
                    }
                });
            }
        });
        assert_eq!(clock.timers(), Ok(0));
    });
}

#[test]
fn at_the_same_instant_a_delivery_wins() {
    within_a_minute(|| {
        for _ in 0..300 {
            let clock = Clock::auto();
            let net = network(&clock);
            let [mut dialled, mut accepted] = connected(&net);
            let passed_on = Flag::default();
            let passed_on = &passed_on;
            clock.scope(|scope| {
                let _me = clock.enter();
                accepted.set_read_timeout(Some(ms(5))).unwrap();
                let reader = scope.spawn(move || accepted.read(&mut [0; 8]).map_err(|error| error.kind()));
                let delivery = Arc::new(Flag::default());
                scope.spawn(move || {
                    // The bytes come by way of a second thread.
                    passed_on.wait();
                    dialled.write_all(b"hi").unwrap();
                });
                let waker = {
                    let delivery = delivery.clone();
                    calls(move || delivery.set())
                };
                clock.wake_at(at(5), Class::Delivery, waker);
                delivery.wait();
                passed_on.set();
                assert_eq!(reader.join().unwrap(), Ok(2));
                assert_eq!(clock.now(), at(5));
            });
        }
    });
}

#[test]
fn a_wake_up_in_vain_at_the_deadline_does_not_end_the_wait() {
    within_a_minute(|| {
        // In some rounds the accept is fast enough to get the first dial.
        for _ in 0..50 {
            let clock = Clock::auto();
            let net = network(&clock);
            let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
            let listener = a.listen(":10").unwrap();
            clock.scope(|scope| {
                let accept = scope.spawn(|| listener.accept().wait_timeout(ms(5)).map_err(|error| error.kind()));
                let (in_vain, in_time) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
                for flag in [&in_vain, &in_time] {
                    let flag = flag.clone();
                    clock.wake_at(at(5), Class::Delivery, calls(move || flag.set()));
                }
                in_vain.wait();
                // The accept is woken, and finds that the dial was withdrawn.
                drop(pin!(b.dial("a:10")).try_wait());
                in_time.wait();
                let mut dial = pin!(b.dial("a:10"));
                drop(dial.as_mut().try_wait());
                assert!(accept.join().unwrap().is_ok());
                assert_eq!(clock.now(), at(5));
            });
        }
    });
}

#[test]
fn a_thread_that_ends_calls_no_waker_that_may_wait() {
    within_a_minute(|| {
        for _ in 0..50 {
            let clock = Clock::auto();
            let _me = clock.enter();
            let flag = Arc::new(Flag::default());
            let waits = {
                let (clock, flag) = (clock.clone(), flag.clone());
                calls(move || {
                    flag.set();
                    clock.sleep(ms(1)).wait();
                })
            };
            let child = clock.spawn({
                let clock = clock.clone();
                move || {
                    // The other thread is about to sleep.
                    while clock.timers() == Ok(0) {
                        thread::yield_now();
                    }
                    Numbers(7).work(100_000);
                }
            });
            clock.wake_at(at(1), Class::Timeout, waits);
            flag.wait();
            child.join().unwrap();
            assert_eq!((clock.now(), clock.timers()), (at(2), Ok(0)));
        }
    });
}

#[test]
fn a_join_leaves_nothing_behind() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let _me = clock.enter();
        for round in 1..=200 {
            let child = clock.spawn({
                let clock = clock.clone();
                move || clock.sleep(ms(1)).wait()
            });
            child.join().unwrap();
            assert_eq!((clock.now(), clock.timers()), (at(round), Ok(0)));
        }
        let panics = clock.spawn(|| panic!("on purpose"));
        assert!(panics.join().is_err());
        clock.sleep(ms(1)).wait();
        assert_eq!(clock.now(), at(201));
    });
}

#[test]
fn two_clocks_do_not_know_each_other() {
    within_a_minute(|| {
        let (first, second) = (Clock::auto(), Clock::auto());
        first.scope(|scope| {
            let inner = scope.spawn(|| {
                second.scope(|_| second.sleep(hours(5)).wait());
                second.now()
            });
            first.sleep(hours(1)).wait();
            assert_eq!(inner.join().unwrap(), Time::ZERO + hours(5));
        });
        assert_eq!(first.now(), Time::ZERO + hours(1));
    });
}

#[test]
fn clocks_may_be_left_in_any_order() {
    within_a_minute(|| {
        let (first, second) = (Clock::auto(), Clock::auto());
        let (in_first, in_second) = (first.enter(), second.enter());
        drop(in_first);
        // The thread still takes part in the second one.
        second.sleep(hours(1)).wait();
        let sleeper = second.spawn({
            let second = second.clone();
            move || second.sleep(hours(1)).wait()
        });
        while second.timers() == Ok(0) {
            thread::yield_now();
        }
        assert_eq!((first.now(), second.now()), (Time::ZERO, Time::ZERO + hours(1)));
        drop(in_second);
        // And now in none: these waits are those of an outsider.
        first.sleep(hours(1)).wait();
        sleeper.join().unwrap();
        assert_eq!((first.now(), second.now()), (Time::ZERO + hours(1), Time::ZERO + hours(2)));
    });
}

#[test]
fn time_passes_for_a_thread_that_lets_go_of_it() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let _me = clock.enter();
        let sleeper = clock.spawn({
            let clock = clock.clone();
            move || clock.sleep(hours(1)).wait()
        });
        clock.outside(|| {
            while clock.now() == Time::ZERO {
                thread::yield_now();
            }
        });
        assert_eq!(clock.now(), Time::ZERO + hours(1));
        sleeper.join().unwrap();
    });
}

#[test]
fn tasks_of_an_executor_wait_on_the_clock() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let (first, second) = (clock.sleep(hours(1)), clock.sleep(hours(2)));
        let done = clock.block_on(async {
            let (mut first, mut second) = (pin!(first), pin!(second));
            let mut done = Vec::new();
            poll_fn(|cx| {
                if done.is_empty() && first.as_mut().poll(cx).is_ready() {
                    done.push(clock.now());
                }
                if done.len() == 1 && second.as_mut().poll(cx).is_ready() {
                    done.push(clock.now());
                    return Poll::Ready(());
                }
                let _ = second.as_mut().poll(cx);
                Poll::Pending
            })
            .await;
            done
        });
        assert_eq!(done, [1, 2].map(|hour| Time::ZERO + hours(hour)));
    });
}

#[test]
fn a_timer_for_the_end_of_time_fires_when_nothing_else_can() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let _me = clock.enter();
        let flag = Arc::new(Flag::default());
        let waker = {
            let flag = flag.clone();
            calls(move || flag.set())
        };
        clock.wake_at(Time::MAX, Class::Timeout, waker);
        clock.sleep(hours(1)).wait();
        flag.wait();
        assert_eq!((clock.now(), clock.timers()), (Time::ZERO + hours(1), Ok(0)));
    });
}
