//! IP addresses of hosts, and names that programs written for TCP use for the local host.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
use crate::net::socket_ref::SocketRef;
use crate::net::subnet::SubNetwork;
use crate::table::{Hosts, Tables};

impl<N: NetRef> Host<N> {
    /// The host's IP address in its subnetwork: 10.0.0.1 for the first host made there, and the next one for each later
    /// host. Hosts of other subnetworks have addresses from 10.128.0.1 on, in the order in which they were heard of.
    ///
    /// IP addresses mean something in that subnetwork only, and there are no IPv6 addresses. A fixed-size network
    /// numbers its own hosts and those of other subnetworks alike, from 10.0.0.1 on.
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
        self.net.ip_addr(self.net.tables.id(&self.host))
    }

    /// The address that `asked` means if only names of this subnetwork's own hosts count.
    #[cold]
    pub(crate) fn known_as(&self, asked: Addr) -> Addr {
        let is_host =
            self.net.tables.hosts(|hosts| hosts.find(asked.host.as_bytes()).and_then(|id| hosts.host(id)).is_some());
        if is_host { asked } else { self.meant(&asked).unwrap_or(asked) }
    }

    /// The address that `asked` means if no host bears its name: of the host that has this IP address, or of this host
    /// for `localhost`, a loopback or an unspecified address. An IPv4 address may be mapped to IPv6.
    pub(crate) fn meant(&self, asked: &Addr) -> Option<Addr> {
        if asked.host() == "localhost" {
            return Some(Addr { host: self.name(), ..*asked });
        }
        let ip = asked.host().parse::<IpAddr>().ok()?.to_canonical();
        let is_own = ip.is_unspecified() || ip.is_loopback();
        let host = if is_own { Some(self.name()) } else { self.name_of(ip) };
        host.map(|host| Addr { host, ..*asked })
    }

    /// The name of the host that has this IP address.
    pub(crate) fn name_of(&self, ip: IpAddr) -> Option<HostName> {
        let IpAddr::V4(ip) = ip else { return None };
        let ip = u32::from(ip).checked_sub(NETWORK)?;
        self.net.tables.hosts(|hosts| hosts.by_ip(ip).map(|id| hosts.name(id)))
    }
}

impl<N: NetRef> Listener<N> {
    /// The listener's port, with the [IP address of the host](Host::ip_addr), for libraries that need a [`SocketAddr`].
    #[must_use]
    pub fn local_socket_addr(&self) -> SocketAddr {
        self.place.local_socket_addr()
    }
}

impl<N: NetRef> Conn<N> {
    /// The port of this end, with the [IP address of its host](Host::ip_addr), for libraries that need a
    /// [`SocketAddr`].
    #[must_use]
    pub fn local_socket_addr(&self) -> SocketAddr {
        self.end.place.local_socket_addr()
    }

    /// The port of the other end, with the [IP address of its host](Host::ip_addr).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let (a, b) = (net.host("a")?, net.host("b")?);
    /// let listener = a.listen("0.0.0.0:80")?;
    /// let client = thread::spawn(move || b.dial("10.0.0.1:80").wait());
    /// let conn = listener.accept().wait()?;
    /// assert_eq!(conn.peer_addr(), "b:1");
    /// assert_eq!(conn.peer_socket_addr().to_string(), "10.0.0.2:1");
    /// # client.join().unwrap()?;
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[must_use]
    pub fn peer_socket_addr(&self) -> SocketAddr {
        self.end.place.peer_socket_addr()
    }
}

impl<N: NetRef> SocketRef<N> {
    fn local_socket_addr(&self) -> SocketAddr {
        let port = self.socket(|socket| socket.port).unwrap_or_default();
        SocketAddr::new(self.net.ip_addr(self.net.tables.id(&self.host)).into(), port)
    }

    fn peer_socket_addr(&self) -> SocketAddr {
        let peer = self.socket(|socket| socket.peer).unwrap_or_default();
        SocketAddr::new(self.net.ip_addr(peer.host).into(), peer.port)
    }
}

impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// The IP address of the host with this number.
    pub(crate) fn ip_addr(&self, id: u32) -> Ipv4Addr {
        Ipv4Addr::from(NETWORK + self.tables.hosts(|hosts| hosts.ip(id)))
    }

    /// The error with the hint that a host's name differs from that of `addr` in the case of letters only, if so.
    #[cold]
    pub(crate) fn hint_at_case(&self, error: Error, addr: &Addr) -> Error {
        let other = self.tables.hosts(|hosts| {
            // A network may have a million names.
            let mut names = (0..hosts.count().min(1024)).map(|id| hosts.name(id));
            let is_unknown = hosts.find(addr.host.as_bytes()).is_none();
            names.find(|name| is_unknown && name.eq_ignore_ascii_case(&addr.host))
        });
        other.map_or(error, |name| error.with_other_case(&name))
    }
}

/// The address that those of all hosts follow, 10.0.0.0.
const NETWORK: u32 = 0x0a00_0000;
