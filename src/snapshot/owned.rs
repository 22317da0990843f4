//! A snapshot that keeps what it has seen.

use alloc::vec::Vec;
use core::fmt;

use super::{LiveView, SocketRow, head, host_line};
use crate::addr::name::{HostName, NetworkName};
use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
use crate::net::net_ref::NetRef;
use crate::net::shared::{Holder, Network};
use crate::net::subnet::SubNetwork;
use crate::table::Tables;

/// The hosts, sockets and waiting tasks of a network, as `ss` and `netstat` list those of a machine.
///
/// It shows the moment at which it was taken, whenever it is printed or compared. Any thread may take one at any time,
/// also from within a waker: that does not wait, and takes a lock for one bounded step at a time. Hosts are in the order
/// in which their names were first used, and the sockets of a host in the order of their ports. Without a heap, there is
/// the [`LiveView`](super::LiveView).
///
/// Other threads may work while it is taken, so each row is true at a moment of its own. A socket that they open, close
/// or change meanwhile is shown in its old state, its new state, both, or not at all. An unchanged socket is shown once.
///
/// | column | of a listener | of a connection |
/// |---|---|---|
/// | Recv-Q | queued dials | bytes to read |
/// | Send-Q | how many dials may be queued; a fixed network has no more than pipes | bytes that the peer has not read |
/// | Waiting | tasks in an accept | tasks that wait to read, and to write |
///
/// A task waits from a poll that returned `Pending` until it is woken. A poll with the no-op waker does not count, such
/// as that of a `try_` method. The arrow of a connection shows the open directions: both in `a:2 <-> b:1`, one in
/// `a:2 -> b:1` after the peer ended its stream, one in `a:2 <- b:1` after this end did. In `a:2 - b:1` none is open: both
/// have ended theirs, or the host is closed. Where the peer is closed, the row ends in `(peer is gone)`.
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
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    network: NetworkName,
    up: bool,
    auto_close: bool,
    hosts: Vec<HostRow>,
}

impl Snapshot {
    fn take<N: NetRef>(net: N) -> Self {
        let network = net.full_name();
        let live = LiveView::new(net);
        let host = |host: super::LiveHost<N>| HostRow {
            name: host.name(),
            open: host.is_open(),
            sockets: host.sockets().collect(),
        };
        Self { network, up: live.is_up(), auto_close: live.is_auto_close(), hosts: live.hosts().map(host).collect() }
    }

    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        &self.network
    }

    /// Whether the network was up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Whether closing the last open host would have closed the network.
    #[must_use]
    pub fn is_auto_close(&self) -> bool {
        self.auto_close
    }

    /// The hosts created in this subnetwork, in the order in which their names were first used.
    pub fn hosts(&self) -> impl Iterator<Item = &HostRow> {
        self.hosts.iter()
    }

    /// The sockets of all hosts, host by host.
    pub fn sockets(&self) -> impl Iterator<Item = SocketRow> {
        self.hosts().flat_map(HostRow::sockets)
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
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self)
    }
}

impl<B, S: Holder> Network<B, S> {
    /// A snapshot of its hosts, sockets and waiting tasks, to be printed when a test hangs.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.net.subnetwork().snapshot()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(f, &self.network, self.up, self.auto_close)?;
        self.hosts().try_for_each(|host| {
            write!(f, "\n{host}")?;
            host.sockets().try_for_each(|socket| write!(f, "\n{socket}"))
        })
    }
}

/// The text, so that a failed comparison of two can be read.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A host in a [`Snapshot`]. Prints as `host a: open`.
#[derive(Clone, PartialEq, Eq)]
pub struct HostRow {
    name: HostName,
    open: bool,
    sockets: Vec<SocketRow>,
}

impl HostRow {
    /// The name of the host.
    #[must_use]
    pub fn name(&self) -> HostName {
        self.name
    }

    /// Whether the host was open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The sockets of the host, ordered by port. Sockets of one port are in the order of their slots in the table.
    pub fn sockets(&self) -> impl Iterator<Item = SocketRow> {
        self.sockets.iter().copied()
    }
}

impl fmt::Display for HostRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        host_line(f, &self.name, self.open)
    }
}

impl fmt::Debug for HostRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostRow({self})")
    }
}
