//! `embedded-nal-async`: hosts dial IP addresses and resolve names.

use core::net::{IpAddr, SocketAddr};

use embedded_nal_async::{AddrType, Dns, TcpConnect};

use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;

/// Dials the host that has the IP address; see [`Host::ip_addr`].
impl<N: NetRef> TcpConnect for Host<N> {
    type Error = Error;
    type Connection<'a>
        = Conn<N>
    where
        Self: 'a;

    async fn connect(&self, remote: SocketAddr) -> Result<Conn<N>, Error> {
        self.dial_ip(remote).await
    }
}

/// Resolves the names of the network's hosts. No host has an IPv6 address.
impl<N: NetRef> Dns for Host<N> {
    type Error = Error;

    async fn get_host_by_name(&self, host: &str, addr_type: AddrType) -> Result<IpAddr, Error> {
        self.ip_by_name(host, addr_type != AddrType::IPv6).await
    }

    async fn get_host_by_address(&self, addr: IpAddr, result: &mut [u8]) -> Result<usize, Error> {
        self.name_by_ip(addr, result)
    }
}
