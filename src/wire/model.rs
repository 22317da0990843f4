//! What models need of this folder: a link over a socket that is no system's, and the roster of a thread.

use alloc::sync::Arc;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::sync::OnceLock;

use loom::sync::{Condvar, Mutex};

use crate::contract::engine::Shutdown;
use crate::error::cause::Cause;
use crate::sync::Lock;
use crate::wait::block::sleeper::{Sleeper, is_parking, sleep_by};
use crate::wire::link::{Link, Stream};
use crate::wire::ready::Ready;
use crate::wire::roster::Roster;
use crate::wire::swept::Swept;
use crate::wire::watched::{Attended, Watched};

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
    /// The queue of the one thread that has one. Without it, the reactor always watches the socket.
    queue: Option<Arc<Queue>>,
    watched: Watched<()>,
}

/// What the system knows of a socket.
#[derive(Default)]
struct System {
    arrived: usize,
    /// The peer has reset the connection.
    over: bool,
    /// The next call is told of the reset.
    untold: bool,
    /// The reactor watches it.
    watched: bool,
    /// It is in the queue.
    queued: bool,
}

/// The queue of a thread: what happened since it last slept.
#[derive(Default)]
struct Queue {
    happened: Mutex<Happened>,
    changed: Condvar,
    ready: OnceLock<Arc<Ready>>,
}

#[derive(Default)]
struct Happened {
    alarm: bool,
    event: bool,
}

impl Default for End {
    fn default() -> Self {
        Self::new(None)
    }
}

impl End {
    /// An end for which one thread waits in a queue of its own.
    pub fn with_queue() -> Self {
        Self::new(Some(Arc::default()))
    }

    fn new(queue: Option<Arc<Queue>>) -> Self {
        let ready = Arc::new(Ready::new());
        let system = System { watched: queue.is_none(), ..System::default() };
        if let Some(queue) = &queue {
            assert!(queue.ready.set(ready.clone()).is_ok(), "a new queue is for no socket");
        }
        let socket = Arc::new(Fake { system: Lock::new(system), ready: ready.clone(), queue, watched: Watched::new() });
        let link = Link::vacant(ready);
        assert!(link.install(socket.clone()).is_ok(), "a new link is open");
        Self { link, socket }
    }

    /// Bytes arrive, and then those are told who watch the socket.
    pub fn arrive(&self, count: usize) {
        let (watched, queued) = self.socket.system.with(|system| {
            system.arrived += count;
            (system.watched, system.queued)
        });
        if watched {
            self.socket.ready.read.change();
        }
        self.socket.queue.iter().filter(|_| queued).for_each(|queue| queue.happen(|happened| happened.event = true));
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

    /// A read was given up.
    pub fn cancel_read(&self, waker: &Waker) {
        self.link.cancel_read(waker);
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

    fn watch(self: &Arc<Self>, waker: &Waker) -> io::Result<()> {
        let Some(queue) = &self.queue else { return Ok(()) };
        if is_parking(waker) {
            // The system tells at once of bytes that are there.
            if self.system.with(|system| !core::mem::replace(&mut system.queued, true) && system.arrived > 0) {
                queue.happen(|happened| happened.event = true);
            }
            self.watched.detach(&self.ready, waker, |()| self.system.with(|system| system.watched = false));
            sleep_by(queue.clone());
            return Ok(());
        }
        let mut is_readable = false;
        self.watched.attach(|| {
            is_readable = self.system.with(|system| {
                system.watched = true;
                system.arrived > 0
            });
            Ok(())
        })?;
        if is_readable {
            self.ready.read.change();
        }
        Ok(())
    }

    fn look(&self) {}

    fn discard(_: Link<Self>) {}
}

impl Queue {
    fn happen(&self, what: impl FnOnce(&mut Happened)) {
        what(&mut self.happened.lock().expect("no panic under this lock"));
        self.changed.notify_one();
    }
}

impl Sleeper for Queue {
    fn alarm(&self) {
        self.happen(|happened| happened.alarm = true);
    }

    fn sleep(&self, _: Option<Duration>, awake: &dyn Fn()) {
        let mut happened = self.happened.lock().expect("no panic under this lock");
        while !happened.alarm && !happened.event {
            happened = self.changed.wait(happened).expect("no panic under this lock");
        }
        let Happened { event, .. } = core::mem::take(&mut *happened);
        drop(happened);
        awake();
        self.ready.get().into_iter().filter(|_| event).for_each(|ready| ready.read.change());
    }
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

/// Things that a task looks at.
#[allow(missing_debug_implementations, reason = "only models use it")]
pub struct Sweeping(Swept<()>);

impl Default for Sweeping {
    fn default() -> Self {
        Self(Swept::new())
    }
}

impl Sweeping {
    /// Adds a thing. Returns whether the task is to be started.
    pub fn push(&self) -> bool {
        self.0.push(())
    }

    /// The task. Returns at how many things it has looked.
    pub fn sweep(&self) -> usize {
        core::iter::from_fn(|| self.0.take_all()).map(|things| things.len()).sum()
    }
}

/// A listener of the system, which threads and the reactor attend.
#[allow(missing_debug_implementations, reason = "only models use it")]
pub struct Door {
    attended: Attended,
    arrivals: Lock<Arrivals>,
}

#[derive(Default)]
struct Arrivals {
    waiting: usize,
    /// The reactor does not look.
    unseen: bool,
    /// The reactor is told of a connection.
    told: bool,
}

impl Default for Door {
    fn default() -> Self {
        Self { attended: Attended::new(), arrivals: Lock::new(Arrivals::default()) }
    }
}

impl Door {
    /// A connection comes.
    pub fn arrive(&self) {
        self.arrivals.with(|arrivals| {
            arrivals.waiting += 1;
            arrivals.told |= !arrivals.unseen;
        });
    }

    /// A thread attends it for a moment. Returns how many connections it has accepted.
    pub fn attend(&self) -> usize {
        if !self.attended.begin(|| self.arrivals.with(|arrivals| arrivals.unseen = true)) {
            return 0;
        }
        let accepted = self.accept();
        self.attended.end(|| {
            self.arrivals.with(|arrivals| {
                arrivals.unseen = false;
                arrivals.told |= arrivals.waiting > 0;
            });
        });
        accepted
    }

    /// The reactor accepts, if it was told. Returns how many connections.
    pub fn react(&self) -> usize {
        if self.arrivals.with(|arrivals| core::mem::take(&mut arrivals.told)) { self.accept() } else { 0 }
    }

    fn accept(&self) -> usize {
        self.arrivals.with(|arrivals| core::mem::take(&mut arrivals.waiting))
    }
}
