//! The faults of a direction, and the directions that a fault is set for.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::addr::name::HostName;

/// What happens to the connections of a link that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cut {
    /// Nothing arrives before the repair, as if a firewall dropped each packet.
    Stall,
    /// Connections are reset at both ends, and dials are refused, as if a firewall answered each packet.
    Reset,
}

/// What happens when a connection has carried as many bytes as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The reader finds the end of the stream behind them; writes fail with `broken pipe`.
    Close,
    /// Both ends are reset once they have arrived.
    Reset,
    /// Writes wait until the limit is lifted.
    Stall,
}

/// A change of the faults of a direction: of one fault, which replaces an earlier one of its kind, or of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Cut(Option<Cut>),
    Held(bool),
    Latency(u64, u64),
    PairLatency(Option<(u64, u64)>),
    Jitter(u64),
    Rate(Option<u64>),
    Loss(u64),
    Refuse(bool),
    Blackhole(bool),
    AcceptDelay(u64),
    SlowClose(u64),
    LimitData(Option<(u64, Limit)>),
    Slicer(Option<(u32, u32)>),
    ShortReads(bool),
    ConnectTimeout(Option<u64>),
    UserTimeout(Option<u64>),
    Lanes(bool),
    Clear,
}

impl Change {
    /// Whether it replaces `earlier` where both apply.
    fn replaces(&self, earlier: &Self) -> bool {
        matches!(self, Self::Clear) || core::mem::discriminant(self) == core::mem::discriminant(earlier)
    }
}

/// The faults of one direction. Those of a new direction are off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) cut: Option<Cut>,
    pub(super) held: bool,
    /// The least latency, and how much more it may be.
    pub(super) latency: (u64, u64),
    pub(super) pair_latency: Option<(u64, u64)>,
    pub(super) jitter: u64,
    /// Bytes a second.
    pub(super) rate: Option<u64>,
    /// The probability of loss, as a part of 2 to the power of 64; `u64::MAX` is certain.
    pub(super) loss: u64,
    pub(super) refuse: bool,
    pub(super) blackhole: bool,
    pub(super) accept_delay: u64,
    pub(super) slow_close: u64,
    pub(super) limit: Option<(u64, Limit)>,
    pub(super) slicer: Option<(u32, u32)>,
    pub(super) short_reads: bool,
    pub(super) connect_timeout: Option<u64>,
    pub(super) user_timeout: Option<u64>,
    /// Whether everything goes through lanes though no fault asks for it.
    pub(super) lanes: bool,
}

impl Settings {
    pub(super) fn apply(&mut self, change: &Change) {
        match *change {
            Change::Cut(cut) => self.cut = cut,
            Change::Held(held) => self.held = held,
            Change::Latency(least, spread) => self.latency = (least, spread),
            Change::PairLatency(range) => self.pair_latency = range,
            Change::Jitter(most) => self.jitter = most,
            Change::Rate(rate) => self.rate = rate,
            Change::Loss(part) => self.loss = part,
            Change::Refuse(on) => self.refuse = on,
            Change::Blackhole(on) => self.blackhole = on,
            Change::AcceptDelay(delay) => self.accept_delay = delay,
            Change::SlowClose(delay) => self.slow_close = delay,
            Change::LimitData(limit) => self.limit = limit,
            Change::Slicer(sizes) => self.slicer = sizes,
            Change::ShortReads(on) => self.short_reads = on,
            Change::ConnectTimeout(limit) => self.connect_timeout = limit,
            Change::UserTimeout(limit) => self.user_timeout = limit,
            Change::Lanes(on) => self.lanes = on,
            Change::Clear => *self = Self::default(),
        }
    }

    /// Whether what is sent reaches the other end by way of a lane.
    pub(super) fn delays(&self) -> bool {
        let timed = self.latency != (0, 0) || self.pair_latency.is_some() || self.jitter > 0 || self.accept_delay > 0;
        let shaped = self.rate.is_some() || self.loss > 0 || self.slow_close > 0 || self.limit.is_some();
        self.lanes || self.cut.is_some() || self.held || timed || shaped || self.user_timeout.is_some()
    }

    /// Whether no fault delays bytes, though they may go through lanes.
    pub(super) fn is_prompt(&self) -> bool {
        let timed = self.latency != (0, 0) || self.pair_latency.is_some() || self.jitter > 0;
        let shaped = self.rate.is_some() || self.loss > 0 || self.limit.is_some();
        !timed && !shaped && self.cut.is_none() && !self.held
    }

