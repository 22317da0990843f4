//! `tokio::io`: asynchronous reads and writes that keep to tokio's cooperative budget.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::task::coop::poll_proceed;

use crate::conn::Conn;
use crate::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::subnet::Handle;

/// Reads what is there. A greedy task yields when its budget is spent.
impl<N: Handle> AsyncRead for &Conn<N> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(poll_proceed(cx));
        let outcome = ready!(Conn::poll_read(&self, cx, buf.initialize_unfilled()));
        coop.made_progress();
        buf.advance(outcome?);
        Poll::Ready(Ok(()))
    }
}

/// Writes what there is room for. A greedy task yields when its budget is spent. Shutting down is
/// [`close_write`](Conn::close_write).
impl<N: Handle> AsyncWrite for &Conn<N> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let outcome = ready!(Conn::poll_write(&self, cx, buf));
        coop.made_progress();
        Poll::Ready(Ok(outcome?))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let outcome = ready!(self.poll_write_all_of(cx, bufs));
        coop.made_progress();
        Poll::Ready(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Conn::poll_flush(&self, cx).map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.close_write().map_err(io::Error::from))
    }
}

impl<N: Handle> Conn<N> {
    /// Writes one buffer after the other, as long as there is room. Only the first may wait, or fail.
    fn poll_write_all_of(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut full = bufs.iter().filter(|buf| !buf.is_empty());
        let Some(first) = full.next() else { return Conn::poll_write(self, cx, &[]).map_err(io::Error::from) };
        let mut total = ready!(Conn::poll_write(self, cx, first))?;
        let mut more = total == first.len() && !self.is_rendezvous();
        while let Some(next) = full.next().filter(|_| more) {
            let written = Conn::poll_write(self, &mut Context::from_waker(Waker::noop()), next);
            let Poll::Ready(Ok(count)) = written else { break };
            total += count;
            more = count == next.len();
        }
        Poll::Ready(Ok(total))
    }
}

/// Reads through a reference to the connection.
macro_rules! read_through {
    ($($type:ty),*) => {$(
        impl<N: Handle> AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut as_conn(&*self)).poll_read(cx, buf)
            }
        }
    )*};
}

/// Writes through a reference to the connection.
macro_rules! write_through {
    ($($type:ty),*) => {$(
        impl<N: Handle> AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(&mut as_conn(&*self)).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut as_conn(&*self)).poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_flush(Pin::new(&mut as_conn(&*self)), cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut as_conn(&*self)).poll_shutdown(cx)
            }
        }
    )*};
}

fn as_conn<N: Handle>(stream: &impl AsRef<Conn<N>>) -> &Conn<N> {
    stream.as_ref()
}

read_through!(Conn<N>, ReadHalf<'_, N>, OwnedReadHalf<N>);
write_through!(Conn<N>, WriteHalf<'_, N>, OwnedWriteHalf<N>);
