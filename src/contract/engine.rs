//! The contract of what moves the bytes.

use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::contract::notifier::Notifier;
use crate::contract::observe::{CoreEvent, Intent, Ticket};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;

/// What a backend supplies: it makes hosts, dials, moves bytes, closes.
///
/// The core calls every method through a shared reference, from any thread, and several at once. It calls none of them
/// under a lock, so an engine may call back, through its [`Notifier`], from wherever it likes. The hidden `ticket` is the
/// exception: it is called under locks, and only counts.
///
/// What fails is told as a [`Cause`]: [`Cause::backend`] for failures of the engine's own, and the named ones where
/// they fit. The core adds which operation failed between which addresses, and replaces the cause by that of a closed
/// network, host or socket of its own side, which count for more.
///
/// # Links
///
/// A link is the engine's end of one connection. The core clones it so that a closing host can shut its connections
/// down, also one whose dial has only just answered; a clone may be used a moment after [`release`](Engine::release),
/// and must then do nothing. A method called for a link that is shut down or released answers [`Cause::SocketDown`].
///
/// Reads and writes of one link may come from several tasks at once, and both directions are independent. Where a
/// `poll_` method answers `Pending`, it wakes the task of `cx` when there may be something to do; if several tasks wait
/// for one direction, each is woken. Wakers are the code of others: an engine wakes and drops them under no lock of its
/// own.
///
/// # Examples
///
/// The example `custom_engine` has an engine of about a hundred lines, and the feature `testing` a suite to prove one.
pub trait Engine: Send + Sync {
    /// This end of a connection; cheap to clone. Clones are made under a lock: `clone` must not call back.
    type Link: Clone + Send + Sync;

    /// What the registry keeps for a host, for other subnetworks to reach it. The core only passes it on.
    type Data: Clone + fmt::Debug + Send;

    /// Whether the core draws tickets, reports its events, and asks before it goes on. If not, none of that costs
    /// anything.
    #[doc(hidden)]
    const OBSERVED: bool = false;

    /// Makes what a host named `host` needs, and announces it to `registry`.
    ///
    /// Called once per new host at most, unless an earlier call for that name failed or was dropped.
    ///
    /// # Errors
    ///
    /// The registry's error, or the engine's own. What had been made for the host is then given up.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up what had been made, as a failure does. A name that was announced may stay taken.
    fn new_host<R: Registry<Data = Self::Data>>(
        &self,
        host: &str,
        registry: &R,
    ) -> impl Future<Output = Result<(), Cause>> + Send;

