//! Timeouts of networks, on their clock.

use std::io::{ErrorKind, Read as _, Write as _};
use std::thread;

use virtnet::Clock;
use virtnet::clock::{Class, ManualClock, Time};
use virtnet::pipenet::fixed;

use super::bed::*;

/// Advances a clock to its next deadline, once there is one.
fn advance(clock: &Clock) -> Time {
    while !clock.advance_to_next().unwrap() {
        thread::yield_now();
    }
    clock.now()
}

#[test]
fn a_timeout_is_measured_on_the_clock_of_the_network() {
    within_a_minute(|| {
        let clock = Clock::manual();
        let net = network(&clock);
        let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
        let listener = a.listen(":10").unwrap();
        thread::scope(|scope| {
            let accept = scope.spawn(|| listener.accept().wait_timeout(hours(1)).map(drop).unwrap_err().to_string());
            assert_eq!(advance(&clock), Time::ZERO + hours(1));
            assert_eq!(accept.join().unwrap(), "accept pipet a:10: timed out");
        });
        let other = a.listen(":11").unwrap();
        thread::scope(|scope| {
            let dial = scope.spawn(|| b.dial("a:11").wait_timeout(hours(1)).map(drop).unwrap_err().to_string());
            assert_eq!(advance(&clock), Time::ZERO + hours(2));
            assert_eq!(dial.join().unwrap(), "dial pipet b:1->a:11: timed out");
        });
        drop(other);
        assert_eq!(clock.timers(), Ok(0));
    });
}

#[test]
fn a_network_in_a_static_has_a_clock_in_a_static() {
    static CLOCK: ManualClock = ManualClock::new();
    static NET: fixed::Network<'static> = virtnet::fixed!("t", 2, 4, 2, 64).with_clock(&CLOCK);

    within_a_minute(|| {
        let listener = NET.host("a").unwrap().listen(":10").unwrap();
        thread::scope(|scope| {
            let accept = scope.spawn(|| listener.accept().wait_timeout(hours(1)).map(drop).unwrap_err().to_string());
            while !CLOCK.advance_to_next() {
                thread::yield_now();
            }
            assert_eq!(accept.join().unwrap(), "accept pipet a:10: timed out");
        });
        assert_eq!((CLOCK.now(), CLOCK.timers()), (Time::ZERO + hours(1), 0));
    });
}

#[test]
fn timeouts_of_reads_and_writes_are_measured_on_the_clock_of_the_network() {
    within_a_minute(|| {
        let clock = Clock::manual();
        let net = network(&clock);
        let [mut dialled, mut accepted] = connected(&net);
        accepted.set_read_timeout(Some(hours(1))).unwrap();
        dialled.set_write_timeout(Some(hours(2))).unwrap();
        thread::scope(|scope| {
            let read = scope.spawn(|| accepted.read(&mut [0; 8]).unwrap_err().kind());
            assert_eq!(advance(&clock), Time::ZERO + hours(1));
            assert_eq!(read.join().unwrap(), timed_out());
        });
        thread::scope(|scope| {
            let write = scope.spawn(|| {
                let written = dialled.write(&[1; 100_000]).unwrap();
                assert_eq!(written, 65_536);
                dialled.write(&[1]).unwrap_err().kind()
            });
            assert_eq!(advance(&clock), Time::ZERO + hours(3));
            assert_eq!(write.join().unwrap(), timed_out());
        });
        assert_eq!(clock.timers(), Ok(0));
    });
}

/// The kind of a timeout, as std's TCP has it.
fn timed_out() -> ErrorKind {
    if cfg!(unix) { ErrorKind::WouldBlock } else { ErrorKind::TimedOut }
}

#[test]
fn an_outcome_that_is_there_wins_over_an_expired_timeout() {
    within_a_minute(|| {
        let clock = Clock::manual();
        let net = network(&clock);
        let [dialled, mut accepted] = connected(&net);
        accepted.set_read_timeout(Some(ms(10))).unwrap();
        // The bytes come when the clock is at the deadline already.
        let write = calls(move || assert_eq!(dialled.try_write(b"hi").unwrap(), 2));
        clock.wake_at(at(10), Class::Delivery, write);
        thread::scope(|scope| {
            let read = scope.spawn(|| accepted.read(&mut [0; 8]).unwrap());
            while clock.timers() != Ok(2) {
                thread::yield_now();
            }
            clock.advance(ms(10)).unwrap();
            assert_eq!(read.join().unwrap(), 2);
        });
    });
}

#[test]
fn a_timeout_of_zero_returns_a_ready_outcome_or_times_out() {
    for clock in [Clock::manual(), Clock::auto()] {
        within_a_minute(move || {
            let net = network(&clock);
            let a = net.host("a").unwrap();
            let listener = a.listen(":10").unwrap();
            let text = |error: virtnet::Error| error.to_string();
            let none = listener.accept().wait_timeout(ms(0)).map(drop).map_err(text);
            assert_eq!(none, Err("accept pipet a:10: timed out".into()));
            let refused = a.dial("a:7").wait_timeout(ms(0)).map(drop).map_err(text);
            assert_eq!(refused, Err("dial pipet a:1->a:7: connection refused".into()));
            assert_eq!((clock.now(), clock.timers()), (Time::ZERO, Ok(0)));
        });
    }
}

#[test]
fn a_timeout_longer_than_time_is_none() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let net = network(&clock);
        let [mut dialled, mut accepted] = connected(&net);
        accepted.set_read_timeout(Some(std::time::Duration::MAX)).unwrap();
        clock.scope(|scope| {
            let reader = scope.spawn(|| accepted.read(&mut [0; 8]).unwrap());
            clock.sleep(hours(1000)).wait();
            dialled.write_all(b"hi").unwrap();
            assert_eq!(reader.join().unwrap(), 2);
        });
    });
}
