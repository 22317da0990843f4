//! Incoming connections as a `Stream`.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::task::coop::poll_proceed;
use futures_core::{FusedStream, Stream};

use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;

/// The accepted connections of a listener, one after the other, as tonic's `serve_with_incoming` takes them. Once the
/// listener, its host or the network is closed, the stream ends with an error. A greedy task yields when its budget is
/// spent.
pub struct IncomingStream<N: NetRef> {
    listener: Listener<N>,
    over: bool,
}

impl<N: NetRef> Listener<N> {
    /// The accepted connections, as a stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping a wait for the next connection loses no connection.
    pub fn into_stream(self) -> IncomingStream<N> {
        IncomingStream { listener: self, over: false }
    }
}

impl<N: NetRef> IncomingStream<N> {
    /// The listener.
    pub fn listener(&self) -> &Listener<N> {
        &self.listener
    }
}

impl<N: NetRef> Stream for IncomingStream<N> {
    type Item = Result<Conn<N>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let coop = ready!(poll_proceed(cx));
        let next = ready!(self.listener.poll_accept(cx));
        coop.made_progress();
        self.over = next.is_err();
        Poll::Ready(Some(next))
    }
}

impl<N: NetRef> FusedStream for IncomingStream<N> {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<N: NetRef> fmt::Debug for IncomingStream<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IncomingStream({:?})", self.listener)
    }
}
