//! The contract of a backend's engine, which moves the bytes.

#[cfg(feature = "alloc")]
use alloc::sync::Weak;
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::contract::notifier::Notifier;
use crate::contract::observe::{CoreEvent, Gone, Intent, Ticket};
use crate::contract::registry::Registry;
pub use crate::contract::shutdown::Shutdown;
use crate::error::cause::Cause;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;

/// The engine of a backend: it creates hosts, dials, moves bytes and closes.
///
/// The core calls every method through a shared reference, from any thread, and several at once. It never calls one
/// while it holds a lock, so an engine may call back through its [`Notifier`] from within any method. The hidden `ticket` is
/// the exception: it is called under locks, and only counts.
///
/// Failures are reported as a [`Cause`]: a named one where it fits, or [`Cause::backend`] for a failure of the engine's
/// own. The core adds the operation and the addresses. If the local network, host or socket is closed, it reports that
/// cause instead.
///
/// # Links
///
/// A link is the engine's end of one connection. The core clones it, so that a closing host can shut down its
/// connections, including one whose dial has only just completed. A clone may be used shortly after
/// [`release`](Engine::release), and must then have no effect. A method called for a link that is shut down or released
/// returns [`Cause::SocketDown`].
///
/// Several tasks may read and write one link at once, and both directions are independent. If a `poll_` method returns
/// `Pending`, it wakes the task of `cx` when there may be progress; if several tasks wait for one direction, each is
/// woken. Wakers run code of the user, so an engine wakes and drops them while it holds none of its locks.
///
/// # Examples
///
/// The example `custom_engine` has an engine of about a hundred lines. The feature `testing` has a conformance suite.
pub trait Engine: Send + Sync {
    /// The engine's end of a connection. Cheap to clone. The core clones it under a lock, so `clone` must not call
    /// back.
    type Link: Clone + Send + Sync;

    /// The data that the registry stores for a host, with which other subnetworks reach it. The core only passes it on.
    type Data: Clone + fmt::Debug + Send;

    /// Whether the core draws tickets, reports its events, and asks before it goes on. If not, none of that costs
    /// anything.
    #[doc(hidden)]
    const OBSERVED: bool = false;

    /// Whether the core tells the engine of each [answer](Engine::answer). If not, that costs nothing.
    #[doc(hidden)]
    const HEARS_ANSWERS: bool = false;

    /// Starts the engine. `notifier` makes the [`Notifier`] of its subnetwork, and an engine that accepts connections in the
    /// background, from other subnetworks, keeps that, such as in an [`AnyNotifier`](crate::AnyNotifier). All others do
    /// nothing, as the default implementation does.
    ///
    /// The notifier takes links of this engine, also where layers are around it: each layer passes this call on, with a
    /// notifier that makes its own link of one that is handed over. So an engine must not reach for the subnetwork in
    /// another way. It does not keep the subnetwork alive.
    ///
    /// Called once at most, when the subnetwork is [shared](crate::SubNetwork::shared), before it has hosts.
    #[cfg(feature = "alloc")]
    fn start<N>(&self, notifier: impl FnOnce() -> N)
    where
        Self: Sized + 'static,
        N: Notifier<Link = Self::Link> + 'static,
    {
        let _ = notifier;
    }

    /// Creates the resources of a host named `host`, and announces it to `registry`.
    ///
    /// Called once per new host at most, unless an earlier call for that name failed or was dropped.
    ///
    /// # Errors
    ///
    /// The registry's error, or the engine's own. The resources that were created for the host are then released.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases these resources, as a failure does. A name that was announced may stay taken.
    fn new_host<R: Registry<Data = Self::Data>>(
        &self,
        host: &str,
        registry: &R,
    ) -> impl Future<Output = Result<(), Cause>> + Send;

