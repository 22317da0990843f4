//! The user's handle of faults.

use alloc::sync::Arc;
use core::fmt;

use crate::addr::name::HostName;
use crate::contract::engine::Engine;
use crate::contract::layer::Layer;
use crate::sim::faulty::Faulty;
use crate::sim::route::Route;
use crate::sim::rule::{Traffic, Verdict};
use crate::sim::setting::Way;
use crate::sim::shared::Shared;
use crate::trace::Trace;
use crate::wait::clock::Clock;

/// The faults of a network: a layer around its engine. A cheap handle: clones are the same faults.
#[derive(Clone)]
pub struct Faults(Arc<Shared>);

impl Faults {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(0, None, None)
    }

    fn with(seed: u64, clock: Option<Clock>, trace: Option<Trace>) -> Self {
        Self(Arc::new(Shared::new(seed, clock, trace)))
    }

    /// New faults with another seed.
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        Self::with(seed, self.0.clock().cloned(), self.0.trace.clone())
    }

    /// New faults with another clock.
    #[must_use]
    pub fn clock(&self, clock: Clock) -> Self {
        Self::with(self.0.seed, Some(clock), self.0.trace.clone())
    }

    /// New faults that are recorded.
    #[must_use]
    pub fn trace(&self, trace: &Trace) -> Self {
        Self::with(self.0.seed, self.0.clock().cloned(), Some(trace.clone()))
    }

    /// Both directions between two hosts.
    pub fn route(&self, a: &str, b: &str) -> Route {
        self.ways(named(a, b), named(b, a))
    }

    /// The direction from one host to another.
    pub fn oneway(&self, from: &str, to: &str) -> Route {
        self.ways(named(from, to), None)
    }

    /// The directions to a host.
    pub fn to(&self, host: &str) -> Route {
        self.ways(HostName::valid("", host).map(|host| Way { from: None, to: Some(host) }), None)
    }

    /// The directions from a host.
    pub fn from(&self, host: &str) -> Route {
        self.ways(HostName::valid("", host).map(|host| Way { from: Some(host), to: None }), None)
    }

    /// The directions from and to a host.
    pub fn of(&self, host: &str) -> Route {
        let host = HostName::valid("", host);
        self.ways(
            host.map(|host| Way { from: Some(host), to: None }),
            host.map(|host| Way { from: None, to: Some(host) }),
        )
    }

    /// All directions.
    pub fn all(&self) -> Route {
        self.ways(Some(Way::ALL), None)
    }

    /// From now on, `rule` looks at each dial and each write, and decides when it arrives. A rule replaces an earlier one.
    /// It is called under no lock, by the thread or task that dials or writes.
    pub fn rule(&self, rule: impl Fn(&Traffic<'_>) -> Verdict + Send + Sync + 'static) {
        self.0.set_rule(Some(Arc::new(rule)));
    }

    /// Ends the rule.
    pub fn end_rule(&self) {
        self.0.set_rule(None);
    }

    fn ways(&self, first: Option<Way>, second: Option<Way>) -> Route {
        Route::new(self.0.clone(), [first, second])
    }
}

/// The real time, or where there is none a clock that nothing advances.
#[cfg(feature = "std")]
fn default_clock() -> Clock {
    Clock::real()
}

#[cfg(not(feature = "std"))]
fn default_clock() -> Clock {
    Clock::manual()
}

/// The direction between two hosts, if these are names.
fn named(from: &str, to: &str) -> Option<Way> {
    Some(Way { from: Some(HostName::valid("", from)?), to: Some(HostName::valid("", to)?) })
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Faults {
    type Engine<E: Engine + 'static> = Faulty<E>;

    fn wrap<E: Engine + 'static>(self, inner: E) -> Faulty<E> {
        self.0.start(|| inner.clock().cloned().unwrap_or_else(default_clock));
        Faulty::new(inner, self.0)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("seed", &self.0.seed).field("clock", &self.0.clock()).finish_non_exhaustive()
    }
}
