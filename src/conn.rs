//! Connections.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::block::{Patience, Patiences, block_on};
use crate::cause::Cause;
use crate::engine::{Engine, Quick, Shutdown};
use crate::error::{Error, Operation};
use crate::handle::{Handle, LinkOf};
use crate::place::Place;
use crate::table::{Ports, State};
use crate::wait::{Expire, Op, Waiting};
use crate::waker::idle;

/// A connection: a stream of bytes in each direction. Dropping it closes it.
///
/// Read and written through the traits of [`std::io`] and `embedded-io`, which [`Conn`] and `&Conn` implement, or
/// through the `try_` and `poll_` methods. Both directions are independent: one task may read while another writes.
///
/// # Reading and writing
///
/// Reading gives what is there, at least one byte, or waits for it; `Ok(0)` is the end of the stream. Writing takes at
/// least one byte, or waits until there is room; it never gives `Ok(0)` for a buffer that is not empty. With an empty
/// buffer both return at once: `Ok(0)`, or why the connection is down if it is.
///
/// In a *rendezvous* network a write is done when the peer has read it.
///
/// # Errors
///
/// | closed | reading | writing |
/// |---|---|---|
/// | the network | network is down | network is down |
/// | the own host | host is down | host is down |
/// | this connection | socket is down | socket is down |
/// | writing, by [`close_write`](Conn::close_write) | goes on | broken pipe |
/// | the peer, its host, or its writing | what is left, then `Ok(0)` | broken pipe (not if it only shut down writing) |
/// | the peer, by [`abort`](Conn::abort) | connection reset | connection reset |
///
/// Errors name both ends, in the direction of the bytes: `write pipet a:1->b:1: broken pipe`,
/// `read pipet b:1->a:1: connection reset`.
///
/// # Cancel safety
///
/// A read that is given up has taken no byte. A write that is given up has written none, except in a rendezvous network,
/// where the peer may have it.
pub struct Conn<N: Handle> {
    pub(crate) end: End<N>,
    /// How long blocking reads and writes may take.
    pub(crate) patience: Patiences,
}

impl<N: Handle> Conn<N> {
    pub(crate) fn new(place: Place<N>, link: LinkOf<N>) -> Self {
        Self { end: End { place, link }, patience: Patiences::default() }
    }

    /// The address of this end.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.end.place.local_addr()
    }

    /// The address of the other end.
    #[must_use]
    pub fn peer_addr(&self) -> Addr {
        self.end.place.peer_addr()
    }

    /// Whether a write is done only when the peer has read it.
    #[cfg(feature = "tokio")]
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

    /// Polls to write `buf`. In a rendezvous network, a task has one write at a time: it polls on with the same bytes
    /// until it is done, and other bytes withdraw it. A task is known by its waker: with another one, it is another write,
    /// and the peer may read the bytes twice.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    #[inline(always)]
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.end.poll_write(cx, buf)
    }

    /// Polls until what was written is on its way. An in-process connection always is.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.end.poll_flush(cx)
    }

    /// Polls to read into `buf` without taking the bytes: the next read gives them again, unless in a rendezvous network
    /// they were withdrawn by their writer.
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

    /// Reads what is there.
    ///
    /// # Errors
    ///
    /// `would block` if nothing is there; see [`Conn`].
    pub fn try_read(&self, buf: &mut [u8]) -> Result<usize, Error> {
        self.end.at_once(Operation::Read, |cx| self.end.poll_read(cx, buf))
    }

    /// Writes what there is room for. In a rendezvous network it offers the bytes, and gives their count when it is
    /// called with the same bytes again after the peer has read them.
    ///
    /// # Errors
    ///
    /// `would block` if there is no room; see [`Conn`].
    pub fn try_write(&self, buf: &[u8]) -> Result<usize, Error> {
        self.end.at_once(Operation::Write, |cx| self.end.poll_write(cx, buf))
    }

    /// Reads into `buf` without taking the bytes: the next read gives them again. Waits for the first byte.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses nothing.
    pub fn peek(&self, buf: &mut [u8]) -> Op<impl Expire<Output = Result<usize, Error>>> {
        self.end.reading(move |cx| self.end.poll_peek(cx, buf))
    }

    /// Waits until a read would not have to: there are bytes, the stream has ended, or it would fail.
    ///
    /// # Errors
    ///
    /// None but `timed out`, of [`Op::wait_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses nothing.
    pub fn readable(&self) -> Op<impl Expire<Output = Result<(), Error>>> {
        self.end.reading(|cx| self.end.poll_read_ready(cx).map(Ok))
    }

    /// Waits until a write would not have to: there is room, or it would fail. In a rendezvous network, until no write
    /// is under way.
    ///
    /// # Errors
    ///
    /// None but `timed out`, of [`Op::wait_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses nothing.
    pub fn writable(&self) -> Op<impl Expire<Output = Result<(), Error>>> {
        let expired = || Err(self.end.error(Operation::Write, Cause::TimedOut));
        let leave = |waker: &Waker| self.end.net().engine.cancel_write(&self.end.link, waker);
        Op::new(Waiting::new(poll_fn(|cx| self.end.poll_write_ready(cx).map(Ok)), expired, leave))
    }

    /// Ends the own stream: the peer reads what is left and then the end. Reading goes on, writing fails with `broken
    /// pipe`.
    ///
    /// # Errors
    ///
    /// What is down, if this end is: like `shutdown pipet a:1->b:1: socket is down`.
    pub fn close_write(&self) -> Result<(), Error> {
        self.end.close_write()
    }

    /// Closes the connection: its port is free, who waits on it is woken and fails, and the peer reads what is left and
    /// then the end of the stream. Closing it again does nothing. Dropping it does the same.
    pub fn close(&self) {
        self.end.close(Shutdown::Close);
    }

    /// Closes the connection so that the peer's reads and writes fail with `connection reset`; what was in flight is
    /// lost, as with a TCP reset. Does nothing once it is closed.
    pub fn abort(&self) {
        self.end.close(Shutdown::Abort);
    }
}

