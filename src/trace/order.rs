//! The causal order of a trace's events.
//!
//! Vector clocks are computed in one pass over the record, with an entry for each actor. An event that learns nothing
//! from other actors shares the clock of the actor's event before it, without its own entry, which is counted apart.

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;

use crate::trace::cause::{Causes, Reason};
use crate::trace::event::Event;
use crate::trace::frozen::Frozen;
use crate::trace::pattern::Pattern;
use crate::trace::recorder::Trace;

/// Which events of a trace, as it was at one moment, come before which.
///
/// An event comes before another if one actor did both, or if information went from the first to the second through the
/// network: from a dial to its accept, from a write to its read, from a close to an end, from an event that gave a port
/// back to one that took it. *Sound*: if `x` is before `y`, it is in each run with these events. *Incomplete*: order by
/// locks, channels, joins and files is not seen, unless [`Trace::token`] tells it. So concurrent events are only not
/// ordered by the network.
///
/// # Examples
///
/// ```
/// use virtnet::trace::Trace;
///
/// let trace = Trace::new();
/// (1..=2).for_each(|number| trace.note(number));
/// let (first, second) = (trace.one("note: 1")?, trace.one("note: 2")?);
/// assert!(trace.order().before(&first, &second));
/// # Ok::<(), virtnet::trace::Failure>(())
/// ```
pub struct Order {
    pub(super) frozen: Frozen,
    edges: Edges,
    /// The actor of each position.
    actors: Vec<u32>,
    /// How many events of its actor there are up to each position.
    counts: Vec<u32>,
    /// The clock of each position, as the number of a row.
    clocks: Vec<u32>,
    rows: Vec<u32>,
    width: usize,
}

/// The causes of all events.
pub(super) struct Edges {
    causes: Vec<(u32, Reason)>,
    /// Where the causes of each position start.
    starts: Vec<u32>,
}

impl Trace {
    /// The causal order of the events so far.
    pub fn order(&self) -> Order {
        Order::new(self.freeze(), true)
    }

    /// Whether `x` comes before `y`; see [`Order`].
    pub fn before(&self, x: impl Borrow<Event>, y: impl Borrow<Event>) -> bool {
        self.order().before(x, y)
    }

    /// Whether neither comes before the other; see [`Order`].
    pub fn concurrent(&self, x: impl Borrow<Event>, y: impl Borrow<Event>) -> bool {
        self.order().concurrent(x, y)
    }
}

