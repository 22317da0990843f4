//! The static with the faults, and the verbs of a route.

use core::fmt;
use core::time::Duration;

use super::slot::{Direction, Slot};
use super::table::Table;
use crate::addr::name::HostName;
use crate::error::cause::{Cause, InvalidInput};
use crate::sync::Lock;
use crate::wait::clock::TimeSource;

/// Faults of a network of a fixed size, in a static, without a heap: room for `N` pairs of hosts and `N` connections.
///
/// [`fixed!`](crate::fixed) takes them after a semicolon. The network follows their clock. Pairs are those that a
/// [route](FixedFaults::route) names, and those that have connections or dials under way; a dial that finds no place
/// fails with `fault table is full (8)`.
///
/// Faults are partitions, holds and latencies, as of [`Faults`](crate::sim), whose words are used here. What is due
/// arrives when an operation of either end looks next, and a dial travels while it is polled.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use virtnet::clock::ManualClock;
/// use virtnet::pipenet::fixed::{Faulty, Network};
/// use virtnet::sim::FixedFaults;
///
/// static CLOCK: ManualClock = ManualClock::new();
/// static FAULTS: FixedFaults<2> = FixedFaults::new(&CLOCK);
/// static NET: Network<Faulty> = virtnet::fixed!("t", 2, 4, 1, 64; faults = &FAULTS);
///
/// let listener = NET.host("a")?.listen(":10")?;
/// let mut dial = std::pin::pin!(NET.host("b")?.dial("a:10"));
/// FAULTS.route("a", "b").unwrap().latency(Duration::from_millis(50));
/// assert!(dial.as_mut().try_wait().is_none());
/// CLOCK.advance(Duration::from_millis(50));
/// assert!(dial.as_mut().try_wait().is_none(), "the dial has arrived, and its answer is on its way");
/// # Ok::<(), virtnet::Error>(())
/// ```
pub struct FixedFaults<const N: usize> {
    clock: &'static dyn TimeSource,
    lanes: bool,
    slots: Lock<[Slot; N]>,
}

impl<const N: usize> FixedFaults<N> {
    /// No faults so far, on a clock such as a [`ManualClock`](crate::clock::ManualClock).
    #[must_use]
    pub const fn new(clock: &'static dyn TimeSource) -> Self {
        assert!(N > 0 && N < 0x8000, "there is room for 1 to 32,767 pairs of hosts");
        Self { clock, lanes: false, slots: Lock::new([const { Slot::EMPTY }; N]) }
    }

    /// All bytes and ends go through lanes, though nothing delays them. For tests.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_lanes(mut self) -> Self {
        self.lanes = true;
        self
    }

    #[cfg(feature = "pipenet")]
    pub(crate) const fn time(&self) -> &'static dyn TimeSource {
        self.clock
    }

    pub(super) const fn table(&'static self) -> Table {
        Table { clock: self.clock, lanes: self.lanes, slots: &self.slots }
    }

    /// Both directions between two hosts, which need not exist yet. The pair keeps its place from now on.
    ///
    /// # Errors
    ///
    /// No place is left: `fault table is full (8)`. A name is none of a host: `invalid host name`.
    pub fn route(&'static self, a: &str, b: &str) -> Result<FixedRoute, Cause> {
        self.ways(a, b, [true; 2])
    }

    /// The direction from one host to another, as [`route`](FixedFaults::route).
    ///
    /// # Errors
    ///
    /// As of [`route`](FixedFaults::route).
    pub fn oneway(&'static self, from: &str, to: &str) -> Result<FixedRoute, Cause> {
        self.ways(from, to, [true, false])
    }

    fn ways(&'static self, from: &str, to: &str, ways: [bool; 2]) -> Result<FixedRoute, Cause> {
        let invalid = Cause::Invalid(InvalidInput::HostName);
        let (from, to) = (HostName::valid("", from).ok_or(invalid)?, HostName::valid("", to).ok_or(invalid)?);
        let table = self.table();
        let (pair, flipped) = table.step(|slots| {
            let (pair, flipped) = slots.pair(&from, &to)?;
            slots.slots[pair].pair.named = true;
            Ok::<_, Cause>((pair, flipped))
        })?;
        Ok(FixedRoute { table, pair, ways: if flipped { [ways[1], ways[0]] } else { ways } })
    }
}

impl<const N: usize> fmt::Debug for FixedFaults<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedFaults<{N}>")
    }
}

/// One or both directions of a pair of hosts. Each verb takes effect before it returns, and wakes all tasks that wait.
#[derive(Clone, Copy)]
pub struct FixedRoute {
    table: Table,
    pair: usize,
    ways: [bool; 2],
}

impl FixedRoute {
    /// Nothing arrives until [`repair`](FixedRoute::repair): neither bytes, ends, dials nor answers.
    pub fn partition(&self) -> &Self {
        self.change(Direction::cut)
    }

    /// Ends a partition. What was on its way, or was sent meanwhile, arrives later by as long as it was cut for.
    pub fn repair(&self) -> &Self {
        self.change(Direction::repair)
    }

    /// Nothing arrives until [`release`](FixedRoute::release).
    pub fn hold(&self) -> &Self {
        self.change(|way, _| way.held = true)
    }

    /// Ends a hold. What is due arrives at once.
    pub fn release(&self) -> &Self {
        self.change(|way, _| way.held = false)
    }

    /// How long each write, end, dial and answer takes that is sent from now on, up to 584 years.
    pub fn latency(&self, latency: Duration) -> &Self {
        self.change(|way, _| way.latency = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Ends all faults of these directions.
    pub fn clear(&self) -> &Self {
        self.change(|way, now| {
            way.repair(now);
            (way.held, way.latency) = (false, 0);
        })
    }

    fn change(&self, change: impl Fn(&mut Direction, u64)) -> &Self {
        self.table.step(|slots| {
            let now = slots.now;
            slots.note_arrived(self.pair);
            let pair = &mut slots.slots[self.pair].pair;
            let ways = pair.ways.iter_mut().zip(self.ways).filter(|(_, named)| *named);
            ways.for_each(|(way, _)| change(way, now));
        });
        self.table.wake_all();
        self
    }
}

impl fmt::Debug for FixedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedRoute").field("ways", &self.ways).finish_non_exhaustive()
    }
}
