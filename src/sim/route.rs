//! Directions, and the verbs that set their faults.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;
use core::time::Duration;

use crate::sim::action::Actions;
use crate::sim::setting::{Change, Cut, Limit, Way, nanos, part};
use crate::sim::shared::Shared;
use crate::sim::world::World;

/// Directions between hosts, and the verbs that set their faults.
///
/// A verb has taken effect when it returns. It is for connections and dials that there are, and for those to come, also
/// of hosts that do not exist yet. Verbs return the route, to be followed by others.
#[derive(Clone)]
pub struct Route {
    faults: Arc<Shared>,
    ways: [Option<Way>; 2],
}

impl Route {
    pub(super) fn new(faults: Arc<Shared>, ways: [Option<Way>; 2]) -> Self {
        Self { faults, ways }
    }

    fn set(&self, change: Change, text: fmt::Arguments<'_>) -> &Self {
        self.make(false, text, |way, world, now, actions| world.change(way, &change, now, actions))
    }

    fn end(&self, change: Change, text: fmt::Arguments<'_>) -> &Self {
        self.make(true, text, |way, world, now, actions| world.change(way, &change, now, actions))
    }

    fn make(
        &self,
        ended: bool,
        text: fmt::Arguments<'_>,
        mut step: impl FnMut(Way, &mut World, u64, &mut Actions),
    ) -> &Self {
        let ways = self.ways;
        self.faults.change(ended, &format_args!("{text} {self}"), |world, now, actions| {
            ways.into_iter().flatten().for_each(|way| step(way, world, now, actions));
        });
        self
    }

    /// Cuts them: nothing arrives before the repair, and nothing is lost.
    pub fn partition(&self) -> &Self {
        self.cut(Cut::Stall)
    }

    /// Cuts them for a time. Of several such cuts, the one that ends last counts.
    pub fn partition_for(&self, length: Duration) -> &Self {
        let nanos = nanos(length);
        self.make(false, format_args!("partition for {length:?}"), |way, world, now, actions| {
            world.cut_for(way, nanos, now, actions);
        })
    }

    /// Cuts them in a way.
    pub fn cut(&self, how: Cut) -> &Self {
        let text = match how {
            Cut::Stall => "partition",
            Cut::Reset => "cut with reset",
        };
        self.set(Change::Cut(Some(how)), format_args!("{text}"))
    }

    /// Ends cuts. What was on its way arrives later by as long as the cut took.
    pub fn repair(&self) -> &Self {
        self.end(Change::Cut(None), format_args!("partition"))
    }

    /// Holds what arrives.
    pub fn hold(&self) -> &Self {
        self.set(Change::Held(true), format_args!("hold"))
    }

    /// Releases what is held: what is due arrives at once, in the order in which it was sent. What is not due yet by its
    /// latency arrives when it is.
    pub fn release(&self) -> &Self {
        self.end(Change::Held(false), format_args!("hold"))
    }

    /// How long bytes, ends, dials and their answers take.
    pub fn latency(&self, latency: Duration) -> &Self {
        self.set(Change::Latency(nanos(latency), 0), format_args!("latency {latency:?}"))
    }

    /// Like [`latency`](Route::latency), drawn for each of them.
    pub fn latency_between(&self, range: Range<Duration>) -> &Self {
        let (least, spread) = spread(&range);
        self.set(Change::Latency(least, spread), format_args!("latency {range:?}"))
    }

    /// A latency that is drawn once for each direction, in addition to any other.
    pub fn pair_latency(&self, range: Range<Duration>) -> &Self {
        self.set(Change::PairLatency(Some(spread(&range))), format_args!("pair latency {range:?}"))
    }

    /// Up to how much longer they take, drawn for each. A stream is never reordered.
    pub fn jitter(&self, most: Duration) -> &Self {
        self.set(Change::Jitter(nanos(most)), format_args!("jitter {most:?}"))
    }

    /// How many bytes a second each direction carries, of all its connections together; 0 is no limit.
    pub fn bandwidth(&self, bytes: u64) -> &Self {
        self.set(Change::Rate((bytes > 0).then_some(bytes)), format_args!("bandwidth {bytes}"))
    }

    /// The probability that something is lost on its way and sent again, 200 ms later, 400 ms if it is lost again, and
    /// so on, five times at most. What was sent after it on the same connection waits for it.
    pub fn loss(&self, probability: f64) -> &Self {
        self.set(Change::Loss(part(probability)), format_args!("loss {probability}"))
    }

