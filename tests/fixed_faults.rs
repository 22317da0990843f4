//! Faults of networks of a fixed size.
#![cfg(all(feature = "pipenet", feature = "sim"))]
#![allow(missing_docs, reason = "tests")]

use std::future::{Future, poll_fn};
use std::io::{Read as _, Write as _};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use virtnet::clock::{ManualClock, Time};
use virtnet::pipenet::fixed::{self, Faulty, Network, TracedFaulty};
use virtnet::sim::FixedFaults;
use virtnet::trace::EventRing;
use virtnet::{ErrorKind, Host, Listener};

#[cfg(feature = "testing")]
#[path = "fixed_faults/conformance.rs"]
mod conformance;
#[path = "fixed_faults/random.rs"]
mod random;
#[path = "fixed_faults/scenario.rs"]
mod scenario;

use scenario::{Bed, SCENARIOS};

/// A clock, faults and a network of its own for each test.
macro_rules! bed {
    ($ports:expr, $pipes:expr) => {{
        static CLOCK: ManualClock = ManualClock::new();
        static FAULTS: FixedFaults<2> = FixedFaults::new(&CLOCK);
    static NET: Network<'static, Faulty> = virtnet::fixed!("t", 2, $ports, $pipes, 64; faults = &FAULTS);
        Bed { clock: &CLOCK, faults: &FAULTS, net: &NET }
    }};
}

const L: Duration = Duration::from_millis(50);

#[test]
fn scenarios_are_exact_one_after_the_other() {
    let bed = bed!(5, 2);
    for (name, scenario) in SCENARIOS {
        println!("{name}");
        scenario(bed);
    }
}

#[test]
fn random_faults_change_no_bytes() {
    random::run(bed!(3, 1));
}

/// Counts how often a task was woken.
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that is polled when it was woken.
struct Tracked<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
    seen: usize,
    done: bool,
}

impl<F: Future> Tracked<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicUsize::new(1))), seen: 0, done: false }
    }

    fn is_woken(&self) -> bool {
        !self.done && self.woken.0.load(Ordering::Relaxed) > self.seen
    }

    /// Polls it for as long as it was woken since.
    fn run(&mut self) -> Option<F::Output> {
        let waker = Waker::from(self.woken.clone());
        while self.is_woken() {
            self.seen = self.woken.0.load(Ordering::Relaxed);
            if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.done = true;
                return Some(output);
            }
        }
        None
    }
}

