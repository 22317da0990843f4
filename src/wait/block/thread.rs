//! Blocking waits on threads: poll, spin for a moment if that has paid off lately, sleep.
//!
//! Invariant: a thread sleeps only while no wake-up has arrived since its last poll began. A wake-up sets the state to
//! `WOKEN` even while the thread still runs, and a thread parks only by a compare-and-exchange from `RUNNING`.
//!
//! This guards against the interleaving in which the poll returns `Pending`, another thread wakes the waker, and only
//! then does the thread park: it would sleep through the wake-up. The state returns to `RUNNING` before the next poll,
//! so a wake-up during that poll counts for the wait after it. The models `a_wake_is_never_lost` and
//! `of_two_wakes_neither_is_lost` in `tests/loom/park.rs` try every order.
//!
//! The same holds for a thread that sleeps by a `Sleeper` of `sleeper.rs`, in the state `ASLEEP`: a wake-up that finds it
//! there calls the alarm, which ends the sleep even if that has not begun yet. Model:
//! `a_close_wakes_a_thread_in_its_queue` in `tests/loom/wire.rs`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::sync::AtomicU8;
use crate::sync::thread::{self, Thread};
use crate::wait::NetClock;
use crate::wait::block::{Deadline, ThreadClock};
use crate::wait::waker::noop_waker;
#[cfg(any(feature = "lonet", loom))]
use crate::{
    sync::Lock,
    wait::block::sleeper::{Parking, Sleeper, take_far},
};

/// Blocks the thread until `poll` is ready or `timeout` has passed; `expired` returns the outcome of a timeout. With
/// `look`, the first poll registers no waker.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    look: bool,
    timeout: IoTimeout<'_>,
    expired: impl FnOnce(&Waker) -> R,
) -> R {
    if look && let Poll::Ready(outcome) = poll(&mut Context::from_waker(noop_waker())) {
        return outcome;
    }
    let limit = timeout.timeouts.get(timeout.key);
    Parker::with(|parker| {
        let outcome = parker.wait(|cx| poll(cx), limit, timeout.clock, timeout.history);
        outcome.unwrap_or_else(|| expired(parker.waker()))
    })
}

/// The timeout of blocking reads, or writes, of one connection, and whether spinning has paid off for them so far.
#[derive(Clone, Copy)]
pub(crate) struct IoTimeout<'a> {
    timeouts: &'a Timeouts,
    key: Key,
    history: &'a SpinHistory,
    clock: NetClock<'a>,
}

impl<'a> IoTimeout<'a> {
    /// Without threads, a wait calls the function in between.
    pub(crate) fn new(
        timeouts: &'a Timeouts,
        key: Key,
        scores: &'a SpinHistories,
        _: fn(),
        clock: NetClock<'a>,
    ) -> Self {
        let (.., writes) = key;
        Self { timeouts, key, history: &scores.0[usize::from(writes)], clock }
    }
}

/// The key of a timeout: the host's number, the connection's slot, and whether the timeout is for writes.
pub(crate) type Key = (u32, u32, bool);

/// The timeouts of all connections of a network. Few connections have one, and all handles of a connection share it.
pub(crate) struct Timeouts {
    /// Whether any timeout is set. If not, the map is not locked.
    any: AtomicBool,
    /// Whether dropping a connection has to look further: a timeout is set, or a task has waited until a host is idle.
    rare: AtomicBool,
    limits: Mutex<BTreeMap<Key, Duration>>,
}

impl Timeouts {
    pub(crate) const fn new() -> Self {
        Self { any: AtomicBool::new(false), rare: AtomicBool::new(false), limits: Mutex::new(BTreeMap::new()) }
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
        self.rare.store(true, Ordering::Relaxed);
    }

    /// From now on, a task may wait until hosts are idle.
    pub(crate) fn watch(&self) {
        self.rare.store(true, Ordering::Relaxed);
    }

    /// Removes the timeouts of a connection whose last handle was dropped. Returns whether a task may wait until the
    /// host is idle.
    #[inline]
    pub(crate) fn forget(&self, key: Key) -> bool {
        let rare = self.rare.load(Ordering::Relaxed);
        if rare {
            self.forget_set(key);
        }
        rare
    }

