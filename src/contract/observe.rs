//! The contract of an observer: tickets, the events that an engine is told, and intents.
//!
//! Invariant: the ticket of a cause is smaller than the ticket of each of its consequences. An event that lets others
//! see something draws its ticket before its effect, or in the lock step that has the effect. An event that has seen
//! something draws it afterwards. A write that drew its ticket after the bytes were in the pipe could be overtaken by
//! the read of these bytes on another thread: the record would show the read first.
//!
//! A ticket is drawn under locks, so drawing one only counts. The event itself is recorded outside of any lock.

#[cfg(feature = "alloc")]
use alloc::sync::Weak;
#[cfg(feature = "alloc")]
use core::fmt;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::error::Error;
use crate::error::cause::Cause;
#[cfg(all(feature = "alloc", feature = "sim"))]
use crate::wait::clock::Clock;

/// The place of an event in the record: a number that an [`Observer`] draws, greater than all numbers drawn before.
///
/// A ticket that was drawn is open until its event is recorded, or until it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// The ticket of an engine that records nothing.
    pub const NONE: Self = Self(0);

    /// The ticket with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number that it was made of.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// An event of the core. The link that it is about, if any, is passed beside it.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "a variant explains its fields")]
#[non_exhaustive]
pub enum CoreEvent<'a> {
    /// A host was made.
    HostMade { host: &'a str },
    /// A host was closed.
    HostClosed { host: &'a str },
    /// A host died by a crash, or by a loss of power.
    HostDied { host: &'a str, power_off: bool },
    /// A host that was closed or dead was made again.
    HostBack { host: &'a str },
    /// A listener was made.
    Listened { addr: &'a Addr },
    /// A listener was closed, or dropped while it was open.
    ListenerClosed { addr: &'a Addr, dropped: bool },
    /// A dial took its port, and is about to be queued.
    Dialled { src: &'a Addr, dst: &'a Addr },
    /// A dial was dropped.
    Withdrawn { src: &'a Addr, dst: &'a Addr },
    /// A listener accepted; the link is the accepted end.
    Accepted { listener: &'a Addr, local: &'a Addr, peer: &'a Addr },
    /// A dial was accepted; the link is the dialled end.
    Connected { dialled: &'a Addr, peer: &'a Addr },
    /// The end of this link was shut down, in whole or in part; whether this reset the connection.
    Shut(How, bool),
    /// A read of this link found the end of the stream.
    Ended,
    /// An operation failed, for a read or write that of this link.
    Failed(&'a Error),
    /// The network failed.
    NetworkDown(Cause),
    /// The network was closed.
    NetworkClosed,
    /// Nothing: the ticket is given back.
    Void,
}

/// How an end was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// No more writing.
    Shutdown,
    /// No more reading.
    ShutdownRead,
    /// Closed.
    Close,
    /// Reset, with the bytes in flight.
    Abort,
    /// Closed, as its last handle was dropped.
    Drop,
}

impl How {
    /// Whether the whole end is closed.
    #[cfg(all(feature = "alloc", feature = "trace"))]
    pub(crate) fn closes(self) -> bool {
        matches!(self, Self::Close | Self::Abort | Self::Drop)
    }
}

/// An operation that is about to begin.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "a variant explains its fields")]
#[non_exhaustive]
pub enum Intent<'a> {
    /// To dial `dst` from a host. `dial` is a number that no other dial under way has.
    Dial { dial: usize, host: &'a str, dst: &'a Addr },
    /// To accept.
    Accept { listener: &'a Addr },
    /// To read.
    Read,
    /// To write these bytes.
    Write(&'a [u8]),
}

/// An operation that no longer waits to pass: it was dropped or expired, or it is done.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Gone<'a> {
    /// The dial of this number, also when it is in the queue of its listener.
    Dial(usize),
    /// An accept of this listener, by the task of the waker.
    Accept(&'a Addr, &'a Waker),
    /// A read by the task of the waker.
    Read(&'a Waker),
    /// A write by the task of the waker.
    Write(&'a Waker),
}

/// An event as an observer gets it: an event of the core, or bytes that were moved. Each connection has a number, and
/// its ends have the numbers `2 * conn`, the dialling one, and `2 * conn + 1`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "a variant explains its fields")]
#[non_exhaustive]
pub enum RawEvent<'a> {
    /// A dial got the number of its connection, or one from elsewhere did, whose numbers begin at [`ELSEWHERE`]. This is
    /// no event of the network: it gives an end its addresses.
    Opened { conn: u32, src: &'a Addr, dst: &'a Addr },
    /// An event of the core, and the end that it is about.
    Core(&'a CoreEvent<'a>, Option<u32>),
    /// An end wrote `bytes`, all that was accepted of `of` bytes. In a rendezvous, these are the bytes on offer.
    Wrote { end: u32, bytes: &'a [u8], of: usize },
    /// The peer took `count` of the `of` bytes that were on offer.
    Taken { end: u32, count: usize, of: usize },
    /// An end read `bytes`.
    Read { end: u32, bytes: &'a [u8] },
}

/// The first number of connections that were dialled in another subnetwork.
#[cfg_attr(not(feature = "trace"), allow(dead_code, unreachable_pub, reason = "only traces count from it"))]
pub const ELSEWHERE: u32 = 1 << 30;

/// Records the events of a network, in the order of their tickets.
///
/// Each method may be called from any thread, and several at once.
pub trait Observer: Send + Sync {
    /// Draws a ticket. It is called under locks, so it must call nothing: it only counts.
    fn ticket(&self) -> Ticket;

    /// Gives a ticket back, whose event did not take place.
    fn void(&self, ticket: Ticket);

    /// Records the event of a ticket. It is called under no lock.
    fn record(&self, ticket: Ticket, event: &RawEvent<'_>);

    /// Records an event that has a ticket of its own.
    fn now(&self, event: &RawEvent<'_>) {
        self.record(self.ticket(), event);
    }

    /// The full name of the network, and what prints it as it is. Called once, when the network is made, if it grows.
    #[cfg(feature = "alloc")]
    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        let _ = (name, picture);
    }

    /// The clock of the network, if it has one. Called once, when the network is made, if it grows.
    #[cfg(all(feature = "alloc", feature = "sim"))]
    #[doc(hidden)]
    fn clock(&self, clock: &Clock) {
        let _ = clock;
    }

    /// Whether nothing but `Opened`, `Accepted` and `Connected` has to be recorded at the moment.
    fn paused(&self) -> bool {
        false
    }

    /// Whether any operation has to ask in [`poll_pass`](Observer::poll_pass) at the moment. Without `alloc`, none does.
    fn holds(&self) -> bool {
        false
    }

    /// Ready when the operation may do what it is about to do, on this end if it has one.
    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, end: Option<u32>) -> Poll<()> {
        let _ = (cx, intent, end);
        Poll::Ready(())
    }

    /// The operation no longer waits in [`poll_pass`](Observer::poll_pass), or has done what it was let to do.
    fn cancel_pass(&self, gone: &Gone<'_>, end: Option<u32>) {
        let _ = (gone, end);
    }

    /// Returns when the thread may do what cannot wait: `Listened`, `ListenerClosed`, or `Shut` of this end. Called under
    /// no lock, while [`holds`](Observer::holds).
    fn hold_thread(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        let _ = (event, end);
    }
}

/// A reference to an observer, such as to one in a static.
impl<O: Observer + ?Sized> Observer for &O {
    fn ticket(&self) -> Ticket {
        O::ticket(self)
    }

    fn void(&self, ticket: Ticket) {
        O::void(self, ticket);
    }

    fn record(&self, ticket: Ticket, event: &RawEvent<'_>) {
        O::record(self, ticket, event);
    }

    fn now(&self, event: &RawEvent<'_>) {
        O::now(self, event);
    }

    #[cfg(feature = "alloc")]
    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        O::attach(self, name, picture);
    }

    #[cfg(all(feature = "alloc", feature = "sim"))]
    fn clock(&self, clock: &Clock) {
        O::clock(self, clock);
    }

    fn paused(&self) -> bool {
        O::paused(self)
    }

    fn holds(&self) -> bool {
        O::holds(self)
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, end: Option<u32>) -> Poll<()> {
        O::poll_pass(self, cx, intent, end)
    }

    fn cancel_pass(&self, gone: &Gone<'_>, end: Option<u32>) {
        O::cancel_pass(self, gone, end);
    }

    fn hold_thread(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        O::hold_thread(self, event, end);
    }
}
