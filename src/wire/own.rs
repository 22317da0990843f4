//! Threads that wait for their sockets themselves, without the detour by the reactor's thread.
//!
//! A thread that blocks has a queue of the system's events of its own, with the sockets for which it has waited lately.
//! It sleeps in it, and wakes the other tasks that wait for the same socket. While nothing but such a thread waits for a
//! socket, the reactor does not watch it.
//!
//! A queue costs two file descriptors, so only [`MOST`] threads have one. All others wait by way of the reactor. It
//! lasts until its thread or the reactor ends.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ptr;
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::thread;

use heapless::Vec as Bounded;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll as Poller, Registry, Token};

use crate::sync::{Lock, SleepLock};
use crate::wait::block::sleeper::{Sleeper, sleep_by};
use crate::wire::events::{BOTH, PAUSE, WAKER, dispatch};
use crate::wire::ready::Ready;

/// A socket of the system.
pub(crate) trait Source: Send + Sync {
    fn fd(&self) -> RawFd;
    fn ready(&self) -> &Arc<Ready>;
}

/// The queues of the threads of a reactor's process.
pub(crate) struct Queues(Lock<Vec<Arc<Queue>>>);

/// The queue of a thread.
struct Queue {
    registry: Registry,
    alarm: mio::Waker,
    /// Taken by its thread alone.
    sleeping: SleepLock<(Poller, Events)>,
    known: Lock<Known>,
}

/// The sockets in a queue.
#[derive(Default)]
struct Known {
    next: usize,
    all: Vec<Entry>,
    /// Whether the thread has slept since it last waited for a socket.
    slept: bool,
}

struct Entry {
    token: Token,
    socket: Weak<dyn Source>,
    /// Whether the thread has waited for it since it last slept.
    wanted: bool,
    /// Whether the queue hears of room in it, too. A socket has room nearly always, so that would end a wait for bytes.
    writes: bool,
}

/// The running thread's queue.
#[derive(Default)]
struct Own {
    queue: Weak<Queue>,
    among: Weak<Queues>,
}

