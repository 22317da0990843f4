//! `tokio::io`: asynchronous reads and writes within tokio's cooperative budget.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use ::tokio::task::coop::{RestoreOnPending, poll_proceed};

use crate::adapter::vectored::first;
use crate::contract::engine::{Engine, FastPath};
use crate::net::conn::Conn;
use crate::net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::net_ref::NetRef;
use crate::wait::waker::noop_waker;

/// Reads the available bytes, and initializes hardly more of the buffer than it fills. A greedy task yields when its
/// budget is spent.
impl<N: NetRef> AsyncRead for &Conn<N> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(poll_proceed(cx));
        if buf.initialized().len() < buf.capacity() {
            let outcome = ready!(read_spare(&self, cx, buf));
            keep_share(coop);
            return Poll::Ready(outcome);
        }
        let free = buf.initialize_unfilled();
        let outcome = match self.end.fast_read(cx.waker(), free) {
            FastPath::Done(count) => Ok(count),
            FastPath::Pending => return Poll::Pending,
            FastPath::Fallback => ready!(slow_read(&self, cx, free)),
        };
        keep_share(coop);
        buf.advance(outcome?);
        Poll::Ready(Ok(()))
    }
}

/// Writes as much as there is room for. A greedy task yields when its budget is spent. `poll_shutdown` calls
/// [`close_write`](Conn::close_write).
impl<N: NetRef> AsyncWrite for &Conn<N> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let outcome = match self.end.fast_write(cx.waker(), buf) {
            FastPath::Done(count) => Ok(count),
            FastPath::Pending => return Poll::Pending,
            FastPath::Fallback => ready!(slow_write(&self, cx, buf)),
        };
        keep_share(coop);
        Poll::Ready(outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let outcome = ready!(self.end.poll_write(cx, first(bufs)));
        coop.made_progress();
        Poll::Ready(Ok(self.write_more(outcome?, bufs)))
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

impl<N: NetRef> Conn<N> {
    /// Waits until a read or write in `interest` would not have to wait, or until there is an error that the peer
    /// caused; returns which of them is ready.
    ///
    /// As tokio's `TcpStream` does, it adds `READ_CLOSED` to `READABLE` if no bytes follow those that can be read
    /// already, and `WRITE_CLOSED` to `WRITABLE` if both directions have ended. `ERROR` means that the peer reset the
    /// connection, or that this end is closed.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|cx| {
            let coop = ready!(poll_proceed(cx));
            let found = self.found(cx, interest);
            if found.is_empty() {
                return Poll::Pending;
            }
            coop.made_progress();
            Poll::Ready(Ok(found))
        })
        .await
    }

    /// The part of `interest` that is ready. The task is registered for the rest.
    fn found(&self, cx: &mut Context<'_>, interest: Interest) -> Ready {
        let mut found = Ready::EMPTY;
        if interest.is_readable() && self.poll_read_ready(cx).is_ready() {
            found |= Ready::READABLE;
        }
        if interest.is_writable() && self.poll_write_ready(cx).is_ready() {
            found |= Ready::WRITABLE;
        }
        if interest.is_error() {
            // Registers before it reads the status, so that a reset between the two wakes the task.
            self.end.watch(cx.waker());
        }
        let status = self.end.status();
        if interest.is_error() && (status.reset || self.end.is_down()) {
            found |= Ready::ERROR;
        }
        if found.is_readable() && status.read_closed {
            found |= Ready::READ_CLOSED;
        }
        if found.is_writable() && status.read_closed && status.write_closed {
            found |= Ready::WRITE_CLOSED;
        }
        found
    }
}

/// Keeps the share of the budget that the operation used: dropping `share` would give it back. `made_progress` does the
/// same, at the cost of a call into tokio.
fn keep_share(share: RestoreOnPending) {
    std::mem::forget(share);
}

#[inline(never)]
fn slow_read<N: NetRef>(conn: &Conn<N>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    conn.end.slow_read(cx, buf).map_err(io::Error::from)
}

/// Reads into a buffer that is not fully initialized, and initializes no more of it than can be filled, or [`PIECE`]
/// bytes. Without it, `a_read_into_much_room_touches_little_of_it` fails.
#[inline(never)]
fn read_spare<N: NetRef>(conn: &Conn<N>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let piece = touch(buf, PIECE);
    let len = piece.len();
    match conn.end.fast_read(cx.waker(), piece) {
        FastPath::Done(count) => {
            buf.advance(count);
            let left = if count == len { waiting(conn) } else { 0 };
            if left > 0
                && let FastPath::Done(count) = conn.end.fast_read(noop_waker(), touch(buf, left))
            {
                buf.advance(count);
            }
        }
        FastPath::Pending => return Poll::Pending,
        // In one read: a read of a rendezvous network takes the bytes of one write.
        FastPath::Fallback => {
            let count = ready!(slow_read(conn, cx, touch(buf, waiting(conn).max(PIECE))))?;
            buf.advance(count);
        }
    }
    Poll::Ready(Ok(()))
}

/// The unfilled part of the buffer as far as it is initialized, or `least` bytes of it if that is more.
fn touch<'a>(buf: &'a mut ReadBuf<'_>, least: usize) -> &'a mut [u8] {
    let touched = buf.initialized().len() - buf.filled().len();
    let len = touched.max(least).min(buf.remaining());
    buf.initialize_unfilled_to(len)
}

/// How many bytes can be read, as far as the engine knows.
fn waiting<N: NetRef>(conn: &Conn<N>) -> usize {
    conn.end.net().engine.status(&conn.end.link).to_read
}

/// How many bytes of the buffer are initialized before the number of available bytes is known.
const PIECE: usize = 2 << 10;

#[inline(never)]
fn slow_write<N: NetRef>(conn: &Conn<N>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
    conn.end.slow_write(cx, buf).map_err(io::Error::from)
}

/// Reads through a reference to the connection.
macro_rules! read_through {
    ($($type:ty),*) => {$(
        impl<N: NetRef> AsyncRead for $type {
            #[inline]
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut as_conn(&*self)).poll_read(cx, buf)
            }
        }
    )*};
}

/// Writes through a reference to the connection.
macro_rules! write_through {
    ($($type:ty),*) => {$(
        impl<N: NetRef> AsyncWrite for $type {
            #[inline]
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

fn as_conn<N: NetRef>(stream: &impl AsRef<Conn<N>>) -> &Conn<N> {
    stream.as_ref()
}

read_through!(Conn<N>, ReadHalf<'_, N>, OwnedReadHalf<N>);
write_through!(Conn<N>, WriteHalf<'_, N>, OwnedWriteHalf<N>);
