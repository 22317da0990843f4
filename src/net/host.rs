//! Hosts: dial, listen, close.

use core::fmt;

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::addr::to_addr::{ToAddr, to_listen_addr};
use crate::error::cause::Cause;
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::dial::dial;
use crate::net::listener::Listener;
use crate::net::net_ref::{self, HostOf, NetRef};
use crate::net::socket_ref::SocketRef;
use crate::table::{Bind, Directory, Ports, Queue, State, Tables};
use crate::wait::{Expiring, OnTimeout, Op};

/// A named access point of a network, with ports of its own; mostly as [`pipenet::Host`](crate::pipenet::Host). A cheap
/// handle: clones are the same host, and dropping one closes nothing.
///
/// # Ports
///
/// Listeners, dialled and accepted connections share one space of ports. Whoever needs any port gets the lowest free one
/// from 1; a port is free again when the object that holds it is closed or dropped. So a test can say which connections
/// it expects.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use std::io::{Read, Write};
/// use virtnet::pipenet;
///
/// let net = pipenet::Network::new("t");
/// let (a, b) = (net.host("a")?, net.host("b")?);
/// let listener = a.listen(":10")?;
/// let server = thread::spawn(move || listener.accept().wait()?.write_all(b"hi"));
///
/// let mut conn = b.dial("a:10").wait()?;
/// assert_eq!((conn.local_addr().to_string(), conn.peer_addr().to_string()), ("b:1".into(), "a:1".into()));
/// let mut text = String::new();
/// conn.read_to_string(&mut text)?;
/// assert_eq!(text, "hi");
/// server.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Host<N: NetRef> {
    pub(crate) host: HostOf<N>,
    // Last, as rustc 1.95 cannot drop a list of what ends in an associated type.
    pub(crate) net: N,
}

