//! Random faults over random traffic, on a clock that the run advances. What holds whatever faults come and go is
//! checked at each step: see [`run`].

mod end;
mod verb;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use virtnet::clock::Time;
use virtnet::pipenet::{self, Network};
use virtnet::sim::Faults;
use virtnet::{Bare, Clock, Error};

use crate::random::Random;
use end::Pair;
use verb::{Change, Links};

type Layers = (Faults, Bare);
type Conn = pipenet::Conn<Layers>;
type Dial = Pin<Box<dyn Future<Output = Result<Conn, Error>>>>;

/// The hosts, each of which listens at its port 1.
const HOSTS: [&str; 3] = ["a", "b", "c"];

/// How many dials and connections there are at most.
const CONNS: usize = 6;

/// What a run was about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many steps there were, bytes that were read, connections, resets seen, and faults set.
    pub counts: BTreeMap<&'static str, u64>,
    /// All that a run showed, with its times, as a number.
    pub sum: u64,
}

impl Report {
    fn count(&mut self, what: &'static str, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    fn note(&mut self, number: u64) {
        self.sum = (self.sum ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        other.counts.iter().for_each(|(what, count)| self.count(what, *count));
    }
}

/// One run: random writes, reads, closes, dials and faults.
///
/// # Panics
///
/// If a reader gets other bytes than were written, or in another order, or any before they can have arrived; if it finds
/// the end of the stream before all of them, or without an end; if a connection fails that nothing reset; if anything
/// arrives through a cut; if dials are accepted in another order; if something does not arrive though all faults ended;
/// or if a timer, a socket or a port is left in the end.
#[must_use]
pub fn run(seed: u64) -> Report {
    let mut world = World::new(seed);
    let steps = 20 + world.random.below(80);
    for _ in 0..steps {
        world.step();
    }
    world.end()
}

struct World {
    random: Random,
    clock: Clock,
    faults: Faults,
    hosts: Vec<pipenet::Host<Layers>>,
    listeners: Vec<pipenet::Listener<Layers>>,
    /// Dials under way, and which host dials which.
    dials: Vec<([usize; 2], Dial)>,
    pairs: Vec<Pair>,
    links: Links,
    report: Report,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (clock, buffer) = (Clock::manual(), [3, 64, 1 << 16][random.below(3)]);
        let faults = Faults::new().seed(seed).clock(clock.clone());
        let net = Network::builder("t").buffer(buffer).layer(faults.clone()).build().expect("valid options");
        let hosts: Vec<_> = HOSTS.map(|name| net.host(name).expect("a new host")).into();
        let listeners = hosts.iter().map(|host| host.listen(":1").expect("a free port")).collect();
        let (links, report) = (Links::default(), Report::default());
        Self { random, clock, faults, hosts, listeners, dials: Vec::new(), pairs: Vec::new(), links, report }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn step(&mut self) {
        self.report.count("steps", 1);
        match self.random.below(16) {
            0 | 1 if self.dials.len() + self.pairs.len() < CONNS => self.dial(),
            0..=3 => self.accept(),
            4..=6 => self.write(),
            7 | 8 => self.read(),
            9 => self.shut(),
            10 | 11 => self.change(),
            12 if !self.dials.is_empty() && self.random.below(4) == 0 => {
                let at = self.random.below(self.dials.len());
                let (route, dial) = self.dials.swap_remove(at);
                drop(dial);
                self.pairs.iter_mut().for_each(|pair| pair.withdrawn(route));
            }
            _ => self.wait(),
        }
    }

    fn dial(&mut self) {
        let from = self.random.below(3);
        let to = (from + 1 + self.random.below(2)) % 3;
        let mut dial: Dial = Box::pin(self.hosts[from].dial((HOSTS[to], 1)));
        match poll(&mut dial) {
            Poll::Pending => self.dials.push(([from, to], dial)),
            Poll::Ready(outcome) => assert!(outcome.is_err(), "a dial waits for its accept"),
        }
    }

