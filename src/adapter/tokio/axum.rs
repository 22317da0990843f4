//! Listeners for `axum::serve`.

use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;

use ::axum::extract::connect_info::Connected;
use ::axum::serve::{IncomingStream, Listener as AxumListener, ListenerExt as _, TapIo};
use ::tokio::task::coop::cooperative;

use crate::addr::Addr;
use crate::net::conn::Conn;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;

/// Serves the accepted connections. Once the listener, its host or the network is closed, an accept waits forever. To
/// end the server, shut it down gracefully or drop it.
impl<N: NetRef + 'static> AxumListener for Listener<N> {
    type Io = Conn<N>;
    type Addr = Addr;

    async fn accept(&mut self) -> (Conn<N>, Addr) {
        match cooperative(Listener::accept(self)).await {
            Ok(conn) => {
                let peer = conn.peer_addr();
                (conn, peer)
            }
            Err(_) => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Listener::local_addr(self))
    }
}

/// `ConnectInfo<Addr>` is the client's address.
impl<N: NetRef + 'static> Connected<IncomingStream<'_, Listener<N>>> for Addr {
    fn connect_info(stream: IncomingStream<'_, Listener<N>>) -> Self {
        *stream.remote_addr()
    }
}

impl<N: NetRef + 'static> Listener<N> {
    /// The listener for an app whose handlers were written for TCP: its clients have a `ConnectInfo<SocketAddr>`. The
    /// app is then made by `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use axum::extract::ConnectInfo;
    /// use axum::{Router, routing::get};
    /// use virtnet::pipenet::Listener;
    ///
    /// async fn serve(listener: Listener) -> std::io::Result<()> {
    ///     let whoami = get(|ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.to_string() });
    ///     let app = Router::new().route("/", whoami).into_make_service_with_connect_info::<SocketAddr>();
    ///     axum::serve(listener.with_socket_addrs(), app).await
    /// }
    /// ```
    #[must_use]
    pub fn with_socket_addrs(self) -> TapIo<SocketAddrListener<N>, fn(&mut Conn<N>)> {
        // Of the listeners that are not axum's own, a tapped one is the one for which axum has `SocketAddr`.
        SocketAddrListener(self).tap_io(|_| {})
    }
}

/// A listener for `axum::serve` whose clients have socket addresses; see [`Listener::with_socket_addrs`].
pub struct SocketAddrListener<N: NetRef>(Listener<N>);

impl<N: NetRef + 'static> AxumListener for SocketAddrListener<N> {
    type Io = Conn<N>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Conn<N>, SocketAddr) {
        let (conn, _) = AxumListener::accept(&mut self.0).await;
        let peer = conn.peer_socket_addr();
        (conn, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local_socket_addr())
    }
}

impl<N: NetRef> fmt::Debug for SocketAddrListener<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketAddrListener({:?})", self.0)
    }
}
