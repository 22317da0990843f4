//! TCP-like networks that exist only in your program: named hosts that dial, listen and accept, with predictable ports.
//! For threads, for async code on any executor, and for firmware without a heap.
//!
//! # PackedStrs
//!
//! | word | meaning |
//! |---|---|
//! | *network* | one TCP-like network of uniquely named hosts, such as [`pipenet::Network`] |
//! | *subnetwork*, [`SubNetwork`] | the part of a network that this process, or this part of it, owns |
//! | *host*, [`Host`] | a named access point of a network, with ports of its own; what dials and listens |
//! | [`Listener`], [`Conn`] | what listening gives, and what dialling and accepting give |
//! | [`Addr`] | network, host and port; prints as `host:port` |
//! | [`Op`] | something that may have to be waited for: `.await` it, [`wait`](Op::wait), or ask with [`try_wait`](Op::try_wait) |
//! | [`Networker`] | the contract of an access point: a [`Host`], or the operating system's [`Tcp`] |
//! | [`Engine`] | what a backend supplies: it makes hosts, dials, moves bytes |
//! | [`Registry`] | who is where, shared by all subnetworks of a network |
//! | [`Notifier`] | what the core offers a backend: to hand over a connection, to say that the network failed |
//!
//! # Threads
//!
//! ```
//! use std::io::{Read, Write};
//! use std::thread;
//! use virtnet::pipenet;
//!
//! let net = pipenet::Network::new("t");
//! let (a, b) = (net.host("a")?, net.host("b")?);
//! let listener = a.listen(":10")?;
//! let server = thread::spawn(move || listener.accept().wait()?.write_all(b"hi"));
//!
//! let mut conn = b.dial("a:10").wait()?;
//! let mut text = String::new();
//! conn.read_to_string(&mut text)?;
//! assert_eq!(text, "hi");
//! # server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Async code
//!
//! Dial and accept are futures; the bytes have `poll_` methods, and the traits of tokio with the feature `tokio`.
//!
//! ```
//! use std::future::poll_fn;
//! use virtnet::pipenet::Host;
//!
//! async fn first_byte(host: &Host) -> Result<u8, virtnet::Error> {
//!     let conn = host.dial("a:10").await?;
//!     let mut byte = [0];
//!     poll_fn(|cx| conn.poll_read(cx, &mut byte)).await?;
//!     Ok(byte[0])
//! }
//! ```
//!
//! # Firmware
//!
//! A network in a static needs no heap, and nothing waits that is not told to.
//!
//! ```
//! use core::pin::pin;
//! use virtnet::pipenet::fixed::{Conn, Network};
//!
//! // 2 hosts, 4 sockets, 2 connections, 64 bytes in each direction of a connection.
//! static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 2, 64);
//!
//! let listener = NET.host("a")?.listen(":10")?;
//! let mut dial = pin!(NET.host("b")?.dial("a:10"));
//! assert!(dial.as_mut().try_wait().is_none());
//! let server: Conn = listener.try_accept()?;
//! let client: Conn = dial.try_wait().expect("it is accepted")?;
//! client.try_write(b"hi")?;
//! # Ok::<(), virtnet::Error>(())
//! ```
//!
//! # What can be relied on
//!
//! - **Ports**: whatever takes any port of its host takes the lowest free one from 1; see [`Host`].
//! - **Order**: what one thread does is deterministic, in its ports, events and texts. Between threads, what is causally
//!   ordered is.
//! - **Dial and accept**: a dial is done when the peer accepts, and not before; see [`Host::dial`]. Dials to one listener
//!   are accepted in the order in which they arrived.
//! - **Waiting**: nothing sleeps through its wake-up; closing something wakes all that wait on it. Giving up an operation
//!   leaves everything as if it had not been started, where its *cancel safety* does not say otherwise.
//! - **Errors**: one [`Error`], with operation, addresses and cause, whose text is as documented; see its table.
//! - **Limits**: bad input, a full table or a misbehaving backend is an error, and changes nothing else.
//! - **Safety**: no `unsafe`, and no code of yours under a lock, but for a backend's `Link::clone`: a waker may call
//!   back, and one that panics harms no other task.
//!
//! # What is deterministic
//!
//! | where | what is the same in each run |
//! |---|---|
//! | one thread | everything: ports, addresses, texts, which bytes a read gives, and the order in which tasks are woken |
//! | tokio's current-thread runtime | the same, as far as the tasks are: a `select!` that is not `biased` and a clock that is not paused are not |
//! | several threads | what each does for itself, and what waits for something of another. Which of two dials comes first, and so which port each gets, is up to the scheduler |
//!
//! No hash map is ever gone through: hosts are closed in the order in which they were made, their sockets in that of their
//! places in a table, and those who wait for one thing are woken in the order of a list. There is no clock but for timeouts, and
//! no number at random.
//!
//! # Limits
//!
//! | of | growing | fixed |
//! |---|---|---|
//! | a host's name | 1 to 63 bytes | 1 to 63 bytes |
//! | a network's full name | 31 bytes | 31 bytes |
//! | hosts of a network | memory | as declared, at most 65,535 |
//! | ports of a host | 1 to 65,535, each of them | 1 to 65,535, as many as there are sockets |
//! | sockets | 65,535 with a port for each host | as declared for all hosts, at most 65,534 |
//! | connections | memory | as declared, at most 32,768 |
//! | dials that wait at a listener | 4096, an option | the connections; an option for less |
//! | bytes in each direction | 65,536, an option, from 1 to 4 GiB | as declared, at least 1 |
//! | tasks that wait for one thing | memory | 2; one more wakes the first, which looks again |
//! | writes whose outcome nobody has polled for yet, in a rendezvous | memory | 2 for each direction |
//!
//! In a network that grows, a host takes about 180 bytes, some 800 more from its first socket on, a connection about
//! 370, and 128 more for each direction in which bytes were sent; beyond that, what waits in it, rounded up to a power
//! of two. When it is drained, a direction gives its memory to a pool of 16 pieces for the whole network, but for the
//! 16 directions that asked first, which keep theirs. Names are never forgotten, those of hosts elsewhere from the moment
//! that a dial of theirs is queued (a million take 138 MiB), and tables do not shrink. A network of a fixed size takes what
//! it is declared with; `features.md` in the repository has the numbers.
//!
//! A virtual network is no boundary: its bytes are plain, and its hosts share one process. `SECURITY.md` in the
//! repository says what follows from that.
//!
//! # Where to look
//!
//! - [`pipenet`]: networks within a process, growing or [fixed](pipenet::fixed).
//! - [`Host`], [`Listener`], [`Conn`], [`Op`]: what everybody uses. [`Error`], [`ErrorKind`], [`CloseError`]: what goes
//!   wrong.
//! - [`Snapshot`](snapshot::Snapshot): who waits for what, when a test hangs.
//! - [`Networker`], [`NetListener`], [`NetStream`], [`Tcp`]: one function over any network.
//! - [`Engine`], [`Registry`], [`Notifier`], [`table`]: a backend of your own. The example `life_of_a_dial` walks through
//!   them, `custom_engine` is one, and the module `testing` proves it.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | waiting on threads, `std::io`, timeouts, the operating system's TCP |
//! | `alloc` (by `std`) | networks that grow |
//! | `pipenet` (default) | networks within a process |
//! | `critical-section` | locks that interrupts may take, also without compare-and-swap |
//! | `embedded-io-async` | async reads and writes of embedded-io-async |
//! | `embedded-nal-async` | hosts as embedded clients know them: IP addresses and names |
//! | `edge-nal` | hosts as embedded servers and clients of edge-net know them |
//! | `defmt` | logging by defmt |
//! | `testing` | the conformance suite for backends |
//! | `tokio` | tokio's I/O traits, the operating system's TCP on tokio |
//! | `stream` | incoming connections as a `Stream` |
//! | `tower` | a `tower` service that connects by URI |
//! | `axum` | listeners for `axum::serve` |
//! | `tonic` | connections for tonic's server |
//!
//! Without any there is the core, `no_std` and without a heap. `features.md` in the repository says what each needs and
//! costs.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The docs speak of what features add.
#![cfg_attr(not(all(feature = "std", feature = "pipenet")), allow(rustdoc::broken_intra_doc_links))]

