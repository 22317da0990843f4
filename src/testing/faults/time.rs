//! Time that moves only while every thread waits.

use core::time::Duration;
use std::io::Read as _;
use std::string::ToString;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use std::vec::Vec;

use super::super::setup::Setup;
use super::bed::{Bed, ms};
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;
use crate::wait::clock::{Clock, Time};

pub(in super::super) fn virtual_time_is_exact_and_fast<N: NetRef + 'static>(setup: &Setup<N>) {
    let start = Instant::now();
    let bed = Bed::new(setup, Clock::auto(), 0);
    let [b, a] = bed.pair();
    let (clock, done) = (&bed.clock, Mutex::new(Vec::new()));
    let note = |name| done.lock().expect("no thread panics with it").push((name, clock.now()));
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    clock.scope(|scope| {
        for hours in [1, 2] {
            scope.spawn(move || {
                clock.sleep(minutes(60 * hours)).wait();
                note("sleep");
            });
        }
        scope.spawn(|| {
            a.set_read_timeout(Some(minutes(90))).expect("more than zero");
            assert!((&*a).read(&mut [0; 8]).is_err());
            note("read");
        });
    });
    assert_eq!(
        *done.lock().expect("no thread panics with it"),
        [("sleep", 60), ("read", 90), ("sleep", 120)].map(|(name, at)| (name, Time::ZERO + minutes(at)))
    );
    assert!(start.elapsed() < Duration::from_secs(5), "it takes no real time");
    drop((a, b));
    bed.finish();
}

pub(in super::super) fn time_stands_still_while_a_participant_runs<N: NetRef + 'static>(setup: &Setup<N>) {
    let bed = Bed::new(setup, Clock::auto(), 0);
    let [b, a] = bed.pair();
    let (clock, woken) = (&bed.clock, AtomicBool::new(false));
    clock.scope(|scope| {
        let reader = scope.spawn(|| {
            a.set_read_timeout(Some(ms(1))).expect("more than zero");
            assert!((&*a).read(&mut [0; 8]).is_err());
            woken.store(true, Ordering::Relaxed);
        });
        while clock.timers() == Ok(0) {
            std::thread::yield_now();
        }
        // The other thread waits. This one runs.
        let start = Instant::now();
        while start.elapsed() < ms(200) {
            assert_eq!((clock.now(), woken.load(Ordering::Relaxed)), (Time::ZERO, false));
        }
        reader.join().expect("no panic");
    });
    assert_eq!((clock.now(), woken.load(Ordering::Relaxed)), (Time::ZERO + ms(1), true));
    drop((a, b));
    bed.finish();
}

pub(in super::super) fn a_deadlock_is_told<N: NetRef + 'static>(setup: &Setup<N>) {
    let bed = Bed::new(setup, Clock::auto(), 0);
    let [b, a] = bed.pair();
    let start = Instant::now();
    bed.clock.scope(|scope| {
        let readers = [&a, &b].map(|conn| {
            scope.spawn(|| {
                // No deadlock is told while a timer exists.
                bed.clock.sleep(ms(1)).wait();
                (&**conn).read(&mut [0; 8]).expect_err("the network is down").to_string()
            })
        });
        for reader in readers {
            let error = reader.join().expect("no panic");
            assert!(error.ends_with(": network is down"), "{error}");
        }
    });
    assert_eq!(bed.now(), 1);
    assert!(start.elapsed() < Duration::from_secs(3), "it is told at once");
    let cause = setup.wait(bed.net.close()).expect_err("the network failed").to_string();
    assert!(cause.ends_with("close: deadlock: no participant can run"), "{cause}");
}