    /// Connects `src`, a free port of a local host, to `dst`. `data` is the registry's data of that host.
    ///
    /// The dial completes when a listener at `dst` has accepted it. The returned link is this end of the connection,
    /// and the returned address is that of the accepted connection, whose port may differ from that of `dst`.
    /// `notifier` is that of the local subnetwork, for engines whose hosts are all in it.
    ///
    /// # Errors
    ///
    /// [`Cause::ConnectionRefused`] if there is no listener, or any other cause. A failed dial leaves no trace.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the dial: a listener that has not accepted it never sees it, and one that has sees
    /// the connection closed.
    fn dial<N: Notifier<Link = Self::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: Self::Data,
        notifier: &N,
    ) -> impl Future<Output = Result<(Self::Link, Addr), Cause>> + Send;

    /// Reads available bytes into `buf`, which is not empty: at least one byte, or `Ok(0)` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Cause::SocketDown`] if this end is closed, [`Cause::ConnectionReset`] if the peer aborted.
    fn poll_read(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>>;

    /// The fast path for simple and common cases, which only the engine of this crate has. The core does not check the
    /// number of bytes that such an engine reports.
    #[doc(hidden)]
    #[inline]
    fn fast_io(&self) -> Option<&impl FastIo<Self::Link>> {
        None::<&NoFastIo>
    }

    /// Connections whose bytes and ends may reach the peer later than they were sent. An engine without it has no such
    /// connections.
    #[doc(hidden)]
    #[inline]
    fn delay_io(&self) -> Option<&impl DelayIo<Self::Link>> {
        None::<&NoDelayIo>
    }

    /// Like [`poll_read`](Engine::poll_read), but leaves the bytes in the connection.
    ///
    /// # Errors
    ///
    /// Those of [`poll_read`](Engine::poll_read).
    fn poll_peek(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>>;

    /// Writes at least one byte of `buf`, which is not empty, and returns how many were written.
    ///
    /// # Errors
    ///
    /// [`Cause::SocketDown`] if this end is closed, [`Cause::BrokenPipe`] if writing was shut down or the peer is
    /// closed, [`Cause::ConnectionReset`] if the peer aborted.
    fn poll_write(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>>;

    /// Whether a write completes only when the peer has read it. A pending write then belongs to the task that polls
    /// it, and waits with one waker until it completes.
    fn is_rendezvous(&self) -> bool {
        false
    }

    /// Ready when a write would not wait, or would fail.
    fn poll_writable(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when all written bytes are on their way.
    ///
    /// # Errors
    ///
    /// Those of [`poll_write`](Engine::poll_write).
    fn poll_flush(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        let _ = (link, cx);
        Poll::Ready(Ok(()))
    }

    /// Unregisters the task of `waker`, which no longer waits to read.
    fn cancel_read(&self, link: &Self::Link, waker: &Waker) {
        let _ = (link, waker);
    }

    /// Unregisters the task of `waker`, which no longer waits to write.
    fn cancel_write(&self, link: &Self::Link, waker: &Waker) {
        let _ = (link, waker);
    }

    /// Withdraws the bytes of the pending write of `waker`'s task that the peer has not taken. Returns how many it has
    /// taken. Only in [rendezvous](Engine::is_rendezvous) does a write have such bytes; otherwise this returns 0.
    fn withdraw_write(&self, link: &Self::Link, waker: &Waker) -> usize {
        let _ = (link, waker);
        0
    }

    /// The state of the connection, for a [`Snapshot`](crate::snapshot::Snapshot). The default implementation reports
    /// nothing.
    ///
    /// It may be called at any time, even from within a waker, and for a released link. It never waits and has no
    /// effect.
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

    /// Registers the task of `waker` as a read without available bytes does, but whether or not there are bytes. The
    /// task is woken by the next bytes, and by any end of the connection. The default implementation registers nothing.
    ///
    /// The core calls [`status`](Engine::status) afterwards, to wait for events that no read or write waits for.
    fn watch(&self, link: &Self::Link, waker: &Waker) {
        let _ = (link, waker);
    }

    /// The task of `cx` waits at a listener. An engine that accepts connections in the background may let the task do that
    /// meanwhile, and wake it for it.
    #[doc(hidden)]
    #[inline]
    fn attend(&self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// A listener has `accepted` the connection of which `link` is the far end, or has refused it. Called under no lock,
    /// before the task of the dial is woken.
    #[doc(hidden)]
    #[inline]
    fn answer(&self, link: &Self::Link, accepted: bool) {
        let _ = (link, accepted);
    }

    /// Shuts the connection down in the way `how`. Returns whether this reset it. Once the connection is closed, reset
    /// or aborted, further calls have no effect.
    fn shutdown(&self, link: &Self::Link, how: Shutdown) -> bool;

    /// Releases the resources of this end. Called once per end, after its shutdown, when its last handle is gone.
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

    /// What prints the network as it is. Called once, when the network is made, if its engine observes and it grows.
    #[cfg(feature = "alloc")]
    #[doc(hidden)]
    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        let _ = (name, picture);
    }

    /// The clock on which the network's timeouts are measured, in threads that take part in no clock themselves. Without
    /// one, these are measured in real time.
    #[cfg(feature = "sim")]
    #[doc(hidden)]
    #[inline]
    fn clock(&self) -> Option<&Clock> {
        None
    }

    /// The machine of a local host loses its power, or has it `on` again; as often on as off. Returns whether the engine
    /// knows how to be silent for it, so that the ends of its connections are asked to [vanish](Shutdown::Vanish).
    #[doc(hidden)]
    #[inline]
    fn power(&self, host: &str, on: bool) -> bool {
        let _ = (host, on);
        false
    }

    /// Whether the core has to ask in [`poll_pass`](Engine::poll_pass) at the moment.
    #[doc(hidden)]
    #[inline]
    fn holds(&self) -> bool {
        false
    }

    /// Ready when the core may do what it is about to do, to `link` if it is about one.
    #[doc(hidden)]
    #[inline]
    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, link: Option<&Self::Link>) -> Poll<()> {
        let _ = (cx, intent, link);
        Poll::Ready(())
    }

    /// The operation no longer waits in [`poll_pass`](Engine::poll_pass), or has done what it was let to do.
    #[doc(hidden)]
    #[inline]
    fn cancel_pass(&self, gone: &Gone<'_>, link: Option<&Self::Link>) {
        let _ = (gone, link);
    }

    /// Returns when the core may do `event`, which cannot wait: to listen, to close a listener, or to shut `link` down.
    /// Called under no lock.
    #[doc(hidden)]
    #[inline]
    fn hold_thread(&self, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        let _ = (event, link);
    }

    /// Closes the engine with its network. Called once, after all hosts have been closed. It is called again only if
    /// the earlier call's future was dropped before it completed.
    ///
    /// # Errors
    ///
    /// Any failure to close. Every close of the network reports it.
    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// Reads and writes in simple and common cases, with little code. All other cases fall back to the `poll_` method.
///
/// Calls are inlined: in `net/conn_ref.rs` for all kinds of waiting, and in the adapters for `std::io` and tokio. A
/// call that falls back has had no effect.
#[doc(hidden)]
pub trait FastIo<L> {
    /// Whether any case is simple.
    #[inline]
    fn works(&self) -> bool {
        false
    }

    /// Like [`Engine::poll_read`].
    #[inline]
    fn fast_read(&self, link: &L, waker: &Waker, buf: &mut [u8]) -> FastPath {
        let _ = (link, waker, buf);
        FastPath::Fallback
    }

    /// Like [`Engine::poll_write`].
    #[inline]
    fn fast_write(&self, link: &L, waker: &Waker, buf: &[u8]) -> FastPath {
        let _ = (link, waker, buf);
        FastPath::Fallback
    }
}

/// The fast path of an engine that has none.
enum NoFastIo {}

impl<L> FastIo<L> for NoFastIo {}

/// The outcome of a fast read or write.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastPath {
    /// This many bytes were moved.
    Done(usize),
    /// The task is registered and waits.
    Pending,
    /// The case is not a simple one. Nothing was done.
    Fallback,
}

/// Connections whose bytes and ends reach the peer later than they were sent. A layer decides when.
///
/// Invariant: the peer reads no byte that waits, and finds no end of the stream before all bytes were shown. The engine
/// decides under its own lock whether a byte waits, so no read can race with the layer.
#[doc(hidden)]
pub trait DelayIo<L> {
    /// The other end of the connection.
    fn peer(&self, link: &L) -> L;

    /// Sets whether bytes that are written at this end wait until they are [shown](DelayIo::show). They continue to
    /// wait as long as bytes do. Returns whether they wait.
    fn hold(&self, link: &L, on: bool) -> bool;

    /// Like [`Engine::poll_write`], of an engine that is no rendezvous. Returns also whether the bytes wait.
    fn poll_write_held(&self, link: &L, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<(usize, bool), Cause>>;

    /// Shows the peer the first `count` of the bytes that this end has written and that wait.
    fn show(&self, link: &L, count: usize);

    /// How many bytes that this end has written wait.
    fn hidden(&self, link: &L) -> usize;

    /// Drops the bytes that this end has written and that wait. The end has [left](DelayIo::leave) before.
    fn drop_hidden(&self, link: &L);

    /// Does at this end as [`Engine::shutdown`] does, but the peer is told nothing before that is called as well.
    /// Returns how: for [`Shutdown::CloseOrReset`], which of the two.
    fn leave(&self, link: &L, how: Shutdown) -> Shutdown;

    /// Resets the connection for both ends, and drops the bytes in flight. Ends that are closed stay so.
    fn break_off(&self, link: &L);
}

/// The delays of an engine that has none.
enum NoDelayIo {}

impl<L> DelayIo<L> for NoDelayIo {
    fn peer(&self, _: &L) -> L {
        match *self {}
    }

    fn hold(&self, _: &L, _: bool) -> bool {
        match *self {}
    }

    fn poll_write_held(&self, _: &L, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<(usize, bool), Cause>> {
        match *self {}
    }

    fn show(&self, _: &L, _: usize) {
        match *self {}
    }

    fn hidden(&self, _: &L) -> usize {
        match *self {}
    }

    fn drop_hidden(&self, _: &L) {
        match *self {}
    }

    fn leave(&self, _: &L, _: Shutdown) -> Shutdown {
        match *self {}
    }

    fn break_off(&self, _: &L) {
        match *self {}
    }
}

/// The state of a connection, seen from one of its ends.
///
/// # Examples
///
/// An engine reports the values that it knows:
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
    /// The number of bytes that can be read.
    pub to_read: usize,
    /// The number of bytes that were written and that the peer has not read.
    pub to_write: usize,
    /// The number of tasks that wait to read.
    pub readers: u32,
    /// The number of tasks that wait to write.
    pub writers: u32,
    /// Whether no more bytes will arrive than those that can be read already.
    pub read_closed: bool,
    /// Whether a write would fail.
    pub write_closed: bool,
    /// Whether the peer reset the connection.
    pub reset: bool,
    /// Whether the peer is closed, and not only its stream ended.
    pub peer_gone: bool,
    /// What faults do to the bytes that this end sends, if they do anything.
    #[cfg(feature = "sim")]
    pub delay: Option<DelayStatus>,
}

/// What faults do to the bytes that one end sends. Prints like `5 in flight, cut, held, 50ms`, with what there is.
#[cfg(feature = "sim")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DelayStatus {
    /// How many bytes are on their way.
    pub in_flight: usize,
    /// Whether the direction is cut.
    pub cut: bool,
    /// Whether the direction is held.
    pub held: bool,
    /// The least latency, in nanoseconds.
    pub latency: u64,
}

#[cfg(feature = "sim")]
impl fmt::Display for DelayStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in flight", self.in_flight)?;
        f.write_str(if self.cut { ", cut" } else { "" })?;
        f.write_str(if self.held { ", held" } else { "" })?;
        match self.latency {
            0 => Ok(()),
            nanos => write!(f, ", {:?}", core::time::Duration::from_nanos(nanos)),
        }
    }
}
