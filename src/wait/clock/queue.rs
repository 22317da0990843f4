//! Registered timers in the order of their keys.

#[cfg(feature = "alloc")]
use alloc::collections::BTreeMap;
use core::task::Waker;

use crate::wait::clock::source::Timer;

/// Registered timers.
pub(super) trait Timers {
    /// Registers a timer. Returns a waker that is woken instead of kept, to be woken under no lock.
    fn insert(&mut self, timer: Timer, waker: Waker) -> Option<Waker>;

    fn remove(&mut self, timer: Timer) -> Option<Waker>;

    /// The timer that is due first.
    fn first(&self) -> Option<Timer>;

    fn count(&self) -> usize;
}

/// As many timers as there is memory for.
#[cfg(feature = "alloc")]
pub(crate) type HeapTimers = BTreeMap<Timer, Waker>;

#[cfg(feature = "alloc")]
impl Timers for HeapTimers {
    fn insert(&mut self, timer: Timer, waker: Waker) -> Option<Waker> {
        Self::insert(self, timer, waker)
    }

    fn remove(&mut self, timer: Timer) -> Option<Waker> {
        Self::remove(self, &timer)
    }

    fn first(&self) -> Option<Timer> {
        self.first_key_value().map(|(timer, _)| *timer)
    }

    fn count(&self) -> usize {
        self.len()
    }
}

/// Room for `N` timers. If there are more, those that are due first are kept.
pub(super) struct FixedTimers<const N: usize>([Option<(Timer, Waker)>; N]);

impl<const N: usize> FixedTimers<N> {
    pub(super) const fn new() -> Self {
        Self([const { None }; N])
    }

    fn keys(&self) -> impl Iterator<Item = Timer> {
        self.0.iter().flatten().map(|(timer, _)| *timer)
    }
}

impl<const N: usize> Timers for FixedTimers<N> {
    fn insert(&mut self, timer: Timer, waker: Waker) -> Option<Waker> {
        // A free entry, or else the last timer.
        let room = self.0.iter_mut().max_by_key(|entry| (entry.is_none(), entry.as_ref().map(|(timer, _)| *timer)));
        match room {
            Some(entry) if entry.as_ref().is_none_or(|(last, _)| timer < *last) => {
                entry.replace((timer, waker)).map(|(_, waker)| waker)
            }
            _ => Some(waker),
        }
    }

    fn remove(&mut self, timer: Timer) -> Option<Waker> {
        let entry = self.0.iter_mut().find(|entry| entry.as_ref().is_some_and(|(known, _)| *known == timer))?;
        entry.take().map(|(_, waker)| waker)
    }

    fn first(&self) -> Option<Timer> {
        self.keys().min()
    }

    fn count(&self) -> usize {
        self.keys().count()
    }
}
