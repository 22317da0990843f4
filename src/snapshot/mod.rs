//! A snapshot of hosts, sockets and waiting tasks, for debugging a hang.
//!
#![doc = include_str!("hangs.md")]

use core::fmt;
use core::iter;

use heapless::Vec;

use crate::addr::name::HostName;
use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::net::shared::{Holder, Network};
use crate::net::subnet::SubNetwork;
use crate::table::{Directory, Hosts, Ports, Tables};

mod socket;

use socket::{Key, key, line, row};
pub use socket::{SocketRow, SocketState};

/// The hosts, sockets and waiting tasks of a network, as `ss` and `netstat` list those of a machine.
///
/// It is a view that reads the network anew each time, so it stores nothing and needs no heap. Any thread may print it
/// at any time, also from within a waker. It does not wait, takes a lock for one bounded step at a time, and holds no
/// lock while it prints. Hosts are in the order in which their names were first used, and the sockets of a host in the
/// order of their ports.
///
/// Each row is true at a moment of its own. A socket that other threads open, close or change during printing is shown
/// in its old state, its new state, both, or not at all. An unchanged socket is shown once.
///
/// | column | of a listener | of a connection |
/// |---|---|---|
/// | Recv-Q | queued dials | bytes to read |
/// | Send-Q | how many dials may be queued; a fixed network has no more than pipes | bytes that the peer has not read |
/// | Waiting | tasks in an accept | tasks that wait to read, and to write |
///
/// A task waits from a poll that returned `Pending` until it is woken. A poll with the no-op waker does not count, such
/// as that of a `try_` method. The arrow of a connection shows the open directions: both in `a:2 <-> b:1`, one in
/// `a:2 -> b:1` after the peer ended its stream, one in `a:2 <- b:1` after this end did. In `a:2 - b:1` none is open,
/// because the peer is gone or the host is closed.
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use virtnet::pipenet;
///
/// let net = pipenet::Network::new("t");
/// let (a, b) = (net.host("a")?, net.host("b")?);
/// let listener = a.listen(":10")?;
/// let mut first = pin!(b.dial("a:10"));
/// assert!(first.as_mut().try_wait().is_none());
/// let accepted = listener.try_accept()?;
/// let dialled = first.try_wait().expect("it is accepted")?;
/// dialled.try_write(b"hi")?;
/// let mut second = pin!(b.dial("a:10"));
/// assert!(second.as_mut().try_wait().is_none());
///
/// let expected = "\
/// network pipet: up
/// State       Recv-Q  Send-Q  Waiting               Address
/// host a: open
/// connected        2       0  -                     a:1 <-> b:1
/// listening        1    4096  -                     a:10
/// queued           0       0  -                     a:10 <- b:2
/// host b: open
/// connected        0       2  -                     b:1 <-> a:1
/// dialling         0       0  -                     b:2";
/// assert_eq!(net.snapshot().to_string(), expected);
/// # Ok::<(), virtnet::Error>(())
/// ```
///
/// An operation that reached its timeout is withdrawn: a snapshot no longer shows it, but still shows what it waited
/// for. To see the operation too, print the snapshot from another thread while it waits:
///
/// ```
/// use std::sync::mpsc;
/// use std::thread;
/// use std::time::Duration;
/// use virtnet::pipenet;
///
/// let net = pipenet::Network::new("t");
/// let (done, watched) = mpsc::channel::<()>();
/// let watchdog = thread::spawn({
///     let net = net.clone();
///     move || {
///         if watched.recv_timeout(Duration::from_secs(10)) == Err(mpsc::RecvTimeoutError::Timeout) {
///             eprintln!("{}", net.snapshot());
///         }
///     }
/// });
/// // What may hang comes here.
/// drop(done);
/// # watchdog.join().unwrap();
/// ```
///
/// A test that closes a socket while a thread waits on it takes snapshots until the thread waits:
///
/// ```
/// use std::thread;
/// use virtnet::pipenet;
/// use virtnet::snapshot::SocketState;
///
/// let net = pipenet::Network::new("t");
/// let a = net.host("a")?;
/// let listener = a.listen(":10")?;
/// let accepting = thread::spawn(move || listener.accept().wait().map(drop));
/// while !net.snapshot().sockets().any(|row| matches!(row.state(), SocketState::Listening { acceptors: 1, .. })) {
///     thread::yield_now();
/// }
/// a.close().wait().expect("a host's close alone cannot fail");
/// let error = accepting.join().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "accept pipet a:10: host is down");
/// # Ok::<(), virtnet::Error>(())
/// ```
#[derive(Clone)]
pub struct Snapshot<N: NetRef> {
    net: N,
}

