//! What faults and virtual time cost, against their goals:
//!
//! ```sh
//! cargo bench --bench faults --features sim                  in seconds
//! cargo bench --bench faults --features sim -- --whole       with all of the hour of heartbeats
//! ```

use std::env;
use std::hint::black_box;
use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use virtnet::pipenet::{self, Network};
use virtnet::sim::Faults;
use virtnet::{Bare, Clock, Conn, Host, NetRef};

type Layers = (Faults, Bare);

/// Samples of each row, of which the median counts.
const SAMPLES: usize = 15;

/// A network with faults, whose clock the program advances, and its hosts.
struct Lab {
    clock: Clock,
    faults: Faults,
    hosts: Vec<pipenet::Host<Layers>>,
}

impl Lab {
    fn new(hosts: usize) -> Self {
        let clock = Clock::manual();
        let faults = Faults::new().clock(clock.clone());
        let net = Network::builder("t").layer(faults.clone()).build().expect("a valid name");
        let hosts = (0..hosts).map(|number| net.host(&format!("host-{number}")).expect("a new host")).collect();
        Self { clock, faults, hosts }
    }

    /// A connection between two hosts.
    fn connect(&self, from: usize, to: usize) -> (pipenet::Conn<Layers>, pipenet::Conn<Layers>) {
        connect(&self.hosts[from], &self.hosts[to])
    }
}

/// A connection between two hosts, which no fault delays.
fn connect<N: NetRef>(from: &Host<N>, to: &Host<N>) -> (Conn<N>, Conn<N>) {
    let listener = to.listen("").expect("a free port");
    let mut dial = pin!(from.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "a dial waits for its accept");
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of two kinds of work, whose samples are taken in turn.
fn ratio(mut work: impl FnMut() -> Duration, mut other: impl FnMut() -> Duration) -> f64 {
    median((0..SAMPLES).map(|_| work().as_secs_f64() / other().as_secs_f64()).collect())
}

fn report(goal: char, what: &str, value: f64, bound: f64, unit: &str) {
    let outcome = if value <= bound { "reached" } else { "missed" };
    println!("({goal}) {what:<60} {value:>10.3} {unit:<14} goal {bound:<6} {outcome}");
}

fn round_trips<N: NetRef>((a, b): &(Conn<N>, Conn<N>), times: u64, size: usize) -> Duration {
    let (from, mut to) = (vec![1; size], vec![0; size]);
    timed(|| {
        for _ in 0..times {
            for (writer, reader) in [(a, b), (b, a)] {
                assert_eq!(writer.try_write(&from).ok(), Some(size));
                assert_eq!(reader.try_read(black_box(&mut to)).ok(), Some(size));
            }
        }
    })
}

/// A network without the layer, with it and all faults off, and with lanes and no latency.
fn layer() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").expect("a new host"), net.host("b").expect("a new host"));
    let bare = connect(&b, &a);
    let (off, lanes) = (Lab::new(2), Lab::new(2));
    let (off_pair, lanes_pair) = (off.connect(0, 1), lanes.connect(0, 1));
    lanes.faults.all().lanes(true);
    for (what, size, times, bound) in [("round trip, 64 B", 64, 20_000, 1.1), ("stream, 16 KiB", 16 << 10, 500, 1.053)]
    {
        let found = ratio(|| round_trips(&off_pair, times, size), || round_trips(&bare, times, size));
        report('a', &format!("{what}, faults off / no layer"), found, bound, "×");
    }
    let found = ratio(|| round_trips(&lanes_pair, 5_000, 64), || round_trips(&bare, 5_000, 64));
    report('a', "round trip, 64 B, by lanes at latency 0 / no layer", found, 3.5, "×");
    let found = ratio(
        || timed(|| (0..1_000).for_each(|_| drop(off.connect(0, 1)))),
        || timed(|| (0..1_000).for_each(|_| drop(connect(&a, &b)))),
    );
    report('a', "listen, dial, accept, close, faults off / no layer", found, 1.3, "×");
}

/// A day of hosts that do nothing.
fn idle() {
    for hosts in [1_000, 10_000] {
        let lab = Lab::new(hosts);
        lab.faults.all().latency(Duration::from_millis(20));
        let day = Duration::from_secs(24 * 3600);
        let took = (0..SAMPLES).map(|_| timed(|| lab.clock.advance(day).expect("a manual clock")));
        let took = median(took.map(|took| took.as_secs_f64() * 1e3).collect());
        report('b', &format!("a day of {hosts} idle hosts"), took, 1.0, "ms");
    }
}

