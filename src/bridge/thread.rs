//! Bridges on threads.
//!
//! # Stopping
//!
//! Invariant: once `stopped` is set, every thread of the bridge ends. A thread blocks in an accept, a dial, a read or a
//! write only while `State::wakers` has an entry that ends it, and no entry is added after `stopped` is set: the thread
//! checks it under the same lock, and closes its sockets itself. Without that check a connection accepted during the stop
//! would be carried on, and `stop` would wait for it. Test: `a_bridge_stops_while_clients_connect`.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, Builder, JoinHandle};
use std::vec;

use super::guarded::Guarded;
use super::tally::{Counts, Retry, Tally};
use super::{BUFFER, LIMIT, destination};
use crate::addr::Addr;
use crate::addr::to_addr::ToAddr;
use crate::contract::networker::{NetListener, NetStream, Networker};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::wait::Op;

/// A bridge on threads: carries each connection of a listener to an address of another network; see the
/// [module](crate::bridge). Dropping it stops it.
///
/// It has one thread, and two more for each connection. Each of them blocks, so it works with any connection that
/// implements `Read` and `Write` by reference, such as those of a virtual network and of [`Tcp`](crate::Tcp).
pub struct Bridge {
    local: Addr,
    shared: Arc<Shared>,
    /// The thread that accepts. It ends after all others.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Bridge {
    /// Starts a bridge from a listener to the address `to`, which `host` dials for each connection. At most 1024
    /// connections are open at a time; see [`start_with_limit`](Bridge::start_with_limit).
    ///
    /// # Errors
    ///
    /// A malformed address, or the operating system's error if it has no more threads. The listener is closed then.
    pub fn start<L, N>(listener: L, host: N, to: impl ToAddr) -> Result<Self, Error>
    where
        L: NetListener<Conn: NetStream + 'static> + 'static,
        N: Networker<Conn: 'static> + 'static,
        for<'a> &'a L::Conn: Read + Write,
        for<'a> &'a N::Conn: Read + Write,
    {
        Self::start_with_limit(LIMIT, listener, host, to)
    }

    /// Starts a bridge with at most `limit` open connections, at least one. Beyond that, clients wait in the listener's
    /// backlog until a connection closes.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Bridge::start).
    pub fn start_with_limit<L, N>(limit: usize, listener: L, host: N, to: impl ToAddr) -> Result<Self, Error>
    where
        L: NetListener<Conn: NetStream + 'static> + 'static,
        N: Networker<Conn: 'static> + 'static,
        for<'a> &'a L::Conn: Read + Write,
        for<'a> &'a N::Conn: Read + Write,
    {
        let to = destination(&host, to)?;
        let local = listener.local_addr();
        let shared = Arc::new(Shared::default());
        let listener = Arc::new(listener);
        let closing = listener.clone();
        shared.up(0, Box::new(move || closing.close()));
        let accepting = {
            let shared = shared.clone();
            move || {
                accept_all(&shared, limit.max(1), &*listener, &host, to);
                drop(shared.remove(0));
            }
        };
        let failed =
            |error| Error::new(Operation::Listen, local.network_name(), None, Some(local), Cause::backend(&error));
        let thread = builder().spawn(accepting).map_err(failed)?;
        Ok(Self { local, shared, thread: Mutex::new(Some(thread)) })
    }

    /// The address of the listener.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.local
    }

    /// The number of connections.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().tally.counts
    }

    /// The error of the dial or accept that failed last.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        self.shared.lock().tally.last_error
    }

    /// Closes the listener, aborts all connections, and waits until the threads of the bridge have ended. Stopping it
    /// again does nothing.
    ///
    /// A dial of [`Tcp`](crate::Tcp) cannot be interrupted: `stop` waits until the operating system connects it or gives
    /// it up.
    pub fn stop(&self) {
        self.shared.stop();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // It fails if a network panicked, and the panic has been reported.
            let _ = thread.join();
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bridge({} {:?})", self.local, self.counts())
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when a connection has closed, and when the bridge stops.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    tally: Tally,
    /// How to end the threads that may block: the one that accepts is 0, each connection has its number.
    wakers: BTreeMap<u64, Wake>,
}

