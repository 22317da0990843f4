//! Connections for tonic's server.

use ::tonic::transport::server::{Connected, TcpConnectInfo};
use ::tonic::{Request, Status};

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

impl ConnInfo {
    /// An interceptor of tonic's server, for handlers written for TCP: `Request::remote_addr` and `Request::local_addr`
    /// return the socket addresses of the connection, where they otherwise return `None`.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Examples
    ///
    /// ```
    /// use tonic::service::InterceptorLayer;
    /// use tonic::transport::Server;
    /// use virtnet::ConnInfo;
    ///
    /// let server = Server::builder().layer(InterceptorLayer::new(ConnInfo::add_tcp_info));
    /// ```
    #[allow(clippy::unnecessary_wraps, reason = "interceptors return a result")]
    pub fn add_tcp_info(mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(&Self { local_socket_addr, peer_socket_addr, .. }) = request.extensions().get() {
            let info = TcpConnectInfo { local_addr: Some(local_socket_addr), remote_addr: Some(peer_socket_addr) };
            request.extensions_mut().insert(info);
        }
        Ok(request)
    }
}