impl<N: NetRef> Snapshot<N> {
    pub(crate) fn new(net: N) -> Self {
        Self { net }
    }

    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        self.net.network_name()
    }

    /// Whether the network is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.net.tables.hosts(|hosts| hosts.closed().network)
    }

    /// Whether closing the last open host closes the network.
    #[must_use]
    pub fn is_auto_close(&self) -> bool {
        self.net.tables.directory(|directory| directory.network().auto_close)
    }

    /// The hosts created in this subnetwork, in the order in which their names were first used.
    pub fn hosts(&self) -> impl Iterator<Item = HostRow<N>> + use<N> {
        let net = self.net.clone();
        let host = move |id| net.tables.hosts(|hosts| (id < hosts.count()).then(|| hosts.host(id)));
        let net = self.net.clone();
        (0..).map_while(host).flatten().map(move |host| {
            let open = net.tables.ports(&host, |ports| ports.is_open());
            HostRow { open, host: Host::new(net.clone(), host) }
        })
    }

    /// The sockets of all hosts, host by host.
    pub fn sockets(&self) -> impl Iterator<Item = SocketRow> + use<N> {
        self.hosts().flat_map(|host| host.sockets())
    }
}

impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// A snapshot of its hosts, sockets and waiting tasks.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<&Self> {
        Snapshot::new(self)
    }
}

impl<B, S: Holder> Network<B, S> {
    /// A snapshot of its hosts, sockets and waiting tasks, to be printed when a test hangs.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<&SubNetwork<S::Engine, S::Registry, S::Tables>> {
        self.net.subnetwork().snapshot()
    }
}

impl<N: NetRef> fmt::Display for Snapshot<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (up, auto) = (self.is_up(), self.is_auto_close());
        write!(f, "network {}: {}", self.network_name(), if up { "up" } else { "down" })?;
        writeln!(f, "{}", if auto { ", auto-close" } else { "" })?;
        line(f, ["State", "Waiting"], [&"Recv-Q", &"Send-Q", &"Address"])?;
        self.hosts().try_for_each(|host| {
            write!(f, "\n{host}")?;
            host.sockets().try_for_each(|socket| write!(f, "\n{socket}"))
        })
    }
}

/// Prints a snapshot.
impl<E, R, T> fmt::Display for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl<N: NetRef> fmt::Debug for Snapshot<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({})", self.network_name())
    }
}

/// A host in a [`Snapshot`]. Prints as `host a: open`.
#[derive(Clone)]
pub struct HostRow<N: NetRef> {
    open: bool,
    host: Host<N>,
}

impl<N: NetRef> HostRow<N> {
    /// The name of the host.
    #[must_use]
    pub fn name(&self) -> HostName {
        self.host.name()
    }

    /// Whether the host was open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The sockets of the host, ordered by port. Sockets of one port are in the order of their slots in the table.
    pub fn sockets(&self) -> impl Iterator<Item = SocketRow> + use<N> {
        let (host, mut page, mut last) = (self.host.clone(), Page::new(), None);
        iter::from_fn(move || {
            loop {
                if page.is_empty() {
                    page = next_page(&host, last);
                }
                let key = page.pop()?;
                last = Some(key);
                if let Some(row) = row(&host, key) {
                    return Some(row);
                }
            }
        })
    }
}

impl<N: NetRef> fmt::Display for HostRow<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}: {}", self.name().as_str(), if self.open { "open" } else { "closed" })
    }
}

impl<N: NetRef> fmt::Debug for HostRow<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostRow({self})")
    }
}

/// Keys of some of a host's sockets, in descending order.
type Page = Vec<Key, 32>;

/// The first sockets after `last`, as many as a page holds. Each lock step visits no more sockets than that.
fn next_page<N: NetRef>(host: &Host<N>, last: Option<Key>) -> Page {
    let (mut page, mut from) = (Page::new(), Some(0));
    while let Some(start) = from {
        from = host.net.tables.ports(&host.host, |ports| {
            let mut slot = start;
            for _ in 0..page.capacity() {
                slot = ports.next(slot)?;
                insert(&mut page, key(ports, slot).filter(|&key| Some(key) > last));
                slot += 1;
            }
            Some(slot)
        });
    }
    page
}

/// Inserts a key in order. A full page drops its largest key for a smaller one.
fn insert(page: &mut Page, key: Option<Key>) {
    let Some(key) = key else { return };
    if page.is_full() {
        if page.first().is_some_and(|&most| most < key) {
            return;
        }
        page.remove(0);
    }
    let at = page.partition_point(|&known| known > key);
    // The page is not full.
    let _ = page.insert(at, key);
}
