//! Blocking waits on threads: look, spin for a moment if that has paid lately, sleep.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::sync::AtomicU8;
use crate::sync::thread::{self, Thread};
use crate::wait::waker::noop_waker;

/// Waits on the thread for what `poll` finds, as long as `timeout` says; `expired` then gives the outcome. With `look`,
/// the first attempt costs no waker. `relax` is for where there are no threads.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    look: bool,
    timeout: IoTimeout<'_>,
    _relax: fn(),
    expired: impl FnOnce(&Waker) -> R,
) -> R {
    if look && let Poll::Ready(outcome) = poll(&mut Context::from_waker(noop_waker())) {
        return outcome;
    }
    let limit = timeout.timeouts.get(timeout.key);
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    Parker::with(|parker| {
        parker.wait(|cx| poll(cx), deadline, timeout.history).unwrap_or_else(|| expired(parker.waker()))
    })
}

/// How long a blocking read, or write, of one connection may take, and whether spinning has paid for those before.
#[derive(Clone, Copy)]
pub(crate) struct IoTimeout<'a> {
    timeouts: &'a Timeouts,
    key: Key,
    history: &'a SpinHistory,
}

impl<'a> IoTimeout<'a> {
    pub(crate) fn new(timeouts: &'a Timeouts, key: Key, scores: &'a SpinHistories) -> Self {
        let (.., writes) = key;
        Self { timeouts, key, history: &scores.0[usize::from(writes)] }
    }
}

/// Whose timeout it is: a host's number, the slot of a connection of it, and whether it is that of writes.
pub(crate) type Key = (u32, u32, bool);

/// The timeouts of all connections of a network: few have any, and all handles of one connection share them.
pub(crate) struct Timeouts {
    /// Whether there is any: where there is none, nothing is locked.
    any: AtomicBool,
    limits: Mutex<BTreeMap<Key, Duration>>,
}

