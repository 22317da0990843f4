//! The network under test, and its helpers for behaviours.

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::boxed::Box;
use std::cell::RefCell;
use std::string::{String, ToString};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use std::vec::Vec;

use super::step::{LONG, PATIENCE, server, until, write};
use super::task::{Started, Task, Waiting, along};
use crate::contract::engine::{Engine, Shutdown};
use crate::error::Error;
use crate::error::kind::ErrorKind;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::{LinkOf, NetRef};
use crate::net::network::NetRefExt;
#[cfg(feature = "sim")]
use crate::sim::Faults;
use crate::table::Renewable;

/// A network under test, new and without hosts, and its properties.
///
/// The network has room for at least 3 hosts, 8 sockets in use and 4 connections. Its buffers hold at least 3 bytes,
/// and closing it succeeds. Its name has at most 12 bytes, so that no error text is truncated.
pub struct Setup<N: NetRef> {
    pub(super) net: N,
    pub(super) second: Option<N>,
    waiting: Waiting,
    pub(super) buffer: Option<usize>,
    pub(super) capacity: Option<Capacity>,
    pub(super) resets_unread: bool,
    pub(super) raw: bool,
    links: Option<MakeLinks<N>>,
    death: Option<Death<N>>,
    held: Option<Box<dyn Fn() -> usize + Send>>,
    #[cfg(feature = "sim")]
    faults: Option<Box<dyn Fn(Faults) -> N + Send>>,
    #[cfg(feature = "sim")]
    dials_in_flight: bool,
    #[cfg(feature = "sim")]
    pub(super) bytes_in_flight: bool,
    #[cfg(feature = "sim")]
    pub(super) thorough: bool,
    #[cfg(feature = "trace")]
    pub(super) lines: Option<Lines>,
    pub(super) limit: Duration,
    /// The hosts made so far: none of them may have a socket left in the end.
    hosts: RefCell<Vec<Host<N>>>,
}

/// How a host dies and comes back, in a network that can do that.
struct Death<N: NetRef> {
    crash: fn(&N, &str) -> Result<(), Error>,
    #[cfg(feature = "sim")]
    power_off: fn(&N, &str) -> Result<(), Error>,
    restart: fn(&N, &str) -> Result<Host<N>, Error>,
    bounce: fn(&N, &str) -> Result<Host<N>, Error>,
}

type MakeLinks<N> = Box<dyn Fn(&N) -> (LinkOf<N>, LinkOf<N>) + Send>;

/// How the events of a network are looked at: what prints all lines so far, and whether they have the bytes.
#[cfg(feature = "trace")]
pub(super) struct Lines {
    pub(super) print: Box<dyn Fn() -> String + Send>,
    pub(super) bytes: bool,
}

/// The capacity of a fixed-size network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Hosts.
    pub hosts: usize,
    /// Sockets in use, of all hosts together.
    pub ports: usize,
    /// Connections.
    pub pipes: usize,
}

