//! Faults: partitions, slow networks, resets and others, over any engine.
//!
//! [`Faults`] are a [`Layer`](crate::Layer): a network's builder takes them, and hosts, listeners and connections stay
//! what they are. They decide *when* something arrives, and never what: bytes do not leave the buffer of their
//! connection, so no fault loses, repeats or reorders one, and ending a fault never hurts a connection.
//!
//! # Partitions
//!
//! ```
//! # #[cfg(all(feature = "pipenet", feature = "std"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::io::{Read, Write};
//! use std::time::Duration;
//! use virtnet::sim::Faults;
//! use virtnet::{Clock, pipenet};
//!
//! let clock = Clock::auto();
//! let _me = clock.enter();
//! let faults = Faults::new().seed(7).clock(clock.clone());
//! let net = pipenet::Network::builder("t").layer(faults.clone()).build()?;
//! let (a, b) = (net.host("a")?, net.host("b")?);
//! let listener = a.listen(":10")?;
//! let server = clock.spawn(move || std::io::copy(&mut &listener.accept().wait()?, &mut std::io::sink()));
//!
//! let mut conn = b.dial("a:10").wait()?;
//! faults.route("a", "b").partition();
//! conn.write_all(b"hello")?; // it is on its way, and no further
//! conn.set_read_timeout(Some(Duration::from_secs(10)))?;
//! let error = conn.read(&mut [0]).unwrap_err().to_string();
//! assert_eq!(error, "read pipet a:1->b:1: timed out");
//! drop(conn);
//!
//! faults.route("a", "b").repair(); // the bytes arrive, and then the end of the stream
//! assert_eq!(server.join().unwrap()?, 5);
//! assert_eq!(clock.now().to_string(), "10.000s");
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "pipenet", feature = "std")))]
//! # fn main() {}
//! ```
//!
//! | verb of a [`Route`] | while it is on | at its end |
//! |---|---|---|
//! | [`partition`](Route::partition) | nothing arrives: neither bytes, ends, dials nor answers. Writes succeed while the buffer has room, reads and dials wait | [`repair`](Route::repair): each arrives later by as long as the cut took |
//! | [`hold`](Route::hold) | the same | [`release`](Route::release): what is due arrives at once, in the order in which it was sent |
//! | [`cut(Cut::Reset)`](Route::cut) | connections are reset at both ends, dials are refused | old connections stay reset, new ones work |
//! | [`refuse`](Route::refuse), [`blackhole`](Route::blackhole) | dials are refused where they arrive, or do not arrive; connections are as ever | stalled dials are sent |
//! | [`reset_peer`](Route::reset_peer), [`reset_after`](Route::reset_after) | the connections that there are are reset | – |
//!
//! A partition and a hold do not end each other; [`clear`](Route::clear) ends both, and all other faults.
//!
//! Closing an end, dropping a dial and the ports of both are local, and done at once under every fault. The peer is told
//! when that arrives. Until then its writes succeed.
//!
//! # Slow networks
//!
//! | verb | effect |
//! |---|---|
//! | [`latency`](Route::latency), [`latency_between`](Route::latency_between) | how long each write, end, dial and answer takes; a dial is done after a round trip |
//! | [`jitter`](Route::jitter) | up to how much longer, drawn for each |
//! | [`pair_latency`](Route::pair_latency) | drawn once for each direction: a peer that is always slow |
//! | [`loss`](Route::loss) | the probability that it is sent again 200 ms later, and so on; what follows on the connection waits |
//! | [`bandwidth`](Route::bandwidth) | bytes a second, of all connections of a direction together |
//! | [`accept_delay`](Route::accept_delay), [`slow_close`](Route::slow_close) | how much later dials, and ends of streams, arrive |
//! | [`limit_data`](Route::limit_data) | bytes of a connection, after which it is closed, reset, or stalls |
//! | [`slicer`](Route::slicer), [`short_reads`](Route::short_reads) | writes and reads that move fewer bytes than they could |
//! | [`connect_timeout`](Route::connect_timeout), [`user_timeout`](Route::user_timeout) | when a dial fails, or an end whose bytes do not arrive; they never do then |
//!
//! A change is for what is sent from then on, and nothing overtakes what was sent before it on its connection. Bytes on
//! their way take room in the buffer, so a connection carries at most one buffer in each latency. In a rendezvous
//! network, and over an engine that cannot hide bytes, a write waits until it arrives and is offered then; the end of
//! such an engine's connection is seen at once.
//!
//! # Which directions
//!
//! Faults are set for directions, by the names of hosts: [`route`](Faults::route) for both between two hosts,
//! [`oneway`](Faults::oneway), [`to`](Faults::to), [`from`](Faults::from) and [`of`](Faults::of) a host, or
//! [`all`](Faults::all). They may be set before the hosts exist, and are for hosts to come as well. A host's way to itself
//! counts only where it is named: `route("a", "a")`. A [rule](Faults::rule) decides for each dial and each write.
//!
//! # Time
//!
//! Faults follow the [clock](crate::clock) that they are given, else that of the network within, else real time. Give the
//! threads the same clock by [`Clock::enter`](crate::Clock::enter) and [`Clock::spawn`](crate::Clock::spawn), so that
//! latencies and timeouts are measured in one time.
//!
//! | the test | clock |
//! |---|---|
//! | has threads that wait | [`Clock::auto`](crate::Clock::auto): moves when all of them wait |
//! | is one thread that says when time passes | [`Clock::manual`](crate::Clock::manual) |
//! | has tasks on a tokio runtime, paused or not | `Clock::tokio`: `tokio::time::timeout` and a latency have one time |
//! | talks to real programs | none, for real time, or a manual one for faults that end by themselves |
//!
//! # Crash and restart
//!
//! Hosts die and come back by methods of their network, in growable networks:
//! [`crash`](crate::NetRefExt::crash), [`power_off`](crate::NetRefExt::power_off),
//! [`restart`](crate::NetRefExt::restart) and [`bounce`](crate::NetRefExt::bounce). Faults carry what a peer gets to know
//! of that: the reset of a crash arrives after the latency, or after the repair, and a host without power is silent.
//!
//! ```
//! # #[cfg(all(feature = "pipenet", feature = "std"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::io::Read;
//! use std::time::Duration;
//! use virtnet::sim::Faults;
//! use virtnet::{Clock, pipenet};
//!
//! let clock = Clock::auto();
//! let _me = clock.enter();
//! let faults = Faults::new().clock(clock.clone());
//! let net = pipenet::Network::builder("t").layer(faults.clone()).build()?;
//! let (a, b) = (net.host("a")?, net.host("b")?);
//! faults.route("a", "b").latency(Duration::from_millis(50));
//! let listener = a.listen(":10")?;
//! let server = clock.spawn(move || listener.accept().wait()?.read(&mut [0]));
//!
//! let mut conn = b.dial("a:10").wait()?;
//! net.crash("a")?;
//! let error = server.join().unwrap().unwrap_err().to_string();
//! assert_eq!(error, "read pipet b:1->a:1: host is down");
//! let error = conn.read(&mut [0]).unwrap_err().to_string();
//! assert_eq!(error, "read pipet a:1->b:1: connection reset");
//! assert_eq!(clock.now().to_string(), "0.150s"); // a round trip for the dial, and one way for the reset
//!
//! // The host returns with the same name, all ports free and no listener.
//! let a = net.restart("a")?;
//! assert_eq!(a.listen("")?.local_addr(), "a:1");
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "pipenet", feature = "std")))]
//! # fn main() {}
//! ```
//!
//! # Random numbers
//!
//! A draw is a function of the seed, the fault, the hosts, and the numbers of the dial and of the write. So a connection
//! more, another thread's timing, or a fault of another link changes no other draw.
//!
//! # Names that you may know
//!
//! | turmoil | Toxiproxy | madsim | tc, iptables | here |
//! |---|---|---|---|---|
//! | `partition`, `repair` | `timeout` | `clog_link`, `unclog_link` | `DROP` | `route(a, b).partition()`, `.repair()` |
//! | `partition_oneway` | a toxic of one stream | `clog_link` of one way | `DROP` in one chain | `oneway(a, b).partition()` |
//! | | | `clog_node` | | `of(a).partition()` |
//! | `hold`, `release` | | | | `.hold()`, `.release()` |
//! | `set_link_latency` | `latency` | `send_latency` | `netem delay` | `.latency(d)`, `.latency_between(a..b)` |
//! | | `latency`'s jitter | | `netem delay … jitter` | `.jitter(d)` |
//! | `fail_rate` (messages) | | `packet_loss_rate` | `netem loss` | `.loss(p)`: later, never lost |
//! | | `bandwidth` | | `netem rate`, `tbf` | `.bandwidth(bytes)` |
//! | | `reset_peer` | | `REJECT` with tcp-reset | `.reset_peer()`, `.cut(Cut::Reset)` |
//! | | `slow_close`, `limit_data`, `slicer` | | | `.slow_close(d)`, `.limit_data(..)`, `.slicer(..)` |
//! | | disabled proxy | | `REJECT` | `.refuse(true)` |
//! | `crash`, `bounce` | | `kill`, `restart` | | `crash("a")`, `bounce("a")` of the network |
//!
//! # Limits
//!
//! Over an engine that cannot hide bytes, a host that loses its power resets its connections. A peer that only reads
//! does not find out that a host is gone: there are no keep-alives.
//!
//! Without `alloc` there are [`FixedFaults`] alone: partitions, holds and latencies of named pairs of hosts, for networks
//! of a fixed size.
//!
//! Both ends of a connection must be in networks with the same [`Faults`]. Directions are kept from their first dial on; pairs of hosts that never talk cost nothing.

