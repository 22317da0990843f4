//! Several connections at once: idle ones that are waited for, and busy ones on several threads.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use virtnet::pipenet::{Conn, Network};

use crate::blocking::round_trip;
use crate::machine::{Place, Stopwatch, cpu_time, pin, wait_until_others_sleep};
use crate::pair;
use crate::result::Unit;
use crate::sample::{Bench, OURS, Work};
use crate::setup;

/// How many threads wait.
const WAITERS: usize = 100;

pub(crate) fn run(bench: &mut Bench) {
    cpu_use(bench, "CPU use of 100 threads that wait to read");
    beside_many(bench, "1-byte round trip, two threads beside 100 that wait");
    two_pairs(bench, "1-byte round trips, each thread both ends of its own");
    two_crowds(bench, "1 KiB written and read, each thread 100 connections of its own in turn");
    many_in_turn(bench, "1 KiB written and read, connections in turn");
    two_setups(bench, "dial + accept + close both, each thread two hosts of its own");
}

fn cpu_use(bench: &mut Bench, name: &str) {
    if !bench.wants(name) {
        return;
    }
    let mut work = Work::new(name, Unit::Percent);
    work.below(1.0, "% of a core", 1.0, OURS);
    let percent = |idle: Duration| idle.as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    let ours = percent(beside_waiting(virtnet_pairs(WAITERS), |_| idle(), 0));
    let unix = percent(beside_waiting((0..WAITERS).map(|_| pair::unix()).collect(), |_| idle(), 0));
    bench.count(work, &[(OURS, ours), ("Unix sockets", unix)]);
}

fn beside_many(bench: &mut Bench, name: &str) {
    // The same pair, and the same rest before, so that nothing differs but those who wait.
    let pair = &RefCell::new(round_trip(pair::virtnet(), Place::TwoCores));
    let mut work = Work::new(name, Unit::Nanoseconds).stretch(4);
    for (name, count) in [("virtnet, nobody waits", 0), (OURS, WAITERS)] {
        work.add(name, move |times| beside_waiting(virtnet_pairs(count), &mut *pair.borrow_mut(), times));
    }
    work.at_most(1.1, OURS, "virtnet, nobody waits");
    bench.run(work);
}

fn two_pairs(bench: &mut Bench, name: &str) {
    let mut work = Work::new(name, Unit::Nanoseconds).stretch(2);
    let net = Network::new("t");
    let conns = |count| -> Vec<_> { (0..count).map(|thread| conns_of(&net, thread, 1).remove(0)).collect() };
    work.add("virtnet, one thread", threads(conns(1), alone));
    work.add_many("virtnet, two threads", 2, threads(conns(2), alone));
    let rings = |count| (0..count).map(|_| pair::spinning()).collect();
    work.add("rings alone, one thread", threads(rings(1), alone));
    work.add_many("rings alone, two threads", 2, threads(rings(2), alone));
    work.at_least(1.6, "virtnet, two threads", "virtnet, one thread");
    bench.run(work);
}

/// Threads that share nothing but the network, and what it keeps for all of its connections.
fn two_crowds(bench: &mut Bench, name: &str) {
    let mut work = Work::new(name, Unit::Nanoseconds).stretch(2);
    // Networks of their own, as what one keeps for its first connections is not there for others.
    let nets = [1, 2].map(|_| Network::new("t"));
    let crowds = |count: usize| -> Vec<_> {
        (0..count).map(|thread| InTurn::new(conns_of(&nets[count - 1], thread, 100))).collect()
    };
    work.add("virtnet, one thread", threads(crowds(1), InTurn::run));
    work.add_many("virtnet, two threads", 2, threads(crowds(2), InTurn::run));
    work.at_least(1.6, "virtnet, two threads", "virtnet, one thread");
    bench.run(work);
}

/// Buffers that connections give back and take again cost the same whoever has them next. What is allowed for a thousand
/// is for caches: what they are made of does not fit in the first one, and each is looked at when it has long left it.
fn many_in_turn(bench: &mut Bench, name: &str) {
    let mut work = Work::new(name, Unit::Nanoseconds);
    for (count, name) in [(1, OURS), (20, "virtnet, 20 of them"), (1_000, "virtnet, 1,000 of them")] {
        let mut crowd = InTurn::new(conns_of(&Network::new("t"), 0, count));
        work.add(name, move |times| {
            let start = Stopwatch::of_thread();
            crowd.run(times);
            start.elapsed()
        });
    }
    work.at_most(2.5, "virtnet, 1,000 of them", OURS);
    bench.run(work);
}

