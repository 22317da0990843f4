//! Hosts.

use core::fmt;

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::error::close::CloseError;
use crate::net::net_ref::{HostOf, NetRef};
use crate::table::{Directory, Ports, Tables};
use crate::wait::{Expiring, OnTimeout, Op};

/// A named access point of a network, with its own ports. Mostly used as [`pipenet::Host`](crate::pipenet::Host). A
/// cheap handle: clones refer to the same host, and dropping one closes nothing.
///
/// # Ports
///
/// Listeners, dialled and accepted connections share one space of ports. Asking for any port gives the lowest free one,
/// starting at 1. A port is free again when the object that holds it is closed or dropped. So a test can assert the
/// addresses that it expects.
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

    /// The number of sockets of the host in use: listeners, connections, pending dials, and requests queued at a
    /// listener. A closed socket counts until it is dropped.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.net.tables.ports(&self.host, |ports| ports.count()) as usize
    }

    /// Closes the host, once the operation is awaited or waited for. Pending operations on it are woken and fail with
    /// `host is down`, and its peers see their connections closed. The sockets keep their ports until each is closed.
    /// The name stays registered, the handles stay valid, and the host cannot be opened again: a growable network can
    /// make another [in its place](crate::NetRefExt::restart). A server that will listen again closes its listener and
    /// connections instead.
    ///
    /// If it was the last open host and [`NetRefExt::auto_close`](crate::NetRefExt::auto_close) was called, this closes
    /// the network too.
    ///
    /// # Errors
    ///
    /// Those of the network's close, if this closed the network. Closing a closed host succeeds.
    ///
    /// # Cancel safety
    ///
    /// The first poll closes the host. Dropping the operation after that leaves the rest of closing the network to the
    /// network's next close.
    pub fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send + use<N>> {
        let (host, name, network) = (self.clone(), self.name(), self.net.full_name());
        let expired = move || CloseError::timed_out(network.as_str().into(), name);
        Op::new(Expiring { future: close(host, name), expired }).on(self.net.clock())
    }

    /// An address of this host.
    pub(crate) fn addr(&self, port: u16) -> Addr {
        Addr { network: self.net.full_name(), host: self.name(), port }
    }

    /// Completes an address that was passed to this host: sets the network, and the host if it is empty.
    pub(crate) fn on_net(&self, mut addr: Addr) -> Addr {
        addr.network = self.net.full_name();
        if addr.host.is_empty() {
            addr.host = self.name();
        }
        addr
    }
}

/// No field is ever pinned.
impl<N: NetRef> Unpin for Host<N> {}

impl<N: NetRef> Clone for Host<N> {
    fn clone(&self) -> Self {
        Self { net: self.net.clone(), host: self.host.clone() }
    }
}

/// Two handles are equal if they refer to the same host.
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
    if closed && last { net.close_all(name).await } else { Ok(()) }
}
