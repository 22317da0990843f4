//! Connections for tonic's server.

use ::tonic::transport::server::Connected;

use crate::conn::Conn;
use crate::handle::Handle;
use crate::tokio::ConnInfo;

/// [`ConnInfo`] is among the extensions of each request.
impl<N: Handle> Connected for Conn<N> {
    type ConnectInfo = ConnInfo;

    fn connect_info(&self) -> ConnInfo {
        ConnInfo::of(self)
    }
}
