//! The in-process network that grows.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::ops::Deref;

use super::{HeapPipes, PREFIX, Pipes, Ram};
use crate::addr::name::{ErrorText, NetworkName};
use crate::error::cause::{Cause, InvalidInput};
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
use crate::net::network::NetRefExt as _;
use crate::net::subnet::{self, Options};
use crate::snapshot::Snapshot;
use crate::table::Heap;

/// The subnetwork of a [`Network`].
pub type SubNetwork = crate::net::subnet::SubNetwork<Pipes<HeapPipes>, Ram<Tables>, Tables>;
/// A host of a [`Network`].
pub type Host = crate::net::host::Host<NetHandle>;
/// A listener of a [`Network`].
pub type Listener = crate::net::listener::Listener<NetHandle>;
/// A connection of a [`Network`].
pub type Conn = crate::net::conn::Conn<NetHandle>;

type Tables = Heap<super::memory::HeapLink>;

/// How hosts, listeners and connections reach their [`Network`]. Clones share a count, and each host that is asked for by
/// name has one of its own: those who use different hosts do not disturb each other.
#[allow(clippy::redundant_allocation, reason = "there are two counts: of this host's handles, and of the network's")]
#[derive(Clone)]
pub struct NetHandle(Arc<Arc<SubNetwork>>);

impl NetHandle {
    fn new(net: Arc<SubNetwork>) -> Self {
        Self(Arc::new(net))
    }

    /// A way to the subnetwork that does not keep it, such as a [`Notifier`](crate::Notifier) for other threads.
    #[must_use]
    pub fn downgrade(&self) -> Weak<SubNetwork> {
        Arc::downgrade(&self.0)
    }
}

impl Deref for NetHandle {
    type Target = SubNetwork;

    #[inline]
    fn deref(&self) -> &SubNetwork {
        &self.0
    }
}

impl fmt::Debug for NetHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// An in-process network that grows as needed. A cheap handle: clones are the same network.
///
/// The network lives as long as a handle of it, or of one of its hosts, listeners or connections.
///
/// # Examples
///
/// ```
/// use virtnet::pipenet;
///
/// let net = pipenet::Network::new("t");
/// assert_eq!(net.network_name(), "pipet");
/// let a = net.host("a")?;
/// assert_eq!(net.host("a")?, a);
/// assert_eq!(
///     net.new_host("a").unwrap_err().to_string(),
///     r#"virtnet "pipet": new host "a": ram(pipet): announce ["a" ""]: host already registered"#
/// );
/// net.close()?;
/// assert_eq!(a.listen("").unwrap_err().to_string(), "listen pipet a:0: network is down");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    net: NetHandle,
}

impl Network {
    /// A network with the full name `pipe` + `name` and the default options.
    ///
    /// A name that makes no valid full name (at most 31 bytes, without brackets and control characters) is told by the
    /// first host: `invalid network name`; [`Builder::build`] tells it at once.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::builder(name).make()
    }

    /// A network with the full name `pipe` + `name` and other options.
    pub fn builder(name: &str) -> Builder<'_> {
        Builder { name, options: Options::DEFAULT, buffer: DEFAULT_BUFFER, rendezvous: false, reset_unread: true }
    }

    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        self.net.network_name()
    }

    /// The host of this name; makes it if there is none. An existing host may be closed.
    ///
    /// # Errors
    ///
    /// Those of [`new_host`](Network::new_host), if it has to be made.
    pub fn host(&self, name: &str) -> Result<Host, Error> {
        super::make_host(&&*self.net, name, true).map(|host| self.own(host))
    }

    /// The host of this name, if there is one. It may be closed.
    #[must_use]
    pub fn get_host(&self, name: &str) -> Option<Host> {
        (&*self.net).get_host(name).map(|host| self.own(host))
    }

    /// Makes a host of a name that no host has had.
    ///
    /// # Errors
    ///
    /// `invalid network name` or `invalid host name`, `network is down`, `host already registered`.
    pub fn new_host(&self, name: &str) -> Result<Host, Error> {
        super::make_host(&&*self.net, name, false).map(|host| self.own(host))
    }

    /// From now on, closing the last open host closes the network.
    ///
    /// # Errors
    ///
    /// `network is down`; `no open host`.
    pub fn auto_close(&self) -> Result<(), Error> {
        self.net.auto_close()
    }

    /// Closes the network and all its hosts. Whoever waits on them is woken, and all fails with `network is down`.
    /// Closing it again is fine.
    ///
    /// # Errors
    ///
    /// Why the network failed, if somebody reported that through its [`Notifier`](crate::Notifier).
    pub fn close(&self) -> Result<(), CloseError> {
        super::close(&self.net)
    }

    /// A look at its hosts and sockets, and at who waits: to be printed when a test hangs.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<&SubNetwork> {
        self.net.snapshot()
    }

    /// The subnetwork behind it.
    #[must_use]
    pub fn subnetwork(&self) -> &NetHandle {
        &self.net
    }

    /// A host that keeps the network.
    fn own(&self, host: crate::net::host::Host<&SubNetwork>) -> Host {
        Host::new(NetHandle::new(Arc::clone(&self.net.0)), host.host)
    }
}

