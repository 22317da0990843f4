//! Sockets that the driver of a tokio runtime watches, for the tasks that this runtime runs, without the detour by the
//! reactor's thread.
//!
//! # Which tasks
//!
//! A driver runs only while its runtime does, so a task may rely on it only if nothing but this runtime can run the task.
//! It does so in a runtime of one thread, by a waker of that runtime. All others wait by way of the reactor:
//!
//! - A future that another executor polls, within a task of the runtime: the other executor may block the one thread on
//!   which the driver would run. It is told by its waker; see [`runtime_of`].
//! - A task of a runtime with several threads: one that blocks may be the one that has run the driver.
//! - A task of a runtime without a driver of I/O.
//!
//! One case is not told apart: a task of one runtime in whose poll another one is entered waits by the driver of the
//! latter. Tokio's own sockets do the same.
//!
//! # No wake-up is lost
//!
//! The driver calls a waker once for each registration of it, and that waker counts a change; see `ready.rs`. It
//! registers again *before* it counts. So an event before this step is counted, and the driver tells of one after it.
//! Tasks take no part in this step: for them, the driver is another reactor.
//!
//! Invariant: a driver watches each socket for which a task relies on it. As in `watched.rs`, a task registers before it
//! calls [`Driven::watch`], and the driver is taken from it only under the lock of that call and if no other task waits.
//! The model there is one of this rule, too. When a driver ends, or has told all it can tell, it is given up before the
//! change is counted, so each task that has to wait on comes to the reactor, or to another driver.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, RawWakerVTable, Waker};
use std::os::fd::RawFd;
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::task::Wake;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Handle, Id, RuntimeFlavor};
use tokio::task::coop::unconstrained;

use crate::sync::SleepLock;
use crate::wire::ready::Ready;

/// Whether the driver of a runtime watches a socket.
pub(crate) struct Driven(Arc<Inner>);

struct Inner {
    ready: Arc<Ready>,
    state: SleepLock<State>,
}

enum State {
    /// No driver does.
    Free,
    By(Driver),
    /// No driver does any more: they tell nothing of a socket whose peer has ended the stream.
    Over,
}

/// The registration of a socket at the driver of a runtime.
struct Driver {
    runtime: Id,
    fd: AsyncFd<RawFd>,
    /// Whether the driver tells of room in the socket, too. A socket has room nearly always, so each event would tell it.
    writes: bool,
}

/// What a driver has told since it was last asked.
struct Told {
    read: bool,
    write: bool,
}

/// Why a driver tells nothing any more.
enum End {
    Runtime,
    Stream,
}

impl Driven {
    pub(crate) fn new(ready: &Arc<Ready>) -> Self {
        Self(Arc::new(Inner { ready: ready.clone(), state: SleepLock::new(State::Free) }))
    }

    /// The driver of the running task's runtime watches the socket, until [`leave`](Self::leave) or [`end`](Self::end).
    /// Returns whether it does.
    pub(crate) fn watch(&self, fd: RawFd, waker: &Waker) -> bool {
        let Some(runtime) = runtime_of(waker) else { return false };
        let ready = &self.0.ready;
        let writes = ready.write.waiting() > 0;
        let (watches, told) = self.0.state.with(|state| {
            match state {
                State::By(driver) if driver.runtime == runtime && driver.writes >= writes => return (true, None),
                State::By(driver) if driver.runtime != runtime && ready.others_wait(waker) => return (false, None),
                State::Over => return (false, None),
                State::Free | State::By(_) => {}
            }
            // A driver has a socket once.
            *state = State::Free;
            let Some(driver) = Driver::new(runtime, fd, writes) else { return (false, None) };
            *state = State::By(driver);
            (true, self.0.ask(state))
        });
        self.0.tell(told);
        watches
    }

    /// The socket is watched for the task of `waker`: a driver need not, unless another task waits, too.
    pub(crate) fn leave(&self, waker: &Waker) {
        self.0.state.with(|state| {
            if matches!(state, State::By(_)) && !self.0.ready.others_wait(waker) {
                *state = State::Free;
            }
        });
    }

    /// The socket is about to be closed.
    pub(crate) fn end(&self) {
        self.0.state.with(|state| *state = State::Over);
    }

