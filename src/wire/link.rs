//! A link: one end of a connection over a socket, and how it closes.
//!
//! # Who holds the socket
//!
//! Both directions hold it, each under a lock of its own that is held during a system call. Reads and writes do not
//! hinder each other, and a close that has taken the socket out of both knows that no call is under way. The order of
//! the locks is reading, then writing.
//!
//! # One error for two directions
//!
//! The system reports a reset once, to the call that happens to be next, and later calls find the end of the stream or a
//! broken pipe. So the direction that is told sets [`RESET`] before it releases its lock, and a direction that finds an
//! end takes the lock of the other one before it looks. This guards against the interleaving in which a reader is told
//! of the reset, and a writer reports `broken pipe` before the reader has set the flag. Model:
//! `a_reset_is_reported_in_both_directions` in `tests/loom/wire.rs`.
//!
//! # A close wakes
//!
//! A close sets [`CLOSED`] and then counts a change in both directions. A task whose attempt came before the flag finds
//! the change when it registers; see `ready.rs`. Model: `a_close_wakes_a_reader`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};
use std::io::{self, ErrorKind};

use crate::contract::engine::{LinkStatus, Shutdown};
use crate::error::cause::Cause;
use crate::sync::{AtomicU8, SleepLock};
use crate::wait::waker::is_noop;
use crate::wire::ready::Ready;

/// A socket that does not block.
pub(crate) trait Stream: Send + Sync + 'static {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn peek(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    /// Ends the stream to the peer.
    fn shut_write(&self);
    /// Closes it so that the peer is reset.
    fn reset(self: Arc<Self>);
    /// Closes it once the peer has read what was written, or after a while.
    fn finish(self: Arc<Self>);
    /// Has changes counted from now on, for the task of `waker`, which waits for one.
    fn watch(self: &Arc<Self>, waker: &Waker) -> io::Result<()>;
    /// Counts changes that were not counted because no task waited.
    fn look(&self);
    /// Reads on behalf of `link`, which reads no more, and drops what it reads.
    fn discard(link: Link<Self>)
    where
        Self: Sized;
}

/// One end of a connection. Clones are the same end.
pub(crate) struct Link<S>(Arc<Inner<S>>);

struct Inner<S> {
    flags: AtomicU8,
    ready: Arc<Ready>,
    /// The socket, until this end is closed.
    reading: SleepLock<Option<Arc<S>>>,
    writing: SleepLock<Option<Arc<S>>>,
}

/// This end is closed.
const CLOSED: u8 = 1;
/// This end reads no more.
const READ_CLOSED: u8 = 2;
/// This end writes no more.
const WRITE_CLOSED: u8 = 4;
/// The peer has reset the connection.
const RESET: u8 = 8;

impl<S: Stream> Link<S> {
    /// An end whose socket comes later; `ready` is the socket's.
    pub(crate) fn vacant(ready: Arc<Ready>) -> Self {
        let [reading, writing] = [(); 2].map(|()| SleepLock::new(None));
        Self(Arc::new(Inner { flags: AtomicU8::new(0), ready, reading, writing }))
    }

    /// Gives the end its socket. If the end is closed already, returns it.
    pub(crate) fn install(&self, socket: Arc<S>) -> Result<(), Arc<S>> {
        self.both(|reading, writing| {
            if self.has(CLOSED) {
                return Err(socket);
            }
            *reading = Some(socket.clone());
            *writing = Some(socket);
            Ok(())
        })
    }

    pub(crate) fn read(&self, waker: &Waker, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let got = self.0.ready.read.poll(waker, || self.read_step(|socket| socket.read(buf)));
        self.watched(got, &self.0.reading, waker)
    }

    pub(crate) fn peek(&self, waker: &Waker, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let got = self.0.ready.read.poll(waker, || self.read_step(|socket| socket.peek(buf)));
        self.watched(got, &self.0.reading, waker)
    }

    pub(crate) fn write(&self, waker: &Waker, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let sent = self.0.ready.write.poll(waker, || self.write_step(buf));
        self.watched(sent, &self.0.writing, waker)
    }