    #[cold]
    fn forget_set(&self, (host, slot, _): Key) {
        if self.any.load(Ordering::Relaxed) {
            self.set((host, slot, false), None);
            self.set((host, slot, true), None);
        }
    }

    fn limits(&self) -> MutexGuard<'_, BTreeMap<Key, Duration>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The spin histories of a handle's reads and of its writes. Every handle of a connection has them: they take 4 bytes.
#[derive(Default)]
pub(crate) struct SpinHistories([SpinHistory; 2]);

/// Whether spinning before sleeping has paid off lately. With a score from 0 to 8 a wait spins; a negative score counts
/// the waits that skip spinning before one spins again. Several threads may share one history: a lost update costs only
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
    /// The score, and the power of 2 that gives how many waits skip spinning after the next miss.
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

/// At most 2 to the power of this waits in a row skip spinning.
const MAX_SKIP: u16 = 10;

std::thread_local! {
    /// The thread's parker while the thread is not waiting.
    static SPARE: Cell<Option<Parker>> = const { Cell::new(None) };
}

/// Puts the thread that created it to sleep until its waker is called.
pub(crate) struct Parker {
    signal: Arc<Signal>,
    waker: Waker,
}

struct Signal {
    state: AtomicU8,
    thread: Thread,
    clock: ThreadClock,
    /// By which the thread sleeps, if it does not by itself.
    #[cfg(any(feature = "lonet", loom))]
    sleeper: Lock<Option<Arc<dyn Sleeper>>>,
}

/// The thread runs, and no wake-up has arrived.
const RUNNING: u8 = 0;
/// The thread sleeps, or is about to sleep.
const PARKED: u8 = 1;
/// A wake-up has arrived.
const WOKEN: u8 = 2;
/// The thread sleeps by a [`Sleeper`], or is about to.
#[cfg(any(feature = "lonet", loom))]
const ASLEEP: u8 = 3;

/// Spin-loop pauses before the clock is first read, and between two reads of it.
const PAUSES: u32 = 32;

/// How long to spin before sleeping: about as long as it takes to wake a sleeping thread.
const SPIN: Duration = Duration::from_micros(50);

impl Parker {
    /// Waits with the thread's spare parker, if there is one: sets in which it has waited before know its waker.
    pub(crate) fn with<R>(wait: impl FnOnce(&Self) -> R) -> R {
        // A waker called during this wait may block too. It gets a parker of its own, so neither wait can consume the
        // other's wake-up.
        let spare = if cfg!(loom) { None } else { SPARE.try_with(Cell::take).ok().flatten() };
        let parker = spare.unwrap_or_else(Self::new);
        parker.signal.state.store(RUNNING, Ordering::Relaxed);
        let outcome = wait(&parker);
        if !cfg!(loom) {
            // The thread-local is gone while the thread exits.
            let _ = SPARE.try_with(|spare| spare.set(Some(parker)));
        }
        outcome
    }

    /// Drops the thread's spare parker: its waker knows another clock than the thread does from now on.
    #[cfg(feature = "sim")]
    pub(crate) fn drop_spare() {
        let _ = SPARE.try_with(Cell::take);
    }

    fn new() -> Self {
        let clock = ThreadClock::current();
        let signal = Arc::new(Signal {
            state: AtomicU8::new(RUNNING),
            thread: thread::current(),
            clock,
            #[cfg(any(feature = "lonet", loom))]
            sleeper: Lock::new(None),
        });
        // Unregistering compares wakers with `will_wake`, which may be false between a waker made from an `Arc` and its
        // clones: depending on how the crates were compiled, their vtables differ. Clones recognize each other.
        let waker = Waker::from(signal.clone()).clone();
        Self { waker, signal }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Polls and sleeps in turn until there is an outcome. Returns `None` if the limit passes first, on the clock of the
    /// thread, or else on that of the network.
    pub(crate) fn wait<R>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
        limit: Option<Duration>,
        net: NetClock<'_>,
        history: &SpinHistory,
    ) -> Option<R> {
        let deadline = Deadline::new(limit, &self.signal.clock, net);
        let mut cx = Context::from_waker(&self.waker);
        let mut in_time = true;
        // A clock has to see that a thread sleeps which it counts.
        #[cfg(any(feature = "lonet", loom))]
        let mut parking = Parking::by(Some(&self.waker).filter(|_| !self.signal.clock.is_counted()));
        loop {
            match poll(&mut cx) {
                Poll::Ready(outcome) => return Some(outcome),
                Poll::Pending if in_time => {
                    #[cfg(any(feature = "lonet", loom))]
                    if let Some(sleeper) = parking.sleeper() {
                        in_time = self.sleep(&deadline, sleeper);
                        continue;
                    }
                    in_time = self.park(&deadline, history);
                }
                Poll::Pending => return None,
            }
        }
    }

