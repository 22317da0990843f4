//! The types that a host accepts as an address.

use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::addr::{Addr, AddrError};

/// A type that a host accepts as an address: text, an [`Addr`], a `(host, port)` pair whose host is any text, a socket
/// address, or a bare port of the local host.
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
/// assert_eq!(by_port.local_addr().to_string(), "a:3");
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

impl<S: AsRef<str>> ToAddr for (S, u16) {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        Addr::new("", self.0.as_ref(), self.1)
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

/// The host's name is the IP address, as for the operating system's TCP.
impl ToAddr for core::net::SocketAddr {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        (ErrorText::display(&self.ip()).as_str(), self.port()).to_addr()
    }
}

impl<A: ToAddr + ?Sized> ToAddr for &A {
    fn to_addr(&self) -> Result<Addr, AddrError> {
        (**self).to_addr()
    }
}

/// The address to listen on; an empty text asks for any port.
pub(crate) fn to_listen_addr(addr: &impl ToAddr) -> Result<Addr, AddrError> {
    match addr.to_addr() {
        Err(error) if error == AddrError::MISSING => 0.to_addr(),
        asked => asked,
    }
}
