//! What models need of this folder: a link over a socket that is no system's, and the roster of a thread.

use alloc::sync::Arc;
use core::task::{Context, Poll};
use std::io::{self, ErrorKind};

use crate::contract::engine::Shutdown;
use crate::error::cause::Cause;
use crate::sync::Lock;
use crate::wire::link::{Link, Stream};
use crate::wire::ready::Ready;
use crate::wire::roster::Roster;

/// One end of a connection, and the system behind it. Its peer never reads.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "only models use it")]
pub struct End {
    link: Link<Fake>,
    socket: Arc<Fake>,
}

/// A socket.
struct Fake {
    system: Lock<System>,
    ready: Arc<Ready>,
}

/// What the system knows of a socket.
#[derive(Default)]
struct System {
    arrived: usize,
    /// The peer has reset the connection.
    over: bool,
    /// The next call is told of the reset.
    untold: bool,
}

impl Default for End {
    fn default() -> Self {
        let ready = Arc::new(Ready::new());
        let socket = Arc::new(Fake { system: Lock::new(System::default()), ready: ready.clone() });
        let link = Link::vacant(ready);
        assert!(link.install(socket.clone()).is_ok(), "a new link is open");
        Self { link, socket }
    }
}

impl End {
    /// Bytes arrive, and then the reactor is told.
    pub fn arrive(&self, count: usize) {
        self.socket.system.with(|system| system.arrived += count);
        self.socket.ready.read.change();
    }

    /// The peer resets the connection, and then the reactor is told.
    pub fn reset_by_peer(&self) {
        self.socket.system.with(|system| (system.over, system.untold) = (true, true));
        self.socket.ready.change();
    }

    /// Reads one byte.
    pub fn poll_read(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Cause>> {
        self.link.read(cx.waker(), &mut [0])
    }

    /// Writes one byte, for which there is no room.
    pub fn poll_write(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Cause>> {
        self.link.write(cx.waker(), &[0])
    }

    /// Closes this end. Returns whether that reset it.
    pub fn close(&self) -> bool {
        self.link.shutdown(Shutdown::CloseOrReset, true)
    }
}

impl Fake {
    fn call(&self, at_end: io::Result<usize>, step: impl FnOnce(&mut System) -> usize) -> io::Result<usize> {
        self.system.with(|system| match step(system) {
            0 if core::mem::take(&mut system.untold) => Err(ErrorKind::ConnectionReset.into()),
            0 if system.over => at_end,
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        })
    }
}

impl Stream for Fake {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.call(Ok(0), |system| {
            let count = system.arrived.min(buf.len());
            system.arrived -= count;
            count
        })
    }

    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.call(Ok(0), |system| system.arrived.min(buf.len()))
    }

    fn write(&self, _: &[u8]) -> io::Result<usize> {
        self.call(Err(ErrorKind::BrokenPipe.into()), |_| 0)
    }

    fn shut_write(&self) {}

    fn reset(self: Arc<Self>) {}

    fn finish(self: Arc<Self>) {}

    fn discard(_: Link<Self>) {}
}

/// The roster of a thread that does work.
#[allow(missing_debug_implementations, reason = "only models use it")]
pub struct Thread(Roster<()>);

impl Default for Thread {
    fn default() -> Self {
        Self(Roster::new())
    }
}

impl Thread {
    /// Hands over work. Returns whether it was taken.
    pub fn submit(&self) -> bool {
        self.0.submit(()).is_ok()
    }

    /// A user joins. Returns whether the thread still runs.
    pub fn join(&self) -> bool {
        self.0.join()
    }

    /// A user leaves.
    pub fn leave(&self) {
        self.0.leave();
    }

    /// One round of the thread. Returns how much work it did, and whether it has ended.
    pub fn round(&self) -> (usize, bool) {
        let done = self.0.take_new().into_iter().map(|()| self.0.done()).count();
        (done, self.0.try_end())
    }
}
