//! The row of a socket: its state, and how its kind of tables lays it out.
//!
//! ```text
//!            listen                        close
//!  Free ──────────────────> Listener ──────────────────> Closed ── last handle dropped ──> Free
//!            dial              complete_dial             close
//!  Free ──────────> Dialling ────────────────> Connected ─────> Closed ── last handle ──> Free
//!            enqueue            next_delivery              close
//!  Free ──────────> Request ─────────────────> Connected ─────> Closed ── last handle ──> Free
//! ```
//!
//! A dial or a request that fails goes back to `Free`. A socket gives its port back when it is closed, and its row when
//! nothing refers to it any more: no handle, no backend (`awaited`), no queue. See `queue.rs` for the phases of a
//! request.

use core::fmt;

use super::NIL;
use crate::wait::waker::Wakers;

/// How one kind of tables lays its sockets out in memory. `Self` is its set of wakers for one event.
pub trait SocketLayout: Wakers {
    /// Holds a value that few sockets have: in the row, or boxed, so that all rows stay small.
    type MaybeBoxed<T>: MaybeBoxed<T>;
    /// The waker of a dial's task.
    type Dial: Wakers;
}

/// A value, in place or in a box.
pub trait MaybeBoxed<T>: From<T> {
    /// The value.
    fn value(&self) -> &T;

    /// The value.
    fn value_mut(&mut self) -> &mut T;

    /// The value.
    fn into_value(self) -> T;
}

impl<T> MaybeBoxed<T> for T {
    fn value(&self) -> &T {
        self
    }

    fn value_mut(&mut self) -> &mut T {
        self
    }

    fn into_value(self) -> T {
        self
    }
}

/// A socket of a host.
pub struct Socket<L, W: SocketLayout> {
    /// Its port; 0 before it has one. It keeps the number after the port is free again.
    pub port: u16,
    /// Whether it holds that port alone, shares it, or no longer holds it.
    pub hold: PortHold,
    /// How many handles refer to it: listeners, connections and halves of connections.
    pub handles: u16,
    /// Whether the backend still holds the request that it made. A socket is removed when this is false, it has no
    /// handles, and it is in no queue.
    pub awaited: bool,
    /// The other end, for connections and requests.
    pub peer: Peer,
    /// Its kind and stage.
    pub state: State<L, W>,
}

impl<L, W: SocketLayout> Socket<L, W> {
    pub(crate) const fn new(state: State<L, W>) -> Self {
        Self { port: 0, hold: PortHold::None, handles: 1, awaited: false, peer: Peer { host: 0, port: 0 }, state }
    }
}

impl<L, W: SocketLayout> fmt::Debug for Socket<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.port)
    }
}

/// How a socket holds its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortHold {
    /// It has no port, or no longer holds it.
    None,
    /// No other socket holds it, except that accepted connections may share a listener's port.
    Alone,
    /// It shares the port with the listener that accepted it, and with other connections that listener accepted.
    Shared,
}

/// The other end of a connection: its host's number and its port. Packed into six bytes, as each row has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed(2))]
pub struct Peer {
    /// The host's number in the directory.
    pub host: u32,
    /// The port.
    pub port: u16,
}

/// The kind and stage of a socket.
pub enum State<L, W: SocketLayout> {
    /// An unused row.
    Free,
    /// The source of a pending dial. The waker is that of its task, which is woken when the host closes.
    Dialling(W::Dial),
    /// A listener.
    Listener(W::MaybeBoxed<Queue<W>>),
    /// An incoming connection in a listener's queue.
    Request(W::MaybeBoxed<Request<L, W>>),
    /// A connection.
    Connected(L),
    /// A closed listener or connection that still has a handle.
    Closed,
}

impl<L, W: SocketLayout> fmt::Debug for State<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl<L, W: SocketLayout> State<L, W> {
    /// Drops the state and its wakers without waking them. Must be called outside any lock.
    pub(crate) fn discard(self) {
        match self {
            Self::Dialling(wakers) => wakers.discard(),
            Self::Listener(queue) => queue.into_value().acceptors.discard(),
            Self::Request(request) => request.into_value().backend.discard(),
            Self::Free | Self::Connected(_) | Self::Closed => {}
        }
    }
}

/// The queue of a listener: requests in order of arrival, linked through their slots.
#[derive(Debug)]
pub struct Queue<W> {
    pub(crate) head: U24,
    pub(crate) tail: U24,
    /// The number of requests in the queue.
    pub(crate) len: U24,
    /// How many of them are claimed. One is only claimed while this is below the number of tasks that wait to accept.
    pub(crate) claimed: U24,
    /// The tasks that wait to accept.
    pub(crate) acceptors: W,
}

/// An incoming connection in a listener's queue.
#[derive(Debug)]
pub struct Request<L, W> {
    /// The listener's slot.
    pub(crate) listener: U24,
    pub(crate) prev: U24,
    pub(crate) next: U24,
    pub(crate) link: L,
    /// The backend's task, which waits for the outcome.
    pub(crate) backend: W,
    pub(crate) phase: RequestPhase,
}

/// A slot number, or a count of slots, in three bytes: each row has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct U24([u8; 3]);

impl U24 {
    pub(crate) const ZERO: Self = Self([0; 3]);
    pub(crate) const NIL: Self = Self([0xff; 3]);

    pub(crate) fn new(number: u32) -> Self {
        debug_assert!(number <= NIL, "no table has more sockets");
        let [low, middle, high, _] = number.to_le_bytes();
        Self([low, middle, high])
    }

    pub(crate) fn get(self) -> u32 {
        let [low, middle, high] = self.0;
        u32::from_le_bytes([low, middle, high, 0])
    }
}

/// The stage of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestPhase {
    /// In the queue; becomes a connection when it is accepted.
    Direct,
    /// In the queue; has to be claimed and acknowledged before it becomes a connection.
    Queued,
    /// In the queue, claimed, with a port; waits to be acknowledged.
    Claimed,
    /// In the queue, acknowledged.
    Ready,
    /// No longer in the queue: the listener is closed.
    Refused,
    /// No longer in the queue: the host had no free port.
    NoPort,
}
