//! The operations of models, and their outcomes as text.

use std::fmt::Display;
use std::io::{Read, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::Mutex;
use loom::thread::JoinHandle;
use virtnet::{Conn, Host, Listener, NetRefExt as _};

use crate::explore::{Net, Seen};

/// Runs a closure on a new thread.
pub(crate) fn spawn<T: 'static>(run: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    loom::thread::spawn(run)
}

/// The outcome of a thread.
pub(crate) fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the model")
}

/// A time limit, which passes at once in a model.
pub(crate) const SOON: Duration = Duration::from_millis(1);

/// Makes a new host.
pub(crate) fn made<N: Net>(net: &N, name: &str) -> Host<N> {
    let making = pin!(net.new_host(name));
    making.try_wait().expect("nothing to wait for").expect("room for a host")
}

/// An existing host.
pub(crate) fn host<N: Net>(net: &N, name: &str) -> Host<N> {
    net.get_host(name).expect("every model has it")
}

/// A listener at `a:1`.
pub(crate) fn listen<N: Net>(net: &N) -> Listener<N> {
    host(net, "a").listen(":1").expect("a free port")
}

/// A connection: the end of host `a`, at port 1, and the end of host `b`, at port 1, which has dialled.
pub(crate) fn pair<N: Net>(net: &N) -> (Conn<N>, Conn<N>) {
    let listener = host(net, "a").listen(":2").expect("a free port");
    let mut dial = pin!(host(net, "b").dial("a:2"));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = listener.try_accept().expect("a dial waits");
    (accepted, dial.try_wait().expect("it was accepted").expect("it was accepted"))
}

/// Reads up to four bytes, and reports how many.
pub(crate) fn read<N: Net>(mut conn: &Conn<N>) -> String {
    told(conn.read(&mut [0; 4]))
}

/// Writes `bytes`, and reports how many.
pub(crate) fn write<N: Net>(mut conn: &Conn<N>, bytes: &[u8]) -> String {
    told(conn.write(bytes))
}

/// The ways to end a connection at the local end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    CloseWrite,
    CloseRead,
    Close,
    Abort,
    Drop,
}

/// Ends a connection. The caller must keep a connection that is not dropped.
pub(crate) fn end<N: Net>(conn: Conn<N>, how: End) -> Option<Conn<N>> {
    match how {
        End::CloseWrite => conn.close_write().expect("it is up"),
        End::CloseRead => conn.close_read().expect("it is up"),
        End::Close => conn.close(),
        End::Abort => conn.abort(),
        End::Drop => return None,
    }
    Some(conn)
}

/// Starts `count` threads that do the same at one end of a connection.
pub(crate) fn threads<N: Net>(conn: Conn<N>, count: usize, act: fn(&Conn<N>) -> String) -> impl FnOnce() -> String {
    let conn = Arc::new(conn);
    let threads = Vec::from_iter((0..count).map(|_| {
        let conn = conn.clone();
        spawn(move || act(&conn))
    }));
    move || threads.into_iter().map(join).collect()
}

/// The outcome of an operation as text.
pub(crate) fn told(outcome: Result<impl Display, impl Display>) -> String {
    outcome.map_or_else(|error| error.to_string(), |value| value.to_string())
}

/// The ends of a connection as text, if it was established.
pub(crate) fn ends<N: Net>(conn: &Result<Conn<N>, virtnet::Error>) -> String {
    told(conn.as_ref().map(|conn| format!("{}-{}", conn.local_addr(), conn.peer_addr())))
}

/// The possible outcomes, to compare with the observed ones.
pub(crate) fn set<const N: usize>(outcomes: [&str; N]) -> Seen {
    outcomes.map(str::to_owned).into()
}

/// A task that is polled by hand.
#[derive(Default)]
pub(crate) struct Task(AtomicBool);

impl Task {
    /// Polls as this task.
    pub(crate) fn poll<F: Future>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(self.clone())))
    }

    /// Whether the task was woken.
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An event, and the wakers of tasks that wait for it.
#[derive(Default)]
pub(crate) struct Event {
    state: Mutex<(bool, Vec<Waker>)>,
}

impl Event {
    /// An event that has already `happened`, or not.
    pub(crate) fn new(happened: bool) -> Self {
        Self { state: Mutex::new((happened, Vec::new())) }
    }

    /// Returns ready once the event has happened.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock().expect("no panic under this lock");
        if state.0 {
            return Poll::Ready(());
        }
        state.1.push(cx.waker().clone());
        Poll::Pending
    }

    /// Makes the event happen.
    pub(crate) fn set(&self) {
        let mut state = self.state.lock().expect("no panic under this lock");
        state.0 = true;
        let woken = std::mem::take(&mut state.1);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}
