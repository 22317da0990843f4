//! `edge-nal`: hosts dial and listen at IP addresses; connections split, shut down and report when they are readable.

use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};

use edge_nal::{AddrType, Close, Dns, Readable, TcpAccept, TcpBind, TcpConnect, TcpShutdown, TcpSplit};

use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::half::{OwnedReadHalf, ReadHalf, WriteHalf};
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
use crate::table::Tables as _;

/// Dials the host that has the IP address; see [`Host::ip_addr`].
impl<N: NetRef> TcpConnect for Host<N> {
    type Error = Error;
    type Socket<'a>
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

/// Listens at the host's own IP address, the unspecified address, or the loopback address.
impl<N: NetRef> TcpBind for Host<N> {
    type Error = Error;
    type Accept<'a>
        = Listener<N>
    where
        Self: 'a;

    async fn bind(&self, local: SocketAddr) -> Result<Listener<N>, Error> {
        if N::Tables::GROWS {
            // The name of a host wins over an IP address.
            return self.listen(local);
        }
        match self.resolve(local) {
            Ok(addr) => self.listen(addr),
            Err(cause) => Err(Error::new(Operation::Listen, self.network_name(), None, None, cause)),
        }
    }
}

impl<N: NetRef> TcpAccept for Listener<N> {
    type Error = Error;
    type Socket<'a>
        = Conn<N>
    where
        Self: 'a;

    async fn accept(&self) -> Result<(SocketAddr, Conn<N>), Error> {
        let conn = Listener::accept(self).await?;
        Ok((conn.peer_socket_addr(), conn))
    }
}

impl<N: NetRef> TcpSplit for Conn<N> {
    type Read<'a>
        = ReadHalf<'a, N>
    where
        Self: 'a;
    type Write<'a>
        = WriteHalf<'a, N>
    where
        Self: 'a;

    fn split(&mut self) -> (ReadHalf<'_, N>, WriteHalf<'_, N>) {
        Conn::split(self)
    }
}

/// Closing the read direction waits for the end of the stream, and drops the bytes before it.
impl<N: NetRef> TcpShutdown for Conn<N> {
    async fn close(&mut self, directions: Close) -> Result<(), Error> {
        if matches!(directions, Close::Write | Close::Both) {
            self.close_write()?;
        }
        if matches!(directions, Close::Read | Close::Both) {
            let mut dropped = [0; 16];
            while poll_fn(|cx| self.poll_read(cx, &mut dropped)).await? > 0 {}
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), Error> {
        Conn::abort(self);
        Ok(())
    }
}

impl<N: NetRef> Readable for Conn<N> {
    async fn readable(&mut self) -> Result<(), Error> {
        Conn::readable(self).await
    }
}

impl<N: NetRef> Readable for ReadHalf<'_, N> {
    async fn readable(&mut self) -> Result<(), Error> {
        Conn::readable(self).await
    }
}

impl<N: NetRef> Readable for OwnedReadHalf<N> {
    async fn readable(&mut self) -> Result<(), Error> {
        Conn::readable(self).await
    }
}