impl Order {
    /// Computes the order. Without `ports`, taking a port does not come after giving it back.
    pub(super) fn new(frozen: Frozen, ports: bool) -> Self {
        let edges = Edges::new(&frozen, ports);
        // A file may have actors of any number.
        let mut numbers = Vec::new();
        for (.., slot) in frozen.slots() {
            if numbers.last() != Some(&slot.actor) {
                numbers.push(slot.actor);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let (len, width) = (edges.len(), numbers.len());
        let mut order = Self {
            frozen: frozen.clone(),
            edges,
            actors: alloc::vec![0; len],
            counts: alloc::vec![0; len],
            clocks: alloc::vec![0; len],
            // The first row knows nothing.
            rows: alloc::vec![0; width],
            width,
        };
        let mut counts = alloc::vec![0_u32; width];
        let mut last = (0, 0);
        for (position, _, slot) in frozen.slots() {
            if slot.actor != last.0 {
                last = (slot.actor, numbers.binary_search(&slot.actor).unwrap_or(0) as u32);
            }
            let actor = last.1;
            let count = &mut counts[actor as usize];
            *count += 1;
            (order.actors[position], order.counts[position]) = (actor, *count);
            order.clocks[position] = order.clock(position, actor);
        }
        order
    }

    /// The row of an event whose causes have theirs.
    fn clock(&mut self, position: usize, actor: u32) -> u32 {
        let causes = self.edges.of(position).iter();
        let before = causes.clone().find(|(_, reason)| *reason == Reason::Program);
        let mut row = before.map_or(0, |&(cause, _)| self.clocks[cause as usize]);
        let mut is_own = false;
        for &(cause, _) in causes {
            let cause = cause as usize;
            let theirs = self.actors[cause];
            if theirs == actor {
                continue;
            }
            let knows = |rows: &[u32], row: u32, actor: u32| rows[row as usize * self.width + actor as usize];
            if knows(&self.rows, row, theirs) >= self.counts[cause] {
                continue;
            }
            if !is_own {
                let start = row as usize * self.width;
                row = (self.rows.len() / self.width) as u32;
                self.rows.extend_from_within(start..start + self.width);
                is_own = true;
            }
            let (own, other) = (row as usize * self.width, self.clocks[cause] as usize * self.width);
            for at in 0..self.width {
                self.rows[own + at] = self.rows[own + at].max(self.rows[other + at]);
            }
            self.rows[own + theirs as usize] = self.counts[cause];
        }
        row
    }

    /// Whether `x` comes before `y`. An event that the order does not have is before none and after none.
    pub fn before(&self, x: impl Borrow<Event>, y: impl Borrow<Event>) -> bool {
        let places = (self.frozen.position(x.borrow().seq), self.frozen.position(y.borrow().seq));
        matches!(places, (Some(x), Some(y)) if self.is_before(x, y))
    }

    /// Whether neither comes before the other, and they are not the same.
    pub fn concurrent(&self, x: impl Borrow<Event>, y: impl Borrow<Event>) -> bool {
        let (x, y) = (x.borrow(), y.borrow());
        x.seq != y.seq && !self.before(x, y) && !self.before(y, x)
    }

    /// All events before `x`.
    pub fn past(&self, x: impl Borrow<Event>) -> Vec<Event> {
        let x = x.borrow().seq;
        self.select(|order, position| order.frozen.position(x).is_some_and(|x| order.is_before(position, x)))
    }

    /// All events after `x`.
    pub fn future(&self, x: impl Borrow<Event>) -> Vec<Event> {
        let x = x.borrow().seq;
        self.select(|order, position| order.frozen.position(x).is_some_and(|x| order.is_before(x, position)))
    }

    /// Whether an event that fits comes before `x`.
    pub fn preceded_by(&self, x: impl Borrow<Event>, pattern: impl Pattern) -> bool {
        self.past(x).iter().any(|event| pattern.fits(event))
    }

    /// Whether an event that fits comes after `x`.
    pub fn followed_by(&self, x: impl Borrow<Event>, pattern: impl Pattern) -> bool {
        self.future(x).iter().any(|event| pattern.fits(event))
    }

    /// Whether no event that fits comes after `x`.
    pub fn not_followed_by(&self, x: impl Borrow<Event>, pattern: impl Pattern) -> bool {
        !self.followed_by(x, pattern)
    }

    /// The events through which `x` comes before `y`, if it does.
    pub fn path(&self, x: impl Borrow<Event>, y: impl Borrow<Event>) -> Option<Path> {
        let (x, y) = (self.frozen.position(x.borrow().seq)?, self.frozen.position(y.borrow().seq)?);
        if x >= y {
            return None;
        }
        // The last position on the way from `y` back to each position, with the reason.
        let mut next = alloc::vec![None; y + 1];
        let mut queue = alloc::collections::VecDeque::from([y]);
        while let Some(at) = queue.pop_front().filter(|&at| at != x) {
            for &(cause, reason) in self.causes(at) {
                let place = &mut next[cause as usize];
                if cause as usize >= x && place.is_none() {
                    *place = Some((at, reason));
                    queue.push_back(cause as usize);
                }
            }
        }
        let (mut steps, mut at, mut token) = (Vec::new(), x, None);
        while at != y {
            let (after, reason) = next[at]?;
            at = after;
            let (_, slot) = self.frozen.slot(at)?;
            if slot.code.is_event() {
                steps.push((token.take().unwrap_or(reason), self.frozen.event(at)?));
            } else if reason == Reason::Token {
                token = Some(reason);
            }
        }
        Some(Path { first: self.frozen.event(x)?, steps })
    }

    /// The causes of the event at a position.
    pub(super) fn causes(&self, position: usize) -> &[(u32, Reason)] {
        self.edges.of(position)
    }

    pub(super) fn is_before(&self, x: usize, y: usize) -> bool {
        let actor = self.actors[x];
        if actor == self.actors[y] {
            return self.counts[x] < self.counts[y];
        }
        self.rows[self.clocks[y] as usize * self.width + actor as usize] >= self.counts[x]
    }

    fn select(&self, fits: impl Fn(&Self, usize) -> bool) -> Vec<Event> {
        let events = self.frozen.slots().filter(|(position, _, slot)| slot.code.is_event() && fits(self, *position));
        events.filter_map(|(position, ..)| self.frozen.event(position)).collect()
    }
}

impl Edges {
    /// Finds the causes. Without `ports`, taking a port does not come after giving it back.
    pub(super) fn new(frozen: &Frozen, ports: bool) -> Self {
        let (mut edges, mut starts) = (Vec::new(), Vec::new());
        let (mut causes, mut found) = (Causes::default(), Vec::new());
        for (position, chunk, slot) in frozen.slots() {
            causes.add(position, chunk, slot, &mut found);
            found.retain(|&(_, reason)| ports || reason != Reason::Port);
            // Positions without an event have no causes.
            starts.resize(position + 1, edges.len() as u32);
            edges.extend(found.drain(..).map(|(cause, reason)| (cause as u32, reason)));
        }
        starts.push(edges.len() as u32);
        Self { causes: edges, starts }
    }

    /// How many positions there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The causes of the event at a position.
    pub(super) fn of(&self, position: usize) -> &[(u32, Reason)] {
        let range = self.starts.get(position).zip(self.starts.get(position + 1));
        range.and_then(|(&start, &end)| self.causes.get(start as usize..end as usize)).unwrap_or_default()
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order({} events, {} edges)", self.actors.len(), self.edges.causes.len())
    }
}

/// The events through which one event comes before another. It prints one line for each, with its actor, and with why
/// it comes after the line before.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Path {
    /// The first event.
    pub first: Event,
    /// The following events, each with the reason why it comes after the one before.
    pub steps: Vec<(Reason, Event)>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.first, self.first.actor)?;
        self.steps.iter().try_for_each(|(reason, event)| write!(f, "\n{event} ({}): {reason}", event.actor))
    }
}
