//! The events of a network: a [`Trace`] records them, tests assert them.
//!
//! # Record a network
//!
//! A trace is a [`Layer`](crate::Layer): a network's builder takes it, and hosts, listeners and connections stay what they
//! are. One trace may record several networks.
//!
//! ```
//! # #[cfg(all(feature = "pipenet", feature = "std"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::io::{Read, Write};
//! use std::thread;
//! use virtnet::pipenet;
//! use virtnet::trace::Trace;
//!
//! let trace = Trace::new();
//! let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
//! let (a, b) = (net.host("a")?, net.host("b")?);
//! let listener = a.listen(":10")?;
//! let server = thread::spawn(move || listener.accept().wait()?.write_all(b"hi"));
//! let mut text = String::new();
//! b.dial("a:10").wait()?.read_to_string(&mut text)?;
//! server.join().unwrap()?;
//!
//! // Compare with lines: events that nothing orders, here of the two threads, may stand in either order. Reads are left
//! // out, as it is not determined how bytes are divided among them, but for the end of the stream.
//! trace.view().same("
//!     host a
//!     host b
//!     listen a:10
//!     dial b:1->a:10
//!     accept a:10: a:1<-b:1
//!     connect b:1->a:10: a:1
//!     write a:1->b:1: 2 \"hi\"
//!     drop a:1->b:1
//!     drop a:10
//!     read a:1->b:1: end
//!     drop b:1->a:1
//! ")?;
//!
//! // Ask instead.
//! let (write, end) = (trace.one("write *")?, trace.one("read *: end")?);
//! assert!(trace.before(write, end));
//! assert_eq!(trace.count("dial *"), 1);
//! trace.never("*: connection reset")?;
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "pipenet", feature = "std")))]
//! # fn main() {}
//! ```
//!
//! # Expect events while they come
//!
//! A [`Check`] takes the events of each host in order. An expectation is an [`Op`](crate::Op): wait for it in a thread,
//! await it in a task.
//!
//! ```
//! # #[cfg(all(feature = "pipenet", feature = "std"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::thread;
//! use virtnet::pipenet;
//! use virtnet::trace::Trace;
//!
//! let trace = Trace::new();
//! let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
//! let (a, b) = (net.host("a")?, net.host("b")?);
//! let mut check = trace.check();
//! let listener = a.listen(":10")?;
//! let client = thread::spawn(move || b.dial("a:10").wait());
//! check.expect("b", "dial b:1->a:10").wait()?;
//! drop(listener);
//! check.expect("b", "*: connection refused").wait()?;
//! check.expect("a", "listen a:10").wait()?;
//! check.expect("a", "drop a:10").wait()?;
//! check.end()?;
//! # assert!(client.join().unwrap().is_err());
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "pipenet", feature = "std")))]
//! # fn main() {}
//! ```
//!
//! A [`Failure`] prints what was expected and what came; its `Debug`, which a failing test prints, adds the state of the
//! network and the last events. [`Trace::on_panic`] prints these when a test panics for another reason.
//!
//! # Look at events
//!
//! A view writes itself in the formats of others. All are the same to the byte for the same events, and all mark where
//! they leave something out.
//!
//! | | for |
//! |---|---|
//! | [`View::write_html`] | a browser: a page with a sequence diagram, which filters, and shows the causes of an event |
//! | [`View::write_svg`] | a document: the diagram alone |
//! | `View::pcapng`, with the feature `pcapng` | Wireshark and `tshark`: connections as packets, with the events as comments |
//! | [`View::write_mermaid`] | a Markdown file |
//! | [`View::write_shiviz`] | ShiViz, which shows vector clocks |
//! | [`View::write_json`] | programs: JSON lines |
//!
//! [`Trace::write_files`] writes a trace in several of them, such as in a test that fails:
//!
//! ```no_run
//! # use virtnet::trace::Trace;
//! # let trace = Trace::new();
//! # #[cfg(feature = "std")]
//! for path in trace.write_files("target/traces", "my_test")? {
//!     println!("see {}", path.display());
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # My test fails once in a hundred runs
//!
//! Two clients dial a server, and the test expects the one that it started first to be accepted first. That is red once in
//! a hundred runs, when the operating system lets the other thread dial first. [`verify`] finds it in three runs: it holds
//! the dial that came first, and sees that the other one happens all the same.
//!
//! ```
//! # #[cfg(all(feature = "pipenet", feature = "std"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use std::error::Error;
//! use std::thread;
//! use virtnet::pipenet::Network;
//! use virtnet::trace::{self, Trace};
//!
//! type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
//!
//! fn two_clients(trace: &Trace) -> Outcome {
//!     let net = Network::builder("t").layer(trace.clone()).build()?;
//!     let (x, y) = (net.host("x")?, net.host("y")?);
//!     let server = net.host("a")?.listen(":10")?;
//!     let first = thread::spawn(move || x.dial("a:10").wait());
//!     let second = thread::spawn(move || y.dial("a:10").wait());
//!     // The test goes on with the first one as if it were `x`.
//!     let accepted = [server.accept().wait()?, server.accept().wait()?];
//!     first.join().unwrap()?;
//!     second.join().unwrap()?;
//!     drop(accepted);
//!     Ok(())
//! }
//!
//! let red = trace::verify(two_clients).unwrap_err().to_string();
//! // The one that has happened first stands first.
//! assert!(red.contains("dial x:1->a:10 and dial y:1->a:10") || red.contains("dial y:1->a:10 and dial x:1->a:10"), "{red}");
//! assert!(red.contains("happen in both orders"));
//!
//! // Mended: the second client starts when the first one is accepted.
//! fn one_after_the_other(trace: &Trace) -> Outcome {
//!     let net = Network::builder("t").layer(trace.clone()).build()?;
//!     let (x, y) = (net.host("x")?, net.host("y")?);
//!     let server = net.host("a")?.listen(":10")?;
//!     let first = thread::spawn(move || x.dial("a:10").wait());
//!     let accepted = server.accept().wait()?;
//!     let second = thread::spawn(move || y.dial("a:10").wait());
//!     let also = server.accept().wait()?;
//!     first.join().unwrap()?;
//!     second.join().unwrap()?;
//!     drop((accepted, also));
//!     Ok(())
//! }
//!
//! let green = trace::verify(one_after_the_other)?;
//! assert!(green.races.is_empty(), "{green}");
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "pipenet", feature = "std")))]
//! # fn main() {}
//! ```
//!
//! Where both orders are right, a test may also expect each of them on purpose: [`Trace::gate`] holds dials, accepts,
//! writes and reads until the test lets them run, one after the other. With [`Check::hold_threads`], it also holds
//! threads before they listen, close or drop.
//!
//! # Order
//!
//! An event never comes before its cause, also under threads. [`Order`] says which events come before which: those of one
//! thread or task, and those that the network orders, such as a write and the read of its bytes. Locks, channels and
//! joins are invisible to it; [`Trace::token`] and [`Trace::join`] tell it of them. [`Trace::races`] lists the pairs that
//! nothing orders and whose order changes a port or a queue.
//!
//! # Files
//!
//! [`View::write_json`] writes events as JSON lines. With the feature `json`, `Trace::from_json` reads them, and
//! `Trace::merge_json` makes one trace of the files of several processes.
//!
//! # Without a heap
//!
//! An [`EventRing`] in a static keeps the newest events of a network. [`fixed!`](crate::fixed) makes a network that tells
//! its events to it, or to any other [`Observer`] in a static.
//!
//! ```
//! # #[cfg(feature = "pipenet")]
//! # fn main() -> Result<(), virtnet::Error> {
//! use virtnet::pipenet::fixed::{Network, Traced};
//! use virtnet::trace::EventRing;
//!
//! static RING: EventRing<64> = EventRing::new();
//! static NET: Network<Traced> = virtnet::fixed!("t", 2, 4, 2, 64; trace = &RING);
//!
//! NET.host("a")?;
//! // Takes the oldest event. A `*` stands for any characters.
//! assert!(RING.next(&NET).is_some_and(|event| event.is("host *")));
//! NET.host("b")?;
//! // Shows events and leaves them.
//! assert_eq!(RING.show(&NET).to_string(), "host b\n");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "pipenet"))]
//! # fn main() {}
//! ```
//!
//! A ring records an event in the same order as a trace. It keeps no bytes, no texts of a backend, and names as hashes: a
//! name that no host of the network has is shown as `?`. Recording an event of a connection looks for its addresses among
//! the events of the ring, from the newest on.
//!
//! # Several subnetworks
//!
//! Each subnetwork has a trace of what happens in it: a connection from another subnetwork begins with its accept. An
//! engine that accepts in the background hands such connections over by the notifier that
//! [`Engine::start`](crate::Engine::start) gave to it.
//!
//! # Events
//!
//! Each event is one line in the words of this crate's errors:
//!
//! | line | event |
//! |---|---|
//! | `host a`, `close host a` | a host was made, closed |
//! | `crash a`, `power off a`, `restart a` | a host died, came back |
//! | `listen a:10`, `close a:10`, `drop a:10` | a listener was made, closed, dropped |
//! | `dial b:1->a:10` | a dial has its port and is being queued |
//! | `dial b:1->a:10: withdrawn` | it was dropped. A listener that accepts at the same moment has a connection that ends |
//! | `accept a:10: a:1<-b:1` | a listener accepted; a merge of files adds ` ?` where it guessed which dial |
//! | `connect b:1->a:10: a:1` | the dial is done |
//! | `write b:1->a:1: 5 "hello"`, `write b:1->a:1: 4 of 5 "hell"` | bytes were written, or are on offer in a rendezvous |
//! | `written b:1->a:1: 5` | the peer has taken what was on offer |
//! | `read b:1->a:1: 5 "hello"`, `read b:1->a:1: end` | bytes were read, the end of the stream was found |
//! | `shutdown b:1->a:1`, `shutdown read b:1->a:1` | one direction was shut down |
//! | `close b:1->a:1`, `drop b:1->a:1`, `abort b:1->a:1` | a connection was closed; `: reset` follows where that reset it |
//! | `dial b:1->a:10: connection refused` | an operation failed; repeated failures of reads, of writes and of accepts are one line |
//! | `network down: eng err`, `close network` | the network failed, was closed |
//! | `fault partition a \| b`, `fault end partition a \| b` | a fault was injected, ended |
//! | `note: leader is b` | the program noted it |
//! | `… 1234 events dropped` | the trace was full |
//!
//! A trace leaves out polls that are pending or would block, `peek`, readiness, snapshots, and a second close of
//! anything. Closing a host is one line, and the peers of its connections see them end. Two threads that use one end at
//! a time may have their events after its close.