impl<N: NetRef> Host<N> {
    pub(crate) fn new(net: N, host: HostOf<N>) -> Self {
        Self { net, host }
    }

    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        self.net.network_name()
    }

    /// The name of the host.
    #[must_use]
    pub fn name(&self) -> HostName {
        self.net.tables.name(&self.host)
    }

    /// How many sockets of the host are in use: listeners, connections, dials under way, and dials that wait at a
    /// listener. A closed one counts until it is dropped.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.net.tables.ports(&self.host, |ports| ports.count()) as usize
    }

    /// Connects to a listener. The connection's own port is the lowest free one. Where accepted connections
    /// [share a port](crate::SubNetwork::share_port), it is the lowest one with which the peer has no connection yet.
    ///
    /// The operation takes its port when it is first polled, and is done when the peer has accepted: unlike in TCP, there is
    /// no handshake before that. So to wait for a dial and then for its accept, on one thread, takes
    /// forever; use two threads, or two futures at once, or [`Op::try_wait`].
    ///
    /// # Errors
    ///
    /// In this order: a full port table; a malformed address; `network is down`, `host is down`; what the registry says,
    /// such as `no such host`; what the engine says, such as `connection refused` if nobody listens there, or no longer, or
    /// that host is closed (`host is down` is the own one). They name both ends as far as they are known: like `dial pipet
    /// b:1->a:1: connection refused` or, if the listening host has none left, `dial pipet b:1->a:1: port table of "a" is full
    /// (65535)`, with the own one alone `dial pipet b:1: address a: missing port in address`, and
    /// `dial pipet: port table is full (4)`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation withdraws the dial: its port is free, and a listener that has not accepted it never sees
    /// it.
    #[doc(alias = "connect")]
    pub fn dial<A: ToAddr>(&self, addr: A) -> Op<impl OnTimeout<Output = Result<Conn<N>, Error>> + use<N, A>> {
        Op::new(dial(self.clone(), addr))
    }

    /// Listens at a port of this host. An empty address or port 0 asks for the lowest free one. Never blocks.
    ///
    /// # Errors
    ///
    /// In this order: a malformed address; `cannot listen on requested address` if it names another host; `network is
    /// down`, `host is down`; `address already in use`; a full port table. Like
    /// `listen pipet a:5: address already in use`.
    #[doc(alias = "bind")]
    pub fn listen<A: ToAddr>(&self, addr: A) -> Result<Listener<N>, Error> {
        let failed = |addr, cause| Error::new(Operation::Listen, self.net.network_name(), None, addr, cause);
        let asked = to_listen_addr(&addr).map_err(|error| failed(None, error.into()))?;
        let asked = self.on_net(asked);
        let check = || match asked.host == self.name() {
            false => Err(Cause::AddrNotAvailable),
            true => self.check_up(),
        };
        let listen = |ports: &mut <N::Tables as Tables>::Ports<'_>| {
            if !ports.is_open() {
                return Err(Cause::HostDown);
            }
            let bind = if asked.port == 0 { Bind::Lowest } else { Bind::Exact(asked.port) };
            ports.insert(bind, State::Listener(Queue::new().into()))
        };
        let slot = check().and_then(|()| self.net.tables.ports(&self.host, listen));
        let slot = slot.map_err(|cause| {
            failed(
                Some(asked),
                match cause {
                    Cause::AddrNotAvailable => cause,
                    cause => self.net.down_cause(&self.host, cause),
                },
            )
        })?;
        Ok(Listener::new(SocketRef::new(self.clone(), slot)))
    }

    /// Closes the host, once this is awaited or waited for: everything that waits on it is woken and fails with `host is
    /// down`, its peers see their connections closed. The sockets keep their ports until each is closed; name and object
    /// stay, and it does not open again. A server that is to come back closes its listener and connections instead.
    ///
    /// If it was the last open host and [`NetRef::auto_close`] was asked for, this closes the network too.
    ///
    /// # Errors
    ///
    /// Those of the network's close, if this closed it. Closing a closed host is fine.
    ///
    /// # Cancel safety
    ///
    /// The host is closed by the first poll; dropping the operation after that leaves what is left of closing the
    /// network to its next close.
    pub fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send + use<N>> {
        let (host, name, network) = (self.clone(), self.name(), self.net.full_name());
        let expired = move || CloseError::timed_out(network.as_str().into(), name);
        Op::new(Expiring { future: close(host, name), expired })
    }

    /// An address of this host.
    pub(crate) fn addr(&self, port: u16) -> Addr {
        Addr { network: self.net.full_name(), host: self.name(), port }
    }

    /// What is meant by an address that this host was given.
    pub(crate) fn on_net(&self, mut addr: Addr) -> Addr {
        addr.network = self.net.full_name();
        if addr.host.is_empty() {
            addr.host = self.name();
        }
        addr
    }

    /// Whether network and host are up.
    fn check_up(&self) -> Result<(), Cause> {
        match self.net.down_cause(&self.host, Cause::SocketDown) {
            Cause::SocketDown => Ok(()),
            down => Err(down),
        }
    }
}

/// No part of it is ever pinned.
impl<N: NetRef> Unpin for Host<N> {}

impl<N: NetRef> Clone for Host<N> {
    fn clone(&self) -> Self {
        Self { net: self.net.clone(), host: self.host.clone() }
    }
}

/// Two handles are equal if they are of the same host.
impl<N: NetRef> PartialEq for Host<N> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(&*self.net, &*other.net) && self.host == other.host
    }
}

impl<N: NetRef> Eq for Host<N> {}

impl<N: NetRef> fmt::Debug for Host<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} {:?})", self.network_name(), self.name())
    }
}

async fn close<N: NetRef>(host: Host<N>, name: HostName) -> Result<(), CloseError> {
    let Host { net, host } = host;
    let closed = net.close_host(&host);
    let last = net.tables.directory(|directory| {
        let network = directory.network();
        network.auto_close && network.open_hosts == 0
    });
    match closed && last {
        true => net_ref::close(net, name).await,
        false => Ok(()),
    }
}
