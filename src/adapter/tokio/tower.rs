//! Clients that connect by URI: a `tower` service for hyper-util and tonic.

use std::boxed::Box;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;

use crate::addr::Addr;
use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;

/// A service that dials the host and port of a URI, for hyper-util's client and tonic's `connect_with_connector`.
///
/// The port is the URI's, or the default of its scheme: 443 for `https`, 80 for any other. The connector adds no TLS;
/// that is up to the user of the connection.
///
/// # Errors
///
/// Those of [`Host::dial`]; a URI without a host fails with `missing port in address`.
#[derive(Clone, Debug)]
pub struct Connector<N: NetRef> {
    host: Host<N>,
}

impl<N: NetRef> Host<N> {
    /// A service that dials from this host.
    #[must_use]
    pub fn connector(&self) -> Connector<N> {
        Connector { host: self.clone() }
    }
}

impl<N: NetRef + 'static> tower_service::Service<Uri> for Connector<N> {
    type Response = TokioIo<Conn<N>>;
    type Error = Error;
    type Future = Connecting<N>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting<N> {
        let host = self.host.clone();
        Connecting(Box::pin(async move {
            let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
            let name = uri.host().map(|name| name.trim_start_matches('[').trim_end_matches(']'));
            let conn = match name {
                Some(name) => host.dial((name, port)).await,
                None => host.dial("").await,
            };
            conn.map(TokioIo::new)
        }))
    }
}

type Outcome<N> = Result<TokioIo<Conn<N>>, Error>;

/// A pending dial of a [`Connector`].
pub struct Connecting<N: NetRef>(Pin<Box<dyn Future<Output = Outcome<N>> + Send>>);

impl<N: NetRef> Future for Connecting<N> {
    type Output = Outcome<N>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<N: NetRef> fmt::Debug for Connecting<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

/// Adds [`ConnInfo`] to the extensions of each response.
impl<N: NetRef> Connection for Conn<N> {
    fn connected(&self) -> Connected {
        Connected::new().extra(ConnInfo::of(self))
    }
}

/// The addresses of the connection that carried a request or response. It is in the extensions of a response of
/// hyper-util's client, and of a request to tonic's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnInfo {
    /// The address of the local end.
    pub local_addr: Addr,
    /// The address of the peer.
    pub peer_addr: Addr,
}

impl ConnInfo {
    pub(super) fn of<N: NetRef>(conn: &Conn<N>) -> Self {
        Self { local_addr: conn.local_addr(), peer_addr: conn.peer_addr() }
    }
}
