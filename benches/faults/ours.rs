//! virtnet by its methods that do not wait, on a clock that the program advances, and by threads on an automatic one.

use std::hint::black_box;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use virtnet::pipenet::{self, Network};
use virtnet::sim::Faults;
use virtnet::{Bare, Clock, Conn, Host, Listener, NetRef};

use crate::machine::Stopwatch;
use crate::plan::{CROWD, DAY, HEARTBEAT_LATENCY, MILLISECOND, NEIGHBOURS, SECOND, SHORT};

pub(crate) type Layers = (Faults, Bare);
type Pair<N> = (Conn<N>, Conn<N>);

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

    fn latency(self, latency: Duration) -> Self {
        self.faults.all().latency(latency);
        self
    }

    /// All goes by lanes, though no fault delays it.
    fn lanes(self) -> Self {
        self.faults.all().lanes(true);
        self
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by).expect("a manual clock");
    }

    /// A connection between two hosts. Set latencies afterwards.
    fn connect(&self, from: usize, to: usize) -> Pair<pipenet::NetHandle<Layers>> {
        connect(&self.hosts[from], &listen(&self.hosts[to]))
    }
}

fn listen<N: NetRef>(host: &Host<N>) -> Listener<N> {
    host.listen("").expect("a free port")
}

fn connect<N: NetRef>(from: &Host<N>, to: &Listener<N>) -> Pair<N> {
    let mut dial = pin!(from.dial(to.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "a dial waits for its accept");
    let accepted = to.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

/// How the bytes go from one end to the other.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// In a network without the layer.
    NoLayer,
    FaultsOff,
    Lanes,
}

pub(crate) fn round_trips(way: Way, size: usize) -> Box<dyn FnMut(u64) -> Duration> {
    match way {
        Way::NoLayer => {
            let net = Network::new("t");
            let [a, b] = ["host-0", "host-1"].map(|name| net.host(name).expect("a new host"));
            Box::new(round_trips_of(connect(&a, &listen(&b)), size))
        }
        Way::FaultsOff => Box::new(round_trips_of(Lab::new(2).connect(0, 1), size)),
        Way::Lanes => {
            let lab = Lab::new(2).lanes();
            Box::new(round_trips_of(lab.connect(0, 1), size))
        }
    }
}

fn round_trips_of<N: NetRef>((a, b): Pair<N>, size: usize) -> impl FnMut(u64) -> Duration {
    let (from, mut to) = (vec![1; size], vec![0; size]);
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            for (writer, reader) in [(&a, &b), (&b, &a)] {
                assert_eq!(writer.try_write(&from).ok(), Some(size));
                assert_eq!(reader.try_read(black_box(&mut to)).ok(), Some(size));
            }
        }
        start.elapsed()
    }
}

pub(crate) fn dials(way: Way) -> Box<dyn FnMut(u64) -> Duration> {
    match way {
        Way::NoLayer => {
            let net = Network::new("t");
            let [a, b] = ["host-0", "host-1"].map(|name| net.host(name).expect("a new host"));
            Box::new(dials_of(a, listen(&b)))
        }
        Way::FaultsOff => {
            let lab = Lab::new(2);
            let listener = listen(&lab.hosts[1]);
            Box::new(dials_of(lab.hosts[0].clone(), listener))
        }
        Way::Lanes => {
            let lab = Lab::new(2).lanes();
            let listener = listen(&lab.hosts[1]);
            Box::new(dials_of(lab.hosts[0].clone(), listener))
        }
    }
}

fn dials_of<N: NetRef>(from: Host<N>, to: Listener<N>) -> impl FnMut(u64) -> Duration {
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            drop(connect(&from, &to));
        }
        start.elapsed()
    }
}

/// A day of so many hosts that do nothing.
pub(crate) fn idle(hosts: usize) -> impl FnMut(u64) -> Duration {
    let lab = Lab::new(hosts).latency(HEARTBEAT_LATENCY);
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            lab.advance(DAY);
        }
        start.elapsed()
    }
}

/// Writes that arrive after a latency and are read.
pub(crate) fn deliveries() -> impl FnMut(u64) -> Duration {
    let lab = Lab::new(2);
    let (a, b) = lab.connect(0, 1);
    let lab = lab.latency(MILLISECOND);
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            assert_eq!(a.try_write(&[1; SHORT]).ok(), Some(SHORT));
            lab.advance(MILLISECOND);
            assert_eq!(b.try_read(&mut [0; SHORT]).ok(), Some(SHORT));
        }
        start.elapsed()
    }
}

/// Seconds in which each host writes to its neighbours.
pub(crate) fn heartbeats() -> impl FnMut(u64) -> Duration {
    let lab = Lab::new(CROWD);
    let pairs = (0..CROWD).flat_map(|from| (1..=NEIGHBOURS).map(move |next| (from, (from + next) % CROWD)));
    let conns: Vec<_> = pairs.map(|(from, to)| lab.connect(from, to)).collect();
    let lab = lab.latency(HEARTBEAT_LATENCY);
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            for (from, _) in &conns {
                assert_eq!(from.try_write(b"beat").ok(), Some(4));
            }
            lab.advance(SECOND);
            for (_, to) in &conns {
                assert_eq!(to.try_read(&mut [0; 4]).ok(), Some(4));
            }
        }
        start.elapsed()
    }
}

/// A direction is cut and repaired that has so many connections, beside others elsewhere.
pub(crate) fn partitions(own: usize, others: usize) -> impl FnMut(u64) -> Duration {
    let lab = Lab::new(4);
    let conns: Vec<_> = (0..own).map(|_| lab.connect(0, 1)).chain((0..others).map(|_| lab.connect(2, 3))).collect();
    let route = lab.faults.oneway("host-0", "host-1");
    move |times| {
        black_box((&conns, &lab));
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            route.partition().repair();
        }
        start.elapsed()
    }
}

/// Two threads that sleep in turn on an automatic clock.
pub(crate) fn sleeps(times: u64) -> Duration {
    let clock = Clock::auto();
    let _me = clock.enter();
    let start = Stopwatch::of_all();
    let doze = move |clock: &Clock| (0..times).for_each(|_| clock.sleep(2 * MILLISECOND).wait());
    let other = clock.spawn({
        let clock = clock.clone();
        move || {
            clock.sleep(MILLISECOND).wait();
            doze(&clock);
        }
    });
    doze(&clock);
    other.join().expect("it does not panic");
    start.elapsed()
}

/// Two threads that wake each other.
pub(crate) fn parks(times: u64) -> Duration {
    let start = Stopwatch::of_all();
    let main = thread::current();
    let other = thread::spawn(move || {
        for _ in 0..times {
            thread::park();
            main.unpark();
        }
    });
    for _ in 0..times {
        other.thread().unpark();
        thread::park();
    }
    other.join().expect("it does not panic");
    start.elapsed()
}

/// Two tasks of one thread that sleep in turn on an automatic clock.
pub(crate) fn sleeps_of_tasks(times: u64) -> Duration {
    let clock = Clock::auto();
    let start = Stopwatch::of_thread();
    let doze = async || {
        for _ in 0..times {
            clock.sleep(2 * MILLISECOND).await;
        }
    };
    clock.block_on(async {
        let other = async {
            clock.sleep(MILLISECOND).await;
            doze().await;
        };
        tokio::join!(doze(), other);
    });
    start.elapsed()
}