    fn accept(&mut self) {
        for to in 0..HOSTS.len() {
            let Ok(conn) = self.listeners[to].try_accept() else { continue };
            let peer = conn.peer_addr();
            let from = HOSTS.iter().position(|name| *name == peer.host()).expect("one of the hosts");
            self.report.count("connections", 1);
            self.report.note(u64::from(peer.port()));
            let mut pair = Pair::new([from, to], conn);
            pair.changed(&Change::NONE, &self.links);
            self.pairs.push(pair);
        }
        self.connect();
    }

    /// Polls each dial once.
    fn connect(&mut self) {
        let mut at = 0;
        while at < self.dials.len() {
            let Poll::Ready(outcome) = poll(&mut self.dials[at].1) else {
                at += 1;
                continue;
            };
            let (route, _) = self.dials.swap_remove(at);
            match outcome {
                Ok(conn) => {
                    let (local, peer) = (conn.local_addr(), conn.peer_addr());
                    self.report.note(self.clock.now().as_nanos());
                    let pair = self.pairs.iter_mut().find(|pair| pair.is_of(route, &local, &peer));
                    match pair {
                        Some(pair) => pair.dialled(conn),
                        // The accepted end is gone already.
                        None => drop(conn),
                    }
                }
                Err(error) => {
                    self.report.note(error.to_string().len() as u64);
                    self.pairs.iter_mut().for_each(|pair| pair.withdrawn(route));
                }
            }
        }
    }

    fn write(&mut self) {
        if self.pairs.is_empty() {
            return;
        }
        let at = self.random.below(self.pairs.len());
        let (side, len) = (self.random.below(2), 1 + self.random.below(200));
        let now = self.now();
        self.pairs[at].write(side, len, now, &self.links);
    }

    fn read(&mut self) {
        let now = self.now();
        for pair in &mut self.pairs {
            for side in 0..2 {
                pair.read(side, 1 + self.random.below(300), now, &mut self.report);
            }
        }
    }

    fn shut(&mut self) {
        if self.pairs.is_empty() {
            return;
        }
        let at = self.random.below(self.pairs.len());
        let (side, how) = (self.random.below(2), self.random.below(6));
        self.pairs[at].shut(side, how);
        self.pairs.retain(Pair::is_held);
    }

    fn change(&mut self) {
        let [from, to] = [self.random.below(3), self.random.below(3)];
        // What has arrived so far may be read through any cut.
        self.pairs.iter_mut().for_each(Pair::mark);
        let change = self.links.change(&self.faults, [from, to], &mut self.random);
        self.pairs.iter_mut().for_each(|pair| pair.changed(&change, &self.links));
        self.report.count(change.name, 1);
    }

    fn wait(&mut self) {
        if self.random.below(2) == 0 {
            assert!(self.clock.advance_to_next().is_ok());
        } else {
            let most = [1_000, 1_000_000, 100_000_000, 3_000_000_000][self.random.below(4)];
            let by = Duration::from_nanos(self.random.number() % most);
            self.clock.advance(by).expect("a manual clock");
        }
        self.report.note(self.now().as_nanos());
    }

    /// Ends all faults: everything arrives. Then drops everything, and nothing is left.
    fn end(mut self) -> Report {
        self.faults.all().clear();
        self.pairs.iter_mut().for_each(Pair::lifted);
        for _ in 0..2 * CONNS {
            while self.clock.advance_to_next() == Ok(true) {}
            self.accept();
            for _ in 0..4 {
                let now = self.now();
                for pair in &mut self.pairs {
                    (0..2).for_each(|side| while pair.read(side, 4096, now, &mut self.report) {});
                }
            }
        }
        self.pairs.iter().for_each(Pair::is_whole);
        assert!(self.dials.is_empty(), "a dial is not answered");
        self.pairs.clear();
        self.listeners.clear();
        assert_eq!(self.clock.timers(), Ok(0), "timers are left");
        let sockets: Vec<_> = self.hosts.iter().map(|host| host.sockets()).collect();
        assert_eq!(sockets, [0; 3], "sockets are left");
        self.report
    }
}

fn poll(dial: &mut Dial) -> Poll<Result<Conn, Error>> {
    dial.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