/// How to end what a thread blocks in.
enum Wake {
    /// Wakes a dial, which then looks at `stopped`.
    Dial(Waker),
    /// Closes sockets.
    Close(Box<dyn Fn() + Send>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than `limit` connections are open. Returns false if the bridge has stopped.
    fn wait_below(&self, limit: usize) -> bool {
        let full = |state: &mut State| !state.stopped && state.tally.counts.open >= limit;
        let state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        !state.stopped
    }

    /// Waits until one of the connections has closed, after an accept that failed. Returns false if there will be no
    /// more accepts.
    fn wait_after(&self, error: Error) -> bool {
        let (retry, open) = {
            let mut state = self.lock();
            if state.stopped {
                return false;
            }
            (state.tally.accept_failed(error), state.tally.counts.open)
        };
        match retry {
            Retry::Now => true,
            Retry::OnceClosed => self.wait_below(open),
            Retry::Never => false,
        }
    }

    /// Counts an accepted connection.
    fn accepted(&self) -> Opened<'_> {
        let mut state = self.lock();
        state.tally.accepted();
        Opened { shared: self, number: state.tally.counts.total }
    }

    /// Registers how to close the sockets that a thread is going to block on. Closes them if the bridge has stopped.
    fn up(&self, number: u64, close: Box<dyn Fn() + Send>) {
        if let Err(Wake::Close(close)) = self.insert(number, Wake::Close(close)) {
            close();
        }
    }

    /// Returns the entry if the bridge has stopped.
    fn insert(&self, number: u64, wake: Wake) -> Result<(), Wake> {
        let mut state = self.lock();
        if state.stopped {
            return Err(wake);
        }
        let before = state.wakers.insert(number, wake);
        drop(state);
        drop(before);
        Ok(())
    }

    fn remove(&self, number: u64) -> Option<Wake> {
        self.lock().wakers.remove(&number)
    }

    fn stop(&self) {
        let wakers = {
            let mut state = self.lock();
            state.stopped = true;
            core::mem::take(&mut state.wakers)
        };
        self.changed.notify_all();
        for wake in wakers.into_values() {
            match wake {
                Wake::Dial(waker) => waker.wake(),
                Wake::Close(close) => close(),
            }
        }
    }
}

/// An open connection. Dropping it counts it as closed, so it is dropped after the sockets.
struct Opened<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Opened<'_> {
    /// Dials the far side. Returns `None` if the bridge has stopped.
    fn dial<N: Networker>(&self, host: &N, to: Addr) -> Option<Result<N::Conn, Error>> {
        let mut dial = pin!(host.dial(to));
        let dial = poll_fn(|cx| match self.shared.insert(self.number, Wake::Dial(cx.waker().clone())) {
            Ok(()) => dial.as_mut().poll(cx).map(Some),
            Err(_) => Poll::Ready(None),
        });
        Op::new(dial).wait()
    }

    fn failed(&self, error: Error) {
        self.shared.lock().tally.failed(error);
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        drop(self.shared.remove(self.number));
        self.shared.lock().tally.closed();
        self.shared.changed.notify_all();
    }
}

/// Accepts until the listener is closed, and carries each connection on a thread of its own.
fn accept_all<L, N>(shared: &Shared, limit: usize, listener: &L, host: &N, to: Addr)
where
    L: NetListener<Conn: NetStream + 'static>,
    N: Networker<Conn: 'static>,
    for<'a> &'a L::Conn: Read + Write,
    for<'a> &'a N::Conn: Read + Write,
{
    thread::scope(|scope| {
        while shared.wait_below(limit) {
            match listener.accept().wait() {
                Ok(near) => {
                    let accepted = Accepted { near: Guarded::new(near), opened: shared.accepted() };
                    if let Err(error) = builder().spawn_scoped(scope, || carry(accepted, host, to)) {
                        shared.lock().tally.failed(no_thread(host, to, &error));
                    }
                }
                Err(error) => {
                    if !shared.wait_after(error) {
                        break;
                    }
                }
            }
        }
    });
}