/// Writes that arrive after a latency and are read.
fn deliveries() {
    const WRITES: u32 = 50_000;

    let lab = Lab::new(2);
    let (a, b) = lab.connect(0, 1);
    let latency = Duration::from_micros(50);
    lab.faults.all().latency(latency);
    let sample = || {
        timed(|| {
            for _ in 0..WRITES {
                assert_eq!(a.try_write(&[7; 64]).ok(), Some(64));
                lab.clock.advance(latency).expect("a manual clock");
                assert_eq!(b.try_read(&mut [0; 64]).ok(), Some(64));
            }
        })
    };
    let took = median((0..SAMPLES).map(|_| sample().as_secs_f64() * 1e6 / f64::from(WRITES)).collect());
    report('c', "a timed delivery, one thread", took, 0.667, "µs");
}

/// Each of 500 hosts writes to 8 neighbours each second, in some seconds of an hour.
fn heartbeats(seconds: u32) {
    const HOSTS: usize = 500;
    const NEIGHBOURS: usize = 8;

    let lab = Lab::new(HOSTS);
    let pairs = (0..HOSTS).flat_map(|from| (1..=NEIGHBOURS).map(move |next| (from, (from + next) % HOSTS)));
    let conns: Vec<_> = pairs.map(|(from, to)| lab.connect(from, to)).collect();
    lab.faults.all().latency(Duration::from_millis(20));
    let took = timed(|| {
        for _ in 0..seconds {
            for (from, _) in &conns {
                assert_eq!(from.try_write(b"beat").ok(), Some(4));
            }
            lab.clock.advance(Duration::from_secs(1)).expect("a manual clock");
            for (_, to) in &conns {
                assert_eq!(to.try_read(&mut [0; 16]).ok(), Some(4));
            }
        }
    });
    let hour = took.as_secs_f64() * 3600.0 / f64::from(seconds);
    report('e', &format!("an hour of heartbeats of 500 hosts, from {seconds} s of it"), hour, 30.0, "s");
}

/// Two threads that wake each other, and two that sleep in turn on an automatic clock.
fn sleeps() {
    const TIMES: u32 = 2_000;

    let parks = || {
        timed(|| {
            let main = thread::current();
            let other = thread::spawn(move || {
                for _ in 0..TIMES {
                    thread::park();
                    main.unpark();
                }
            });
            for _ in 0..TIMES {
                other.thread().unpark();
                thread::park();
            }
            other.join().expect("it does not panic");
        })
    };
    let sleeps = || {
        let clock = Clock::auto();
        let _me = clock.enter();
        timed(|| {
            let doze = |clock: &Clock| (0..TIMES).for_each(|_| clock.sleep(Duration::from_millis(2)).wait());
            let other = clock.spawn({
                let clock = clock.clone();
                move || {
                    clock.sleep(Duration::from_millis(1)).wait();
                    doze(&clock);
                }
            });
            doze(&clock);
            other.join().expect("it does not panic");
        })
    };
    report('f', "a virtual sleep of two threads in turn / a park and an unpark", ratio(sleeps, parks), 1.5, "×");
}

/// A partition of a direction and its repair, with so many connections in it, and elsewhere.
fn partitions() {
    let toggle = |own: usize, others: usize| {
        let lab = Lab::new(4);
        let conns: Vec<_> = (0..own).map(|_| lab.connect(0, 1)).chain((0..others).map(|_| lab.connect(2, 3))).collect();
        move || {
            black_box(&conns);
            timed(|| {
                for _ in 0..20 {
                    lab.faults.oneway("host-0", "host-1").partition().repair();
                }
            })
        }
    };
    let found = ratio(toggle(1_000, 10_000), toggle(1_000, 0));
    report('h', "partition and repair, 10,000 connections elsewhere / none", found, 1.2, "×");
    let found = ratio(toggle(4_000, 0), toggle(1_000, 0));
    report('h', "partition and repair of 4,000 connections / of 1,000", found, 5.0, "×");
}

fn main() {
    // `cargo test --benches` runs it without this argument, to see whether it starts.
    if !env::args().any(|arg| arg == "--bench") {
        return;
    }
    let whole = env::args().any(|arg| arg == "--whole");
    layer();
    idle();
    deliveries();
    heartbeats(if whole { 3600 } else { 60 });
    sleeps();
    partitions();
}
