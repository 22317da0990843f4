//! IP addresses of hosts, for interfaces without host names.

use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::addr::name::{ErrorText, HostName};
use crate::addr::{Addr, AddrError, AddrReason, write_host_port, write_number};
use crate::contract::registry::Registry;
use crate::error::cause::{Cause, InvalidInput};
use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::table::{Hosts, Tables};

impl<N: NetRef> Host<N> {
    /// The host's IP address: 10.0.0.1 for the first host of the network, and the next one for each later host.
    ///
    /// If several subnetworks form a network, each numbers its own hosts and the remote hosts that it knows.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::net::Ipv4Addr;
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let (a, b) = (net.host("a")?, net.host("b")?);
    /// assert_eq!([a.ip_addr(), b.ip_addr()], [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[must_use]
    pub fn ip_addr(&self) -> Ipv4Addr {
        ip_of(self.net.tables.id(&self.host))
    }

    /// Resolves an IP address and port. The loopback and the unspecified address resolve to this host.
    pub(crate) fn resolve(&self, addr: SocketAddr) -> Result<Addr, Cause> {
        let host = match addr.ip() {
            ip if ip.is_unspecified() || ip.is_loopback() => Some(self.name()),
            ip => self.name_of(ip),
        };
        let host = host.ok_or_else(|| {
            let mut input = ErrorText::EMPTY;
            // Writing to a text cannot fail.
            let _ = write_host_port(&mut input, ip_text(addr.ip()).as_str(), "", addr.port());
            Cause::Addr(AddrError { input, reason: AddrReason::NoSuchHost })
        })?;
        Ok(Addr { network: self.net.full_name(), host, port: addr.port() })
    }

    /// Dials an IP address.
    pub(crate) async fn dial_ip(&self, remote: SocketAddr) -> Result<Conn<N>, Error> {
        match self.resolve(remote) {
            Ok(addr) => self.dial(addr).await,
            Err(cause) => Err(Error::new(Operation::Dial, self.network_name(), None, None, cause)),
        }
    }

    /// The name of the host that has this IP address.
    fn name_of(&self, ip: IpAddr) -> Option<HostName> {
        let IpAddr::V4(ip) = ip else { return None };
        let id = u32::from(ip).checked_sub(FIRST)?;
        self.net.tables.hosts(|hosts| (id < hosts.count()).then(|| hosts.name(id)))
    }

    /// The IP address of the host with this name, which must be registered. The IP address of a host, as text, resolves
    /// to itself. There are only IPv4 addresses.
    pub(crate) async fn ip_by_name(&self, name: &str, ipv4: bool) -> Result<IpAddr, Error> {
        let failed = |cause| self.unresolved(name.into(), cause);
        if let Ok(ip) = name.parse()
            && ipv4
            && self.name_of(ip).is_some()
        {
            return Ok(ip);
        }
        let known = HostName::valid(name, "").ok_or(Cause::Invalid(InvalidInput::HostName)).map_err(failed)?;
        self.net.registry().query(name).await.map_err(|error| failed(error.into()))?;
        if !ipv4 {
            return Err(failed(Cause::NoSuchHost));
        }
        self.net.tables.intern(&known).map(|id| ip_of(id).into()).map_err(failed)
    }

    /// Writes the name of the host that has this IP address into `result`, and returns its length.
    pub(crate) fn name_by_ip(&self, ip: IpAddr, result: &mut [u8]) -> Result<usize, Error> {
        let name = self.name_of(ip).ok_or(Cause::NoSuchHost);
        let written = name.and_then(|name| {
            let room = result.get_mut(..name.len()).ok_or(Cause::Invalid(InvalidInput::BufferSize))?;
            room.copy_from_slice(name.as_bytes());
            Ok(name.len())
        });
        written.map_err(|cause| self.unresolved(ip_text(ip), cause))
    }

    fn unresolved(&self, what: ErrorText, cause: Cause) -> Error {
        Error::subnet(Operation::Resolve, self.network_name().into(), &what, cause)
    }
}

/// The address of the first host, 10.0.0.1.
const FIRST: u32 = 0x0a00_0001;

/// An IP address as text, without `core::fmt` for addresses: a program may need that code for nothing else.
fn ip_text(ip: IpAddr) -> ErrorText {
    let IpAddr::V4(ip) = ip else { return "IPv6".into() };
    let (mut text, mut before) = (ErrorText::EMPTY, "");
    for octet in ip.octets() {
        // Writing to a text cannot fail.
        let _ = text.write_str(before).and_then(|()| write_number(&mut text, octet.into()));
        before = ".";
    }
    text
}

pub(crate) fn ip_of(id: u32) -> Ipv4Addr {
    Ipv4Addr::from(FIRST.wrapping_add(id))
}