#[cfg(feature = "alloc")]
mod action;
#[cfg(feature = "alloc")]
mod change;
#[cfg(feature = "alloc")]
mod conn;
#[cfg(feature = "alloc")]
mod conns;
#[cfg(feature = "alloc")]
mod dial;
#[cfg(feature = "alloc")]
mod direction;
#[cfg(feature = "alloc")]
mod draw;
#[cfg(feature = "alloc")]
mod engine;
#[cfg(feature = "alloc")]
mod faults;
#[cfg(feature = "alloc")]
mod faulty;
mod fixed;
#[cfg(feature = "alloc")]
mod incoming;
#[cfg(feature = "alloc")]
mod letter;
#[cfg(feature = "alloc")]
mod letters;
#[cfg(feature = "alloc")]
mod links;
#[cfg(feature = "alloc")]
mod power;
#[cfg(feature = "alloc")]
mod route;
#[cfg(feature = "alloc")]
mod rule;
#[cfg(feature = "alloc")]
mod setting;
#[cfg(feature = "alloc")]
mod shared;
#[cfg(feature = "alloc")]
mod voyage;
#[cfg(feature = "alloc")]
mod wire;
#[cfg(feature = "alloc")]
mod world;

#[cfg(feature = "alloc")]
pub use faults::Faults;
#[cfg(feature = "alloc")]
pub use faulty::{Faulty, FaultyLink};
pub use fixed::{FixedFaults, FixedFaulty, FixedFaultyLink, FixedRoute};
#[cfg(feature = "alloc")]
pub use route::Route;
#[cfg(feature = "alloc")]
pub use rule::{Traffic, Verdict};
#[cfg(feature = "alloc")]
pub use setting::{Cut, Limit};