#[cfg(feature = "alloc")]
mod actor;
#[cfg(feature = "std")]
mod alarm;
#[cfg(feature = "alloc")]
mod builder;
#[cfg(feature = "alloc")]
mod cause;
#[cfg(feature = "alloc")]
mod check;
#[cfg(all(feature = "alloc", feature = "sim"))]
mod clock;
#[cfg(feature = "alloc")]
mod conn;
#[cfg(feature = "alloc")]
mod event;
#[cfg(feature = "alloc")]
mod expect;
#[cfg(feature = "alloc")]
mod expectation;
#[cfg(feature = "alloc")]
mod export;
#[cfg(feature = "alloc")]
mod failure;
mod far;
#[cfg(feature = "alloc")]
mod frozen;
#[cfg(feature = "alloc")]
mod gate;
#[cfg(feature = "std")]
mod gate_thread;
mod glob;
#[cfg(feature = "alloc")]
mod held;
#[cfg(feature = "alloc")]
mod incoming;
#[cfg(feature = "alloc")]
mod json;
#[cfg(feature = "alloc")]
mod log;
#[cfg(all(feature = "alloc", not(feature = "sim")))]
mod no_clock;
#[cfg(feature = "alloc")]
mod observer;
mod offers;
#[cfg(feature = "alloc")]
mod order;
#[cfg(feature = "std")]
mod panic;
#[cfg(feature = "alloc")]
mod pattern;
#[cfg(feature = "std")]
mod place;
#[cfg(feature = "std")]
mod quiet;
#[cfg(feature = "alloc")]
mod race;
#[cfg(feature = "alloc")]
mod recorder;
mod ring;
#[cfg(feature = "alloc")]
mod shard;
#[cfg(feature = "alloc")]
mod silence;
#[cfg(feature = "alloc")]
mod slot;
#[cfg(feature = "alloc")]
mod stream;
mod text;
mod traced;
#[cfg(feature = "std")]
mod verify;
#[cfg(feature = "alloc")]
mod view;

