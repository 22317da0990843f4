//! The network in a storm, and what its threads share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use virtnet::NetRefExt as _;

use virtnet::{Conn, Error, ErrorKind, Host, Listener, NetRef};

use super::rng::Rng;
use super::stream::Ledger;
use super::watch::Watch;

/// A network in a storm.
pub(crate) struct World<N: NetRef> {
    pub(crate) net: N,
    pub(crate) rendezvous: bool,
    pub(crate) ledger: Ledger,
    pub(crate) watch: Watch,
    /// Threads that do what they like. Behind them, the watch knows one that brings the storm to its end, and guests.
    pub(crate) threads: usize,
    /// The hosts that are used. One that is closed makes room for another.
    nodes: Mutex<Vec<Arc<Node<N>>>>,
    /// All hosts that there ever were.
    pub(crate) all: Mutex<Vec<Arc<Node<N>>>>,
    pub(crate) listeners: Shelf<Listener<N>>,
    pub(crate) conns: Shelf<Conn<N>>,
    /// The threads are to come to an end.
    pub(crate) stop: AtomicBool,
    /// Somebody closes the network, or will do so with the last open host.
    pub(crate) down: AtomicBool,
    names: AtomicU64,
}

/// A host.
pub(crate) struct Node<N: NetRef> {
    pub(crate) host: Host<N>,
    /// Somebody closes it.
    pub(crate) closing: AtomicBool,
}

/// How many hosts there are at a time.
const HOSTS: u64 = 2;

impl<N: NetRef> World<N> {
    pub(crate) fn new(net: N, title: &str, seed: u64, threads: usize, guests: usize, rendezvous: bool) -> Self {
        let world = Self {
            net,
            rendezvous,
            ledger: Ledger::new(seed),
            watch: Watch::new(title, threads + 1 + guests),
            threads,
            nodes: Mutex::default(),
            all: Mutex::default(),
            listeners: Shelf::default(),
            conns: Shelf::default(),
            stop: AtomicBool::new(false),
            down: AtomicBool::new(false),
            names: AtomicU64::new(0),
        };
        for _ in 0..HOSTS {
            let node = world.new_node().expect("there is room for the first hosts");
            world.nodes.lock().expect("nobody panics with the hosts").push(node);
        }
        world
    }

    fn new_node(&self) -> Result<Arc<Node<N>>, Error> {
        let name = format!("h{}", self.names.fetch_add(1, SeqCst));
        let host = self.net.new_host(&name).wait()?;
        let node = Arc::new(Node { host, closing: AtomicBool::new(false) });
        self.all.lock().expect("nobody panics with the hosts").push(node.clone());
        Ok(node)
    }

    /// Any of the hosts.
    pub(crate) fn node(&self, rng: &mut Rng) -> Arc<Node<N>> {
        self.nodes.lock().expect("nobody panics with the hosts")[rng.below(HOSTS) as usize].clone()
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Closes a host, if there is room for another one, which replaces it.
    pub(crate) fn replace_host(&self, rng: &mut Rng, tally: &mut Tally) {
        let new = match self.new_node() {
            Ok(node) => node,
            Err(error) if error.kind() == ErrorKind::Full => return,
            Err(error) => return self.expect(&error, "new host", None, &[]),
        };
        let at = rng.below(HOSTS) as usize;
        let old = std::mem::replace(&mut self.nodes.lock().expect("nobody panics with the hosts")[at], new);
        self.close_host(&old);
        tally.count("host closed");
    }

    pub(crate) fn close_host(&self, node: &Node<N>) {
        node.closing.store(true, SeqCst);
        node.host.close().wait().expect("nothing fails to close");
    }

    /// Checks that an operation may have failed like that: as `kinds` say, or because of what somebody closed.
    pub(crate) fn expect(&self, error: &Error, doing: &str, node: Option<&Node<N>>, kinds: &[ErrorKind]) {
        let expected = match error.kind() {
            ErrorKind::NetworkDown => self.down.load(SeqCst),
            ErrorKind::HostDown => node.is_some_and(|node| node.closing.load(SeqCst)),
            kind => kinds.contains(&kind),
        };
        assert!(expected, "{doing}: {error}");
    }

    /// What is to be said when something hangs.
    pub(crate) fn tell(&self) -> String {
        let mut lines = format!("{}\n", self.net.snapshot());
        for node in &*self.all.lock().expect("nobody panics with the hosts") {
            lines += &format!("{:?}: closing: {:?}\n", node.host, node.closing);
        }
        for listener in self.listeners.all() {
            lines += &format!("{listener:?}\n");
        }
        for conn in self.conns.all() {
            lines += &format!("{conn:?}\n");
        }
        lines
    }
}

/// Things that any thread may take into its hands. It owns none.
pub(crate) struct Shelf<T>(Mutex<Vec<Weak<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    /// From how many things on those that are gone are thrown out.
    const MANY: usize = 32;

    pub(crate) fn put(&self, thing: &Arc<T>) {
        let mut things = self.0.lock().expect("nobody panics with a shelf");
        if things.len() >= Self::MANY {
            things.retain(|thing| thing.strong_count() > 0);
        }
        things.push(Arc::downgrade(thing));
    }

    /// Any thing that is there, if it still exists.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<Arc<T>> {
        let things = self.0.lock().expect("nobody panics with a shelf");
        let at = rng.below(things.len().max(1) as u64) as usize;
        things.get(at)?.upgrade()
    }

    /// All things that still exist.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.0.lock().expect("nobody panics with a shelf").iter().filter_map(Weak::upgrade).collect()
    }
}

/// How often what happened.
#[derive(Debug, Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}