    /// An outcome; if there is none yet, the task of `waker` is woken when there may be one.
    fn watched(
        &self,
        outcome: Poll<Result<usize, Cause>>,
        socket: &SleepLock<Option<Arc<S>>>,
        waker: &Waker,
    ) -> Poll<Result<usize, Cause>> {
        if outcome.is_pending()
            && let Some(socket) = socket.with(|socket| socket.clone())
            && let Err(error) = socket.watch(waker)
        {
            return self.outcome(Err(error));
        }
        outcome
    }

    pub(crate) fn writable(&self, waker: &Waker) -> Poll<()> {
        if self.has(CLOSED | WRITE_CLOSED | RESET) {
            return Poll::Ready(());
        }
        if is_noop(waker) {
            // No task waits, so there may be a change that was not counted.
            self.look();
        }
        let unblocked = self.0.ready.write.poll_unblocked(waker).map(|()| Ok(0));
        self.watched(unblocked, &self.0.writing, waker).map(drop)
    }

    fn look(&self) {
        if let Some(socket) = self.0.reading.with(|socket| socket.clone()) {
            socket.look();
        }
    }

    /// Reads and drops what has arrived, for an end that reads no more. Ready once nothing can arrive any more.
    pub(crate) fn poll_discard(&self, waker: &Waker) -> Poll<()> {
        let mut buf = [0; DISCARDED];
        let mut left = DISCARDS;
        let discarded = self.0.ready.read.poll(waker, || {
            loop {
                let got = self.0.reading.with(|socket| match socket {
                    Some(socket) => self.outcome(retried(|| socket.read(&mut buf))),
                    None => Poll::Ready(Ok(0)),
                });
                match got {
                    Poll::Ready(Ok(1..)) if left > 0 => left -= 1,
                    Poll::Ready(Ok(1..)) => {
                        // Others have a turn, too.
                        waker.wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(_) => return Poll::Ready(Ok(0)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        self.watched(discarded, &self.0.reading, waker).map(drop)
    }

    /// One attempt to read.
    fn read_step(&self, mut read: impl FnMut(&S) -> io::Result<usize>) -> Poll<Result<usize, Cause>> {
        let got = self.0.reading.with(|socket| {
            if self.has(CLOSED) {
                return Poll::Ready(Err(Cause::SocketDown));
            }
            if self.has(READ_CLOSED) {
                // A reset is reported still, also one that nobody was told of yet.
                if let Some(socket) = socket {
                    let _ = self.outcome(retried(|| socket.read(&mut [0; DISCARDED])));
                }
                return Poll::Ready(Ok(0));
            }
            match socket {
                Some(socket) => self.outcome(retried(|| read(socket))),
                None => Poll::Pending,
            }
        });
        match got {
            Poll::Ready(Ok(0)) => {
                // A writer may have been told of a reset.
                self.0.writing.with(|_| {});
                if self.has(RESET) && !self.has(CLOSED) { Poll::Ready(Err(Cause::ConnectionReset)) } else { got }
            }
            got => got,
        }
    }

    /// One attempt to write.
    fn write_step(&self, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let before = self.0.ready.write.changes();
        let sent = self.0.writing.with(|socket| {
            if self.has(CLOSED) {
                return Poll::Ready(Err(Cause::SocketDown));
            }
            if self.has(RESET) {
                return Poll::Ready(Err(Cause::ConnectionReset));
            }
            if self.has(WRITE_CLOSED) {
                return Poll::Ready(Err(Cause::BrokenPipe));
            }
            match socket {
                Some(socket) => self.outcome(retried(|| socket.write(buf))),
                None => Poll::Pending,
            }
        });
        match sent {
            Poll::Ready(Ok(count)) if count < buf.len() => self.0.ready.write.set_blocked(before),
            Poll::Ready(Err(Cause::BrokenPipe)) => {
                // A reader may have been told of a reset.
                self.0.reading.with(|_| {});
                if self.has(RESET) && !self.has(CLOSED) {
                    return Poll::Ready(Err(Cause::ConnectionReset));
                }
            }
            _ => {}
        }
        sent
    }

    /// The outcome of a system call. Called under the lock of its direction.
    fn outcome(&self, result: io::Result<usize>) -> Poll<Result<usize, Cause>> {
        match result {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Poll::Pending,
                ErrorKind::BrokenPipe => Poll::Ready(Err(Cause::BrokenPipe)),
                // A peer that does not answer any more is as good as one that has reset.
                _ => {
                    self.0.flags.fetch_or(RESET, Ordering::AcqRel);
                    Poll::Ready(Err(Cause::ConnectionReset))
                }
            },
        }
    }

    /// Shuts the end down; see [`Engine::shutdown`](crate::Engine::shutdown). Without `reset_unread`, unread bytes reset
    /// nothing.
    pub(crate) fn shutdown(&self, how: Shutdown, reset_unread: bool) -> bool {
        match how {
            Shutdown::Write => {
                self.0.writing.with(|socket| {
                    let before = self.0.flags.fetch_or(WRITE_CLOSED, Ordering::AcqRel);
                    if let Some(socket) = socket.as_ref().filter(|_| before & WRITE_CLOSED == 0) {
                        socket.shut_write();
                    }
                });
                self.0.ready.write.change();
                false
            }
            Shutdown::Read => {
                let before = self.0.flags.fetch_or(READ_CLOSED, Ordering::AcqRel);
                self.0.ready.read.change();
                if before & (READ_CLOSED | CLOSED) == 0 {
                    S::discard(self.clone());
                }
                false
            }
            how => self.close(how, reset_unread),
        }
    }

    fn close(&self, how: Shutdown, reset_unread: bool) -> bool {
        let (socket, resets) = self.both(|reading, writing| {
            drop(reading.take());
            let socket = writing.take();
            let resets = match how {
                Shutdown::Reset | Shutdown::Abort => true,
                Shutdown::CloseOrReset => {
                    reset_unread && !self.has(READ_CLOSED) && socket.as_ref().is_some_and(has_unread)
                }
                _ => false,
            };
            self.0.flags.fetch_or(CLOSED, Ordering::AcqRel);
            (socket, resets)
        });
        let Some(socket) = socket else { return false };
        self.0.ready.change();
        if resets {
            socket.reset();
        } else {
            socket.finish();
        }
        resets
    }

    pub(crate) fn status(&self) -> LinkStatus {
        let mut status = LinkStatus {
            readers: self.0.ready.read.waiting(),
            writers: self.0.ready.write.waiting(),
            ..LinkStatus::default()
        };
        let mut buf = [0; DISCARDED];
        match self.read_step(|socket| socket.peek(&mut buf)) {
            Poll::Ready(Ok(count)) => (status.to_read, status.read_closed) = (count, count == 0),
            Poll::Ready(Err(_)) => status.read_closed = true,
            Poll::Pending => {}
        }
        status.reset = self.has(RESET);
        self.look();
        status.peer_gone = status.reset || self.0.ready.is_gone();
        status.write_closed = self.has(CLOSED | WRITE_CLOSED | RESET) || status.peer_gone;
        status
    }

    /// Registers `waker` for the next change of the reading direction.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.0.ready.read.watch(waker);
        let _: Poll<_> = self.watched(Poll::Pending, &self.0.reading, waker);
    }

    pub(crate) fn cancel_read(&self, waker: &Waker) {
        self.0.ready.read.cancel(waker);
    }

    pub(crate) fn cancel_write(&self, waker: &Waker) {
        self.0.ready.write.cancel(waker);
    }

    /// The socket, unless this end is closed.
    #[cfg(feature = "lonet")]
    pub(crate) fn socket(&self) -> Option<Arc<S>> {
        self.0.reading.with(|socket| socket.clone())
    }

    /// Whether any of these flags is set.
    fn has(&self, flags: u8) -> bool {
        self.0.flags.load(Ordering::Acquire) & flags != 0
    }

    fn both<R>(&self, step: impl FnOnce(&mut Option<Arc<S>>, &mut Option<Arc<S>>) -> R) -> R {
        self.0.reading.with(|reading| self.0.writing.with(|writing| step(reading, writing)))
    }
}

impl<S> Clone for Link<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> core::fmt::Debug for Link<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Link")
    }
}

fn has_unread<S: Stream>(socket: &Arc<S>) -> bool {
    matches!(retried(|| socket.peek(&mut [0])), Ok(1..))
}

/// Makes a system call again that a signal interrupted.
pub(crate) fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// How many bytes are dropped at once, and looked for by a status.
const DISCARDED: usize = 4096;
/// How often, before another task has its turn.
const DISCARDS: usize = 64;
