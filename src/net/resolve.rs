//! Names and IP addresses of hosts, for interfaces without host names.

use core::net::{IpAddr, SocketAddr};

use crate::addr::ip::ipv4_text;
use crate::addr::name::{ErrorText, HostName};
use crate::addr::text::write_host_port;
use crate::addr::to_addr::ToAddr as _;
use crate::addr::{Addr, AddrError, AddrReason};
use crate::contract::registry::Registry;
use crate::error::cause::{Cause, InvalidInput};
use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::table::Tables;

impl<N: NetRef> Host<N> {
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

    /// Dials an IP address. In a growing network, the name of a host wins over it.
    pub(crate) async fn dial_ip(&self, remote: SocketAddr) -> Result<Conn<N>, Error> {
        // As an address of one type: each type of address has a dial of its own.
        let resolved = if N::Tables::GROWS { remote.to_addr().map_err(Cause::Addr) } else { self.resolve(remote) };
        match resolved {
            Ok(addr) => self.dial(addr).await,
            Err(cause) => Err(Error::new(Operation::Dial, self.network_name(), None, None, cause)),
        }
    }

    /// The IP address of the host with this name, which must be registered. The IP address of a host, as text, resolves
    /// to itself, in a growing network unless it is the name of a host. There are only IPv4 addresses.
    pub(crate) async fn ip_by_name(&self, name: &str, ipv4: bool) -> Result<IpAddr, Error> {
        let failed = |cause| self.unresolved(name.into(), cause);
        if let Ok(ip) = name.parse()
            && ipv4
            && self.name_of(ip).is_some()
            && !(N::Tables::GROWS && self.net.registry().query(name).await.is_ok())
        {
            return Ok(ip);
        }
        let known = HostName::valid(name, "").ok_or(Cause::Invalid(InvalidInput::HostName)).map_err(failed)?;
        self.net.registry().query(name).await.map_err(|error| failed(error.into()))?;
        if !ipv4 {
            return Err(failed(Cause::NoSuchHost));
        }
        self.net.tables.intern(&known).map(|id| self.net.ip_addr(id).into()).map_err(failed)
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

/// An IP address as text. There are no IPv6 addresses.
fn ip_text(ip: IpAddr) -> ErrorText {
    match ip {
        IpAddr::V4(ip) => ipv4_text(ip),
        IpAddr::V6(_) => "IPv6".into(),
    }
}
