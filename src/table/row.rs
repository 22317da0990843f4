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
//! nobody refers to it any more: no handle, no backend (`awaited`), no queue. See `queue.rs` for the phases of a request.

use core::fmt;

use super::NIL;
use crate::wait::waker::Wakers;

/// How the sockets of a kind of tables are laid out in memory; `Self` is those who wait for one thing there.
pub trait SocketLayout: Wakers {
    /// Where a value is that few sockets have: in their rows, or apart from them, so that all rows are small.
    type MaybeBoxed<T>: MaybeBoxed<T>;
    /// The task of a dial.
    type Dial: Wakers;
}

/// A value, or what it can be taken out of.
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
    /// Its port; 0 before it has one. Known also after it was given back.
    pub port: u16,
    /// Whether it has that port, or shares it.
    pub hold: PortHold,
    /// How many listeners, connections or halves of one refer to it.
    pub handles: u16,
    /// Whether the backend that handed it over is not done with it yet. With neither this nor handles, and outside a
    /// queue, a socket is removed.
    pub awaited: bool,
    /// The other end, for connections and requests.
    pub peer: Peer,
    /// What it is.
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
    /// Not, or no longer.
    None,
    /// Nobody else has it, but for connections that share a listener's.
    Alone,
    /// With the listener that accepted it, and others that it accepted.
    Shared,
}

/// The other end of a connection: the number of its host and its port. Six bytes, as there is one in every row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed(2))]
pub struct Peer {
    /// The host's number in the directory.
    pub host: u32,
    /// The port.
    pub port: u16,
}

/// What a socket is.
pub enum State<L, W: SocketLayout> {
    /// Nothing: an unused row.
    Free,
    /// The source of a dial under way. Its task is woken when the host closes.
    Dialling(W::Dial),
    /// A listener.
    Listener(W::MaybeBoxed<Queue<W>>),
    /// A connection that came in and waits at a listener.
    Request(W::MaybeBoxed<Request<L, W>>),
    /// A connection.
    Connected(L),
    /// A listener or connection that is closed and still has a handle.
    Closed,
}

impl<L, W: SocketLayout> fmt::Debug for State<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl<L, W: SocketLayout> State<L, W> {
    /// Drops it, and those who wait for it unwoken. To be called outside of any lock.
    pub(crate) fn discard(self) {
        match self {
            Self::Dialling(wakers) => wakers.discard(),
            Self::Listener(queue) => queue.into_value().acceptors.discard(),
            Self::Request(request) => request.into_value().backend.discard(),
            Self::Free | Self::Connected(_) | Self::Closed => {}
        }
    }
}

/// The queue of a listener: requests in the order in which they came in, linked through their slots.
#[derive(Debug)]
pub struct Queue<W> {
    pub(crate) head: U24,
    pub(crate) tail: U24,
    /// Requests in the queue.
    pub(crate) len: U24,
    /// How many of them are claimed.
    pub(crate) claimed: U24,
    /// Those who wait for a request.
    pub(crate) acceptors: W,
}

/// A connection that waits at a listener.
#[derive(Debug)]
pub struct Request<L, W> {
    /// The listener's slot.
    pub(crate) listener: U24,
    pub(crate) prev: U24,
    pub(crate) next: U24,
    pub(crate) link: L,
    /// The backend's task that waits for an answer.
    pub(crate) backend: W,
    pub(crate) phase: RequestPhase,
}

/// A slot's number or a count of them, in three bytes, as there are several in every row.
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

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestPhase {
    /// In the queue; becomes a connection as soon as it is taken.
    Direct,
    /// In the queue; is claimed when it is taken.
    Queued,
    /// In the queue, taken, with a port; waits for its acknowledgement.
    Claimed,
    /// In the queue, acknowledged.
    Ready,
    /// No longer in the queue: nobody listens any more.
    Refused,
    /// No longer in the queue: the host had no port left.
    NoPort,
}
