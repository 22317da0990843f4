//! Bridges between networks: real ports and virtual hosts joined.
//!
//! A bridge accepts the connections of a listener and carries each to an address of another network. Each side is any
//! [`Networker`]: a host of a virtual network, or the operating system's TCP. [`Bridge`] is for threads, and with the
//! feature `tokio`, `TokioBridge` is for tokio.
//!
//! | from | to | for |
//! |---|---|---|
//! | a port of 127.0.0.1 | a virtual host | a browser, curl, or a client in another language uses your virtual server |
//! | a virtual host | a real server | your program on a virtual host finds a real database as `db:5432` |
//! | a virtual host | a host of another virtual network | two networks are joined at one address |
//!
//! # From a real port to a virtual host
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::thread;
//! use virtnet::bridge::Bridge;
//! use virtnet::{Networker, Tcp, pipenet};
//!
//! let net = pipenet::Network::new("t");
//! let web = net.host("web")?.listen(":80")?;
//! let server = thread::spawn(move || web.accept().wait()?.write_all(b"hi"));
//!
//! // Any free port of 127.0.0.1, so that only this machine reaches it.
//! let listener = Tcp::new("127.0.0.1")?.listen("")?;
//! let bridge = Bridge::start(listener, net.host("gateway")?, "web:80")?;
//!
//! let mut conn = TcpStream::connect(bridge.local_addr().to_string())?;
//! let mut text = String::new();
//! conn.read_to_string(&mut text)?;
//! assert_eq!(text, "hi");
//! # server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # From a virtual host to a real server
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpListener;
//! use std::thread;
//! use virtnet::bridge::Bridge;
//! use virtnet::{Tcp, pipenet};
//!
//! let real = TcpListener::bind("127.0.0.1:0")?;
//! let addr = real.local_addr()?;
//! let server = thread::spawn(move || real.accept()?.0.write_all(b"hi"));
//!
//! let net = pipenet::Network::new("t");
//! let listener = net.host("db")?.listen(":5432")?;
//! let bridge = Bridge::start(listener, Tcp::new("127.0.0.1")?, addr)?;
//!
//! let mut conn = net.host("app")?.dial("db:5432").wait()?;
//! let mut text = String::new();
//! conn.read_to_string(&mut text)?;
//! assert_eq!(text, "hi");
//! bridge.stop();
//! # server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Behaviour
//!
//! | event | the bridge |
//! |---|---|
//! | a connection is accepted | dials the far side, and then copies in both directions |
//! | the dial fails | aborts the accepted connection, counts it as failed and keeps the error |
//! | a stream ends | ends the stream at the other side, after all its bytes; the other direction continues |
//! | a connection is reset, or its host is down | aborts the connection at the other side |
//! | a peer no longer reads (`broken pipe`) | stops reading at the other side, and closes both once the other direction has ended |
//! | a reader is slow | holds at most 16 KiB in each direction, and then reads no more from the writer |
//! | 1024 connections are open, or as many as its limit | accepts no more until one closes; clients wait in the backlog |
//! | the listener or its host is closed, or an accept fails | keeps the error and carries on the open connections. It accepts again only after the reset of a client in the queue, and where the operating system has run out of something, once a connection has closed |
//! | it is stopped or dropped | closes the listener and aborts all connections |
//!
//! Aborting is [`NetStream::abort`](crate::NetStream::abort), which resets connections of virtual networks and of tokio's
//! TCP. The standard library cannot reset a connection, so the peer of a [`TcpConn`](crate::TcpConn) reads the end of the
//! stream instead, as after a close: use `TokioBridge` where real programs have to tell the two apart. A reset is noticed
//! by the next read or write at its connection, which comes late where the bridge waits for a slow reader at the other
//! side.
//!
//! A client is connected when the bridge has accepted it, before the far side has been dialled. So a far side that refuses
//! is seen by the client as a reset, not as `connection refused`.
//!
//! # Security
//!
//! A bridge listens where its listener does: at `Tcp::new("127.0.0.1")` only programs of this machine reach it, at
//! `0.0.0.0` the network of the machine does too. It neither authenticates clients nor encrypts bytes, and the far side
//! sees the bridge's host as the client.

use crate::addr::Addr;
use crate::addr::to_addr::ToAddr;
use crate::contract::networker::Networker;
use crate::error::{Error, Operation};

mod guarded;
mod state;
mod tally;
mod thread;
#[cfg(feature = "tokio")]
mod tokio;

pub use tally::Counts;
pub use thread::Bridge;
#[cfg(feature = "tokio")]
pub use tokio::TokioBridge;

/// The most connections that a bridge carries at a time, by default.
const LIMIT: usize = 1024;

/// The most bytes that a bridge holds in each direction of a connection.
const BUFFER: usize = 16 << 10;

/// The address that `host` dials; its host is empty if it is `host` itself.
fn destination<N: Networker>(host: &N, to: impl ToAddr) -> Result<Addr, Error> {
    to.to_addr().map_err(|error| Error::new(Operation::Dial, host.network_name(), None, None, error.into()))
}
