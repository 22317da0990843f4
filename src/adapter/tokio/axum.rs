//! Listeners for `axum::serve`.

use std::future::pending;
use std::io;

use ::axum::extract::connect_info::Connected;
use ::axum::serve::{IncomingStream, Listener as AxumListener};
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