    /// Sleeps until the thread is woken. Returns whether the deadline is still ahead.
    fn park(&self, deadline: &Deadline<'_>, history: &SpinHistory) -> bool {
        let Signal { state, clock, .. } = &*self.signal;
        let timer = deadline.arm(&self.waker);
        let fall_asleep = || state.compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        // A thread that spins would look busy to a clock that counts it.
        let spun = !clock.is_counted() && self.spin(history);
        if !spun && clock.sleep(&self.waker, fall_asleep, || state.store(RUNNING, Ordering::Release)) {
            while state.load(Ordering::Acquire) == PARKED {
                match deadline.left() {
                    None => thread::park(),
                    Some(left) if left.is_zero() => break,
                    Some(left) => thread::park_timeout(left),
                }
            }
        }
        state.swap(RUNNING, Ordering::AcqRel);
        deadline.is_ahead(timer)
    }

    /// Sleeps by `sleeper` until the thread is woken. Returns whether the deadline is still ahead.
    #[cfg(any(feature = "lonet", loom))]
    fn sleep(&self, deadline: &Deadline<'_>, sleeper: &Arc<dyn Sleeper>) -> bool {
        let Signal { state, sleeper: shown, .. } = &*self.signal;
        let before = shown.with(|shown| shown.replace(sleeper.clone()));
        let timer = deadline.arm(&self.waker);
        let change = |from, to| state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        while change(RUNNING, ASLEEP) {
            let left = deadline.left();
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            sleeper.sleep(left, &|| _ = change(ASLEEP, RUNNING));
        }
        state.swap(RUNNING, Ordering::AcqRel);
        let gone = shown.with(Option::take);
        drop((before, gone));
        deadline.is_ahead(timer)
    }

    /// Spins for a moment, if that has paid off lately. Returns whether the thread was woken meanwhile.
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
        #[cfg(any(feature = "lonet", loom))]
        let is_far = take_far();
        #[cfg(not(any(feature = "lonet", loom)))]
        let is_far = false;
        if woken_soon() {
            return true;
        }
        if is_far || !history.says_spin() {
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

/// The time left until the deadline. In a loom model it is zero: the model also tries every order in which the wait
/// ends in time.
pub(crate) fn left(deadline: Instant) -> Duration {
    if cfg!(loom) { Duration::ZERO } else { deadline.saturating_duration_since(Instant::now()) }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        #[cfg(any(feature = "lonet", loom))]
        let wake = || match self.state.swap(WOKEN, Ordering::AcqRel) {
            ASLEEP => {
                let sleeper = self.sleeper.with(|sleeper| sleeper.clone());
                sleeper.into_iter().for_each(|sleeper| sleeper.alarm());
                false
            }
            state => state == PARKED,
        };
        #[cfg(not(any(feature = "lonet", loom)))]
        let wake = || self.state.swap(WOKEN, Ordering::AcqRel) == PARKED;
        if self.clock.wake(wake) {
            self.thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spin_histories_of_a_handle_take_4_bytes() {
        assert_eq!(size_of::<SpinHistories>(), 4);
    }

    #[test]
    fn spinning_that_does_not_pay_off_becomes_rare() {
        let history = SpinHistory::default();
        let tries = |waits: u32| (0..waits).filter(|_| history.says_spin()).inspect(|_| history.miss()).count();
        // The first wait spins, then one after each 2, 4, 8 … 1024 waits that do not.
        assert_eq!(tries(1 + 3 + 5 + 9 + 17), 5);
        assert_eq!(tries(10_000), 13);
        history.hit();
        assert_eq!(tries(1), 1);
    }
}