#[cfg(all(not(target_has_atomic = "8"), not(feature = "critical-section")))]
compile_error!("this target has no compare-and-swap: enable virtnet's feature `critical-section`");
#[cfg(all(not(target_has_atomic = "8"), feature = "alloc"))]
compile_error!(
    "this target has no compare-and-swap: virtnet's features `alloc` and `std` need it, `pipenet` alone does not"
);

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

// Level 0: addresses and the lock.
mod addr;
mod sync;

// Level 1: errors, and waiting.
mod error;
mod wait;

// Level 2: what backends implement, and where hosts and sockets are kept.
mod contract;
pub mod table;

// Level 4: what users hold.
mod net;
#[cfg(feature = "std")]
mod tcp;

// Level 5: a look at all of it.
pub mod snapshot;

// Level 7: backends, and the suite that proves them.
#[cfg(feature = "pipenet")]
pub mod pipenet;
#[cfg(feature = "testing")]
pub mod testing;

// Level 8: the traits of others.
mod adapter;

#[cfg(feature = "stream")]
pub use adapter::tokio::IncomingStream;
#[cfg(feature = "tower")]
pub use adapter::tokio::{ConnInfo, Connecting, Connector};
pub use addr::name::{ErrorText, HostName, Name, NetworkName};
pub use addr::to_addr::ToAddr;
pub use addr::{Addr, AddrError, AddrReason};
pub use contract::engine::{Engine, LinkStatus, Shutdown};
pub use contract::networker::{NetListener, NetStream, Networker};
pub use contract::notifier::{Accept, Notifier};
pub use contract::registry::Registry;
pub use error::cause::{Cause, InvalidInput, Resource};
pub use error::close::CloseError;
pub use error::kind::ErrorKind;
pub use error::registry::{RegistryError, RegistryReason};
pub use error::{Error, Operation};
pub use net::conn::Conn;
pub use net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use net::host::Host;
pub use net::listener::Listener;
pub use net::net_ref::NetRef;
pub use net::network::NetRefExt;
pub use net::notifier::SubNetworkNotifier;
pub use net::request::ClaimedRequest;
pub use net::subnet::SubNetwork;
#[cfg(feature = "std")]
pub use tcp::{Tcp, TcpConn, TcpListener};
#[cfg(feature = "tokio")]
pub use tcp::{TokioTcp, TokioTcpListener, TokioTcpStream};
pub use wait::{OnTimeout, Op};