fn two_setups(bench: &mut Bench, name: &str) {
    let mut work = Work::new(name, Unit::Nanoseconds).stretch(2);
    let net = Network::new("t");
    let hosts = |count: usize| -> Vec<_> {
        let name = |number| (format!("server-{count}-{number}"), format!("client-{count}-{number}"));
        (0..count).map(name).map(|(server, client)| setup::hosts(&net, &server, &client)).collect()
    };
    let set_up = |(client, listener): &mut setup::Hosts, times| (0..times).for_each(|_| setup::once(client, listener));
    work.add("virtnet, one thread", threads(hosts(1), set_up));
    work.add_many("virtnet, two threads", 2, threads(hosts(2), set_up));
    work.at_least(1.6, "virtnet, two threads", "virtnet, one thread");
    bench.run(work);
}

/// How long nothing is done to see what that costs.
const IDLE: Duration = Duration::from_millis(500);

/// What the process computes while it has nothing to do.
fn idle() -> Duration {
    let before = cpu_time();
    thread::sleep(IDLE);
    cpu_time() - before
}

fn virtnet_pairs(count: usize) -> Vec<(Conn, Conn)> {
    let net = Network::new("waiting");
    (0..count).map(|_| pair::connect(&net, "a", "b")).collect()
}

/// Connections between two hosts that no other thread has.
fn conns_of(net: &Network, thread: usize, count: usize) -> Vec<(Conn, Conn)> {
    (0..count).map(|_| pair::connect(net, &format!("a{thread}"), &format!("b{thread}"))).collect()
}

/// Takes a sample while a thread waits on each of these pairs.
fn beside_waiting<S: Read + Write + Send>(
    pairs: Vec<(S, S)>,
    mut sample: impl FnMut(u64) -> Duration,
    times: u64,
) -> Duration {
    let (writers, readers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let ready = Barrier::new(readers.len() + 1);
    thread::scope(|scope| {
        for mut reader in readers {
            let ready = &ready;
            scope.spawn(move || {
                ready.wait();
                let count = reader.read(&mut [0]).expect("the end of the stream is no error");
                assert_eq!(count, 0);
            });
        }
        ready.wait();
        wait_until_others_sleep();
        let took = sample(times);
        drop(writers);
        took
    })
}

/// Samples of the same work on several threads at once, each with its own.
pub(crate) fn threads<T: Send>(
    mut of_threads: Vec<T>,
    work: impl Fn(&mut T, u64) + Sync,
) -> impl FnMut(u64) -> Duration {
    move |times| {
        let ready = Barrier::new(of_threads.len());
        let (ready, work) = (&ready, &work);
        thread::scope(|scope| {
            let spawn = |(number, own): (usize, _)| {
                scope.spawn(move || {
                    pin(Place::TwoCores, number);
                    ready.wait();
                    let start = Instant::now();
                    work(own, times);
                    (start, Instant::now())
                })
            };
            let threads: Vec<_> = of_threads.iter_mut().enumerate().map(spawn).collect();
            let spans: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect();
            let first = spans.iter().map(|span| span.0).min().expect("there is a thread");
            spans.iter().map(|span| span.1).max().expect("there is a thread") - first
        })
    }
}

/// Both ends of a connection, on one thread.
pub(crate) fn alone<S: Read + Write>((a, b): &mut (S, S), times: u64) {
    let mut byte = [1];
    for _ in 0..times {
        a.write_all(&byte).expect("there is room");
        b.read_exact(&mut byte).expect("it is there");
        b.write_all(&byte).expect("there is room");
        a.read_exact(&mut byte).expect("it is there");
    }
}

/// Connections that a thread has both ends of, and writes to and reads from one after the other.
struct InTurn {
    conns: Vec<(Conn, Conn)>,
    next: usize,
    from: Vec<u8>,
    to: Vec<u8>,
}

impl InTurn {
    fn new(conns: Vec<(Conn, Conn)>) -> Self {
        Self { conns, next: 0, from: vec![1; 1 << 10], to: vec![0; 1 << 10] }
    }

    /// Goes on with the connection that is next.
    fn run(&mut self, times: u64) {
        for _ in 0..times {
            let (a, b) = &mut self.conns[self.next];
            a.write_all(&self.from).expect("there is room");
            b.read_exact(&mut self.to).expect("it is there");
            self.next = (self.next + 1) % self.conns.len();
        }
    }
}
