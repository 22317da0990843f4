//! Bridges on threads.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder, JoinHandle};
use std::vec;

use super::guarded::Guarded;
use super::state::{BridgeState, OpenConn};
use super::tally::Counts;
use super::{BUFFER, LIMIT, destination};
use crate::addr::Addr;
use crate::addr::to_addr::ToAddr;
use crate::contract::networker::{NetListener, NetStream, Networker};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};

/// A bridge on threads: carries each connection of a listener to an address of another network; see the
/// [module](crate::bridge). Dropping it stops it.
///
/// It has one thread, and two more for each connection. Each of them blocks, so it works with any connection that
/// implements `Read` and `Write` by reference, such as those of a virtual network and of [`Tcp`](crate::Tcp).
pub struct Bridge {
    local: Addr,
    state: Arc<BridgeState>,
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
        let state = Arc::new(BridgeState::default());
        let listener = Arc::new(listener);
        let closing = listener.clone();
        state.listening(move || closing.close());
        let accepting = {
            let state = state.clone();
            move || {
                accept_all(&state, limit.max(1), &*listener, &host, to);
                state.listened();
            }
        };
        let failed =
            |error| Error::new(Operation::Listen, local.network_name(), None, Some(local), Cause::backend(&error));
        let thread = builder().spawn(accepting).map_err(failed)?;
        Ok(Self { local, state, thread: Mutex::new(Some(thread)) })
    }

    /// The address of the listener.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.local
    }

    /// The number of connections.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// The error of the dial or accept that failed last.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        self.state.last_error()
    }

    /// Closes the listener, aborts all connections, and waits until the threads of the bridge have ended. Stopping it
    /// again does nothing.
    ///
    /// A dial of [`Tcp`](crate::Tcp) cannot be interrupted: `stop` waits until the operating system connects it or gives
    /// it up.
    pub fn stop(&self) {
        self.state.stop();
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

/// Accepts until the listener is closed, and carries each connection on a thread of its own.
fn accept_all<L, N>(state: &BridgeState, limit: usize, listener: &L, host: &N, to: Addr)
where
    L: NetListener<Conn: NetStream + 'static>,
    N: Networker<Conn: 'static>,
    for<'a> &'a L::Conn: Read + Write,
    for<'a> &'a N::Conn: Read + Write,
{
    thread::scope(|scope| {
        while state.wait_below(limit) {
            match listener.accept().wait() {
                Ok(near) => {
                    let accepted = Accepted { near: Guarded::new(near), opened: state.accepted() };
                    if let Err(error) = builder().spawn_scoped(scope, || carry(state, accepted, host, to)) {
                        state.failed(no_thread(host, to, &error));
                    }
                }
                Err(error) => {
                    if !state.wait_after(error) {
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
    opened: OpenConn<'a>,
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
fn carry<A, N>(state: &BridgeState, accepted: Accepted<'_, A>, host: &N, to: Addr)
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
        Some(Err(error)) => return state.failed(error),
        None => return,
    };
    let pair = Arc::new(Pair { near, far, broken: AtomicBool::new(false) });
    let closing = pair.clone();
    opened.up(move || closing.abort());
    thread::scope(|scope| {
        let (near, far) = (&pair.near.conn, &pair.far.conn);
        let back = || copy(far, near, &pair.broken);
        match builder().spawn_scoped(scope, back) {
            Ok(_) => copy(near, far, &pair.broken),
            Err(error) => {
                state.failed(no_thread(host, to, &error));
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
