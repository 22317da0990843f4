//! What the threads of a bridge share: its numbers, and how to stop them.
//!
//! # Stopping
//!
//! Invariant: once `stopped` is set, every thread of the bridge ends. A thread blocks in an accept, a dial, a read or a
//! write only while `Inner::wakers` has an entry that ends it, and no entry is added after `stopped` is set: the thread
//! checks it under the same lock, and closes its sockets itself. Without that check a connection accepted during the stop
//! would be carried on, and `stop` would wait for it. Test: `a_bridge_stops_while_clients_connect`.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::tally::{Counts, Retry, Tally};
use crate::addr::Addr;
use crate::contract::networker::Networker;
use crate::error::Error;
use crate::wait::Op;

/// The number that stands for the listener.
const LISTENER: u64 = 0;

/// The state of a bridge.
#[derive(Default)]
pub(super) struct BridgeState {
    inner: Mutex<Inner>,
    /// Notified when a connection has closed, and when the bridge stops.
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    stopped: bool,
    tally: Tally,
    /// How to end the threads that may block, by the number of the connection.
    wakers: BTreeMap<u64, Wake>,
}

/// How to end what a thread blocks in.
enum Wake {
    /// Wakes a dial, which then looks at `stopped`.
    Dial(Waker),
    /// Closes sockets.
    Close(Box<dyn Fn() + Send>),
}

impl BridgeState {
    pub(super) fn counts(&self) -> Counts {
        self.lock().tally.counts
    }

    pub(super) fn last_error(&self) -> Option<Error> {
        self.lock().tally.last_error
    }

    /// Counts an accepted connection as failed.
    pub(super) fn failed(&self, error: Error) {
        self.lock().tally.failed(error);
    }

    /// Registers how to close the listener.
    pub(super) fn listening(&self, close: impl Fn() + Send + 'static) {
        self.up(LISTENER, Box::new(close));
    }

    /// Drops what closes the listener.
    pub(super) fn listened(&self) {
        drop(self.remove(LISTENER));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until fewer than `limit` connections are open. Returns false if the bridge has stopped.
    pub(super) fn wait_below(&self, limit: usize) -> bool {
        let full = |state: &mut Inner| !state.stopped && state.tally.counts.open >= limit;
        let state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        !state.stopped
    }

    /// Waits until one of the connections has closed, after an accept that failed. Returns false if there will be no
    /// more accepts.
    pub(super) fn wait_after(&self, error: Error) -> bool {
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
    pub(super) fn accepted(&self) -> OpenConn<'_> {
        let mut state = self.lock();
        state.tally.accepted();
        OpenConn { bridge: self, number: state.tally.counts.total }
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

    pub(super) fn stop(&self) {
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
pub(super) struct OpenConn<'a> {
    bridge: &'a BridgeState,
    number: u64,
}

impl OpenConn<'_> {
    /// Dials the far side. Returns `None` if the bridge has stopped.
    pub(super) fn dial<N: Networker>(&self, host: &N, to: Addr) -> Option<Result<N::Conn, Error>> {
        let mut dial = pin!(host.dial(to));
        let dial = poll_fn(|cx| match self.bridge.insert(self.number, Wake::Dial(cx.waker().clone())) {
            Ok(()) => dial.as_mut().poll(cx).map(Some),
            Err(_) => Poll::Ready(None),
        });
        Op::new(dial).wait()
    }

    /// Registers how to close both ends. Closes them if the bridge has stopped.
    pub(super) fn up(&self, close: impl Fn() + Send + 'static) {
        self.bridge.up(self.number, Box::new(close));
    }
}

impl Drop for OpenConn<'_> {
    fn drop(&mut self) {
        drop(self.bridge.remove(self.number));
        self.bridge.lock().tally.closed();
        self.bridge.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::error::Operation;
    use crate::error::cause::Cause;

    #[test]
    fn an_accept_that_found_no_file_descriptor_waits_until_a_connection_closes() {
        let state = BridgeState::default();
        let error = Error::new(Operation::Accept, "tcp", None, None, Cause::backend(&"too many open files"));
        let opened = state.accepted();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| state.wait_after(error));
            while state.lock().tally.last_error.is_none() {
                thread::yield_now();
            }
            assert!(!waiting.is_finished(), "a connection is open");
            drop(opened);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(!state.wait_after(error), "none is open, so none will close");
        state.stop();
        assert!(!state.wait_after(error));
    }
}
