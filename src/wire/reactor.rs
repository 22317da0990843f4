//! The thread that waits for sockets on behalf of tasks that cannot wait for them themselves; see `own.rs` for those that
//! can.
//!
//! It is started by the first network that needs it and ends when the last one is gone and closed connections are
//! drained. It runs the handshakes and other background work as tasks of a small executor of its own. User code runs on
//! it only when a waker is called.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, btree_map::Entry};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::task::Wake;
use std::thread::ThreadId;
use std::time::Instant;
use std::{io, process, thread};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll as Poller, Registry, Token};

use crate::sync::{AtomicBool, Lock, SleepLock};
use crate::wait::waker::{discard, wake};
use crate::wire;
use crate::wire::events::{BOTH, PAUSE, WAKER, dispatch};
use crate::wire::own::Queues;
use crate::wire::ready::Ready;
use crate::wire::roster::Roster;

/// A user's reference to the reactor.
pub(crate) struct Reactor(Arc<Shared>);

/// What the thread and its users share.
pub(crate) struct Shared {
    registry: Registry,
    waker: mio::Waker,
    /// The reactor's thread, once it runs.
    thread: OnceLock<ThreadId>,
    /// A child that was forked without the thread is told apart by it.
    pid: u32,
    sources: Lock<Sources>,
    /// The threads that wait for some sockets themselves.
    queues: Arc<Queues>,
    roster: Roster<Work>,
    /// The tasks to poll.
    queue: Lock<Vec<u64>>,
    timers: Lock<Timers>,
    next_timer: AtomicU64,
}

/// The registered sockets, by their tokens. No token is used twice, as events of a closed socket may be under way.
#[derive(Default)]
struct Sources {
    next: usize,
    all: BTreeMap<usize, Arc<Ready>>,
}

/// The tasks that wait for a time.
#[derive(Default)]
struct Timers {
    all: BTreeMap<(Instant, u64), Waker>,
    /// When the thread looks for them next, if it does so by itself.
    look: Option<Instant>,
}

/// A task of the reactor.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The reactor of this process, if it runs.
static CURRENT: SleepLock<Weak<Shared>> = SleepLock::new(Weak::new());

impl Reactor {
    /// The reactor of this process; starts it if it does not run.
    pub(crate) fn get() -> io::Result<Self> {
        CURRENT.with(|current| {
            if let Some(shared) = current.upgrade().filter(|shared| !shared.is_forked() && shared.roster.join()) {
                return Ok(Self(shared));
            }
            let (poller, shared) = Shared::new()?;
            thread::Builder::new().name(NAME.into()).spawn({
                let shared = shared.clone();
                move || run(poller, &shared)
            })?;
            *current = Arc::downgrade(&shared);
            Ok(Self(shared))
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.0.roster.leave();
        self.0.notify();
    }
}

impl Shared {
    fn new() -> io::Result<(Poller, Arc<Self>)> {
        let poller = Poller::new()?;
        let registry = poller.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        let shared = Self {
            registry,
            waker,
            thread: OnceLock::new(),
            pid: process::id(),
            sources: Lock::new(Sources::default()),
            queues: Arc::new(Queues::new()),
            roster: Roster::new(),
            queue: Lock::new(Vec::new()),
            timers: Lock::new(Timers::default()),
            next_timer: AtomicU64::new(0),
        };
        Ok((poller, Arc::new(shared)))
    }

    pub(crate) fn queues(&self) -> &Arc<Queues> {
        &self.queues
    }

    /// Whether this process was forked from the one with the thread.
    pub(crate) fn is_forked(&self) -> bool {
        self.pid != process::id()
    }

    /// Registers a socket, until [`deregister`](Self::deregister).
    pub(crate) fn register(&self, fd: RawFd, ready: &Arc<Ready>) -> io::Result<Token> {
        let token = self.sources.with(|sources| {
            let token = sources.next;
            sources.next += 1;
            sources.all.insert(token, ready.clone());
            Token(token)
        });
        match self.registry.register(&mut SourceFd(&fd), token, BOTH) {
            Ok(()) => Ok(token),
            Err(error) => {
                self.deregister(token);
                Err(error)
            }
        }
    }

    /// The reactor looks for connections at a listener, or does not, while it stays registered.
    pub(crate) fn listen(&self, fd: RawFd, token: Token, on: bool) {
        // A listener is never writable. If it fails, the reactor looks at it in vain.
        let interest = if on { BOTH } else { Interest::WRITABLE };
        let _ = self.registry.reregister(&mut SourceFd(&fd), token, interest);
    }

    /// Forgets a socket that lives on.
    pub(crate) fn unregister(&self, fd: RawFd, token: Token) {
        // It is registered.
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        self.deregister(token);
    }

    /// Forgets a socket that is about to be closed.
    pub(crate) fn deregister(&self, token: Token) {
        let gone = self.sources.with(|sources| sources.all.remove(&token.0));
        drop(gone);
    }

    /// Runs a task on the reactor. If the thread has ended, drops it, and returns `false`.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.take_over(Box::pin(task))
    }

    /// As [`spawn`](Self::spawn), a task that may have run elsewhere.
    pub(crate) fn take_over(&self, work: Work) -> bool {
        let runs = self.roster.submit(work).is_ok();
        if runs {
            self.notify();
        }
        runs
    }

    /// Ready at `deadline`.
    pub(crate) fn sleep_until(self: &Arc<Self>, deadline: Instant) -> Sleep {
        let id = self.next_timer.fetch_add(1, Ordering::Relaxed);
        Sleep { shared: self.clone(), key: (deadline, id) }
    }

    /// Ready after `duration`.
    pub(crate) fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        self.sleep_until(Instant::now() + duration)
    }

