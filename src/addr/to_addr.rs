//! The types that a host accepts as an address.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::addr::ip::{ip_text, ipv4_text};
use crate::addr::name::{HostName, Name, NetworkName};
use crate::addr::{Addr, AddrError};

/// A type that a host accepts as an address: text, an [`Addr`], a `(host, port)` pair, a socket address, or a bare port
/// of the local host.
///
/// An empty or missing host means the local host, whose method is called. The network of an [`Addr`] is ignored.
///
/// # Examples
///
/// ```
/// use virtnet::pipenet;
///
/// let net = pipenet::Network::new("t");
/// let a = net.host("a")?;
/// let by_text = a.listen("a:1")?;
/// let by_pair = a.listen(("a", 2))?;
/// let by_port = a.listen(3)?;
/// let by_ip = a.listen((a.ip_addr(), 4))?;
/// assert_eq!(by_port.local_addr().to_string(), "a:3");
/// assert_eq!(a.listen(by_ip.local_socket_addr()).unwrap_err().to_string(), "listen pipet a:4: address already in use");
/// # Ok::<(), virtnet::Error>(())
/// ```
pub trait ToAddr {
    /// Converts to an address, whose host is empty if it is the local one.
    ///
    /// # Errors
    ///
    /// The reason why the address is invalid.
    fn to_addr(&self) -> Result<Addr, AddrError>;
}

impl ToAddr for str {
    /// The empty string asks for any port when listening, as `:0` does. It cannot be dialled.
    fn to_addr(&self) -> Result<Addr, AddrError> {
        self.parse()
    }
}

impl ToAddr for Addr {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        Ok(*self)
    }
}

/// The host is a text or an IP address.
impl<H: ToHost> ToAddr for (H, u16) {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        self.0.at_port(self.1)
    }
}

impl ToAddr for u16 {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        Ok(Addr { network: NetworkName::EMPTY, host: HostName::EMPTY, port: *self })
    }
}

#[cfg(feature = "alloc")]
impl ToAddr for alloc::string::String {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        self.parse()
    }
}

/// The host is the IP address. Each host of a growable network has one, see [`Host::ip_addr`](crate::Host::ip_addr); a
/// fixed-size network has a host there only if one bears that name.
impl ToAddr for SocketAddr {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        self.ip().at_port(self.port())
    }
}

/// As that of a [`SocketAddr`].
impl ToAddr for SocketAddrV4 {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        self.ip().at_port(self.port())
    }
}

/// As that of a [`SocketAddr`], without scope and flow.
impl ToAddr for SocketAddrV6 {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        self.ip().at_port(self.port())
    }
}

impl<A: ToAddr + ?Sized> ToAddr for &A {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        (**self).to_addr()
    }
}

/// A type that is the host of a `(host, port)` pair: text, or an IP address.
pub trait ToHost {
    /// Converts to the address of a port of the host. An empty text is the local host.
    ///
    /// # Errors
    ///
    /// `invalid host name`.
    fn at_port(&self, port: u16) -> Result<Addr, AddrError>;
}

impl ToHost for str {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        Addr::new("", self, port)
    }
}

impl<const N: usize> ToHost for Name<N> {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        self.as_str().at_port(port)
    }
}

#[cfg(feature = "alloc")]
impl ToHost for alloc::string::String {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        self.as_str().at_port(port)
    }
}

impl ToHost for IpAddr {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        ip_text(*self).as_str().at_port(port)
    }
}

impl ToHost for Ipv4Addr {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        ipv4_text(*self).as_str().at_port(port)
    }
}

impl ToHost for Ipv6Addr {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        IpAddr::V6(*self).at_port(port)
    }
}

impl<H: ToHost + ?Sized> ToHost for &H {
    fn at_port(&self, port: u16) -> Result<Addr, AddrError> {
        (**self).at_port(port)
    }
}

/// The address to listen on; an empty text asks for any port.
pub(crate) fn to_listen_addr(addr: &impl ToAddr) -> Result<Addr, AddrError> {
    match addr.to_addr() {
        Err(error) if error == AddrError::MISSING => 0.to_addr(),
        asked => asked,
    }
}
