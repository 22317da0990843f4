//! A dial on its way that nothing has to poll.
//!
//! The request arrives at its listener when it is due, whether or not the task of the dial runs then, and the answer
//! leaves when the listener accepts. So a voyage is a future that is polled by whatever wakes it.
//!
//! Invariant: the future is polled by one thread at a time, under no lock, and it is dropped when its dial is, or right
//! after that by the thread that polls it. A wake-up while it is polled is a reason to poll it again.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};

use crate::sync::Lock;

type Travel = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future that polls itself. Dropping the handle ends it.
pub(super) struct Voyage(Arc<Shared>);

struct Shared(Lock<State>);

enum State {
    /// It waits to be woken.
    Waiting(Travel),
    /// A thread polls it; whether it was woken meanwhile.
    Polled(bool),
    /// It is done, or was ended.
    Over,
}

impl Voyage {
    /// Begins, and takes the first steps.
    pub(super) fn begin(travel: impl Future<Output = ()> + Send + 'static) -> Self {
        let shared = Arc::new(Shared(Lock::new(State::Waiting(Box::pin(travel)))));
        shared.clone().wake();
        Self(shared)
    }
}

impl Drop for Voyage {
    fn drop(&mut self) {
        let left = self.0.0.with(|state| core::mem::replace(state, State::Over));
        drop(left);
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        let taken = self.0.with(|state| match core::mem::replace(state, State::Polled(false)) {
            State::Waiting(travel) => Some(travel),
            State::Polled(_) => {
                *state = State::Polled(true);
                None
            }
            State::Over => {
                *state = State::Over;
                None
            }
        });
        let Some(mut travel) = taken else { return };
        let waker = Waker::from(self.clone());
        loop {
            let done = travel.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut left = Some(travel);
            let again = self.0.with(|state| match state {
                State::Polled(again) if !done && *again => {
                    *again = false;
                    left.take()
                }
                State::Polled(_) if !done => {
                    *state = left.take().map_or(State::Over, State::Waiting);
                    None
                }
                _ => {
                    *state = State::Over;
                    None
                }
            });
            // Outside of the lock, as it is dropped here if it is over.
            drop(left);
            match again {
                Some(next) => travel = next,
                None => return,
            }
        }
    }
}
