//! Bytes on their way.

use core::time::Duration;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::vec::Vec;

use super::super::setup::Setup;
use super::super::step;
use super::super::task::Task;
use super::bed::{Bed, L, ms, ok, on_each_clock};
use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;
use crate::wait::clock::{Clock, Time};

pub(in super::super) fn repair_delays_what_was_in_flight_by_the_cut<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let [b, a] = bed.pair();
        bed.route().latency(L);
        bed.send(&b, "one");
        bed.at(20);
        bed.route().partition();
        bed.at(100);
        bed.send(&b, "two");
        bed.at(220);
        bed.route().repair();
        bed.before(250);
        assert!(bed.waits(&a));
        bed.at(250);
        assert_eq!(bed.read(&a), ok("one"));
        bed.before(270);
        assert!(bed.waits(&a));
        bed.at(270);
        assert_eq!(bed.read(&a), ok("two"));
        drop((a, b));
        bed.finish();
    });
}

pub(in super::super) fn release_does_not_repair_and_repair_does_not_release<N: NetRef + 'static>(setup: &Setup<N>) {
    for release_first in [true, false] {
        on_each_clock(setup, |bed| {
            let [b, a] = bed.pair();
            bed.route().latency(L).partition().hold();
            bed.send(&b, "x");
            let end = |release| if release { bed.route().release().clone() } else { bed.route().repair().clone() };
            bed.at(100);
            end(release_first);
            bed.at(300);
            assert!(bed.waits(&a));
            end(!release_first);
            if release_first {
                // After 50 ms of the time that was not cut.
                bed.before(350);
                assert!(bed.waits(&a));
                bed.at(350);
            }
            assert_eq!(bed.read(&a), ok("x"));
            drop((a, b));
            bed.finish();
        });
    }
    on_each_clock(setup, |bed| {
        let [b, a] = bed.pair();
        bed.route().hold();
        bed.faults.oneway("b", "a").partition();
        bed.send(&b, "x");
        bed.faults.of("a").clear();
        assert_eq!(bed.read(&a), ok("x"));
        drop((a, b));
        bed.finish();
    });
}

pub(in super::super) fn release_gives_all_at_once_in_sending_order<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let pairs = [(); 3].map(|()| bed.pair());
        bed.route().latency(L).hold();
        let order = Order::default();
        pairs.iter().enumerate().rev().for_each(|(at, [_, a])| order.watch(at, a));
        for (at, [b, _]) in [10, 20, 30].into_iter().zip(&pairs) {
            bed.at(at);
            bed.send(b, "x");
        }
        bed.at(100);
        assert!(order.woken().is_empty());
        bed.route().release();
        bed.turn();
        assert_eq!(order.woken(), [0, 1, 2]);
        assert!(pairs.iter().all(|[_, a]| bed.read(a) == ok("x")));
        drop(pairs);
        bed.finish();
    });
}

/// The order in which tasks are woken.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<usize>>>);

struct Watcher(usize, Order);

impl Wake for Watcher {
    fn wake(self: Arc<Self>) {
        self.1.0.lock().expect("no behaviour panics with it").push(self.0);
    }
}

impl Order {
    /// The task of this number waits to read.
    fn watch<N: NetRef>(&self, number: usize, conn: &Conn<N>) {
        let waker = Waker::from(Arc::new(Watcher(number, self.clone())));
        assert!(conn.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());
    }

    fn woken(&self) -> Vec<usize> {
        self.0.lock().expect("no behaviour panics with it").clone()
    }
}

/// A stream from one end to the other: written in pieces, and read as it arrives.
struct Stream<N: NetRef> {
    from: Arc<Conn<N>>,
    to: Arc<Conn<N>>,
    writing: Option<Task<'static, Result<usize, Error>>>,
    written: usize,
    read: usize,
}

/// The byte at an offset of a stream.
fn byte(offset: usize) -> u8 {
    (offset * 31 + (offset >> 8)) as u8
}

impl<N: NetRef + 'static> Stream<N> {
    fn new([from, to]: [&Arc<Conn<N>>; 2]) -> Self {
        Self { from: from.clone(), to: to.clone(), writing: None, written: 0, read: 0 }
    }

    /// Writes and reads what can be without waiting.
    fn flow(&mut self, total: usize) {
        let mut buf = [0; 5000];
        loop {
            let next = total.min(self.written + 3000);
            if self.writing.is_none() && next > self.written {
                let bytes: Vec<u8> = (self.written..next).map(byte).collect();
                self.writing = Some(Task::new(step::write(&self.from, &bytes)));
            }
            let wrote = self.writing.take_if(Task::turn).map_or(0, |done| done.outcome().expect("no fault resets"));
            let count = self.to.try_read(&mut buf).unwrap_or_default();
            for (at, got) in buf[..count].iter().enumerate() {
                assert_eq!(*got, byte(self.read + at), "at byte {}", self.read + at);
            }
            (self.written, self.read) = (self.written + wrote, self.read + count);
            if wrote == 0 && count == 0 {
                return;
            }
        }
    }
}