    /// Connects `src`, a free port of an own host, to `dst`, whose host the registry knows with `data`.
    ///
    /// It is done when a listener at `dst` has accepted: the link is this end of the connection, and the address the
    /// one that the accepted connection has (its port need not be that of `dst`). `notifier` is that of the own
    /// subnetwork, for engines whose hosts are all in it.
    ///
    /// # Errors
    ///
    /// [`Cause::ConnectionRefused`] if nobody listens there, or any other. Nothing of the attempt is left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the attempt: a listener that has not accepted it never sees it, one that has sees
    /// the connection closed.
    fn dial<N: Notifier<Link = Self::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: Self::Data,
        notifier: &N,
    ) -> impl Future<Output = Result<(Self::Link, Addr), Cause>> + Send;

    /// Reads what is there into `buf`, which is not empty: at least one byte, or `Ok(0)` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Cause::SocketDown`] if this end is closed, [`Cause::ConnectionReset`] if the peer aborted.
    fn poll_read(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>>;

    /// A shorter way for what is simple and common, which only the engine of this crate has. The core need not check
    /// how many bytes such an engine says that it moved.
    #[doc(hidden)]
    #[inline]
    fn fast_io(&self) -> Option<&impl FastIo<Self::Link>> {
        None::<&NoFastIo>
    }

    /// As [`poll_read`](Engine::poll_read), and leaves the bytes where they are.
    ///
    /// # Errors
    ///
    /// Those of [`poll_read`](Engine::poll_read).
    fn poll_peek(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>>;

    /// Writes at least one byte of `buf`, which is not empty, and says how many.
    ///
    /// # Errors
    ///
    /// [`Cause::SocketDown`] if this end is closed, [`Cause::BrokenPipe`] if writing was shut down or the peer is
    /// closed, [`Cause::ConnectionReset`] if the peer aborted.
    fn poll_write(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>>;

    /// Whether a write is done only when the peer has read it. Then a pending write belongs to the task that polls it,
    /// and waits with one waker until it is done.
    fn is_rendezvous(&self) -> bool {
        false
    }

    /// Ready when a write would not have to wait, or would fail.
    fn poll_writable(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when what was written is on its way.
    ///
    /// # Errors
    ///
    /// Those of [`poll_write`](Engine::poll_write).
    fn poll_flush(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        let _ = (link, cx);
        Poll::Ready(Ok(()))
    }

    /// The task of `waker` no longer waits to read.
    fn cancel_read(&self, link: &Self::Link, waker: &Waker) {
        let _ = (link, waker);
    }

    /// The task of `waker` no longer waits to write.
    fn cancel_write(&self, link: &Self::Link, waker: &Waker) {
        let _ = (link, waker);
    }

    /// Withdraws what the peer has not taken of the pending write of the task of `waker`; says how much it has taken.
    /// There is some only where [a write is done when the peer has read it](Engine::is_rendezvous).
    fn withdraw_write(&self, link: &Self::Link, waker: &Waker) -> usize {
        let _ = (link, waker);
        0
    }

    /// How the connection is doing, for a [`Snapshot`](crate::snapshot::Snapshot). By default, nothing is known of it.
    ///
    /// It may be asked at any time, also from within a waker, and for a link that is released; it waits for nothing and
    /// changes nothing.
    fn status(&self, link: &Self::Link) -> LinkStatus {
        let _ = link;
        LinkStatus::default()
    }

    /// The number of the connection, the same at both ends where both are in this subnetwork; 0 if it has none, as by
    /// default. Numbers start at 1, and no two connections of the subnetwork have the same.
    fn number(&self, link: &Self::Link) -> u64 {
        let _ = link;
        0
    }

    /// Registers the task of `waker` as a read that finds nothing does, whether there are bytes or not: it is woken by
    /// the next bytes, and by whatever ends the connection. By default it is not.
    ///
    /// The core asks [`status`](Engine::status) after it, to wait for what no read and no write would wait for.
    fn watch(&self, link: &Self::Link, waker: &Waker) {
        let _ = (link, waker);
    }

    /// Shuts the connection down as `how` says; returns whether this reset it. Once it is closed, reset or aborted,
    /// nothing more has an effect.
    fn shutdown(&self, link: &Self::Link, how: Shutdown) -> bool;

    /// The last handle of this end is gone: called once per end, after its shutdown. What the end held is given back.
    fn release(&self, link: &Self::Link);

    /// The ticket of an event that [`observe`](Engine::observe) will be called with. Called under locks: it calls
    /// nothing.
    #[doc(hidden)]
    #[inline]
    fn ticket(&self) -> Ticket {
        Ticket::NONE
    }

    /// The core did `event`, to `link` if it is about one. Called under no lock.
    #[doc(hidden)]
    #[inline]
    fn observe(&self, ticket: Ticket, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        let _ = (ticket, event, link);
    }

    /// Ready when the core may do what it is about to do, to `link` if it is about one.
    #[doc(hidden)]
    #[inline]
    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, link: Option<&Self::Link>) -> Poll<()> {
        let _ = (cx, intent, link);
        Poll::Ready(())
    }

    /// The operation whose state is at the address `key` no longer waits in [`poll_pass`](Engine::poll_pass).
    #[doc(hidden)]
    #[inline]
    fn cancel_pass(&self, key: usize) {
        let _ = key;
    }

    /// The network is closed: called once, after all its hosts have been closed, unless an earlier call's future was
    /// dropped before it was done.
    ///
    /// # Errors
    ///
    /// What did not go well; it is reported by every close of the network.
    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// Reads and writes with little code, for what is simple and common; whatever is not, falls back to the `poll_` method.
///
/// All of it is inlined where it is called: in `net/conn_ref.rs` for all kinds of waiting, and in the adapters for
/// `std::io` and tokio. What falls back has done nothing.
#[doc(hidden)]
pub trait FastIo<L> {
    /// As [`Engine::poll_read`].
    #[inline]
    fn fast_read(&self, link: &L, waker: &Waker, buf: &mut [u8]) -> FastPath {
        let _ = (link, waker, buf);
        FastPath::Fallback
    }

    /// As [`Engine::poll_write`].
    #[inline]
    fn fast_write(&self, link: &L, waker: &Waker, buf: &[u8]) -> FastPath {
        let _ = (link, waker, buf);
        FastPath::Fallback
    }
}

/// That of an engine without one.
enum NoFastIo {}

impl<L> FastIo<L> for NoFastIo {}

/// What came of a fast read or write.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastPath {
    /// So many bytes were moved.
    Done(usize),
    /// The task waits.
    Pending,
    /// It is not that simple, and nothing was done.
    Fallback,
}

/// How a connection is doing, seen from one of its ends.
///
/// # Examples
///
/// An engine tells what it knows:
///
/// ```
/// use virtnet::LinkStatus;
///
/// let mut status = LinkStatus::default();
/// status.to_read = 3;
/// assert_eq!((status.to_read, status.readers, status.read_closed), (3, 0, false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct LinkStatus {
    /// Bytes that can be read.
    pub to_read: usize,
    /// Bytes that were written and that the peer has not read.
    pub to_write: usize,
    /// Tasks that wait to read.
    pub readers: u32,
    /// Tasks that wait to write.
    pub writers: u32,
    /// Whether nothing more comes than what can be read already.
    pub read_closed: bool,
    /// Whether a write would fail.
    pub write_closed: bool,
    /// Whether the peer reset the connection.
    pub reset: bool,
    /// Whether the peer is closed, and not only its stream ended.
    pub peer_gone: bool,
}

/// How to shut a connection down, seen from the end that does it. All tasks that wait and are affected are woken.
///
/// An engine treats a way that it does not know as [`Shutdown::Close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Shutdown {
    /// No more writing: the peer reads what is left, then the end of the stream. Reading goes on.
    Write,
    /// No more reading: own reads give the end of the stream, and what has arrived or arrives later is dropped. The
    /// peer's writes go on, and a write that waits for this end to read is done.
    Read,
    /// Neither: own operations fail with [`Cause::SocketDown`], the peer reads what is left and then the end of the
    /// stream, and its writes fail with [`Cause::BrokenPipe`].
    Close,
    /// As [`Shutdown::Close`], but the peer's reads give what has reached it and then fail with
    /// [`Cause::ConnectionReset`], and its writes fail with [`Cause::ConnectionReset`].
    Reset,
    /// [`Shutdown::Reset`] if bytes wait unread at this end, as TCP does (RFC 9293, section 3.6.1; RFC 1122, section
    /// 4.2.2.13), else [`Shutdown::Close`]. The engine decides in one step: bytes that arrive later change nothing. An
    /// engine that cannot tell closes, and so does one whose writes are done when the peer has read them.
    CloseOrReset,
    /// As [`Shutdown::Close`], but the peer's reads and writes fail with [`Cause::ConnectionReset`] and what was in
    /// flight is dropped.
    Abort,
}
