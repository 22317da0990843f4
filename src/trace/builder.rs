//! Traces with options.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::trace::log::{Bounds, Log};
use crate::trace::recorder::{Actors, Now, Trace};
use crate::trace::text::SHOWN;

impl Trace {
    /// A trace that keeps the first 1000 events and as many of the newest as make a million, in 64 MiB, with the first
    /// 32 bytes of each write and read.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// To make a trace with options.
    pub fn builder() -> Builder {
        let bounds = Bounds { events: 1_000_000, head: 1000, memory: 64 << 20, keep: SHOWN as u32 };
        Builder { bounds, clock: None, actors: None }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a trace with options.
///
/// # Examples
///
/// ```
/// use virtnet::trace::Trace;
///
/// let trace = Trace::builder().head(2).events(4).build();
/// (1..=6).for_each(|number| trace.note(number));
/// assert_eq!(trace.view().to_string(), "note: 1\nnote: 2\n… 2 events dropped\nnote: 5\nnote: 6\n");
/// ```
#[must_use]
pub struct Builder {
    bounds: Bounds,
    clock: Option<Now>,
    actors: Option<Actors>,
}

impl Builder {
    /// So many events are kept at most, a million by default.
    pub fn events(self, events: u64) -> Self {
        Self { bounds: Bounds { events, ..self.bounds }, ..self }
    }

    /// So many of these are the first ones, 1000 by default. The others are the newest.
    pub fn head(self, head: u64) -> Self {
        Self { bounds: Bounds { head, ..self.bounds }, ..self }
    }

    /// About so many bytes of memory are used for events at most, 64 MiB by default.
    pub fn memory(self, memory: usize) -> Self {
        Self { bounds: Bounds { memory, ..self.bounds }, ..self }
    }

    /// So many bytes of each write and read are kept, the first 32 by default; `u32::MAX` for all of them.
    pub fn bytes(self, keep: u32) -> Self {
        Self { bounds: Bounds { keep, ..self.bounds }, ..self }
    }

    /// Gives events their time. By default it is that of the first network that is made with a clock.
    pub fn clock(self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock: Some(Box::new(now)), ..self }
    }

    /// Gives events the time since now. A clock read takes longer than the rest of recording an event.
    #[cfg(feature = "std")]
    pub fn real_time(self) -> Self {
        let start = std::time::Instant::now();
        self.clock(move || start.elapsed())
    }

    /// Tells which thread or task runs, by a number of its own. By default that is the task of tokio, with the feature
    /// `tokio`, or else the thread. Without threads, all events are of one actor.
    pub fn actors(self, key: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { actors: Some(Box::new(key)), ..self }
    }

    /// Makes the trace.
    #[must_use]
    pub fn build(self) -> Trace {
        let log = Log::new(self.bounds);
        self.with(log)
    }

    /// Makes a trace that goes on from a log.
    pub(super) fn with(self, log: Log) -> Trace {
        Trace::of(log, self.bounds.keep, self.clock, self.actors)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Builder").field(&self.bounds).finish()
    }
}
