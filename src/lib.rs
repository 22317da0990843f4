//! TCP-like networks that exist only in your program: named hosts that dial, listen and accept, with predictable ports.
//! For threads, for async code on any executor, and for firmware without a heap.
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
//! Dial and accept are futures. Bytes are transferred by `poll_` methods, or with the feature `tokio` by tokio's
//! traits.
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
//! A network in a static needs no heap, and never blocks unless you ask it to.
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
//! # Terms
//!
//! | word | meaning |
//! |---|---|
//! | *network* | one TCP-like network of uniquely named hosts, such as [`pipenet::Network`] |
//! | *host*, [`Host`] | a named access point of a network with its own ports; it dials and listens |
//! | [`Listener`], [`Conn`] | a listening socket, and a connection that was dialled or accepted |
//! | [`Addr`] | network, host and port; prints as `host:port` |
//! | [`Op`] | an operation that may have to wait: `.await` it, block with [`wait`](Op::wait), or poll it with [`try_wait`](Op::try_wait) |
//! | [`Networker`] | the contract of an access point: a [`Host`], or the operating system's [`Tcp`] |
//!
//! # Addresses
//!
//! | address | socket |
//! |---|---|
//! | `a:10`, `("a", 10)` | port 10 of the host `a` |
//! | `:10`, `10` | port 10 of the local host, which dials or listens |
//! | `a:0`, `:0`, an empty text | to listen: the lowest free port |
//! | `10.0.0.1:10`, a `SocketAddr` | port 10 of the host with this [IP address](Host::ip_addr) |
//! | `localhost:10`, `127.0.0.1:10`, `[::1]:10`, `0.0.0.0:10`, `[::]:10` | port 10 of the local host |
//!
//! The last two rows are for programs written for TCP, and hold in growable networks only. Names win: a dial first asks
//! the network for a host that bears such a name, and a listen, which never blocks, looks for one among the hosts of its
//! subnetwork. Addresses and errors print names. An error may have a [hint](Error::hint), such as a name in another
//! case.
//!
//! # What can be relied on
//!
//! - **Ports**: asking for any port gives the lowest free port of the host, starting at 1; see [`Host`].
//! - **Order**: on one thread, all ports, events and texts are deterministic. Across threads, only causally related
//!   events are ordered.
//! - **Dial and accept**: a dial is done when the peer accepts, and not before; see [`Host::dial`]. Dials to one
//!   listener are accepted in the order in which they arrived.
//! - **Waiting**: no wake-up is lost, and closing an object wakes every task that waits on it. Dropping an operation
//!   leaves no trace unless its *Cancel safety* section says otherwise.
//! - **Errors**: there is one [`Error`], with operation, addresses and cause. Its documentation lists every text.
//! - **Limits**: bad input, a full table or a misbehaving backend causes an error, and changes nothing else.
//! - **Safety**: the crate has no `unsafe`, and calls none of your code under a lock, except a backend's `Link::clone`.
//!   A waker may call back into the network, and one that panics harms no other task.
//!
//! # What is deterministic
//!
//! | where | the same in each run |
//! |---|---|
//! | one thread | everything: ports, addresses, texts, the bytes that each read returns, and the order in which tasks are woken |
//! | tokio's current-thread runtime | the same, if the tasks themselves are deterministic: a `select!` that is not `biased` and a clock that is not paused are not |
//! | several threads | the events of each thread, and those that one thread waits for from another. The scheduler decides which of two dials comes first, and so which port each gets |
//!
//! The crate never iterates over a hash map. Hosts are closed in the order in which they were made, their sockets in
//! the order of their table, and tasks that wait for one event are woken in the order of a list. Timeouts are the only
//! use of a clock, by default of the machine's. Only faults draw random numbers, as a function of their seed.
//!
//! # Time
//!
//! Timeouts are measured in real time. With the feature `sim`, they are measured on a clock instead, which is a value:
//! a network gets one from its builder, a thread by taking part in one.
//!
//! | clock | its time moves | for |
//! |---|---|---|
//! | `Clock::auto()` | to the next deadline, when none of the threads that take part in it can run | tests with threads: hours pass in no time, each timeout takes exactly its length, and a deadlock is reported at once |
//! | `Clock::tokio()`, with the feature `tokio` | as that of a tokio runtime | tests with `start_paused`, whose timeouts are tokio's |
//! | `Clock::manual()`, and `ManualClock` without a heap | when the program advances it | one step at a time; executors without a clock; firmware |
//! | `Clock::real()` | as that of the machine | faults in real time |
//! | `Clock::of(source)` | as its source says | clocks of other libraries |
//!
//! ```
//! # #[cfg(all(feature = "sim", feature = "pipenet", feature = "std"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use virtnet::{Clock, pipenet};
//!
//! let (clock, hour) = (Clock::auto(), Duration::from_secs(3600));
//! let _me = clock.enter();
//! let net = pipenet::Network::builder("t").clock(clock.clone()).build()?;
//! let (a, b) = (net.host("a")?, net.host("b")?);
//! let listener = a.listen(":10")?;
//! let server = clock.spawn({
//!     let clock = clock.clone();
//!     move || {
//!         clock.sleep(2 * hour).wait();
//!         listener.accept().wait().map(drop)
//!     }
//! });
//! assert_eq!(b.dial("a:10").wait_timeout(hour).unwrap_err().to_string(), "dial pipet b:1->a:10: timed out");
//! b.dial("a:10").wait_timeout(2 * hour)?;
//! assert_eq!(clock.now().to_string(), "7200.000s");
//! server.join().unwrap()?;
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "sim", feature = "pipenet", feature = "std")))]
//! # fn main() {}
//! ```
//!
//! What can be relied on: the time never goes back. On `Clock::auto()` it stands still while a thread that takes part
//! runs, and stops at each deadline. At one instant, what arrives comes before timeouts, and an outcome that is there
//! wins over an expired timeout. What cannot: two threads that run at once still race for ports and the order of
//! accepts, and no clock knows of a thread that waits in a lock, a channel of std, a file or a real socket. Time then
//! stands still, and after 5 seconds a report on stderr names the thread. The module `clock` has the details.
//!
//! # Limits
//!
//! | limit | growable | fixed-size |
//! |---|---|---|
//! | a host's name | 1 to 63 bytes | 1 to 63 bytes |
//! | a network's full name | 31 bytes | 31 bytes |
//! | hosts of a network | memory | as declared, at most 65,535 |
//! | ports of a host | 1 to 65,535, each of them | 1 to 65,535, as many as there are sockets |
//! | sockets | 65,535 with a port for each host | as declared for all hosts, at most 65,534 |
//! | connections | memory | as declared, at most 32,768 |
//! | dials that wait at a listener | 4096, an option | 4096, an option; each takes a connection and two sockets |
//! | bytes in each direction | 65,536, an option, from 1 to 4 GiB | as declared, at least 1 |
//! | tasks that wait for one event | memory | 2; a third evicts and wakes the first, which polls again |
//! | rendezvous writes whose outcome has not been polled for yet | memory | 2 for each direction |
//!
//! In a growable network, a host takes about 180 bytes, and some 800 more from its first socket on. A connection takes
//! about 370 bytes, 128 more for each direction in which bytes were sent, and the bytes that wait in it, rounded up to
//! a power of two. Once drained, a direction returns its buffer to a network-wide pool of 16 buffers. The first 16
//! directions keep theirs. Tables do not shrink, and names are never removed; the name of a host elsewhere is kept from
//! its first queued dial on (a million names take 138 MiB). A fixed-size network takes the memory that it is declared
//! with; `features.md` in the repository has the numbers.
//!
//! A virtual network is not a security boundary: its bytes are not encrypted, and its hosts share one process. See
//! `SECURITY.md` in the repository.
//!
//! # Where to look
//!
//! - [`pipenet`]: networks within a process, growable or [fixed-size](pipenet::fixed). The module `lonet`: networks of
//!   several processes.
//! - [`Host`], [`Listener`], [`Conn`], [`Op`]: the types that every user needs. [`Error`], [`ErrorKind`],
//!   [`CloseError`]: their errors.
//! - [`Snapshot`](snapshot::Snapshot): which tasks wait for what, when a test hangs; without a heap,
//!   [`LiveView`](snapshot::LiveView).
//! - The module `trace`: what happened, and expectations on it. The module `clock`: time as a value. The module `sim`:
//!   partitions, slow networks and other faults.
//! - [`Networker`], [`NetListener`], [`NetStream`], [`Tcp`]: one function over any network. The module `bridge` joins
//!   virtual hosts and real ports.
//!
//! # For authors of backends and layers
//!
//! | word | meaning |
//! |---|---|
//! | *subnetwork*, [`SubNetwork`] | the part of a network that belongs to one process, or to a part of it |
//! | [`Engine`] | the part of a backend that makes hosts, dials and moves bytes |
//! | [`Registry`] | the directory of hosts, shared by all subnetworks of a network |
//! | [`Notifier`] | through it, a backend hands over incoming connections and reports that the network failed |
//! | [`Layer`] | something put around the engine of any network, such as a recorder |
//!
//! The example `life_of_a_dial` walks through them, `custom_engine` is a backend with [tables](table) of this crate, and the
//! module `testing` has the tests for it.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | waiting on threads, `std::io`, timeouts, the operating system's TCP |
//! | `alloc` (by `std`) | growable networks |
//! | `pipenet` (default) | networks within a process |
//! | `trace` | what happened in a network, and expectations on it |
//! | `lonet` | networks of several processes of one machine |
//! | `lonet-bundled` | `lonet` with SQLite compiled in |
//! | `pcapng` | traces as captures for Wireshark |
//! | `sim` | faults such as partitions and latency, and clocks: time that moves when nothing else can happen |
//! | `json` | traces read from JSON lines, and merged |
//! | `critical-section` | locks that interrupts may take, also without compare-and-swap |
//! | `embedded-io-async` | async reads and writes of embedded-io-async |
//! | `embedded-nal-async` | hosts as embedded clients know them: IP addresses and names |
//! | `edge-nal` | hosts as embedded servers and clients of edge-net know them |
//! | `defmt` | logging by defmt |
//! | `bridge` | bridges between networks, such as a virtual host and a real port |
//! | `testing` | the conformance suite for backends |
//! | `tokio` | tokio's I/O traits, the operating system's TCP on tokio |
//! | `stream` | incoming connections as a `Stream` |
//! | `tower` | a `tower` service that connects by URI |
//! | `axum` | listeners for `axum::serve` |
//! | `tonic` | connections for tonic's server |
//!
//! Without any feature, the crate is the core: `no_std` and without a heap. `features.md` in the repository lists what
//! each feature needs and costs.
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

