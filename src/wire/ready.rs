//! How tasks wait for a socket: each change of it is counted, and wakes all tasks that wait for one.
//!
//! # The step that registers a waker
//!
//! The reactor hears of a change once, so a task that misses it sleeps for ever. Invariant: a task registers only if no
//! change was counted since before its last attempt.
//!
//! [`Readiness::poll`] reads the count, attempts the system call, and if that would block, compares the count under the
//! lock under which it registers. The reactor counts and takes the wakers under the same lock. This guards against the
//! interleaving in which bytes arrive between the attempt and the registration: the reactor finds no waker, and the task
//! waits for a change that has passed. Model: `a_change_between_attempt_and_registration_is_seen` in
//! `tests/loom/wire.rs`.
//!
//! It is a count and not a flag that each attempt clears, as several tasks may wait in one direction. Task A clears the
//! flag and fails, two bytes arrive, task B clears the flag and takes one of them, and A finds the flag clear and sleeps
//! beside the other. Model: `each_of_two_readers_gets_its_byte`.

use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};

use crate::sync::{AtomicBool, AtomicU32, Lock};
use crate::wait::waker::{ManyWakers, Wakers, discard, poll_locked};

/// The readiness of both directions of a socket.
pub(crate) struct Ready {
    pub(crate) read: Readiness,
    pub(crate) write: Readiness,
    /// Whether both directions of the peer are over: it was reset, or has hung up.
    gone: AtomicBool,
    /// Whether its owner has to give it up.
    cut: AtomicBool,
}

impl Ready {
    pub(crate) fn new() -> Self {
        Self {
            read: Readiness::new(),
            write: Readiness::new(),
            gone: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        }
    }

    /// Wakes all tasks that wait in one of the directions.
    pub(crate) fn change(&self) {
        self.read.change();
        self.write.change();
    }

    /// Whether another task than that of `waker` waits, in either direction.
    pub(crate) fn others_wait(&self, waker: &Waker) -> bool {
        self.read.others_wait(waker) || self.write.others_wait(waker)
    }

    /// Tells the owner to give the socket up.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.change();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// The peer is gone.
    pub(crate) fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// The readiness of one direction.
pub(crate) struct Readiness {
    /// How many changes there were. It changes under the lock.
    changes: AtomicU32,
    waiting: Lock<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Whether the last attempt would have blocked, and no change was counted since.
    blocked: bool,
    wakers: ManyWakers,
}

impl Readiness {
    fn new() -> Self {
        Self { changes: AtomicU32::new(0), waiting: Lock::new(Waiting::default()) }
    }

    /// Makes attempts until one has an outcome, or registers `waker` for the next change.
    pub(crate) fn poll<R>(&self, waker: &Waker, mut attempt: impl FnMut() -> Poll<R>) -> Poll<R> {
        loop {
            let before = self.changes.load(Ordering::Acquire);
            if let Poll::Ready(outcome) = attempt() {
                return Poll::Ready(outcome);
            }
            if self.register(waker, Some(before)).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Ready unless the last attempt would have blocked.
    pub(crate) fn poll_unblocked(&self, waker: &Waker) -> Poll<()> {
        self.register(waker, None)
    }

    /// Registers `waker` for the next change, whatever the state is.
    pub(crate) fn watch(&self, waker: &Waker) {
        let _: Poll<()> = poll_locked(waker, |registration| {
            self.waiting.with(|waiting| registration.register(&mut waiting.wakers));
            Poll::Pending
        });
    }

    /// Registers `waker`, unless a change was counted since there were `before` of them. Without `before`, unless the
    /// direction is not known to be blocked.
    fn register(&self, waker: &Waker, before: Option<u32>) -> Poll<()> {
        poll_locked(waker, |registration| {
            self.waiting.with(|waiting| {
                let moved = match before {
                    Some(before) => self.changes.load(Ordering::Acquire) != before,
                    None => !waiting.blocked,
                };
                if moved {
                    return Poll::Ready(());
                }
                waiting.blocked = true;
                registration.register(&mut waiting.wakers);
                Poll::Pending
            })
        })
    }

    /// An attempt did less than was asked for, when there were `before` changes: the next one would block.
    pub(crate) fn set_blocked(&self, before: u32) {
        self.waiting.with(|waiting| waiting.blocked |= self.changes.load(Ordering::Acquire) == before);
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Counts a change, and wakes all tasks that wait for one.
    pub(crate) fn change(&self) {
        let woken = self.waiting.with(|waiting| {
            self.changes.store(self.changes.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
            waiting.blocked = false;
            waiting.wakers.take_all()
        });
        woken.wake();
    }

    /// Unregisters the task of `waker`.
    pub(crate) fn cancel(&self, waker: &Waker) {
        let left = self.waiting.with(|waiting| waiting.wakers.remove(waker));
        left.into_iter().for_each(discard);
    }

    /// Whether another task than that of `waker` waits.
    fn others_wait(&self, waker: &Waker) -> bool {
        self.waiting.with(|waiting| waiting.wakers.count() > usize::from(waiting.wakers.contains(waker)))
    }

    /// How many tasks wait.
    pub(crate) fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.with(|waiting| waiting.wakers.count())).unwrap_or(u32::MAX)
    }
}
