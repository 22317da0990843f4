//! Blocking waits on threads: look, spin for a moment if that has paid lately, sleep.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::sync::AtomicU8;
use crate::sync::thread::{self, Thread};
use crate::waker::idle;

/// Waits on the thread for what `poll` finds, as long as `patience` says; `expired` then gives the outcome. With `look`,
/// the first attempt costs no waker. `relax` is for where there are no threads.
pub(crate) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    look: bool,
    patience: &Patience,
    _relax: fn(),
    expired: impl FnOnce(&Waker) -> R,
) -> R {
    if look && let Poll::Ready(outcome) = poll(&mut Context::from_waker(idle())) {
        return outcome;
    }
    let deadline = patience.limit().and_then(|limit| Instant::now().checked_add(limit));
    let parker = Parker::new();
    parker.wait(|cx| poll(cx), deadline, patience).unwrap_or_else(|| expired(parker.waker()))
}

/// How long blocking reads or writes of one connection may take, and whether spinning has paid for them.
#[derive(Default)]
pub(crate) struct Patience {
    /// In nanoseconds; 0 for as long as it takes.
    limit: AtomicU64,
    score: Score,
}

impl Patience {
    pub(crate) fn limit(&self) -> Option<Duration> {
        match self.limit.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(crate) fn set_limit(&self, limit: Option<Duration>) {
        let nanos = limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self.limit.store(nanos, Ordering::Relaxed);
    }
}

/// The same limit, and nothing learned yet.
impl Clone for Patience {
    fn clone(&self) -> Self {
        let copy = Self::default();
        copy.set_limit(self.limit());
        copy
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patience({:?})", self.limit())
    }
}

/// Whether spinning before sleeping has paid lately: from 0, not at all, to 8. Several threads may use one at once; what
/// gets lost then costs only time.
struct Score {
    score: AtomicU16,
    /// At 0: waits that are not to spin before one tries again.
    skip: AtomicU16,
    /// What `skip` will be after the next try in vain.
    next_skip: AtomicU16,
}

impl Default for Score {
    fn default() -> Self {
        Self { score: AtomicU16::new(2), skip: AtomicU16::new(0), next_skip: AtomicU16::new(2) }
    }
}

impl Score {
    fn says_spin(&self) -> bool {
        if self.score.load(Ordering::Relaxed) > 0 {
            return true;
        }
        let skip = self.skip.load(Ordering::Relaxed);
        self.skip.store(skip.saturating_sub(1), Ordering::Relaxed);
        skip == 0
    }

    fn hit(&self) {
        self.score.store((self.score.load(Ordering::Relaxed) + 1).min(8), Ordering::Relaxed);
        self.next_skip.store(2, Ordering::Relaxed);
    }

    fn miss(&self) {
        let score = self.score.load(Ordering::Relaxed).saturating_sub(2);
        self.score.store(score, Ordering::Relaxed);
        if score == 0 {
            let skip = self.next_skip.load(Ordering::Relaxed);
            self.skip.store(skip, Ordering::Relaxed);
            self.next_skip.store((skip * 2).min(1024), Ordering::Relaxed);
        }
    }
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
    pub(crate) fn new() -> Self {
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
        patience: &Patience,
    ) -> Option<R> {
        let mut cx = Context::from_waker(&self.waker);
        let mut in_time = true;
        loop {
            match poll(&mut cx) {
                Poll::Ready(outcome) => return Some(outcome),
                Poll::Pending if in_time => self.park(deadline, &patience.score),
                Poll::Pending => return None,
            }
            in_time = deadline.is_none_or(|deadline| !left(deadline).is_zero());
        }
    }

    fn park(&self, deadline: Option<Instant>, score: &Score) {
        let state = &self.signal.state;
        if !self.spin(score) && state.compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
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
    fn spin(&self, score: &Score) -> bool {
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
        if !score.says_spin() {
            return false;
        }
        let start = Instant::now();
        while start.elapsed() < SPIN {
            if woken_soon() {
                score.hit();
                return true;
            }
        }
        score.miss();
        false
    }
}

/// How much time is left. In a model none is: what comes before the end of any time is tried anyway.
fn left(deadline: Instant) -> Duration {
    match cfg!(loom) {
        true => Duration::ZERO,
        false => deadline.saturating_duration_since(Instant::now()),
    }
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
    fn spinning_that_does_not_pay_becomes_rare() {
        let score = Score::default();
        let tries = |waits: u32| (0..waits).filter(|_| score.says_spin()).inspect(|_| score.miss()).count();
        // The first, then after 2, 4, 8 … 1024 waits without.
        assert_eq!(tries(1 + 3 + 5 + 9 + 17), 5);
        assert_eq!(tries(10_000), 13);
        score.hit();
        assert_eq!(tries(1), 1);
    }
}