// Level 3: around any engine.
#[cfg(feature = "trace")]
pub mod trace;
#[cfg(any(all(any(feature = "lonet", feature = "testing"), unix), loom))]
#[cfg_attr(any(loom, not(feature = "lonet")), allow(dead_code, reason = "models and checks use a part of it"))]
mod wire;

// Level 4: what users hold.
mod net;
#[cfg(feature = "std")]
mod tcp;

// Level 5: a look at all of it.
pub mod snapshot;

// Level 6: real ports and virtual hosts joined, and faults.
#[cfg(feature = "bridge")]
pub mod bridge;
#[cfg(feature = "sim")]
pub mod sim;

// Level 7: backends, and the suite that proves them.
#[cfg(all(feature = "lonet", unix))]
pub mod lonet;
#[cfg(feature = "pipenet")]
pub mod pipenet;
#[cfg(feature = "testing")]
pub mod testing;

// Level 8: the traits of others.
mod adapter;

#[cfg(feature = "stream")]
pub use adapter::tokio::IncomingStream;
#[cfg(feature = "axum")]
pub use adapter::tokio::SocketAddrListener;
#[cfg(feature = "tower")]
pub use adapter::tokio::{ConnInfo, Connecting, Connector};
pub use addr::name::{ErrorText, HostName, Name, NetworkName};
pub use addr::to_addr::{ToAddr, ToHost};
pub use addr::{Addr, AddrError, AddrReason};
#[cfg(feature = "alloc")]
pub use contract::any_notifier::{AnyAccept, AnyNotifier};
#[cfg(feature = "sim")]
pub use contract::engine::DelayStatus;
pub use contract::engine::{Engine, LinkStatus, Shutdown};
pub use contract::layer::{Bare, Layer};
pub use contract::networker::{NetListener, NetStream, Networker};
pub use contract::notifier::{Accept, Notifier};
#[doc(hidden)]
pub use contract::observe::{CoreEvent, ELSEWHERE, Gone, How, Intent, Observer, RawEvent, Ticket};
pub use contract::registry::Registry;
pub use error::cause::{Cause, InvalidInput, Resource};
pub use error::close::CloseError;
pub use error::hint::Hint;
pub use error::kind::ErrorKind;
pub use error::registry::{RegistryError, RegistryReason};
pub use error::{Error, Operation};
pub use net::conn::Conn;
pub use net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
#[cfg(feature = "alloc")]
pub use net::handle::{Backend, NetHandle};
pub use net::host::Host;
pub use net::listener::Listener;
pub use net::net_ref::NetRef;
pub use net::network::NetRefExt;
pub use net::notifier::SubNetworkNotifier;
pub use net::request::ClaimedRequest;
pub use net::shared::{Holder, Network};
pub use net::subnet::SubNetwork;
#[cfg(feature = "std")]
pub use tcp::{Tcp, TcpConn, TcpListener};
#[cfg(feature = "tokio")]
pub use tcp::{TokioTcp, TokioTcpListener, TokioTcpStream};
#[cfg(feature = "sim")]
pub use wait::clock::{self, Clock};
pub use wait::{OnTimeout, Op};
#[cfg(all(feature = "testing", unix))]
#[doc(hidden)]
pub use wire::line::check_line;
#[cfg(loom)]
#[doc(hidden)]
pub use wire::model as wire_model;

