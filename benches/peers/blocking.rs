//! What blocking threads do: round trips and streams between two, on two cores, on one, and where others compute.

use std::io::{Read, Write};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virtnet::pipenet::Network;

use crate::machine::{Place, pin};
use crate::pair::{self, BUFFER};
use crate::result::Unit;
use crate::sample::{Bench, OURS, Work, value};
use crate::task::Blocks;

pub(crate) fn run(bench: &mut Bench) {
    gauge(bench);

    let mut work = round_trips("1-byte round trip, two threads on two cores", Place::TwoCores).chart();
    work.add("rtrb, spinning", round_trip(pair::spinning(), Place::TwoCores));
    work.at_most(0.05, OURS, "Unix sockets");
    bench.run(work);

    let mut work = round_trips("1-byte round trip, two threads on one core", Place::OneCore);
    work.at_most(1.0, OURS, "Unix sockets");
    bench.run(work);

    let mut work = Work::new("1-byte round trip, two threads beside two that compute", Unit::Nanoseconds).stretch(8);
    work.add(OURS, beside_computing(round_trip(pair::virtnet(), Place::TwoCores)));
    work.add("Unix sockets", beside_computing(round_trip(pair::unix(), Place::TwoCores)));
    work.at_most(1.0, OURS, "Unix sockets");
    bench.run(work);

    let mut work =
        Work::new("1-byte round trip, two threads, each write waits for its read", Unit::Nanoseconds).stretch(2);
    let net = Network::builder("t").rendezvous(true).build().expect("valid options");
    work.add("virtnet, rendezvous", round_trip(pair::connect(&net, "a", "b"), Place::TwoCores));
    work.add("mutex + condition", round_trip(pair::by_hand(true), Place::TwoCores));
    work.at_most(1.0, "virtnet, rendezvous", "mutex + condition");
    bench.run(work);

    for (size, name) in [(64 << 10, "64 KiB"), (1 << 10, "1 KiB")] {
        let mut work = Work::new(&format!("stream, {name} writes, two threads"), Unit::Throughput(size as u32)).chart();
        work.add(OURS, stream(pair::virtnet(), size));
        work.add("TCP loopback", stream(pair::tcp(), size));
        work.add("Unix sockets", stream(pair::unix(), size));
        work.add("mutex + condition", stream(pair::by_hand(false), size));
        work.add("rtrb, spinning", stream(pair::spinning(), size));
        if size == BUFFER {
            work.at_least(1.0, OURS, "rtrb, spinning");
        }
        bench.run(work);
    }
}

/// How near the cores are to each other.
fn gauge(bench: &mut Bench) {
    let mut sample = round_trip(pair::spinning(), Place::TwoCores);
    let samples: Vec<_> = (0..15).map(|_| sample(2000).as_nanos() as f64 / 2000.0).collect();
    bench.results.machine.gauge = Some(value("rtrb, spinning", &samples));
}

fn round_trips(name: &str, place: Place) -> Work<'static> {
    let mut work = Work::new(name, Unit::Nanoseconds).stretch(2);
    work.add(OURS, round_trip(pair::virtnet(), place));
    work.add("Unix sockets", round_trip(pair::unix(), place));
    work.add("TCP loopback", round_trip(pair::tcp(), place));
    work.add("mutex + condition", round_trip(pair::by_hand(false), place));
    work
}

/// Samples of one byte going there and back. Each has two new threads.
pub(crate) fn round_trip<S: Read + Write + Send>((mut a, mut b): (S, S), place: Place) -> impl FnMut(u64) -> Duration {
    move |times| {
        let ready = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                pin(place, 1);
                ready.wait();
                answer(&mut b, times);
            });
            let asking = scope.spawn(|| {
                pin(place, 0);
                ready.wait();
                let start = Instant::now();
                ask(&mut a, times);
                start.elapsed()
            });
            asking.join().expect("it does not panic")
        })
    }
}

fn ask(end: &mut (impl Read + Write), times: u64) {
    let mut byte = [1];
    for _ in 0..times {
        end.write_all(&byte).expect("the peer is there");
        end.read_exact(&mut byte).expect("the peer is there");
    }
}

fn answer(end: &mut (impl Read + Write), times: u64) {
    let mut byte = [0];
    for _ in 0..times {
        end.read_exact(&mut byte).expect("the peer is there");
        end.write_all(&byte).expect("the peer is there");
    }
}

/// The same while a thread on each of two cores has enough to do.
fn beside_computing(mut sample: impl FnMut(u64) -> Duration) -> impl FnMut(u64) -> Duration {
    move |times| {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for number in 0..2 {
                let over = &over;
                scope.spawn(move || {
                    pin(Place::TwoCores, number);
                    while !over.load(Ordering::Relaxed) {
                        std::hint::black_box((0..1000).map(std::hint::black_box).sum::<u32>());
                    }
                });
            }
            let took = sample(times);
            over.store(true, Ordering::Relaxed);
            took
        })
    }
}

fn stream<S: Read + Write + Send>((mut a, mut b): (S, S), size: usize) -> impl FnMut(u64) -> Duration {
    let mut blocks = Blocks::new(size);
    move |times| {
        let (from, mut to) = blocks.next();
        let ready = Barrier::new(2);
        let took = thread::scope(|scope| {
            scope.spawn(|| {
                pin(Place::TwoCores, 0);
                ready.wait();
                for _ in 0..times {
                    a.write_all(from.bytes()).expect("the peer is there");
                }
            });
            let reading = scope.spawn(|| {
                pin(Place::TwoCores, 1);
                ready.wait();
                let start = Instant::now();
                let mut left = times * size as u64;
                while left > 0 {
                    left -= b.read(to.bytes_mut()).expect("the peer is there") as u64;
                }
                start.elapsed()
            });
            reading.join().expect("it does not panic")
        });
        blocks.put_back(from, to);
        took
    }
}