    /// Whether the driver of the running thread's runtime watches the socket.
    pub(crate) fn is_current(&self) -> bool {
        Handle::try_current().is_ok_and(|handle| {
            self.0.state.with(|state| matches!(state, State::By(driver) if driver.runtime == handle.id()))
        })
    }
}

impl Inner {
    /// What the driver has told, if there is one. It calls the waker at the next event.
    fn ask(self: &Arc<Self>, state: &mut State) -> Option<Told> {
        let State::By(driver) = state else { return None };
        let told = driver.ask(&Waker::from(self.clone()));
        Some(told.unwrap_or_else(|end| {
            *state = match end {
                End::Runtime => State::Free,
                End::Stream => State::Over,
            };
            Told { read: true, write: true }
        }))
    }

    fn tell(&self, told: Option<Told>) {
        let Some(told) = told else { return };
        if told.read {
            self.ready.read.change();
        }
        if told.write {
            self.ready.write.change();
        }
    }
}

/// The driver has an event.
impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        let told = self.state.with(|state| self.ask(state));
        self.tell(told);
    }
}

impl Driver {
    fn new(runtime: Id, fd: RawFd, writes: bool) -> Option<Self> {
        // A runtime tells only by a panic that it has no driver.
        if cfg!(panic = "abort") || UNDRIVEN.with(|undriven| undriven.contains(&runtime)) {
            return None;
        }
        let interest = if writes { Interest::READABLE.add(Interest::WRITABLE) } else { Interest::READABLE };
        // The new function is unsafe, as the descriptor has to be open until the registration ends. It is: the socket
        // ends the registration before it closes.
        #[allow(deprecated, reason = "there is no other safe function")]
        match catch_unwind(|| AsyncFd::with_interest(fd, interest)) {
            Ok(fd) => Some(Self { runtime, fd: fd.ok()?, writes }),
            Err(_) => {
                UNDRIVEN.with(|undriven| undriven.push(runtime));
                None
            }
        }
    }

    /// What has happened since the last call. `waker` is called at the next event.
    fn ask(&self, waker: &Waker) -> Result<Told, End> {
        // It is no operation of the task, and has no part in its budget.
        let both = pin!(unconstrained(poll_fn(|cx| Poll::Ready((self.take(cx, false), self.take(cx, true))))));
        match both.poll(&mut Context::from_waker(waker)) {
            Poll::Ready((read, write)) => Ok(Told { read: read?, write: write? }),
            Poll::Pending => Ok(Told { read: true, write: true }),
        }
    }

    /// Takes the events of a direction. Returns whether there were any.
    fn take(&self, cx: &mut Context<'_>, writes: bool) -> Result<bool, End> {
        let mut any = false;
        // A direction that the driver does not watch would keep the waker.
        if writes && !self.writes {
            return Ok(any);
        }
        loop {
            let event = if writes { self.fd.poll_write_ready(cx) } else { self.fd.poll_read_ready(cx) };
            let Poll::Ready(event) = event else { return Ok(any) };
            let mut event = event.map_err(|_| End::Runtime)?;
            if event.ready().is_read_closed() || event.ready().is_write_closed() {
                // It would be told for ever.
                return Err(End::Stream);
            }
            event.clear_ready();
            any = true;
        }
    }
}

/// The runtimes without a driver.
static UNDRIVEN: SleepLock<Vec<Id>> = SleepLock::new(Vec::new());

/// How wakers of runtimes of one thread work: that of `block_on`, and those of tasks.
static OWN: OnceLock<Option<[&RawWakerVTable; 2]>> = OnceLock::new();

/// Learns how to tell the wakers of runtimes from others. Not to be called on a thread of a runtime.
pub(crate) fn learn() {
    OWN.get_or_init(|| {
        let runtime = Builder::new_current_thread().build().ok()?;
        let own = || poll_fn(|cx| Poll::Ready(cx.waker().vtable()));
        runtime.block_on(async { Some([own().await, tokio::spawn(own()).await.ok()?]) })
    });
}

/// The runtime of one thread in which the running task is polled, if `waker` is one of its own and not one of another
/// executor within it.
fn runtime_of(waker: &Waker) -> Option<Id> {
    let own = OWN.get()?.as_ref()?;
    if !own.contains(&waker.vtable()) {
        return None;
    }
    let runtime = Handle::try_current().ok()?;
    (runtime.runtime_flavor() == RuntimeFlavor::CurrentThread).then(|| runtime.id())
}