    /// Resets the connections that there are.
    pub fn reset_peer(&self) -> &Self {
        self.make(false, format_args!("reset"), |way, world, _, actions| world.reset(&way, actions))
    }

    /// Resets the connections that there are after a time.
    pub fn reset_after(&self, length: Duration) -> &Self {
        let (ways, nanos) = (self.ways, nanos(length));
        self.faults.change(false, &format_args!("reset after {length:?} {self}"), |world, now, _| {
            world.reset_at(ways, now.saturating_add(nanos));
        });
        self
    }

    /// Whether dials are refused, after a round trip.
    pub fn refuse(&self, on: bool) -> &Self {
        self.make(!on, format_args!("refuse"), |way, world, now, actions| {
            world.change(way, &Change::Refuse(on), now, actions);
        })
    }

    /// Whether dials do not arrive. At the end, they are sent.
    pub fn blackhole(&self, on: bool) -> &Self {
        self.make(!on, format_args!("blackhole"), |way, world, now, actions| {
            world.change(way, &Change::Blackhole(on), now, actions);
        })
    }

    /// How much later dials arrive.
    pub fn accept_delay(&self, delay: Duration) -> &Self {
        self.set(Change::AcceptDelay(nanos(delay)), format_args!("accept delay {delay:?}"))
    }

    /// How much later the end of a stream arrives.
    pub fn slow_close(&self, delay: Duration) -> &Self {
        self.set(Change::SlowClose(nanos(delay)), format_args!("slow close {delay:?}"))
    }

    /// How many bytes each connection carries, counted from now on, and what happens then; `None` ends it.
    pub fn limit_data(&self, limit: Option<(u64, Limit)>) -> &Self {
        self.set(Change::LimitData(limit), format_args!("limit data {limit:?}"))
    }

    /// Each write takes `average` bytes, or up to `spread` more or less, but at least 1; an average of 0 ends it.
    pub fn slicer(&self, average: u32, spread: u32) -> &Self {
        let sizes = (average > 0).then_some((average, spread));
        self.set(Change::Slicer(sizes), format_args!("slicer {average} {spread}"))
    }

    /// Whether each read returns some of the bytes that there are.
    pub fn short_reads(&self, on: bool) -> &Self {
        self.make(!on, format_args!("short reads"), |way, world, now, actions| {
            world.change(way, &Change::ShortReads(on), now, actions);
        })
    }

    /// After how long a dial fails with `timed out`.
    pub fn connect_timeout(&self, limit: Option<Duration>) -> &Self {
        self.set(Change::ConnectTimeout(limit.map(nanos)), format_args!("connect timeout {limit:?}"))
    }

    /// After how long an end fails with `timed out` whose bytes do not arrive. They are dropped, with all that it has
    /// sent after them, and do not arrive once the link is repaired. Its peer does not know it until it sends something,
    /// and is reset then.
    pub fn user_timeout(&self, limit: Option<Duration>) -> &Self {
        self.set(Change::UserTimeout(limit.map(nanos)), format_args!("user timeout {limit:?}"))
    }

    /// Ends all faults.
    pub fn clear(&self) -> &Self {
        self.end(Change::Clear, format_args!("all"))
    }

    /// Whether everything takes the way through lanes, even if no fault asks for it.
    #[doc(hidden)]
    pub fn lanes(&self, on: bool) -> &Self {
        self.make(!on, format_args!("lanes"), |way, world, now, actions| {
            world.change(way, &Change::Lanes(on), now, actions);
        })
    }
}

/// The start of a range, and how long it is.
fn spread(range: &Range<Duration>) -> (u64, u64) {
    (nanos(range.start), nanos(range.end.saturating_sub(range.start)))
}

/// Like `a | b` for both directions between two hosts, else like `a -> b`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ways {
            [Some(way), Some(back)] if way.from == back.to && way.to == back.from => {
                let [from, to] = [&way.from, &way.to].map(|name| name.as_ref().map_or("*", |name| name.as_str()));
                write!(f, "{from} | {to}")
            }
            [Some(way), None] if way == Way::ALL => f.write_str("*"),
            [Some(way), _] => write!(f, "{way}"),
            [None, _] => f.write_str("nothing"),
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({self})")
    }
}