// With tokio, as some of its programs are written for it.
#[cfg(all(doctest, feature = "pipenet", feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Makes an in-process network of a fixed size for a static: its name, and how many hosts, sockets in use (all hosts
/// together), connections and bytes (in each direction of each connection) it has room for.
///
/// A listener takes one socket. A connection takes two, one for each end, and one pipe, already while its dial waits at the
/// listener. Errors call the room for sockets the port table, and that for connections the pipe pool.
///
/// Nothing but the network's memory changes, and that is all zeros at first. Options follow, as in
/// `fixed!("t", 2, 4, 2, 64).backlog(1)`: they are the methods of [`Network`](pipenet::fixed::Network) that are `const`.
///
/// # Examples
///
/// ```
/// use virtnet::pipenet;
///
/// static NET: pipenet::fixed::Network = virtnet::fixed!("t", 2, 4, 2, 64);
///
/// let a = NET.host("a")?;
/// let listener: pipenet::fixed::Listener = a.listen(":10")?;
/// # Ok::<(), virtnet::Error>(())
/// ```
///
/// One that cannot be does not compile:
///
/// ```compile_fail
/// // error: the buffers of a network have at least 1 byte
/// static NET: virtnet::pipenet::fixed::Network = virtnet::fixed!("t", 2, 4, 2, 0);
/// ```
#[cfg(feature = "pipenet")]
#[macro_export]
macro_rules! fixed {
    ($name:expr, $hosts:expr, $ports:expr, $pipes:expr, $buffer:expr $(,)?) => {{
        static MEMORY: $crate::pipenet::fixed::Memory<{ $hosts }, { $ports }, { $pipes }, { $buffer }> =
            $crate::pipenet::fixed::Memory::new();
        $crate::pipenet::fixed::Network::new($name, &MEMORY)
    }};
}