#[test]
fn tasks_are_woken_when_something_arrives() {
    let bed = bed!(4, 1);
    let (a, b) = (bed.net.host("a").unwrap(), bed.net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    bed.faults.route("a", "b").unwrap().latency(L);
    let mut server = Tracked::new(async {
        let conn = listener.accept().await.unwrap();
        let mut buf = [0; 8];
        let count = poll_fn(|cx| conn.poll_read(cx, &mut buf)).await.unwrap();
        assert_eq!(conn.try_write(&buf[..count]), Ok(4));
        bed.clock.now()
    });
    let mut client = Tracked::new(async {
        let conn = b.dial("a:10").await.unwrap();
        assert_eq!(conn.try_write(b"ping"), Ok(4));
        let mut buf = [0; 8];
        assert_eq!(poll_fn(|cx| conn.poll_read(cx, &mut buf)).await, Ok(4));
        bed.clock.now()
    });
    let (mut served, mut answered) = (None, None);
    loop {
        while server.is_woken() || client.is_woken() {
            served = served.or_else(|| server.run());
            answered = answered.or_else(|| client.run());
        }
        if answered.is_some() || !bed.clock.advance_to_next() {
            break;
        }
    }
    let at = |millis| Some(Time::ZERO + Duration::from_millis(millis));
    assert_eq!((served, answered), (at(150), at(200)));
    drop((server, client));
    assert_eq!(bed.clock.timers(), 0);
}

#[test]
fn a_repair_wakes_tasks_that_wait_for_it() {
    let bed = bed!(4, 1);
    let (a, b) = (bed.net.host("a").unwrap(), bed.net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let route = bed.faults.route("a", "b").unwrap();
    route.partition();
    let mut dial = Tracked::new(b.dial("a:10"));
    assert!(dial.run().is_none());
    assert_eq!(bed.clock.timers(), 0, "nobody knows when it arrives");
    route.repair();
    assert!(dial.run().is_none());
    let accepted = listener.try_accept().unwrap();
    let dialled = dial.run().expect("the accept wakes it").unwrap();
    route.hold();
    assert_eq!(dialled.try_write(b"x"), Ok(1));
    let mut buf = [0; 1];
    let mut read = Tracked::new(poll_fn(|cx| accepted.poll_read(cx, &mut buf)));
    assert!(read.run().is_none());
    route.release();
    assert_eq!(read.run(), Some(Ok(1)));
}

#[test]
fn a_dial_that_finds_no_place_says_so() {
    let bed = bed!(6, 3);
    let (a, b) = (bed.net.host("a").unwrap(), bed.net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let mut dials = [b.dial("a:10"), b.dial("a:10"), b.dial("a:10")].map(Box::pin);
    let [_, _, third] = dials.each_mut().map(|dial| dial.as_mut().try_wait());
    assert_eq!(third.unwrap().unwrap_err().to_string(), "dial pipet b:3->a:10: fault table is full (2)");
    drop(dials);
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    // Two pairs have names, and keep their places.
    bed.faults.route("a", "c").unwrap();
    bed.faults.oneway("c", "a").unwrap();
    bed.faults.route("b", "c").unwrap();
    assert_eq!(bed.faults.route("a", "b").unwrap_err().to_string(), "fault table is full (2)");
    assert_eq!(bed.faults.route("", "b").unwrap_err().to_string(), "invalid host name");
    let error = pin!(b.dial("a:10")).as_mut().try_wait().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: fault table is full (2)");
    // A host reaches itself.
    assert!(pin!(a.dial("a:10")).as_mut().try_wait().is_none());
}

#[test]
fn a_blocked_thread_is_woken_when_the_clock_is_advanced() {
    let bed = bed!(4, 1);
    let (a, b) = (bed.net.host("a").unwrap(), bed.net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    bed.faults.route("a", "b").unwrap().latency(L);
    let [served, answered] = std::thread::scope(|threads| {
        let server = threads.spawn(move || {
            let accepted = listener.accept().wait().unwrap();
            let read = (&accepted).read(&mut [0; 8]).unwrap();
            (read, bed.clock.now())
        });
        let client = threads.spawn(move || {
            let dialled = b.dial("a:10").wait().unwrap();
            // Once it has written, the clock may be advanced.
            let connected = bed.clock.now();
            ((&dialled).write(b"hello").unwrap(), connected)
        });
        while !server.is_finished() {
            bed.clock.advance_to_next();
            std::thread::yield_now();
        }
        [server, client].map(|thread| thread.join().unwrap())
    });
    let at = |millis| Time::ZERO + Duration::from_millis(millis);
    assert_eq!((served, answered), ((5, at(150)), (5, at(100))));
}

#[test]
fn events_of_a_network_with_faults_are_recorded() {
    static CLOCK: ManualClock = ManualClock::new();
    static FAULTS: FixedFaults<1> = FixedFaults::new(&CLOCK);
    static RING: EventRing<32> = EventRing::new();
    static NET: Network<'static, TracedFaulty> = virtnet::fixed!("t", 2, 4, 1, 64; trace = &RING, faults = &FAULTS);
    let (a, b): (Host<_>, Host<_>) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    let listener: Listener<_> = a.listen(":10").unwrap();
    FAULTS.route("a", "b").unwrap().latency(L);
    let mut dial = Box::pin(b.dial("a:10"));
    for _ in 0..2 {
        assert!(dial.as_mut().try_wait().is_none());
        CLOCK.advance(L);
    }
    assert!(dial.as_mut().try_wait().is_none());
    let accepted: fixed::Conn<TracedFaulty> = listener.try_accept().unwrap();
    assert!(dial.as_mut().try_wait().is_none());
    CLOCK.advance(L);
    let dialled = dial.as_mut().try_wait().unwrap().unwrap();
    assert_eq!(dialled.try_write(b"hello"), Ok(5));
    CLOCK.advance(L);
    assert_eq!(accepted.try_read(&mut [0; 8]), Ok(5));
    drop((dialled, accepted, dial));
    let lines = "\
host a
host b
listen a:10
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
write b:1->a:1: 5
read b:1->a:1: 5
drop b:1->a:1
drop a:1->b:1
";
    assert_eq!(RING.show(&NET).to_string(), lines);
    assert_eq!(NET.pipes(), 0);
}