    /// Whether each write is looked at before it is made.
    pub(super) fn looks_at_writes(&self) -> bool {
        self.limit.is_some() || self.slicer.is_some()
    }
}

/// Directions, by the names of their hosts; none is each host. A host's direction to itself counts only where it is
/// named twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) from: Option<HostName>,
    pub(super) to: Option<HostName>,
}

impl Way {
    pub(super) const ALL: Self = Self { from: None, to: None };

    pub(super) fn contains(&self, from: &HostName, to: &HostName) -> bool {
        let matches = |named: &Option<HostName>, name| named.as_ref().is_none_or(|named| named == name);
        matches(&self.from, from) && matches(&self.to, to) && (from != to || self.from.is_some() && self.to.is_some())
    }

    /// Whether it contains each direction of `other`.
    fn covers(&self, other: &Self) -> bool {
        self == other
            || (self.from.is_none() || self.from == other.from)
                && (self.to.is_none() || self.to == other.to)
                && (other.from.is_none() || other.from != other.to)
    }
}

/// Like `a -> b`, with `*` for each host.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [&self.from, &self.to].map(|name| name.as_ref().map_or("*", HostName::as_str));
        write!(f, "{from} -> {to}")
    }
}

/// The changes that directions start with which are not known yet, in the order in which they were made. A change that
/// a later one replaces is left out, so there are no more than kinds of faults for each way.
#[derive(Debug, Default)]
pub(super) struct Plan(Vec<(Way, Change)>);

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Plan {
    pub(super) fn add(&mut self, way: Way, change: Change) {
        self.0.retain(|(known, earlier)| !(way.covers(known) && change.replaces(earlier)));
        if change != Change::Clear || self.0.iter().any(|(known, _)| !way.covers(known)) {
            self.0.push((way, change));
        }
    }

    /// The faults of a new direction.
    pub(super) fn settings(&self, from: &HostName, to: &HostName) -> Settings {
        let mut settings = Settings::default();
        self.0.iter().filter(|(way, _)| way.contains(from, to)).for_each(|(_, change)| settings.apply(change));
        settings
    }
}

/// The nanoseconds of a duration; what is too long for a clock is its longest.
pub(super) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// A probability as a part of 2 to the power of 64.
pub(super) fn part(probability: f64) -> u64 {
    if probability >= 1.0 { u64::MAX } else { (probability.max(0.0) * 18_446_744_073_709_551_616.0) as u64 }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::valid("", text).expect("a valid name")
    }

    fn way(from: &str, to: &str) -> Way {
        let named = |text: &str| (text != "*").then(|| name(text));
        Way { from: named(from), to: named(to) }
    }

    #[test]
    fn a_host_and_itself_are_exempt_unless_named() {
        let (a, b) = (name("a"), name("b"));
        for (wide, contains) in [(way("*", "*"), false), (way("a", "*"), false), (way("a", "a"), true)] {
            assert_eq!(wide.contains(&a, &a), contains, "{wide}");
            assert_eq!(wide.contains(&a, &b), wide != way("a", "a"), "{wide}");
        }
        assert!(!way("*", "a").contains(&a, &b));
    }

    #[test]
    fn the_last_change_counts_and_nothing_else_is_kept() {
        let (a, b, c) = (name("a"), name("b"), name("c"));
        let mut plan = Plan::default();
        for _ in 0..100 {
            plan.add(way("a", "b"), Change::Jitter(5));
            plan.add(Way::ALL, Change::Jitter(3));
            plan.add(way("a", "*"), Change::Latency(7, 0));
            plan.add(way("a", "b"), Change::Jitter(4));
        }
        assert_eq!(plan.0.len(), 3);
        let of = |plan: &Plan, from, to| {
            let settings = plan.settings(from, to);
            (settings.jitter, settings.latency.0)
        };
        assert_eq!(
            [of(&plan, &a, &b), of(&plan, &a, &c), of(&plan, &c, &a), of(&plan, &a, &a)],
            [(4, 7), (3, 7), (3, 0), (0, 0)]
        );
        plan.add(way("a", "b"), Change::Clear);
        assert_eq!([of(&plan, &a, &b), of(&plan, &a, &c)], [(0, 0), (3, 7)]);
        plan.add(Way::ALL, Change::Clear);
        assert!(plan.0.is_empty());
    }

    #[test]
    fn a_probability_of_0_is_never_and_of_1_is_always() {
        assert_eq!([part(0.0), part(-1.0), part(f64::NAN), part(1.0), part(2.0)], [0, 0, 0, u64::MAX, u64::MAX]);
        assert_eq!(part(0.5), 1 << 63);
    }
}
