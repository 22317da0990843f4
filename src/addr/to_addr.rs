//! What addresses are given as.

use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::addr::{Addr, AddrError};

/// What a host takes as an address: text, an [`Addr`], a `(host, port)` pair whose host is any text, a socket address, or a
/// bare port of its own.
///
/// An empty host, or none, means the host that is asked. The network that an [`Addr`] names does not count.
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
    /// The address meant, its host empty if it is the own one.
    ///
    /// # Errors
    ///
    /// What is wrong with the address.
    fn to_addr(&self) -> Result<Addr, AddrError>;
}

impl ToAddr for str {
    /// The empty string asks a listener for any port, as `:0` does; it is no address to dial.
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

/// The host is named after the IP address, as those of the operating system's TCP are.
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

/// What a listener is asked for: an empty text asks for any port.
pub(crate) fn to_listen_addr(addr: &impl ToAddr) -> Result<Addr, AddrError> {
    match addr.to_addr() {
        Err(error) if error == AddrError::MISSING => 0.to_addr(),
        asked => asked,
    }
}
