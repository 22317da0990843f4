//! tokio's calls, on its TCP and here.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{self, Shutdown};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};
use virtnet::pipenet::Conn;

use super::kernel::{self, Ends};
use super::table::{BYTES, Side, told};
use super::threads;
use crate::support::connect;

pub(super) const CALLS: &[&str] = &[
    "read",
    "read of nothing",
    "read_buf",
    "peek",
    "try_read",
    "try_read of nothing",
    "try_read_vectored",
    "write",
    "write of nothing",
    "write_vectored",
    "try_write",
    "try_write of nothing",
    "try_write_vectored",
    "flush",
    "shutdown",
    "take_error",
    "readable",
    "writable",
    "poll_read_ready",
    "poll_write_ready",
    "ready(readable)",
    "ready(writable)",
    "ready(error)",
    "ready(readable, writable)",
    "ready(readable, error)",
    "ready(writable, error)",
    "ready(readable, writable, error)",
];

/// The outcome of a future's first poll.
async fn now<T: std::fmt::Debug>(future: impl Future<Output = io::Result<T>>) -> String {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(waited(future.as_mut().poll(cx)))).await
}

fn waited<T: std::fmt::Debug>(outcome: Poll<io::Result<T>>) -> String {
    match outcome {
        Poll::Ready(outcome) => told(outcome),
        Poll::Pending => "waits".into(),
    }
}

/// The readiness of an end, in words.
async fn flags(ready: impl Future<Output = io::Result<Ready>>) -> String {
    now(async {
        let ready = ready.await?;
        let names = [
            (ready.is_readable(), "readable"),
            (ready.is_writable(), "writable"),
            (ready.is_read_closed(), "read_closed"),
            (ready.is_write_closed(), "write_closed"),
            (ready.is_error(), "error"),
        ];
        Ok(names.into_iter().filter_map(|(is, name)| is.then_some(name)).collect::<Vec<_>>())
    })
    .await
    .replace('"', "")
}

/// The interests named by a call.
fn interest(names: &str) -> Interest {
    let each = names.trim_end_matches(')').split(", ").map(|name| match name {
        "readable" => Interest::READABLE,
        "writable" => Interest::WRITABLE,
        "error" => Interest::ERROR,
        other => unreachable!("no interest {other}"),
    });
    each.reduce(|some, other| some | other).expect("an interest")
}

/// Calls that are identical on both.
macro_rules! of_streams {
    ($name:ident, $Stream:ty) => {
        #[allow(clippy::needless_question_mark, reason = "the errors of one of them become the other's")]
        async fn $name(stream: &mut $Stream, call: &str) -> String {
            let mut buf = [0; 8];
            let (first, second) = buf.split_at_mut(2);
            let (mut bufs, slices) =
                ([IoSliceMut::new(first), IoSliceMut::new(second)], [IoSlice::new(b"a"), IoSlice::new(b"bc")]);
            match call {
                "read" => now(stream.read(&mut [0; 8])).await,
                "read of nothing" => now(stream.read(&mut [])).await,
                "read_buf" => now(stream.read_buf(&mut Vec::with_capacity(8))).await,
                "peek" => now(async { Ok(stream.peek(&mut [0; 8]).await?) }).await,
                "try_read" => told(stream.try_read(&mut [0; 8]).map_err(io::Error::from)),
                "try_read of nothing" => told(stream.try_read(&mut []).map_err(io::Error::from)),
                "try_read_vectored" => told(stream.try_read_vectored(&mut bufs).map_err(io::Error::from)),
                "write" => now(stream.write(BYTES)).await,
                "write of nothing" => now(stream.write(&[])).await,
                "write_vectored" => now(stream.write_vectored(&slices)).await,
                "try_write" => told(stream.try_write(BYTES).map_err(io::Error::from)),
                "try_write of nothing" => told(stream.try_write(&[]).map_err(io::Error::from)),
                "try_write_vectored" => told(stream.try_write_vectored(&slices).map_err(io::Error::from)),
                "flush" => now(stream.flush()).await,
                "shutdown" => now(stream.shutdown()).await,
                "take_error" => told(stream.take_error().map(|error| error.map(|error| error.kind()))),
                "readable" => now(async { Ok(stream.readable().await?) }).await,
                "writable" => now(async { Ok(stream.writable().await?) }).await,
                "poll_read_ready" => {
                    poll_fn(|cx| Poll::Ready(waited(stream.poll_read_ready(cx).map(|_| Ok(()))))).await
                }
                "poll_write_ready" => {
                    poll_fn(|cx| Poll::Ready(waited(stream.poll_write_ready(cx).map(|_| Ok(()))))).await
                }
                other => match other.strip_prefix("ready(") {
                    Some(interests) => flags(stream.ready(interest(interests))).await,
                    None => unreachable!("no call {other}"),
                },
            }
        }
    };
}

of_streams!(of_tcp, TcpStream);
of_streams!(of_conn, Conn);

/// TCP over loopback.
pub(super) struct Tcp(net::TcpListener);

impl Tcp {
    pub(super) fn new() -> Self {
        Self(kernel::listen())
    }
}

pub(super) struct TcpEnd {
    stream: TcpStream,
    ends: Ends,
}

impl Drop for TcpEnd {
    /// Leaves no socket behind that the kernel would keep for a minute.
    fn drop(&mut self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl Side for Tcp {
    type End = TcpEnd;
    type Peer = net::TcpStream;

    async fn connect(&self) -> (TcpEnd, net::TcpStream) {
        let (stream, peer) = kernel::connect(&self.0);
        let ends = Ends::of(&stream);
        stream.set_nonblocking(true).unwrap();
        (TcpEnd { stream: TcpStream::from_std(stream).unwrap(), ends }, peer)
    }

    fn send(end: &mut TcpEnd) {
        assert_eq!(SockRef::from(&end.stream).send(BYTES).unwrap(), BYTES.len());
    }

    fn shut(end: &mut TcpEnd, how: Shutdown) {
        SockRef::from(&end.stream).shutdown(how).unwrap();
    }

    async fn call(end: &mut TcpEnd, name: &str) -> String {
        of_tcp(&mut end.stream, name).await
    }

    /// The kernel reports events in order: once an event made now is reported, all earlier ones were.
    async fn settle(ends: &mut [TcpEnd]) {
        kernel::settle(ends.iter().map(|end| &end.ends));
        let (last, event) = UnixStream::pair().unwrap();
        drop(last);
        event.readable().await.unwrap();
    }
}

/// A virtual network.
pub(super) struct Virtual<'a>(pub(super) threads::Virtual<'a>);

impl Side for Virtual<'_> {
    type End = Conn;
    type Peer = Conn;

    async fn connect(&self) -> (Conn, Conn) {
        connect(self.0.from, self.0.to).await
    }

    fn send(conn: &mut Conn) {
        threads::Virtual::send(conn);
    }

    fn shut(conn: &mut Conn, how: Shutdown) {
        threads::Virtual::shut(conn, how);
    }

    async fn call(conn: &mut Conn, name: &str) -> String {
        of_conn(conn, name).await
    }

    async fn settle(_: &mut [Conn]) {}
}