/// Options of a [`Network`] to be made.
///
/// # Examples
///
/// ```
/// use virtnet::{ErrorKind, pipenet};
///
/// let net = pipenet::Network::builder("t").buffer(512).rendezvous(true).build()?;
/// let error = pipenet::Network::builder("t").buffer(0).build().unwrap_err();
/// assert_eq!(error.to_string(), r#"virtnet "pipet": new network: invalid buffer size"#);
/// # Ok::<(), virtnet::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until it is built"]
pub struct Builder<'a> {
    name: &'a str,
    options: Options,
    buffer: usize,
    rendezvous: bool,
    reset_unread: bool,
}

/// Bytes that wait in one direction of a connection, at most.
const DEFAULT_BUFFER: usize = 64 << 10;

impl Builder<'_> {
    /// How many bytes may wait in each direction of a connection, at least 1; 65,536 by default. More than fit in 32 bits
    /// are as many as do. The memory is taken as it is needed, and given back.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Whether a write is done only when the peer has read its bytes, so that the order of events is exact. By default,
    /// it is done when the bytes are in the buffer.
    pub fn rendezvous(mut self, on: bool) -> Self {
        self.rendezvous = on;
        self
    }

    /// Whether an end that is closed while bytes wait unread at it resets the connection, as TCP does; see
    /// [`Conn`](crate::Conn). By default it does. In a rendezvous network it never does.
    pub fn reset_unread(mut self, on: bool) -> Self {
        self.reset_unread = on;
        self
    }

    /// Whether accepted connections keep the listener's port, as those of TCP do. By default, each takes the lowest free
    /// port of the host.
    ///
    /// A connection is then told apart by both its ends. A dial whose lowest free port would make a pair that the dialled
    /// host still has, takes the next free port that makes a new one.
    pub fn share_port(mut self, on: bool) -> Self {
        self.options.share_port = on;
        self
    }

    /// How many dials may wait at one listener before it refuses; 4096 by default.
    pub fn backlog(mut self, most: u32) -> Self {
        self.options.backlog = most;
        self
    }

    /// Makes the network.
    ///
    /// # Errors
    ///
    /// `invalid network name`, `invalid buffer size`.
    pub fn build(self) -> Result<Network, Error> {
        let full = ErrorText::of([PREFIX, self.name]);
        let check = if NetworkName::valid(PREFIX, self.name).is_none() {
            Err(InvalidInput::NetworkName)
        } else if self.buffer == 0 {
            Err(InvalidInput::BufferSize)
        } else {
            Ok(())
        };
        let failed = |input| Error::subnet(Operation::NewNetwork, full, &ErrorText::EMPTY, Cause::Invalid(input));
        check.map_err(failed)?;
        Ok(self.make())
    }

    fn make(self) -> Network {
        let tables = Tables::new();
        let registry = Ram::new(tables.clone(), NetworkName::valid(PREFIX, self.name).unwrap_or(NetworkName::EMPTY));
        let Self { rendezvous, reset_unread, .. } = self;
        let engine = Pipes { memory: HeapPipes::new(self.buffer), rendezvous, reset_unread };
        let net = subnet::SubNetwork::with_options(PREFIX, self.name, engine, registry, tables, self.options);
        Network { net: NetHandle::new(Arc::new(net)) }
    }
}