impl<N: Handle> AsRef<Conn<N>> for Conn<N> {
    fn as_ref(&self) -> &Conn<N> {
        self
    }
}

impl<N: Handle> fmt::Debug for Conn<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conn({:?})", self.end)
    }
}

/// One end of a connection, held by the connection or by each of its halves. The last one dropped closes it.
pub(crate) struct End<N: Handle> {
    link: LinkOf<N>,
    pub(crate) place: Place<N>,
}

impl<N: Handle> End<N> {
    fn net(&self) -> &N {
        &self.place.net
    }

    pub(crate) fn local_addr(&self) -> Addr {
        self.place.local_addr()
    }

    pub(crate) fn peer_addr(&self) -> Addr {
        self.place.peer_addr()
    }

    /// Whether both are of the same connection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        core::ptr::eq(&**self.net(), &**other.net())
            && self.place.host == other.place.host
            && self.place.slot() == other.place.slot()
    }

    /// Reads, if that is simple.
    #[inline]
    pub(crate) fn quick_read(&self, waker: &Waker, buf: &mut [u8]) -> Quick {
        match buf.is_empty() {
            true => Quick::Slow,
            false => self.net().engine.quick_read(&self.link, waker, buf),
        }
    }

    /// Writes, if that is simple.
    #[inline]
    pub(crate) fn quick_write(&self, waker: &Waker, buf: &[u8]) -> Quick {
        match buf.is_empty() {
            true => Quick::Slow,
            false => self.net().engine.quick_write(&self.link, waker, buf),
        }
    }

    #[inline(always)]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match self.quick_read(cx.waker(), buf) {
            Quick::Moved(count) => Poll::Ready(Ok(count)),
            Quick::Waits => Poll::Pending,
            Quick::Slow => self.slow_read(cx, buf),
        }
    }

    /// Reads in all cases.
    #[inline(never)]
    pub(crate) fn slow_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match buf.is_empty() {
            true => Poll::Ready(self.check_up(Operation::Read).map(|()| 0)),
            false => self.read_outcome(self.net().engine.poll_read(&self.link, cx, buf), buf.len()),
        }
    }

    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match buf.is_empty() {
            true => Poll::Ready(self.check_up(Operation::Read).map(|()| 0)),
            false => self.read_outcome(self.net().engine.poll_peek(&self.link, cx, buf), buf.len()),
        }
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.net().engine.poll_peek(&self.link, cx, &mut [0]).map(|_| ())
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.net().engine.poll_writable(&self.link, cx)
    }

    /// An operation that waits for bytes.
    fn reading<T>(
        &self,
        poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Op<impl Expire<Output = Result<T, Error>>> {
        let expired = || Err(self.error(Operation::Read, Cause::TimedOut));
        let leave = |waker: &Waker| self.net().engine.cancel_read(&self.link, waker);
        Op::new(Waiting::new(poll_fn(poll), expired, leave))
    }

    /// The end of the stream is one only while the own side is up.
    #[inline]
    fn read_outcome(&self, outcome: Poll<Result<usize, Cause>>, len: usize) -> Poll<Result<usize, Error>> {
        match outcome {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => Poll::Ready(self.check_up(Operation::Read).map(|()| 0)),
            Poll::Ready(Ok(count)) => Poll::Ready(self.moved(Operation::Read, count, len)),
            Poll::Ready(Err(cause)) => Poll::Ready(Err(self.error(Operation::Read, cause))),
        }
    }

    #[inline(always)]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        match self.quick_write(cx.waker(), buf) {
            Quick::Moved(count) => Poll::Ready(Ok(count)),
            Quick::Waits => Poll::Pending,
            Quick::Slow => self.slow_write(cx, buf),
        }
    }

    /// Writes in all cases.
    #[inline(never)]
    pub(crate) fn slow_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(self.check_up(Operation::Write).map(|()| 0));
        }
        match self.net().engine.poll_write(&self.link, cx, buf) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(count)) => Poll::Ready(self.moved(Operation::Write, count, buf.len())),
            Poll::Ready(Err(cause)) => Poll::Ready(Err(self.error(Operation::Write, cause))),
        }
    }

    /// How many of `len` bytes the engine says that it moved, if that can be.
    #[inline]
    fn moved(&self, operation: Operation, count: usize, len: usize) -> Result<usize, Error> {
        match N::Engine::EXACT || 0 < count && count <= len {
            true => Ok(count),
            false => Err(self.miscounted(operation)),
        }
    }

    #[cold]
    #[inline(never)]
    fn miscounted(&self, operation: Operation) -> Error {
        self.error(operation, Cause::Backend("engine miscounts the bytes that it moves".into()))
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let outcome = self.net().engine.poll_flush(&self.link, cx);
        outcome.map_err(|cause| self.error(Operation::Write, cause))
    }

    /// One poll, of which nothing is left if it would have to wait.
    fn at_once<T>(
        &self,
        operation: Operation,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        match poll(&mut Context::from_waker(idle())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(self.error(operation, Cause::WouldBlock)),
        }
    }

    /// Waits to read, at most as long as `patience` says.
    pub(crate) fn wait_read<T>(
        &self,
        patience: Patience<'_>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        block_on(poll, true, patience, self.net().options.relax, |waker| {
            self.net().engine.cancel_read(&self.link, waker);
            Err(self.error(Operation::Read, Cause::TimedOut))
        })
    }

    /// Waits to write, at most as long as `patience` says.
    pub(crate) fn wait_write(&self, patience: Patience<'_>, buf: &[u8]) -> Result<usize, Error> {
        let (engine, relax) = (&self.net().engine, self.net().options.relax);
        block_on(
            |cx| self.poll_write(cx, buf),
            !engine.is_rendezvous(),
            patience,
            relax,
            |waker| {
                engine.cancel_write(&self.link, waker);
                match engine.withdraw_write(&self.link, waker) {
                    0 => Err(self.error(Operation::Write, Cause::TimedOut)),
                    count => self.moved(Operation::Write, count, buf.len()),
                }
            },
        )
    }

    /// Waits until what was written is on its way, at most as long as `patience` says.
    pub(crate) fn wait_flush(&self, patience: Patience<'_>) -> Result<(), Error> {
        block_on(
            |cx| self.poll_flush(cx),
            true,
            patience,
            self.net().options.relax,
            |waker| {
                self.net().engine.cancel_write(&self.link, waker);
                Err(self.error(Operation::Write, Cause::TimedOut))
            },
        )
    }

    fn close_write(&self) -> Result<(), Error> {
        self.check_up(Operation::Shutdown)?;
        self.net().engine.shutdown(&self.link, Shutdown::Write);
        Ok(())
    }

    fn close(&self, how: Shutdown) {
        let before = self.place.ports(|ports| {
            let slot = self.place.slot();
            ports.unbind(slot);
            ports.socket(slot).map(|socket| core::mem::replace(&mut socket.state, State::Closed))
        });
        if let Some(State::Connected(_)) = before {
            self.net().engine.shutdown(&self.link, how);
        }
    }

    /// Why this end is down, if it is.
    #[cold]
    fn check_up(&self, operation: Operation) -> Result<(), Error> {
        let connected = self.place.socket(|socket| matches!(socket.state, State::Connected(_))).unwrap_or_default();
        match self.place.outermost(Cause::SocketDown) {
            Cause::SocketDown if connected => Ok(()),
            cause => Err(self.error(operation, cause)),
        }
    }

    #[cold]
    pub(crate) fn error(&self, operation: Operation, cause: Cause) -> Error {
        let (local, peer) = (Some(self.local_addr()), Some(self.peer_addr()));
        let (source, addr) = if operation == Operation::Read { (peer, local) } else { (local, peer) };
        Error::new(operation, self.net().name(), source, addr, self.place.outermost(cause))
    }
}

/// No part of it is ever pinned.
impl<N: Handle> Unpin for End<N> {}

/// Another handle of the same end.
impl<N: Handle> Clone for End<N> {
    fn clone(&self) -> Self {
        self.place.socket(|socket| socket.handles += 1);
        Self { place: self.place.clone(), link: self.link.clone() }
    }
}

impl<N: Handle> Drop for End<N> {
    fn drop(&mut self) {
        let slot = self.place.slot();
        let last = self.place.ports(|ports| {
            let socket = ports.socket(slot)?;
            socket.handles -= 1;
            if socket.handles > 0 {
                return None;
            }
            if !socket.awaited {
                return Some(ports.remove(slot));
            }
            ports.unbind(slot);
            Some(ports.socket(slot).map(|socket| core::mem::replace(&mut socket.state, State::Closed)))
        });
        let Some(state) = last else { return };
        if let Some(State::Connected(link)) = state {
            drop(link);
            self.net().engine.shutdown(&self.link, Shutdown::Close);
        }
        self.net().engine.release(&self.link);
    }
}

impl<N: Handle> fmt::Debug for End<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}->{}", self.net().name(), self.local_addr(), self.peer_addr())
    }
}