impl<N: NetRef + 'static> Setup<N> {
    /// A growable network, with behaviours that wait on threads.
    pub fn new(net: N) -> Self {
        Self {
            net,
            second: None,
            waiting: Waiting::Threads,
            buffer: None,
            capacity: None,
            resets_unread: false,
            raw: false,
            links: None,
            death: None,
            held: None,
            #[cfg(feature = "sim")]
            faults: None,
            #[cfg(feature = "sim")]
            dials_in_flight: false,
            #[cfg(feature = "sim")]
            bytes_in_flight: false,
            #[cfg(feature = "sim")]
            thorough: false,
            #[cfg(feature = "trace")]
            lines: None,
            limit: Duration::from_secs(60),
            hosts: RefCell::default(),
        }
    }

    /// Sets how behaviours wait.
    #[must_use]
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// Sets the exact number of bytes that each direction of a connection holds.
    #[must_use]
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = Some(bytes);
        self
    }

    /// Sets the capacity of the network. A full network reports [`Cause::Full`](crate::Cause::Full).
    #[must_use]
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// Sets a function that makes the two ends of a connection for the engine; behaviours hand them over through the
    /// [`Notifier`](crate::Notifier). [`links_by_dial`](super::links_by_dial) is such a function for many engines.
    #[must_use]
    pub fn links(mut self, make: impl Fn(&N) -> (LinkOf<N>, LinkOf<N>) + Send + 'static) -> Self {
        self.links = Some(Box::new(make));
        self
    }

    /// Sets another subnetwork of the same network: its hosts and those of the first dial each other.
    #[must_use]
    pub fn second(mut self, net: N) -> Self {
        self.second = Some(net);
        self
    }

    /// Sets a function that counts the resources that the backend holds for connections. The count is 0 once every
    /// connection is dropped.
    #[must_use]
    pub fn held(mut self, count: impl Fn() -> usize + Send + 'static) -> Self {
        self.held = Some(Box::new(count));
        self
    }

    /// Sets a function that makes another such network, with faults and buffers of at least 16 bytes. The behaviours of
    /// the groups with faults give it those of a seed and a clock, and use it instead.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn faults(mut self, make: impl Fn(Faults) -> N + Send + 'static) -> Self {
        self.faults = Some(Box::new(make));
        self
    }

    /// Declares that dials take their way through faults, as over an engine that hands each connection to the notifier
    /// of its dial.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn dials_in_flight(mut self) -> Self {
        self.dials_in_flight = true;
        self
    }

    /// Declares that bytes on their way, and the ends behind them, lie in the buffer of their connection, as over an
    /// engine that can hide them.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn bytes_in_flight(mut self) -> Self {
        self.bytes_in_flight = true;
        self
    }

    /// Asks behaviours that try many seeds for more of them. That takes seconds, so it is meant for one network of
    /// several alike.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn thorough(mut self) -> Self {
        self.thorough = true;
        self
    }

    /// A network with these faults.
    #[cfg(feature = "sim")]
    pub(super) fn with_faults(&self, faults: Faults) -> N {
        (self.faults.as_ref().expect("a behaviour of the group `faults` has them"))(faults)
    }

    /// The groups of behaviours with faults that apply.
    fn fault_groups(&self) -> Vec<&'static str> {
        #[cfg(feature = "sim")]
        if self.faults.is_some() {
            let groups = [
                ("faults", true),
                ("dials_in_flight", self.dials_in_flight),
                ("bytes_in_flight", self.bytes_in_flight),
                ("death_in_flight", self.dials_in_flight && self.death.is_some()),
                ("time", true),
            ];
            return groups.into_iter().filter_map(|(name, applies)| applies.then_some(name)).collect();
        }
        Vec::new()
    }

    /// Sets a function that prints all events of the network's trace so far, reads included, a line for each.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn traced(mut self, print: impl Fn() -> String + Send + 'static) -> Self {
        self.lines = Some(Lines { print: Box::new(print), bytes: true });
        self
    }

    /// As [`traced`](Setup::traced), for a trace that keeps no bytes and no texts of the backend, as an
    /// [`EventRing`](crate::trace::EventRing) does.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn traced_without_bytes(mut self, print: impl Fn() -> String + Send + 'static) -> Self {
        self.lines = Some(Lines { print: Box::new(print), bytes: false });
        self
    }

    /// The group of recorded lines that applies, if any.
    fn trace_group(&self) -> Option<&'static str> {
        #[cfg(feature = "trace")]
        if self.lines.is_some() && !self.shares_ports() {
            return Some(if self.is_rendezvous() { "trace_rendezvous" } else { "trace" });
        }
        None
    }

    /// Declares that an end closed with bytes unread resets the connection.
    #[must_use]
    pub fn resets_unread(mut self) -> Self {
        self.resets_unread = true;
        self
    }

    /// Declares that connections are sockets of the operating system, and deviate as the behaviours of the group `raw`
    /// say.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Declares that [hosts can crash and come back](NetRefExt::crash), as they can in all growable networks.
    #[must_use]
    pub fn restarts(mut self) -> Self
    where
        N::Tables: Renewable,
    {
        self.death = Some(Death {
            crash: N::crash,
            #[cfg(feature = "sim")]
            power_off: N::power_off,
            restart: N::restart,
            bounce: N::bounce,
        });
        self
    }

    /// Sets the time limit of a behaviour, which is 60 seconds by default.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The groups of behaviours that apply to the network, besides `always`.
    pub fn groups(&self) -> Vec<&'static str> {
        let either = |which: bool, yes, no| Some(if which { yes } else { no });
        let if_any = |any: bool, name| any.then_some(name);
        let groups = [
            either(self.is_rendezvous(), "rendezvous", "buffered"),
            either(self.shares_ports(), "shared_port", "fresh_port"),
            if_any(self.resets_unread, "unread_resets"),
            if_any(self.raw, "raw"),
            if_any(self.buffer.is_some(), "sized_buffer"),
            if_any(self.backlog() <= SMALL_BACKLOG, "small_backlog"),
            if_any(self.capacity.is_some(), "fixed"),
            if_any(self.death.is_some(), "death"),
            if_any(self.links.is_some(), "links"),
            if_any(self.second.is_some(), "two_subnetworks"),
            self.trace_group(),
        ];
        groups.into_iter().flatten().chain(self.fault_groups()).collect()
    }

    /// The full name of the network.
    pub(super) fn name(&self) -> &str {
        self.net.network_name()
    }

    /// The maximum number of dials that wait at a listener.
    pub(super) fn backlog(&self) -> u32 {
        self.net.options.backlog
    }

    /// Makes a host.
    pub(super) fn host(&self, name: &str) -> Host<N> {
        self.host_on(&self.net, name)
    }

    /// Makes a host of one of the subnetworks.
    pub(super) fn host_on(&self, net: &N, name: &str) -> Host<N> {
        self.made(self.wait(net.new_host(name)).expect("a host of a new name"))
    }

    /// Makes two hosts `a` and `b`, and a connection that `b` dialled to `a:1`.
    pub(super) fn pair(&self) -> Pair<N> {
        let (a, b) = (self.host("a"), self.host("b"));
        let listener = server(&a, ":1");
        let (dialled, accepted) = self.connect(&b, &listener);
        Pair { a, b, listener, dialled, accepted }
    }

    /// Connects `host` to `listener`: returns the dialled and the accepted end.
    pub(super) fn connect(&self, host: &Host<N>, listener: &Listener<N>) -> (Arc<Conn<N>>, Arc<Conn<N>>) {
        let (dialled, accepted) = self.both(host.dial(listener.local_addr()), listener.accept());
        (Arc::new(dialled.expect("dialled")), Arc::new(accepted.expect("accepted")))
    }

    /// Makes the two ends of a connection, to be handed over or [shut](Setup::shut).
    pub(super) fn link_pair(&self) -> (LinkOf<N>, LinkOf<N>) {
        let make = self.links.as_ref().expect("a behaviour of the group `links` has them");
        make(&self.net)
    }

    /// Shuts the end of a connection that was not handed over.
    pub(super) fn shut(&self, link: &LinkOf<N>) {
        self.net.engine().shutdown(link, Shutdown::Close);
        self.net.engine().release(link);
    }

    fn death(&self) -> &Death<N> {
        self.death.as_ref().expect("a behaviour of the group `death` has it")
    }

    pub(super) fn try_crash(&self, name: &str) -> Result<(), Error> {
        (self.death().crash)(&self.net, name)
    }

    pub(super) fn try_restart(&self, name: &str) -> Result<Host<N>, Error> {
        (self.death().restart)(&self.net, name)
    }

    #[cfg(feature = "sim")]
    #[track_caller]
    pub(super) fn crash_on(&self, net: &N, name: &str) {
        (self.death().crash)(net, name).expect("there is such a host");
    }

    #[cfg(feature = "sim")]
    #[track_caller]
    pub(super) fn power_off_on(&self, net: &N, name: &str) {
        (self.death().power_off)(net, name).expect("there is such a host");
    }

    #[cfg(feature = "sim")]
    #[track_caller]
    pub(super) fn restart_on(&self, net: &N, name: &str) -> Host<N> {
        self.made((self.death().restart)(net, name).expect("the host is down"))
    }

    /// Crashes a host.
    #[track_caller]
    pub(super) fn crash(&self, name: &str) {
        self.try_crash(name).expect("there is such a host");
    }

    /// Makes a host anew.
    #[track_caller]
    pub(super) fn restart(&self, name: &str) -> Host<N> {
        self.made(self.try_restart(name).expect("the host is down"))
    }

    /// Crashes a host, and makes it anew.
    #[track_caller]
    pub(super) fn bounce(&self, name: &str) -> Host<N> {
        self.made((self.death().bounce)(&self.net, name).expect("there is such a host"))
    }

    /// Remembers a host, which may have no socket left in the end.
    fn made(&self, host: Host<N>) -> Host<N> {
        self.hosts.borrow_mut().push(host.clone());
        host
    }

    pub(super) fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.waiting.wait(future)
    }

    pub(super) fn both<A: Send, B: Send>(
        &self,
        first: impl Future<Output = A> + Send,
        second: impl Future<Output = B> + Send,
    ) -> (A, B) {
        self.waiting.both(first, second)
    }

    /// Returns the outcomes of an operation and of operations that had to wait before it.
    pub(super) fn finish<A: Send, T, const C: usize>(
        &self,
        operation: impl Future<Output = A> + Send,
        mut others: [Started<T>; C],
    ) -> (A, [T; C]) {
        let outcome = along(operation, &mut others);
        (outcome, others.map(Started::outcome))
    }

    /// Accepts the next connection, while pending dials continue.
    #[track_caller]
    pub(super) fn accept_along<T>(&self, listener: &Listener<N>, dials: &mut [Started<T>]) -> Conn<N> {
        along(listener.accept(), dials).expect("a dial waits")
    }

    /// Writes at most 3 bytes that the peer can read. In a rendezvous network, the write then waits.
    pub(super) fn offer(&self, conn: &Arc<Conn<N>>, bytes: &[u8]) -> Started<Result<usize, Error>> {
        let mut writing = Task::new(write(conn, bytes));
        assert_eq!(writing.turn(), !self.is_rendezvous());
        Started::Task(writing)
    }

    /// Writes until the next write would have to wait; returns the bytes written.
    pub(super) fn fill(&self, conn: &Conn<N>) -> Vec<u8> {
        if self.raw {
            return fill_socket(conn);
        }
        let mut written = Vec::new();
        while !self.is_rendezvous() {
            match conn.try_write(b"fill") {
                Ok(count) => written.extend(&b"fill"[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        written
    }

    /// After the peer of `conn` was closed: a socket's writes succeed until it hears of that.
    pub(super) fn closed_at_peer(&self, conn: &Conn<N>) {
        if self.raw {
            until(|| conn.try_write(b"x").is_err_and(|error| error.kind() != ErrorKind::WouldBlock));
        }
    }

    pub(super) fn shares_ports(&self) -> bool {
        self.net.options.share_port
    }

    pub(super) fn is_rendezvous(&self) -> bool {
        self.net.engine().is_rendezvous()
    }

    #[track_caller]
    pub(super) fn start<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Started<T> {
        self.waiting.start(future)
    }

    /// As [`start`](Setup::start), but always as a future, so that dropping it cancels it. Only the behaviour polls it.
    #[track_caller]
    pub(super) fn hold<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Started<T> {
        Waiting::Futures.start(future)
    }

    /// Starts a dial, and returns once it waits at a listener of `to`, where the backend may deliver it with a delay.
    #[track_caller]
    pub(super) fn start_dial(&self, from: &Host<N>, addr: &'static str, to: &Host<N>) -> Started<Dialled<N>> {
        let sockets = to.sockets();
        arrived(self.start(from.dial(addr)), from, to, sockets)
    }

    /// As [`start_dial`](Setup::start_dial), for a dial that is to be dropped.
    #[track_caller]
    pub(super) fn hold_dial(&self, from: &Host<N>, addr: &'static str, to: &Host<N>) -> Started<Dialled<N>> {
        let sockets = to.sockets();
        arrived(self.hold(from.dial(addr)), from, to, sockets)
    }

    /// Checks after a behaviour that no socket is in use and that the backend holds nothing. A backend with threads of
    /// its own may need a moment.
    pub(super) fn check_nothing_is_left(&self) {
        let left = || {
            let hosts = self.hosts.borrow();
            let sockets: Vec<_> = hosts.iter().map(|host| (host.name().to_string(), host.sockets())).collect();
            (sockets, self.held.as_ref().map_or(0, |held| held()))
        };
        let nothing = |left: &(Vec<(String, usize)>, usize)| left.0.iter().all(|(_, count)| *count == 0) && left.1 == 0;
        let deadline = Instant::now() + PATIENCE;
        while !nothing(&left()) && Instant::now() < deadline {
            thread::yield_now();
        }
        let left = left();
        assert!(nothing(&left), "left behind: sockets {:?}, held by the backend {}", left.0, left.1);
    }
}

impl<N: NetRef> fmt::Debug for Setup<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Setup");
        shown.field("network", &self.net.network_name()).field("waiting", &self.waiting).field("buffer", &self.buffer);
        shown.field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// Writes until a socket has no room. It may have room for more when the peer's system has taken what it got.
fn fill_socket<N: NetRef>(conn: &Conn<N>) -> Vec<u8> {
    let (chunk, mut written, mut failed) = (b"fill".repeat(16 << 10), Vec::new(), 0);
    while failed < QUIET {
        match conn.try_write(&chunk[written.len() % 4..]) {
            Ok(count) => {
                written.extend(&chunk[written.len() % 4..][..count]);
                failed = 0;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                failed += 1;
                // Its outcome does not matter: the next write tells.
                let _ = conn.writable().wait_timeout(LONG / 4);
            }
        }
    }
    written
}

/// How many writes in a row have to fail: the system asks a peer without room again and again, with growing pauses.
const QUIET: u32 = 10;

/// The outcome of a dial.
pub(super) type Dialled<N> = Result<Conn<N>, Error>;

/// Two hosts and a connection.
pub(super) struct Pair<N: NetRef> {
    pub(super) a: Host<N>,
    pub(super) b: Host<N>,
    pub(super) listener: Arc<Listener<N>>,
    /// The end of `b`.
    pub(super) dialled: Arc<Conn<N>>,
    /// The end of `a`.
    pub(super) accepted: Arc<Conn<N>>,
}

/// Waits until `to` has one more socket for the dial, or two if it also dialled.
#[track_caller]
fn arrived<N: NetRef, T>(mut dial: Started<T>, from: &Host<N>, to: &Host<N>, before: usize) -> Started<T> {
    let after = before + 1 + usize::from(from == to);
    until(|| {
        dial.turn();
        to.sockets() >= after
    });
    dial
}

/// The longest backlog that behaviours fill.
pub(super) const SMALL_BACKLOG: u32 = 4;
