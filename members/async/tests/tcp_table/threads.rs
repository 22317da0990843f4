//! std's calls, on its TCP and here.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::pin;
use std::time::Duration;

use socket2::SockRef;
use virtnet::pipenet::{Conn, Host, Listener};

use super::kernel::{self, Ends};
use super::table::{BYTES, Peer, Side, told};
use crate::support::connect;

pub(super) const CALLS: &[&str] = &[
    "read",
    "read of nothing",
    "peek",
    "read_vectored",
    "write",
    "write of nothing",
    "write_vectored",
    "flush",
    "shutdown(Write)",
    "shutdown(Read)",
    "shutdown(Both)",
    "take_error",
];

/// The calls of std that have a different name here.
trait Twin {
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize>;

    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    fn take_error(&self) -> io::Result<Option<io::Error>>;
}

impl Twin for TcpStream {
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek(buf)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.take_error()
    }
}

impl Twin for Conn {
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match pin!(self.peek(buf)).try_wait() {
            Some(peeked) => Ok(peeked?),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        shutdown(self, how)
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.take_error()
    }
}

/// The shutdown, as README's table describes it.
pub(super) fn shutdown(conn: &Conn, how: Shutdown) -> io::Result<()> {
    match how {
        Shutdown::Write => conn.close_write()?,
        Shutdown::Read => conn.close_read()?,
        Shutdown::Both => {
            conn.close_read()?;
            conn.close_write()?;
        }
    }
    Ok(())
}

fn call<E: Twin>(end: &E, call: &str) -> String
where
    for<'a> &'a E: Read + Write,
{
    let (mut stream, mut buf) = (end, [0; 8]);
    match call {
        "read" => told(stream.read(&mut buf)),
        "read of nothing" => told(stream.read(&mut [])),
        "peek" => told(end.peek(&mut buf)),
        "read_vectored" => {
            let (first, second) = buf.split_at_mut(2);
            told(stream.read_vectored(&mut [IoSliceMut::new(first), IoSliceMut::new(second)]))
        }
        "write" => told(stream.write(BYTES)),
        "write of nothing" => told(stream.write(&[])),
        "write_vectored" => told(stream.write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"bc")])),
        "flush" => told(stream.flush()),
        "shutdown(Write)" => told(end.shutdown(Shutdown::Write)),
        "shutdown(Read)" => told(end.shutdown(Shutdown::Read)),
        "shutdown(Both)" => told(end.shutdown(Shutdown::Both)),
        "take_error" => told(end.take_error().map(|error| error.map(|error| error.kind()))),
        other => unreachable!("no call {other}"),
    }
}

/// The time limit of a call: nothing else happens meanwhile, so the shortest limit is enough.
const LEAST: Duration = Duration::from_millis(1);

/// TCP over loopback.
pub(super) struct Tcp(TcpListener);

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
    type Peer = TcpStream;

    async fn connect(&self) -> (TcpEnd, TcpStream) {
        let (stream, peer) = kernel::connect(&self.0);
        stream.set_read_timeout(Some(LEAST)).unwrap();
        stream.set_write_timeout(Some(LEAST)).unwrap();
        let ends = Ends::of(&stream);
        (TcpEnd { stream, ends }, peer)
    }

    fn send(end: &mut TcpEnd) {
        end.stream.write_all(BYTES).unwrap();
    }

    fn shut(end: &mut TcpEnd, how: Shutdown) {
        end.stream.shutdown(how).unwrap();
    }

    async fn call(end: &mut TcpEnd, name: &str) -> String {
        call(&end.stream, name)
    }

    async fn settle(ends: &mut [TcpEnd]) {
        kernel::settle(ends.iter().map(|end| &end.ends));
    }
}

impl Peer for TcpStream {
    fn send(&mut self) {
        self.write_all(BYTES).unwrap();
    }

    fn shut_write(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn abort(self) {
        SockRef::from(&self).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A virtual network.
pub(super) struct Virtual<'a> {
    pub(super) from: &'a Host,
    pub(super) to: &'a Listener,
}

impl Side for Virtual<'_> {
    type End = Conn;
    type Peer = Conn;

    async fn connect(&self) -> (Conn, Conn) {
        let (conn, peer) = connect(self.from, self.to).await;
        conn.set_read_timeout(Some(LEAST)).unwrap();
        conn.set_write_timeout(Some(LEAST)).unwrap();
        (conn, peer)
    }

    fn send(conn: &mut Conn) {
        conn.write_all(BYTES).unwrap();
    }

    fn shut(conn: &mut Conn, how: Shutdown) {
        shutdown(conn, how).unwrap();
    }

    async fn call(conn: &mut Conn, name: &str) -> String {
        call(conn, name)
    }

    async fn settle(_: &mut [Conn]) {}
}

impl Peer for Conn {
    fn send(&mut self) {
        self.write_all(BYTES).unwrap();
    }

    fn shut_write(&mut self) {
        self.close_write().unwrap();
    }

    fn abort(self) {
        Conn::abort(&self);
    }
}
