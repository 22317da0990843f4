//! The network in a storm, and the state shared by its threads.

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
    /// The number of threads that act at random. The watch also knows one thread that ends the storm, and guests.
    pub(crate) threads: usize,
    /// The hosts in use. A closed host is replaced by another one.
    nodes: Mutex<Vec<Arc<Node<N>>>>,
    /// All hosts made so far.
    pub(crate) all: Mutex<Vec<Arc<Node<N>>>>,
    pub(crate) listeners: Shelf<Listener<N>>,
    pub(crate) conns: Shelf<Conn<N>>,
    /// Whether the threads have to end.
    pub(crate) stop: AtomicBool,
    /// Whether a thread closes the network, or will close it with the last open host.
    pub(crate) down: AtomicBool,
    names: AtomicU64,
}

/// A host.
pub(crate) struct Node<N: NetRef> {
    pub(crate) host: Host<N>,
    /// Whether a thread closes the host.
    pub(crate) closing: AtomicBool,
}

/// The number of hosts in use at a time.
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

    /// Picks one of the hosts.
    pub(crate) fn node(&self, rng: &mut Rng) -> Arc<Node<N>> {
        self.nodes.lock().expect("nobody panics with the hosts")[rng.below(HOSTS) as usize].clone()
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Closes a host, if there is room for a replacement.
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

    /// Asserts that an operation may have failed like this: for one of `kinds`, or because of a close.
    pub(crate) fn expect(&self, error: &Error, doing: &str, node: Option<&Node<N>>, kinds: &[ErrorKind]) {
        let expected = match error.kind() {
            ErrorKind::NetworkDown => self.down.load(SeqCst),
            ErrorKind::HostDown => node.is_some_and(|node| node.closing.load(SeqCst)),
            kind => kinds.contains(&kind),
        };
        assert!(expected, "{doing}: {error}");
    }

    /// The state to print when a thread hangs.
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

/// Weak references to objects that any thread may use.
pub(crate) struct Shelf<T>(Mutex<Vec<Weak<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    /// The number of objects from which on dropped ones are removed.
    const MANY: usize = 32;

    pub(crate) fn put(&self, thing: &Arc<T>) {
        let mut things = self.0.lock().expect("nobody panics with a shelf");
        if things.len() >= Self::MANY {
            things.retain(|thing| thing.strong_count() > 0);
        }
        things.push(Arc::downgrade(thing));
    }

    /// Picks any object, if it still exists.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<Arc<T>> {
        let things = self.0.lock().expect("nobody panics with a shelf");
        let at = rng.below(things.len().max(1) as u64) as usize;
        things.get(at)?.upgrade()
    }

    /// All objects that still exist.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.0.lock().expect("nobody panics with a shelf").iter().filter_map(Weak::upgrade).collect()
    }
}

/// The count of each event.
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