#[cfg(all(feature = "alloc", feature = "sim"))]
use clock::NetworkClock;
#[cfg(all(feature = "std", feature = "sim"))]
use clock::{Passing, Stuck};
#[cfg(all(feature = "alloc", not(feature = "sim")))]
use no_clock::NetworkClock;
#[cfg(all(feature = "std", not(feature = "sim")))]
use no_clock::{Passing, Stuck};

pub use crate::contract::observe::{CoreEvent, ELSEWHERE, Gone, How, Intent, Observer, RawEvent, Ticket};
#[cfg(feature = "alloc")]
pub use builder::Builder;
#[cfg(feature = "alloc")]
pub use cause::Reason;
#[cfg(feature = "alloc")]
pub use check::Check;
#[cfg(feature = "alloc")]
pub use event::{Actor, End, Event, Kind};
#[cfg(feature = "pcapng")]
pub use export::Pcapng;
#[cfg(feature = "alloc")]
pub use failure::Failure;
pub use far::TracedLink;
#[cfg(feature = "json")]
pub use json::JsonError;
#[cfg(feature = "alloc")]
pub use order::{Order, Path};
#[cfg(feature = "std")]
pub use panic::OnPanic;
#[cfg(feature = "alloc")]
pub use pattern::Pattern;
#[cfg(feature = "alloc")]
pub use race::{Race, Races};
#[cfg(feature = "alloc")]
pub use recorder::{Token, Trace};
pub use ring::{EventRing, HostNames, Recorder, RingEvent, ShownRing};
pub use traced::Traced;
#[cfg(feature = "std")]
pub use verify::{Verdict, verify};
#[cfg(feature = "alloc")]
pub use view::View;