impl Timeouts {
    pub(crate) const fn new() -> Self {
        Self { any: AtomicBool::new(false), limits: Mutex::new(BTreeMap::new()) }
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<Duration> {
        if self.any.load(Ordering::Relaxed) { self.limits().get(&key).copied() } else { None }
    }

    pub(crate) fn set(&self, key: Key, limit: Option<Duration>) {
        let mut limits = self.limits();
        match limit {
            Some(limit) => limits.insert(key, limit),
            None => limits.remove(&key),
        };
        self.any.store(!limits.is_empty(), Ordering::Relaxed);
    }

    /// Forgets those of a connection that has no handle any more.
    #[inline]
    pub(crate) fn forget(&self, (host, slot, _): Key) {
        if self.any.load(Ordering::Relaxed) {
            self.set((host, slot, false), None);
            self.set((host, slot, true), None);
        }
    }

    fn limits(&self) -> MutexGuard<'_, BTreeMap<Key, Duration>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a handle of a connection has learned of its reads and its writes: each has it, so it takes 4 bytes.
#[derive(Default)]
pub(crate) struct SpinHistories([SpinHistory; 2]);

/// Whether spinning before sleeping has paid lately: a score from 8 down to 0, at which one tries, and below that, how many
/// waits are not to spin before one tries again. Several threads may use one at once; what gets lost then costs only
/// time.
pub(crate) struct SpinHistory(AtomicU16);

impl Default for SpinHistory {
    fn default() -> Self {
        let history = Self(AtomicU16::new(0));
        history.set(2, 1);
        history
    }
}

impl SpinHistory {
    /// The score, and to which power of 2 waits are not to spin after the next try in vain.
    fn get(&self) -> (i16, u16) {
        let packed = self.0.load(Ordering::Relaxed);
        ((packed >> 4) as i16 - (1 << MAX_SKIP), packed & 15)
    }

    fn set(&self, score: i16, skip: u16) {
        self.0.store(((score + (1 << MAX_SKIP)) as u16) << 4 | skip, Ordering::Relaxed);
    }

    fn says_spin(&self) -> bool {
        let (score, skip) = self.get();
        if score < 0 {
            self.set(score + 1, skip);
        }
        score >= 0
    }

    fn hit(&self) {
        let (score, _) = self.get();
        self.set((score.max(0) + 1).min(8), 1);
    }

    fn miss(&self) {
        match self.get() {
            (score, skip) if score > 2 => self.set(score - 2, skip),
            (_, skip) => self.set(-(1 << skip), (skip + 1).min(MAX_SKIP)),
        }
    }
}

/// At most 2 to the power of this waits are not to spin.
const MAX_SKIP: u16 = 10;

std::thread_local! {
    /// What the thread waits with, while it does not.
    static SPARE: Cell<Option<Parker>> = const { Cell::new(None) };
}

/// Lets the thread that made it sleep until it is woken.
pub(crate) struct Parker {
    signal: Arc<Signal>,
    waker: Waker,
}

struct Signal {
    state: AtomicU8,
    thread: Thread,
}

/// The thread runs, and nobody has woken it.
const RUNNING: u8 = 0;
/// The thread sleeps, or is about to.
const PARKED: u8 = 1;
/// Somebody has woken it.
const WOKEN: u8 = 2;

/// Pauses between two looks at the clock, and before the first.
const PAUSES: u32 = 32;

/// How long to spin before sleeping: about what it takes to wake a sleeping thread.
const SPIN: Duration = Duration::from_micros(50);

impl Parker {
    /// Waits with what the thread has waited with before: where that was, its waker is known.
    pub(crate) fn with<R>(wait: impl FnOnce(&Self) -> R) -> R {
        // Who waits in a waker that is called meanwhile has another one: what wakes the one is not lost on the other.
        let spare = if cfg!(loom) { None } else { SPARE.try_with(Cell::take).ok().flatten() };
        let parker = spare.unwrap_or_else(Self::new);
        parker.signal.state.store(RUNNING, Ordering::Relaxed);
        let outcome = wait(&parker);
        if !cfg!(loom) {
            // There is none while the thread ends.
            let _ = SPARE.try_with(|spare| spare.set(Some(parker)));
        }
        outcome
    }

    fn new() -> Self {
        let signal = Arc::new(Signal { state: AtomicU8::new(RUNNING), thread: thread::current() });
        // A waker made of an `Arc` need not know its clones, and who leaves those who wait is told apart by that. But its
        // clones know each other: it may have another vtable than they, depending on how all was compiled.
        let waker = Waker::from(signal.clone()).clone();
        Self { waker, signal }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Polls, and sleeps until it is worth another poll, until there is an outcome or the deadline has passed.
    pub(crate) fn wait<R>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
        deadline: Option<Instant>,
        history: &SpinHistory,
    ) -> Option<R> {
        let mut cx = Context::from_waker(&self.waker);
        let mut in_time = true;
        loop {
            match poll(&mut cx) {
                Poll::Ready(outcome) => return Some(outcome),
                Poll::Pending if in_time => self.park(deadline, history),
                Poll::Pending => return None,
            }
            in_time = deadline.is_none_or(|deadline| !left(deadline).is_zero());
        }
    }

    fn park(&self, deadline: Option<Instant>, history: &SpinHistory) {
        let state = &self.signal.state;
        if !self.spin(history) && state.compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            while state.load(Ordering::Acquire) == PARKED {
                match deadline.map(left) {
                    None => thread::park(),
                    Some(left) if left.is_zero() => break,
                    Some(left) => thread::park_timeout(left),
                }
            }
        }
        state.swap(RUNNING, Ordering::AcqRel);
    }

    /// Looks for a moment whether somebody wakes the thread, if that has paid lately; says whether somebody did.
    fn spin(&self, history: &SpinHistory) -> bool {
        if cfg!(loom) {
            return false;
        }
        let woken_soon = || {
            (0..PAUSES).any(|_| {
                core::hint::spin_loop();
                self.signal.state.load(Ordering::Acquire) == WOKEN
            })
        };
        if woken_soon() {
            return true;
        }
        if !history.says_spin() {
            return false;
        }
        let start = Instant::now();
        while start.elapsed() < SPIN {
            if woken_soon() {
                history.hit();
                return true;
            }
        }
        history.miss();
        false
    }
}

/// How much time is left. In a model none is: what comes before the end of any time is tried anyway.
fn left(deadline: Instant) -> Duration {
    if cfg!(loom) { Duration::ZERO } else { deadline.saturating_duration_since(Instant::now()) }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == PARKED {
            self.thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_handle_has_room_for_it() {
        assert_eq!(size_of::<SpinHistories>(), 4);
    }

    #[test]
    fn spinning_that_does_not_pay_becomes_rare() {
        let history = SpinHistory::default();
        let tries = |waits: u32| (0..waits).filter(|_| history.says_spin()).inspect(|_| history.miss()).count();
        // The first, then after 2, 4, 8 … 1024 waits without.
        assert_eq!(tries(1 + 3 + 5 + 9 + 17), 5);
        assert_eq!(tries(10_000), 13);
        history.hit();
        assert_eq!(tries(1), 1);
    }
}