    /// The outcome of `future`, or `None` if it has none at `deadline`.
    pub(crate) async fn until<T>(self: &Arc<Self>, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep_until(deadline));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Wakes the thread, unless this is it: it looks for work before it sleeps.
    fn notify(&self) {
        if self.thread.get() != Some(&thread::current().id()) {
            // It fails only if the thread's queue of events is full: then the thread is about to wake up.
            let _ = self.waker.wake();
        }
    }

    /// Wakes the tasks whose time has come. Returns how long it is until the next.
    fn fire(&self) -> Option<Duration> {
        loop {
            let now = Instant::now();
            let first = self.timers.with(|timers| match timers.all.first_entry() {
                Some(first) if first.key().0 <= now => Err(first.remove()),
                first => {
                    timers.look = first.map(|first| first.key().0);
                    Ok(timers.look.map(|look| look - now))
                }
            });
            match first {
                Ok(next) => return next,
                Err(waker) => wake(waker),
            }
        }
    }

    /// Tells the tasks that wait for the socket of an event.
    fn dispatch(&self, event: &Event) {
        let ready = self.sources.with(|sources| sources.all.get(&event.token().0).cloned());
        ready.into_iter().for_each(|ready| dispatch(&ready, event));
    }
}

/// The loop of the thread.
fn run(mut poller: Poller, shared: &Arc<Shared>) {
    let mut events = Events::with_capacity(256);
    let mut tasks: BTreeMap<u64, Work> = BTreeMap::new();
    let mut next = 0;
    // It is set once, by this thread.
    let _ = shared.thread.set(thread::current().id());
    wire::learn();
    loop {
        let timeout = shared.fire();
        for work in shared.roster.take_new() {
            tasks.insert(next, work);
            shared.queue.with(|queue| queue.push(next));
            next += 1;
        }
        let queued = shared.queue.with(core::mem::take);
        let idle = queued.is_empty();
        for id in queued {
            if let Entry::Occupied(mut task) = tasks.entry(id) {
                poll_task(shared, task.get_mut(), id).then(|| finish(shared, task.remove()));
            }
        }
        if idle && shared.roster.try_end() {
            return;
        }
        let timeout = if idle { timeout } else { Some(Duration::ZERO) };
        // An interrupted wait is like one without events. Any other failure is one of the system; it may pass.
        if poller.poll(&mut events, timeout).is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            thread::sleep(PAUSE);
        }
        events.iter().filter(|event| event.token() != WAKER).for_each(|event| shared.dispatch(event));
    }
}

/// Polls a task once. Returns whether it is done.
fn poll_task(shared: &Arc<Shared>, task: &mut Work, id: u64) -> bool {
    let waker = Waker::from(Arc::new(TaskWaker { shared: Arc::downgrade(shared), id, woken: AtomicBool::new(false) }));
    poll_work(task, &mut Context::from_waker(&waker))
}

/// As [`poll_task`], with a waker of its own. A task that panics is given up; the other tasks continue.
pub(crate) fn poll_work(task: &mut Work, cx: &mut Context<'_>) -> bool {
    catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx).is_ready())).unwrap_or(true)
}

/// Drops a task that is done.
fn finish(shared: &Shared, task: Work) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
    shared.roster.done();
}

/// Wakes a task of the reactor. There is one for each poll.
struct TaskWaker {
    shared: Weak<Shared>,
    id: u64,
    woken: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Some(shared) = self.shared.upgrade()
        {
            shared.queue.with(|queue| queue.push(self.id));
            shared.notify();
        }
    }
}

/// Lets other tasks have a turn.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A future that is ready at a time.
pub(crate) struct Sleep {
    shared: Arc<Shared>,
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.key.0 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let (deadline, _) = self.key;
        let (before, is_sooner) = self.shared.timers.with(|timers| {
            let is_sooner = timers.look.is_none_or(|look| deadline < look);
            if is_sooner {
                timers.look = Some(deadline);
            }
            (timers.all.insert(self.key, waker), is_sooner)
        });
        before.into_iter().for_each(discard);
        if is_sooner {
            self.shared.notify();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let left = self.shared.timers.with(|timers| timers.all.remove(&self.key));
        left.into_iter().for_each(discard);
    }
}

/// The name of the thread.
const NAME: &str = "virtnet-wire";