// With tokio and sim, as some of its programs are written for them.
#[cfg(all(doctest, feature = "pipenet", feature = "sim", feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Makes an in-process network of a fixed size for a static: its name, and how many hosts, sockets in use (all hosts
/// together), connections and bytes (in each direction of each connection) it has room for.
///
/// A listener takes one socket. A connection takes two, one for each end, and one pipe, already while its dial waits at
/// the listener. Errors call the room for sockets the port table, and that for connections the pipe pool.
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
/// With the feature `trace`, a network may tell its events to an observer in a static, such as an `EventRing`. It is named
/// after a semicolon, and the network's types have the parameter `Traced`:
///
/// ```
/// # #[cfg(feature = "trace")]
/// # fn main() -> Result<(), virtnet::Error> {
/// use virtnet::pipenet::fixed::{Host, Network, Traced};
/// use virtnet::trace::EventRing;
///
/// static RING: EventRing<64> = EventRing::new();
/// static NET: Network<Traced> = virtnet::fixed!("t", 2, 4, 2, 64; trace = &RING);
///
/// let a: Host<Traced> = NET.host("a")?;
/// assert!(RING.next(&NET).is_some_and(|event| event.is("host a")));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "trace"))]
/// # fn main() {}
/// ```
///
/// With the feature `sim`, it may have faults, alone or after a trace: see `sim::FixedFaults`.
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
    ($name:expr, $hosts:expr, $ports:expr, $pipes:expr, $buffer:expr; trace = $observer:expr $(,)?) => {{
        static MEMORY: $crate::pipenet::fixed::Memory<
            { $hosts },
            { $ports },
            { $pipes },
            { $buffer },
            $crate::pipenet::fixed::Traced,
        > = $crate::pipenet::fixed::Memory::layered();
        $crate::pipenet::fixed::Network::traced($name, &MEMORY, $observer)
    }};
    ($name:expr, $hosts:expr, $ports:expr, $pipes:expr, $buffer:expr; faults = $faults:expr $(,)?) => {{
        static MEMORY: $crate::pipenet::fixed::Memory<
            { $hosts },
            { $ports },
            { $pipes },
            { $buffer },
            $crate::pipenet::fixed::Faulty,
        > = $crate::pipenet::fixed::Memory::layered();
        $crate::pipenet::fixed::Network::faulty($name, &MEMORY, $faults)
    }};
    (
        $name:expr, $hosts:expr, $ports:expr, $pipes:expr, $buffer:expr;
        trace = $observer:expr, faults = $faults:expr $(,)?
    ) => {{
        static MEMORY: $crate::pipenet::fixed::Memory<
            { $hosts },
            { $ports },
            { $pipes },
            { $buffer },
            $crate::pipenet::fixed::TracedFaulty,
        > = $crate::pipenet::fixed::Memory::layered();
        $crate::pipenet::fixed::Network::traced_faulty($name, &MEMORY, $observer, $faults)
    }};
}
