//! Connections.

use core::fmt;
use core::future::poll_fn;
use core::num::NonZero;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::contract::engine::{Engine, Shutdown};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::net::conn_ref::ConnRef;
use crate::net::net_ref::{LinkOf, NetRef};
use crate::net::socket_ref::SocketRef;
use crate::wait::block::{IoTimeout, SpinHistories};
use crate::wait::{OnTimeout, Op, Registered};

/// A connection: a stream of bytes in each direction. Mostly used as [`pipenet::Conn`](crate::pipenet::Conn). Dropping
/// it closes it.
///
/// [`Conn`] and `&Conn` implement the traits of [`std::io`] and `embedded-io`; there are also `try_` and `poll_`
/// methods. The two directions are independent: one task may read while another writes.
///
/// # Reading and writing
///
/// A read returns the bytes that have arrived, at least one, or waits for the first; `Ok(0)` is the end of the stream.
/// A write takes at least one byte, or waits until there is room; it never returns `Ok(0)` for a buffer that is not
/// empty. With an empty buffer both return at once: `Ok(0)`, or an error if the connection is down.
///
/// In a *rendezvous* network a write completes when the peer has read it.
///
/// # Errors
///
/// | closed | reading | writing |
/// |---|---|---|
/// | the network | network is down | network is down |
/// | the local host | host is down | host is down |
/// | this connection | socket is down | socket is down |
/// | writing, by [`close_write`](Conn::close_write) | continues | broken pipe |
/// | reading, by [`close_read`](Conn::close_read) | `Ok(0)` | continues |
/// | the peer, its host, or its writing | bytes left, then `Ok(0)` | broken pipe (not if it only shut down writing) |
/// | the peer or its host, with bytes unread there | bytes left, then connection reset | connection reset |
/// | the peer, by [`abort`](Conn::abort) | connection reset | connection reset |
///
/// Closing an end that has unread bytes resets the connection, as TCP does (RFC 9293, section 3.6.1): the reset tells
/// the peer that not all bytes were read. A network made with `reset_unread(false)` does not reset, nor does a
/// *rendezvous* network.
///
/// Errors name both ends, in the direction of the bytes: `write pipet a:1->b:1: broken pipe`,
/// `read pipet b:1->a:1: connection reset`.
///
/// # Cancel safety
///
/// A cancelled read has taken no byte. A cancelled write has written no byte, except in a rendezvous network, where the
/// peer may have read it.
pub struct Conn<N: NetRef> {
    pub(crate) end: ConnRef<N>,
    /// Whether spinning pays off for blocking reads and writes.
    pub(crate) scores: SpinHistories,
}

impl<N: NetRef> Conn<N> {
    pub(crate) fn new(place: SocketRef<N>, link: LinkOf<N>) -> Self {
        Self::of(ConnRef { place, link })
    }

    pub(crate) fn of(end: ConnRef<N>) -> Self {
        Self { end, scores: SpinHistories::default() }
    }