std::thread_local! {
    static OWN: RefCell<Own> = RefCell::default();
    /// What the running thread does at the end of its wait.
    static END: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// The running thread, which is about to sleep, waits for the socket itself. Returns whether it can.
pub(crate) fn watch(socket: &Arc<dyn Source>, queues: &Arc<Queues>) -> bool {
    // The thread-local is gone while the thread exits.
    let queue = OWN.try_with(|own| own.borrow_mut().queue(queues)).ok().flatten();
    let watching = queue.filter(|queue| queue.watch(socket).is_ok());
    let watches = watching.is_some();
    if let Some(queue) = watching {
        sleep_by(queue);
    }
    watches
}

/// At the end of its wait, the running thread calls `end`.
pub(crate) fn at_end(end: fn()) {
    // The thread-local is gone while the thread exits.
    let _ = END.try_with(|cell| cell.set(Some(end)));
}

/// Looks for events of a socket that no thread watches.
pub(crate) fn look(socket: &dyn Source) {
    let look = || {
        let (mut poller, mut events) = (Poller::new()?, Events::with_capacity(1));
        poller.registry().register(&mut SourceFd(&socket.fd()), Token(0), BOTH)?;
        poller.poll(&mut events, Some(Duration::ZERO))?;
        events.iter().for_each(|event| dispatch(socket.ready(), event));
        Ok::<_, io::Error>(())
    };
    // Without a file descriptor for it, there are none.
    let _ = look();
}

impl Own {
    fn queue(&mut self, queues: &Arc<Queues>) -> Option<Arc<Queue>> {
        let known = self.queue.upgrade().filter(|_| self.among.as_ptr() == Arc::as_ptr(queues));
        if known.is_some() {
            return known;
        }
        let queue = queues.add()?;
        *self = Self { queue: Arc::downgrade(&queue), among: Arc::downgrade(queues) };
        Some(queue)
    }
}

/// The thread ends, or has come to another reactor.
impl Drop for Own {
    fn drop(&mut self) {
        if let Some(queues) = self.among.upgrade() {
            queues.remove(&self.queue);
        }
    }
}

impl Queues {
    pub(crate) fn new() -> Self {
        Self(Lock::new(Vec::new()))
    }

    fn add(&self) -> Option<Arc<Queue>> {
        if self.0.with(|all| all.len() >= MOST) {
            return None;
        }
        let queue = Arc::new(Queue::new().ok()?);
        // Of several threads at once, some may come in beyond the limit.
        self.0.with(|all| all.push(queue.clone()));
        Some(queue)
    }

    fn remove(&self, queue: &Weak<Queue>) {
        let is_it = |other: &Arc<Queue>| Arc::as_ptr(other) == queue.as_ptr();
        let gone = self.0.with(|all| all.iter().position(is_it).map(|at| all.swap_remove(at)));
        drop(gone);
    }
}

impl Queue {
    fn new() -> io::Result<Self> {
        let poller = Poller::new()?;
        let registry = poller.registry().try_clone()?;
        let alarm = mio::Waker::new(&registry, WAKER)?;
        let sleeping = SleepLock::new((poller, Events::with_capacity(EVENTS)));
        Ok(Self { registry, alarm, sleeping, known: Lock::new(Known::default()) })
    }

    fn watch(&self, socket: &Arc<dyn Source>) -> io::Result<()> {
        let writes = socket.ready().write.waiting() > 0;
        let (token, new) = self.known.with(|known| {
            if core::mem::take(&mut known.slept) {
                known.all.iter_mut().for_each(|entry| entry.wanted = false);
            }
            let is_it = |entry: &&mut Entry| ptr::addr_eq(entry.socket.as_ptr(), Arc::as_ptr(socket));
            if let Some(entry) = known.all.iter_mut().find(is_it) {
                entry.wanted = true;
                let grows = writes && !core::mem::replace(&mut entry.writes, true);
                return (grows.then_some(entry.token), false);
            }
            known.next += 1;
            (Some(Token(known.next)), true)
        });
        let Some(token) = token else { return Ok(()) };
        let interest = if writes { BOTH } else { Interest::READABLE };
        if !new {
            return self.registry.reregister(&mut SourceFd(&socket.fd()), token, interest);
        }
        self.registry.register(&mut SourceFd(&socket.fd()), token, interest)?;
        let entry = Entry { token, socket: Arc::downgrade(socket), wanted: true, writes };
        self.known.with(|known| {
            // The system has forgotten those that were closed.
            known.all.retain(|entry| entry.socket.strong_count() > 0);
            known.all.push(entry);
        });
        Ok(())
    }

    /// The socket of an event. The queue forgets it, if its thread does not wait for it any more.
    fn find(&self, event: &Event) -> Option<Arc<dyn Source>> {
        let (socket, forget) = self.known.with(|known| {
            let at = known.all.iter().position(|entry| entry.token == event.token())?;
            let socket = known.all[at].socket.upgrade()?;
            let wanted = known.all[at].wanted;
            if !wanted {
                known.all.swap_remove(at);
            }
            Some((socket, !wanted))
        })?;
        if forget {
            // It is registered.
            let _ = self.registry.deregister(&mut SourceFd(&socket.fd()));
        }
        Some(socket)
    }
}

impl Sleeper for Queue {
    fn leave(&self) {
        if let Some(end) = END.try_with(Cell::take).ok().flatten() {
            end();
        }
    }

    fn alarm(&self) {
        // It fails only if the queue is full: then the thread is about to wake up.
        let _ = self.alarm.wake();
    }

    fn sleep(&self, limit: Option<Duration>, awake: &dyn Fn()) {
        let slept: io::Result<Bounded<_, EVENTS>> = self.sleeping.with(|(poller, events)| {
            let slept = poller.poll(events, limit);
            self.known.with(|known| known.slept = true);
            slept?;
            Ok(events.iter().filter_map(|event| Some((self.find(event)?, event.clone()))).collect())
        });
        awake();
        match slept {
            // A task that is woken may wait, too.
            Ok(events) => events.iter().for_each(|(socket, event)| dispatch(socket.ready(), event)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// So many threads have a queue.
const MOST: usize = 16;
/// How many events a thread takes at once.
const EVENTS: usize = 8;
