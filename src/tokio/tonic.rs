//! Connections for tonic's server.

use ::tonic::transport::server::Connected;

use crate::addr::Addr;
use crate::conn::Conn;
use crate::subnet::Handle;

/// The addresses of a connection, among the extensions of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// The server's end.
    pub local_addr: Addr,
    /// The client's end.
    pub peer_addr: Addr,
}

impl<N: Handle> Connected for Conn<N> {
    type ConnectInfo = ConnInfo;

    fn connect_info(&self) -> ConnInfo {
        ConnInfo { local_addr: self.local_addr(), peer_addr: self.peer_addr() }
    }
}