    /// The timeout of blocking writes if `writes`, else of blocking reads.
    pub(crate) fn timeout(&self, writes: bool) -> IoTimeout<'_> {
        let net = self.end.net();
        IoTimeout::new(&net.timeouts, self.end.timeout(writes), &self.scores, net.options.relax, net.clock())
    }

    /// The address of this end.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.end.place.local_addr()
    }

    /// The address of the other end. A later connection may have the same, as soon as the peer is closed: to key a map by
    /// connections, use [`number`](Conn::number).
    #[must_use]
    pub fn peer_addr(&self) -> Addr {
        self.end.place.peer_addr()
    }

    /// The number of the connection: it tells connections of one address apart, as an address is given again as soon as
    /// it is free. Numbers start at 1 and are unique in the subnetwork. Both ends have the same number if both are in it.
    ///
    /// None in a fixed-size network, or if the backend has no numbers. A growable in-process network gives a number to
    /// each dial that reaches a host, also to one that is refused, and starts again after 4,294,967,295 of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let (a, b) = (net.host("a")?, net.host("b")?);
    /// let listener = a.listen(":1")?;
    /// for number in 1..=2 {
    ///     let mut dial = pin!(b.dial("a:1"));
    ///     assert!(dial.as_mut().try_wait().is_none());
    ///     let accepted = listener.try_accept()?;
    ///     let dialled = dial.try_wait().expect("it is accepted")?;
    ///     assert_eq!(dialled.local_addr().to_string(), "b:1");
    ///     assert_eq!([&dialled, &accepted].map(|end| end.number().map_or(0, |number| number.get())), [number; 2]);
    /// }
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[must_use]
    pub fn number(&self) -> Option<NonZero<u64>> {
        NonZero::new(self.end.net().engine.number(&self.end.link))
    }

    /// Whether a write completes only when the peer has read it.
    #[cfg(feature = "std")]
    pub(crate) fn is_rendezvous(&self) -> bool {
        self.end.net().engine.is_rendezvous()
    }

    /// Polls to read into `buf`.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    #[inline(always)]
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.end.poll_read(cx, buf)
    }

    /// Polls to write `buf`.
    ///
    /// In a rendezvous network, a task has one write at a time. It polls again with the same bytes until the write
    /// completes; polling with other bytes withdraws it. The waker identifies the task: a poll with another waker is
    /// another write, and the peer may read the bytes twice. In a fixed-size network, a waker at the address of a
    /// dropped one identifies the same task.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    #[inline(always)]
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.end.poll_write(cx, buf)
    }

    /// Polls until all written bytes are on their way. On an in-process connection they always are.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.end.poll_flush(cx)
    }

    /// Polls to read into `buf` without taking the bytes: the next read returns them again, unless in a rendezvous
    /// network their writer has withdrawn them.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.end.poll_peek(cx, buf)
    }

    /// Polls until a read would not have to wait: there are bytes, the stream has ended, or it would fail.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.end.poll_read_ready(cx)
    }

    /// Polls until a write would not have to wait: there is room, or it would fail. In a rendezvous network, until no
    /// write is under way.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.end.poll_write_ready(cx)
    }

    /// Reads the bytes that have arrived.
    ///
    /// # Errors
    ///
    /// `would block` if no byte has arrived; see [`Conn`].
    pub fn try_read(&self, buf: &mut [u8]) -> Result<usize, Error> {
        self.end.at_once(Operation::Read, |cx| self.end.poll_read(cx, buf))
    }

    /// Writes as many bytes as there is room for. In a rendezvous network it offers the bytes; calling it again with
    /// the same bytes, after the peer has read them, returns their count.
    ///
    /// # Errors
    ///
    /// `would block` if there is no room; see [`Conn`].
    pub fn try_write(&self, buf: &[u8]) -> Result<usize, Error> {
        self.end.at_once(Operation::Write, |cx| self.end.poll_write(cx, buf))
    }

    /// Reads into `buf` without taking the bytes: the next read returns them again. Waits for the first byte.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses nothing.
    pub fn peek(&self, buf: &mut [u8]) -> Op<impl OnTimeout<Output = Result<usize, Error>>> {
        self.end.reading(move |cx| self.end.poll_peek(cx, buf))
    }

    /// Waits until a read would not have to wait: there are bytes, the stream has ended, or it would fail.
    ///
    /// # Errors
    ///
    /// None but `timed out`, of [`Op::wait_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses nothing.
    pub fn readable(&self) -> Op<impl OnTimeout<Output = Result<(), Error>>> {
        self.end.reading(|cx| self.end.poll_read_ready(cx).map(Ok))
    }

    /// Waits until a write would not have to wait: there is room, or it would fail. In a rendezvous network, until no
    /// write is under way.
    ///
    /// # Errors
    ///
    /// None but `timed out`, of [`Op::wait_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses nothing.
    pub fn writable(&self) -> Op<impl OnTimeout<Output = Result<(), Error>>> {
        let expired = || Err(self.end.error(Operation::Write, Cause::TimedOut));
        let unregister = |waker: &Waker| self.end.net().engine.cancel_write(&self.end.link, waker);
        let ready = poll_fn(|cx| self.end.poll_write_ready(cx).map(Ok));
        Op::new(Registered::new(ready, expired, unregister)).on(self.end.net().clock())
    }

    /// Ends the stream to the peer, which reads the remaining bytes and then the end. Reading continues, writing fails
    /// with `broken pipe`.
    ///
    /// # Errors
    ///
    /// If this end is down, the reason, like `shutdown pipet a:1->b:1: socket is down`.
    #[doc(alias = "shutdown")]
    pub fn close_write(&self) -> Result<(), Error> {
        self.end.shut(Shutdown::Write)
    }

    /// Stops reading: reads return `Ok(0)`, including pending ones. Unread bytes and those that the peer still sends
    /// are dropped, and the peer's writes continue. Together with [`close_write`](Conn::close_write) this is
    /// `Shutdown::Both` of std; [`close`](Conn::close) also frees the port.
    ///
    /// # Errors
    ///
    /// If this end is down, the reason, like `shutdown pipet a:1->b:1: socket is down`.
    pub fn close_read(&self) -> Result<(), Error> {
        self.end.shut(Shutdown::Read)
    }

    /// Closes the connection and frees its port. Pending operations on it are woken and fail. The peer reads the
    /// remaining bytes and then the end of the stream, or `connection reset` if there were unread bytes here. Closing
    /// it again does nothing. Dropping it does the same.
    pub fn close(&self) {
        self.end.close(Shutdown::CloseOrReset);
    }

    /// Closes the connection so that the peer's reads and writes fail with `connection reset`. Bytes in flight are
    /// lost, as with a TCP reset. Does nothing once the connection is closed.
    #[doc(alias = "reset")]
    pub fn abort(&self) {
        self.end.close(Shutdown::Abort);
    }
}

impl<N: NetRef> AsRef<Conn<N>> for Conn<N> {
    fn as_ref(&self) -> &Conn<N> {
        self
    }
}

impl<N: NetRef> fmt::Debug for Conn<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conn({:?})", self.end)
    }
}
