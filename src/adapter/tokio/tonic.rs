//! Connections for tonic's server.

use ::tonic::transport::server::Connected;

use crate::adapter::tokio::ConnInfo;
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;

/// Adds [`ConnInfo`] to the extensions of each request.
impl<N: NetRef> Connected for Conn<N> {
    type ConnectInfo = ConnInfo;

    fn connect_info(&self) -> ConnInfo {
        ConnInfo::of(self)
    }
}