/// An accepted connection. Its fields are dropped in this order.
struct Accepted<'a, A: NetStream> {
    near: Guarded<A>,
    opened: Opened<'a>,
}

/// Both ends of a carried connection.
struct Pair<A: NetStream, B: NetStream> {
    near: Guarded<A>,
    far: Guarded<B>,
    /// Whether an end was reset, or is down.
    broken: AtomicBool,
}

impl<A: NetStream, B: NetStream> Pair<A, B> {
    fn abort(&self) {
        self.near.conn.abort();
        self.far.conn.abort();
    }
}

/// Dials the far side, and copies in both directions until both streams have ended.
fn carry<A, N>(accepted: Accepted<'_, A>, host: &N, to: Addr)
where
    A: NetStream + 'static,
    N: Networker<Conn: 'static>,
    for<'a> &'a A: Read + Write,
    for<'a> &'a N::Conn: Read + Write,
{
    let opened = accepted.opened;
    let near = accepted.near;
    let far = match opened.dial(host, to) {
        Some(Ok(far)) => Guarded::new(far),
        Some(Err(error)) => return opened.failed(error),
        None => return,
    };
    let pair = Arc::new(Pair { near, far, broken: AtomicBool::new(false) });
    let closing = pair.clone();
    opened.shared.up(opened.number, Box::new(move || closing.abort()));
    thread::scope(|scope| {
        let (near, far) = (&pair.near.conn, &pair.far.conn);
        let back = || copy(far, near, &pair.broken);
        match builder().spawn_scoped(scope, back) {
            Ok(_) => copy(near, far, &pair.broken),
            Err(error) => {
                opened.failed(no_thread(host, to, &error));
                pair.broken.store(true, Ordering::Relaxed);
            }
        }
    });
    if !pair.broken.load(Ordering::Relaxed) {
        pair.near.set_ended();
        pair.far.set_ended();
    }
}

/// Copies one direction until its stream has ended; see the module of bridges for what it passes on.
fn copy<S, D>(from: &S, to: &D, broken: &AtomicBool)
where
    S: NetStream,
    D: NetStream,
    for<'a> &'a S: Read,
    for<'a> &'a D: Write,
{
    let (mut reader, mut writer) = (from, to);
    let mut buf = vec![0; BUFFER];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => {
                // It fails only if that end is down, and then there is no peer to tell.
                let _ = to.close_write();
                return;
            }
            Ok(count) => {
                if let Err(error) = writer.write_all(&buf[..count]).and_then(|()| writer.flush()) {
                    broken.fetch_or(error.kind() != ErrorKind::BrokenPipe, Ordering::Relaxed);
                    // The other direction may still have bytes to read from `to`, and ends with that end's stream.
                    let _ = from.close_read();
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                broken.store(true, Ordering::Relaxed);
                return to.abort();
            }
        }
    }
}

fn builder() -> Builder {
    Builder::new().name("virtnet bridge".into())
}

fn no_thread<N: Networker>(host: &N, to: Addr, error: &std::io::Error) -> Error {
    Error::new(Operation::Dial, host.network_name(), None, Some(to), Cause::backend(error))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_accept_that_found_no_file_descriptor_waits_until_a_connection_closes() {
        let shared = Shared::default();
        let error = Error::new(Operation::Accept, "tcp", None, None, Cause::backend(&"too many open files"));
        let opened = shared.accepted();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| shared.wait_after(error));
            while shared.lock().tally.last_error.is_none() {
                thread::yield_now();
            }
            assert!(!waiting.is_finished(), "a connection is open");
            drop(opened);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(!shared.wait_after(error), "none is open, so none will close");
        shared.stop();
        assert!(!shared.wait_after(error));
    }
}
