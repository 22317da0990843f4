//! One end of a connection, shared by the connection and its halves.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
#[cfg(feature = "tokio")]
use crate::contract::engine::LinkStatus;
use crate::contract::engine::{Engine, FastIo as _, FastPath, Shutdown};
use crate::contract::observe::{CoreEvent, How};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::net::net_ref::{LinkOf, NetRef};
use crate::net::socket_ref::SocketRef;
use crate::table::{Ports, State, Tables};
use crate::wait::block::{IoTimeout, Key, block_on};
use crate::wait::waker::noop_waker;
use crate::wait::{OnTimeout, Op, Registered};

/// A handle of one end of a connection, held by the connection or by each of its halves. Dropping the last one closes
/// it.
pub(crate) struct ConnRef<N: NetRef> {
    pub(crate) link: LinkOf<N>,
    pub(crate) place: SocketRef<N>,
}

impl<N: NetRef> ConnRef<N> {
    pub(crate) fn net(&self) -> &N {
        &self.place.net
    }

    pub(crate) fn local_addr(&self) -> Addr {
        self.place.local_addr()
    }

    pub(crate) fn peer_addr(&self) -> Addr {
        self.place.peer_addr()
    }

    /// Whether both are handles of the same end.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        core::ptr::eq(&**self.net(), &**other.net())
            && self.place.host == other.place.host
            && self.place.slot() == other.place.slot()
    }

    /// The key of the connection's timeout for writes if `writes`, else for reads.
    pub(crate) fn timeout(&self, writes: bool) -> Key {
        (self.net().tables.id(&self.place.host), self.place.slot(), writes)
    }

    /// Fast path of a read. `Fallback` means that nothing was done and the caller takes the slow path.
    #[inline]
    pub(crate) fn fast_read(&self, waker: &Waker, buf: &mut [u8]) -> FastPath {
        match self.net().engine.fast_io() {
            Some(io) if !buf.is_empty() => io.fast_read(&self.link, waker, buf),
            _ => FastPath::Fallback,
        }
    }

    /// Fast path of a write. `Fallback` means that nothing was done and the caller takes the slow path.
    #[inline]
    pub(crate) fn fast_write(&self, waker: &Waker, buf: &[u8]) -> FastPath {
        match self.net().engine.fast_io() {
            Some(io) if !buf.is_empty() => io.fast_write(&self.link, waker, buf),
            _ => FastPath::Fallback,
        }
    }

    #[inline(always)]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        match self.fast_read(cx.waker(), buf) {
            FastPath::Done(count) => Poll::Ready(Ok(count)),
            FastPath::Pending => Poll::Pending,
            FastPath::Fallback => self.slow_read(cx, buf),
        }
    }

    /// Slow path of a read: handles every case.
    #[inline(never)]
    pub(crate) fn slow_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if N::Engine::OBSERVED {
            return self.observed_read(cx, buf);
        }
        self.unobserved_read(cx, buf)
    }

    #[inline(always)]
    fn unobserved_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            Poll::Ready(self.check_up(Operation::Read).map(|()| 0))
        } else {
            self.read_outcome(self.net().engine.poll_read(&self.link, cx, buf), buf.len())
        }
    }

    /// A read that reports the end of the stream, or why it failed. The engine reports the bytes.
    fn observed_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let outcome = self.unobserved_read(cx, buf);
        match &outcome {
            Poll::Ready(Ok(0)) if !buf.is_empty() => self.tell_now(CoreEvent::Ended),
            Poll::Ready(Err(error)) => self.tell_now(CoreEvent::Failed(error)),
            _ => {}
        }
        outcome
    }

    /// Reports an event that was seen just now.
    fn tell_now(&self, event: CoreEvent<'_>) {
        self.net().tell(self.net().engine.ticket(), Some(&self.link), &event);
    }

    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            Poll::Ready(self.check_up(Operation::Read).map(|()| 0))
        } else {
            self.read_outcome(self.net().engine.poll_peek(&self.link, cx, buf), buf.len())
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.net().engine.poll_peek(&self.link, cx, &mut [0]).map(|_| ())
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.net().engine.poll_writable(&self.link, cx)
    }

    /// An operation that waits to read.
    pub(crate) fn reading<T>(
        &self,
        poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Op<impl OnTimeout<Output = Result<T, Error>>> {
        let expired = || Err(self.error(Operation::Read, Cause::TimedOut));
        let unregister = |waker: &Waker| self.net().engine.cancel_read(&self.link, waker);
        Op::new(Registered::new(poll_fn(poll), expired, unregister)).on(self.net().clock())
    }

    /// Converts the engine's outcome of a read. `Ok(0)` is the end of the stream only while this end is up.
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
        match self.fast_write(cx.waker(), buf) {
            FastPath::Done(count) => Poll::Ready(Ok(count)),
            FastPath::Pending => Poll::Pending,
            FastPath::Fallback => self.slow_write(cx, buf),
        }
    }

    /// Slow path of a write: handles every case.
    #[inline(never)]
    pub(crate) fn slow_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if N::Engine::OBSERVED {
            return self.observed_write(cx, buf);
        }
        self.unobserved_write(cx, buf)
    }

    /// A write that reports why it failed. The engine reports the bytes.
    fn observed_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        let outcome = self.unobserved_write(cx, buf);
        if let Poll::Ready(Err(error)) = &outcome {
            self.tell_now(CoreEvent::Failed(error));
        }
        outcome
    }

    #[inline(always)]
    fn unobserved_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if buf.is_empty() {
            return Poll::Ready(self.check_up(Operation::Write).map(|()| 0));
        }
        match self.net().engine.poll_write(&self.link, cx, buf) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(count)) => Poll::Ready(self.moved(Operation::Write, count, buf.len())),
            Poll::Ready(Err(cause)) => Poll::Ready(Err(self.error(Operation::Write, cause))),
        }
    }

    /// Checks the number of bytes that the engine reports as moved: 1 to `len`, unless it has a fast path.
    #[inline]
    fn moved(&self, operation: Operation, count: usize, len: usize) -> Result<usize, Error> {
        if self.net().engine.fast_io().is_some() || 0 < count && count <= len {
            Ok(count)
        } else {
            Err(self.miscounted(operation))
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

    /// Polls once without registering. `Pending` becomes `would block`.
    pub(crate) fn at_once<T>(
        &self,
        operation: Operation,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        match poll(&mut Context::from_waker(noop_waker())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(self.error(operation, Cause::WouldBlock)),
        }
    }

    /// Blocks until the read completes or `timeout` has passed. `expired` converts the error of a timeout.
    pub(crate) fn wait_read<E: From<Error>>(
        &self,
        timeout: IoTimeout<'_>,
        buf: &mut [u8],
        expired: fn(Error) -> E,
    ) -> Result<usize, E> {
        block_on(
            |cx| self.poll_read(cx, buf).map_err(E::from),
            // An observer would take the first look for a try, which it never holds.
            !self.net().engine.holds(),
            timeout,
            |waker| {
                self.net().engine.cancel_read(&self.link, waker);
                Err(expired(self.timed_out(Operation::Read)))
            },
        )
    }

    /// Blocks until the write completes or `timeout` has passed. `expired` converts the error of a timeout.
    pub(crate) fn wait_write<E: From<Error>>(
        &self,
        timeout: IoTimeout<'_>,
        buf: &[u8],
        expired: fn(Error) -> E,
    ) -> Result<usize, E> {
        let engine = &self.net().engine;
        block_on(
            |cx| self.poll_write(cx, buf).map_err(E::from),
            !engine.holds() && !engine.is_rendezvous(),
            timeout,
            |waker| {
                engine.cancel_write(&self.link, waker);
                match engine.withdraw_write(&self.link, waker) {
                    0 => Err(expired(self.timed_out(Operation::Write))),
                    count => Ok(self.moved(Operation::Write, count, buf.len())?),
                }
            },
        )
    }

    /// Blocks until all written bytes are on their way or `timeout` has passed. `expired` converts the error of a
    /// timeout.
    pub(crate) fn wait_flush<E: From<Error>>(&self, timeout: IoTimeout<'_>, expired: fn(Error) -> E) -> Result<(), E> {
        block_on(
            |cx| self.poll_flush(cx).map_err(E::from),
            true,
            timeout,
            |waker| {
                self.net().engine.cancel_write(&self.link, waker);
                Err(expired(self.timed_out(Operation::Write)))
            },
        )
    }

    /// Shuts one direction down.
    pub(crate) fn shut(&self, how: Shutdown) -> Result<(), Error> {
        self.check_up(Operation::Shutdown)?;
        let shut = if how == Shutdown::Read { How::ShutdownRead } else { How::Shutdown };
        self.hold_thread(shut);
        let ticket = self.net().engine.ticket();
        let reset = self.net().engine.shutdown(&self.link, how);
        self.net().tell(ticket, Some(&self.link), &CoreEvent::Shut(shut, reset));
        Ok(())
    }

    pub(crate) fn close(&self, how: Shutdown) {
        let shut = if how == Shutdown::Abort { How::Abort } else { How::Close };
        self.hold_thread(shut);
        let mut told = None;
        let before = self.place.ports(|ports| {
            let slot = self.place.slot();
            told = self.place.close_ticket(ports);
            ports.unbind(slot);
            ports.socket(slot).map(|socket| core::mem::replace(&mut socket.state, State::Closed))
        });
        if let Some(State::Connected(_)) = before {
            let reset = self.net().engine.shutdown(&self.link, how);
            if let Some(ticket) = told {
                self.net().tell(ticket, Some(&self.link), &CoreEvent::Shut(shut, reset));
            }
        }
    }

    /// An observer may hold the thread before it shuts this end down, if that is open.
    #[inline(always)]
    fn hold_thread(&self, how: How) {
        if self.net().engine.holds() && self.place.ports(|ports| self.place.is_open(ports)) {
            self.net().engine.hold_thread(&CoreEvent::Shut(how, false), Some(&self.link));
        }
    }

    /// Drops this handle if it is not the last one; else an observer may hold the thread first.
    fn drop_held(&self) -> bool {
        let is_last = self.place.socket(|socket| {
            if socket.handles > 1 {
                socket.handles -= 1;
                return false;
            }
            true
        });
        if is_last == Some(true) {
            self.hold_thread(How::Drop);
        }
        is_last == Some(false)
    }

    /// Why this end is down, if it is.
    fn down(&self) -> Option<Cause> {
        let connected = self.place.socket(|socket| matches!(socket.state, State::Connected(_))).unwrap_or_default();
        match self.place.down_cause(Cause::SocketDown) {
            Cause::SocketDown if connected => None,
            cause => Some(cause),
        }
    }

    /// Fails with the error of `operation` if this end is down.
    #[cold]
    fn check_up(&self, operation: Operation) -> Result<(), Error> {
        self.down().map_or(Ok(()), |cause| Err(self.error(operation, cause)))
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn is_down(&self) -> bool {
        self.down().is_some()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn status(&self) -> LinkStatus {
        self.net().engine.status(&self.link)
    }

    /// Registers the task of `waker` for the next event, bytes or the end of the stream.
    #[cfg(feature = "tokio")]
    pub(crate) fn watch(&self, waker: &Waker) {
        self.net().engine.watch(&self.link, waker);
    }

    /// The error of an operation that reached its timeout, which is reported.
    #[cold]
    fn timed_out(&self, operation: Operation) -> Error {
        let error = self.error(operation, Cause::TimedOut);
        self.tell_now(CoreEvent::Failed(&error));
        error
    }

    #[cold]
    pub(crate) fn error(&self, operation: Operation, cause: Cause) -> Error {
        let (local, peer) = (Some(self.local_addr()), Some(self.peer_addr()));
        let (source, addr) = if operation == Operation::Read { (peer, local) } else { (local, peer) };
        Error::new(operation, self.net().network_name(), source, addr, self.place.down_cause(cause))
    }
}

/// No field is ever pinned.
impl<N: NetRef> Unpin for ConnRef<N> {}

/// A clone is another handle of the same end.
impl<N: NetRef> Clone for ConnRef<N> {
    fn clone(&self) -> Self {
        self.place.socket(|socket| socket.handles += 1);
        Self { place: self.place.clone(), link: self.link.clone() }
    }
}

impl<N: NetRef> Drop for ConnRef<N> {
    fn drop(&mut self) {
        if self.net().engine.holds() && self.drop_held() {
            return;
        }
        let slot = self.place.slot();
        let (mut told, mut watched) = (None, false);
        let last = self.place.ports(|ports| {
            let socket = ports.socket(slot)?;
            socket.handles -= 1;
            if socket.handles > 0 {
                return None;
            }
            let awaited = socket.awaited;
            told = self.place.close_ticket(ports);
            // This has to happen before another connection can take the slot.
            watched = self.net().timeouts.forget(self.timeout(false));
            if !awaited {
                return Some(ports.remove(slot));
            }
            ports.unbind(slot);
            Some(ports.socket(slot).map(|socket| core::mem::replace(&mut socket.state, State::Closed)))
        });
        let Some(state) = last else { return };
        if let Some(State::Connected(link)) = state {
            drop(link);
            let reset = self.net().engine.shutdown(&self.link, Shutdown::CloseOrReset);
            if let Some(ticket) = told {
                self.net().tell(ticket, Some(&self.link), &CoreEvent::Shut(How::Drop, reset));
            }
        }
        self.net().engine.release(&self.link);
        if watched {
            self.net().check_idle(&self.place.host);
        }
    }
}

impl<N: NetRef> fmt::Debug for ConnRef<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}->{}", self.net().network_name(), self.local_addr(), self.peer_addr())
    }
}