/// 8 KiB records both ways, while the link is up for 0.7 ms and down for 3 ms.
pub(in super::super) fn flapping_partitions_never_change_bytes<N: NetRef + 'static>(setup: &Setup<N>) {
    const RECORDS: usize = 2 * (8 << 10);
    for seed in 0..if setup.thorough { ALL_SEEDS } else { SEEDS } {
        let clock = if seed % 8 == 7 { Clock::auto() } else { Clock::manual() };
        let bed = Bed::new(setup, clock, seed);
        let [b, a] = bed.pair();
        bed.route().latency_between(Duration::from_micros(100)..Duration::from_micros(900)).jitter(ms(1));
        let mut streams = [Stream::new([&b, &a]), Stream::new([&a, &b])];
        let (up, down) = (700_000 + seed * 997, 3_000_000);
        let (mut is_up, mut flip) = (true, up);
        for _ in 0..MOST_STEPS {
            streams.iter_mut().for_each(|stream| stream.flow(RECORDS));
            if streams.iter().all(|stream| stream.read == RECORDS) {
                break;
            }
            match bed.clock.next().expect("a virtual clock") {
                Some(next) if next < Time::from_nanos(flip) => assert!(bed.to_next()),
                _ => {
                    bed.at_nanos(flip);
                    is_up = !is_up;
                    flip += if is_up { up } else { down };
                    let _ = if is_up { bed.route().repair().clone() } else { bed.route().partition().clone() };
                }
            }
        }
        assert_eq!(streams.each_ref().map(|stream| stream.read), [RECORDS; 2], "seed {seed}");
        drop((a, b, streams));
        bed.finish();
    }
}

/// How many seeds are tried, in one thorough run, and how many steps each may take.
const SEEDS: u64 = 64;
const ALL_SEEDS: u64 = 400;
const MOST_STEPS: usize = 50_000;

pub(in super::super) fn jitter_never_reorders<N: NetRef + 'static>(setup: &Setup<N>) {
    let writes = if setup.thorough { 10_000 } else { 2000 };
    let first = arrivals(setup, Clock::manual(), (7, writes), false);
    assert!(first.is_sorted());
    let late = first.iter().enumerate().map(|(at, arrived)| arrived - at as u64 * 1_000_000);
    assert!(late.clone().all(|late| late <= 100_000_000) && late.max() > Some(90_000_000));
    for clock in [Clock::manual, Clock::auto] {
        assert_eq!(arrivals(setup, clock(), (7, 300), false), first[..300], "the same seed");
        assert_eq!(arrivals(setup, clock(), (7, 300), true), first[..300], "another connection");
        assert_ne!(arrivals(setup, clock(), (8, 300), false), first[..300], "another seed");
    }
}

/// When each of some writes arrives that are made 1 ms apart, in nanoseconds.
fn arrivals<N: NetRef + 'static>(
    setup: &Setup<N>,
    clock: Clock,
    (seed, writes): (u64, usize),
    second: bool,
) -> Vec<u64> {
    let bed = Bed::new(setup, clock, seed);
    let [b, a] = bed.pair();
    let other = second.then(|| bed.pair());
    bed.route().jitter(ms(100));
    let (mut times, mut sent, mut buf) = (Vec::new(), 0, [0; 64]);
    while times.len() < writes {
        let next = bed.clock.next().expect("a virtual clock");
        let to = Time::ZERO + ms(sent as u64);
        if sent < writes && next.is_none_or(|next| to < next) {
            bed.at(sent as u64);
            bed.send_bytes(&b, &[sent as u8]);
            other.iter().for_each(|[near, _]| bed.send(near, "noise"));
            sent += 1;
        } else {
            assert!(bed.to_next(), "something is on its way");
        }
        while let Ok(count @ 1..) = a.try_read(&mut buf) {
            for byte in &buf[..count] {
                assert_eq!(*byte, times.len() as u8, "bytes arrive in order");
                times.push(bed.clock.now().as_nanos());
            }
            bed.turn();
        }
        while other.iter().any(|[_, far]| far.try_read(&mut buf).is_ok()) {
            bed.turn();
        }
    }
    while bed.to_next() {
        while other.iter().any(|[_, far]| far.try_read(&mut buf).is_ok()) {
            bed.turn();
        }
    }
    drop((a, b, other));
    bed.finish();
    times
}
