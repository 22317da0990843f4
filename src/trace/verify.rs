//! Whether a test relies on an order that another run may not have.
//!
//! The scenario is run once, and once more for each candidate: a pair of events that nothing the network sees orders,
//! though the test has read them in this order, or a port or a queue depends on it. In that run, the operation that came
//! first is held until the other event has happened. If it happens, the order was chance. If instead nothing happens any
//! more, something that the network does not see orders the two, such as a lock of the program.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use std::vec::Vec;

use crate::sync::AtomicBool;
use crate::trace::event::Event;
use crate::trace::held::Place;
use crate::trace::order::Order;
use crate::trace::place::{counts, dial_text, event_key, operation_key};
use crate::trace::recorder::{Shared, Trace};
use crate::wait::block::serve;

/// Whatever a scenario fails with.
type Failed = Box<dyn Error + Send + Sync>;

/// An event counts as impossible if nothing happened for so many moments. Counted in moments in which this thread sleeps
/// and wakes, as on a busy machine another thread may not run for as long as all of them should take.
const SILENCE: u32 = 50;

/// A moment takes at least so long.
const MOMENT: Duration = Duration::from_millis(1);

/// Runs a scenario again and again, to find each order that it wrongly relies on.
///
/// A candidate is a pair of events that the network does not order, of which the first one has happened first by
/// chance, as far as the network can see: neighbours in a stream that a [`Check`](crate::trace::Check) reads, and the
/// [races](Trace::races). The scenario runs once, and once more for each candidate, in which the operation that came
/// first is held until the other event has happened. So `k` candidates take `k + 1` runs. If there is no event for 50
/// milliseconds, the two are ordered by something else, such as a lock; likewise at once if an automatic clock sees that
/// nothing else can happen.
///
/// Only operations that may wait can be held: dials, accepts, reads and writes. Other candidates are listed as not
/// tried. In the runs with another order, errors and panics of the scenario count for nothing, but it has to end: give
/// operations that may never complete then a timeout. A scenario makes its networks itself, in the same way each time,
/// with the trace that it is given.
///
/// If the environment variable `VIRTNET_TRACE` names a folder, the trace of a first run that fails, or has a race, is
/// written there as [`write_files`](Trace::write_files) does, with the name `verify`, and the paths are printed to the
/// standard error.
///
/// # Errors
///
/// The scenario's own error, in its first run; else the events that happen in both orders, like
/// `verify: 1 race: dial b:1->a:10 and dial b:2->a:10 happen in both orders`.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use virtnet::{pipenet, trace};
///
/// let raced = trace::verify(|trace| {
///     let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
///     let listener = net.host("a")?.listen(":10")?;
///     let b = net.host("b")?;
///     let dials = ["x", "y"].map(|_| {
///         let b = b.clone();
///         thread::spawn(move || b.dial("a:10").wait().map(drop))
///     });
///     (listener.accept().wait()?, listener.accept().wait()?);
///     dials.into_iter().try_for_each(|dial| dial.join().unwrap())?;
///     Ok(())
/// });
/// assert!(raced.unwrap_err().to_string().starts_with("verify: "));
/// ```
pub fn verify(scenario: impl Fn(&Trace) -> Result<(), Failed>) -> Result<Verdict, Failed> {
    let trace = Trace::new();
    trace.follow();
    scenario(&trace).inspect_err(|_| leave(&trace))?;
    let mut verdict = Verdict { runs: 1, ..Verdict::default() };
    for candidate in candidates(&trace) {
        let pair = candidate.to_string();
        let Some(held) = candidate.held else {
            verdict.untried.push(pair);
            continue;
        };
        verdict.runs += 1;
        match flip(&scenario, held, &candidate.awaited) {
            Flip::Happened => verdict.races.push(pair),
            Flip::Impossible => verdict.ordered += 1,
            Flip::NotReached => verdict.untried.push(pair),
        }
    }
    if verdict.races.is_empty() {
        return Ok(verdict);
    }
    leave(&trace);
    Err(verdict.into())
}

/// Writes the trace into the folder that the environment names, if it does.
fn leave(trace: &Trace) {
    let Some(folder) = std::env::var_os("VIRTNET_TRACE") else { return };
    match trace.write_files(&folder, "verify") {
        Ok(paths) => paths.iter().for_each(|path| std::eprintln!("virtnet: see {}", path.display())),
        Err(error) => std::eprintln!("virtnet: VIRTNET_TRACE={}: {error}", folder.display()),
    }
}

/// The outcome of [`verify`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// How often the scenario was run.
    pub runs: usize,
    /// The pairs of events that happen in both orders, like `dial b:1->a:10 and dial b:2->a:10`.
    pub races: Vec<String>,
    /// How many pairs are ordered by something that the network does not see.
    pub ordered: usize,
    /// The pairs of which the first event cannot be held, as it is a try or a close, or did not come again.
    pub untried: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.races {
            [] => f.write_str("verify: no race")?,
            [race] => write!(f, "verify: 1 race: {race} happen in both orders")?,
            races => write!(f, "verify: {} races: {} happen in both orders", races.len(), races.join("; "))?,
        }
        let ordered = match self.ordered {
            0 => None,
            1 => Some("1 candidate is ordered by something else".to_string()),
            ordered => Some(std::format!("{ordered} candidates are ordered by something else")),
        };
        let untried = (!self.untried.is_empty()).then(|| std::format!("not tried: {}", self.untried.join("; ")));
        let notes: Vec<_> = ordered.into_iter().chain(untried).collect();
        if notes.is_empty() { Ok(()) } else { write!(f, " ({})", notes.join("; ")) }
    }
}

impl Error for Verdict {}

/// Two events that are not ordered, as far as the network sees.
struct Candidate {
    events: [Event; 2],
    /// The operation of the first event, if it can be held.
    held: Option<Place>,
    /// The second event in a run in which that operation is held.
    awaited: Place,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.events[0], self.events[1])
    }
}

/// The pairs of a run whose order may be chance, in the order of their first events.
fn candidates(trace: &Trace) -> Vec<Candidate> {
    let frozen = trace.freeze();
    let order = Order::new(frozen, false);
    let mut pairs = Vec::new();
    let mut last = BTreeMap::new();
    for (stream, seq) in trace.followed() {
        if let Some(before) = last.insert(stream, seq) {
            let positions = [before, seq].map(|seq| order.frozen.position(seq));
            if let [Some(before), Some(after)] = positions
                && !order.is_before(before.min(after), before.max(after))
            {
                pairs.push((before.min(after), before.max(after)));
            }
        }
    }
    for race in trace.races().iter() {
        if let [Some(first), Some(second)] = [&race.first, &race.second].map(|event| order.frozen.position(event.seq)) {
            pairs.push((first, second));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let places = places(&order);
    let candidate = |(first, second)| {
        let events = [order.frozen.event(first)?, order.frozen.event(second)?];
        let ((held, _), (_, awaited)) = (places.get(&first)?.clone(), places.get(&second)?.clone());
        // If both are of one kind, the second one is one earlier while the first one is held.
        let is_like = held.as_ref().is_some_and(|held| held.key == awaited.key);
        let awaited = Place { count: awaited.count.saturating_sub(u64::from(is_like)), ..awaited };
        Some(Candidate { events, held, awaited })
    };
    pairs.into_iter().filter_map(candidate).collect()
}

/// The place of each event's operation, if it may wait, and that of the event, by the event's position.
fn places(order: &Order) -> BTreeMap<usize, (Option<Place>, Place)> {
    let (mut events, mut operations) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    // The count of the last dial with these ports.
    let mut dials = BTreeMap::<String, u64>::new();
    let place = |position| {
        let event = order.frozen.event(position)?;
        let of_event = {
            let key = event_key(&event);
            let count = events.entry(key.clone()).or_default();
            *count += 1;
            Place { key, count: *count }
        };
        let of_operation = operation_key(&event).map(|key| {
            let known = operations.entry(key.clone()).or_default();
            *known += u64::from(counts(&event));
            let count = match dial_text(&event) {
                Some(dial) if counts(&event) => {
                    dials.insert(dial, *known);
                    *known
                }
                Some(dial) => dials.get(&dial).copied().unwrap_or(*known),
                None => *known,
            };
            Place { key, count: count.max(1) }
        });
        Some((position, (of_operation, of_event)))
    };
    order.frozen.slots().map(|(position, ..)| position).filter_map(place).collect()
}

/// The outcome of a run with another order.
enum Flip {
    /// The other event has happened while the first operation was held.
    Happened,
    /// Nothing has happened while it was held.
    Impossible,
    /// The first operation did not come.
    NotReached,
}

/// Runs the scenario, with the operation `first` held until the event `second` has happened.
fn flip(scenario: &impl Fn(&Trace) -> Result<(), Failed>, first: Place, second: &Place) -> Flip {
    let trace = Trace::new();
    trace.holding().hold_one(first.clone());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&trace, [&first, second], &is_over));
        // In another order, the scenario may fail in any way.
        let _ = catch_unwind(AssertUnwindSafe(|| scenario(&trace)));
        is_over.store(true, Ordering::SeqCst);
        watching.thread().unpark();
        watching.join().unwrap_or(Flip::NotReached)
    })
}

impl Trace {
    /// If the single operation is held now: a clock that sees that nothing else can happen lets it run.
    ///
    /// The thread of the operation registers that, before it waits: else the clock could see a deadlock, and take the
    /// networks down. Test: `verify_clears_what_a_join_orders_once_nothing_else_can_run` in `tests/clock`.
    pub(super) fn watch_one(&self) {
        struct GiveUp(Weak<Shared>);
        impl Wake for GiveUp {
            fn wake(self: Arc<Self>) {
                self.0.upgrade().into_iter().for_each(|shared| shared.holding.give_up_one());
            }
        }
        if self.holding().is_one_unwatched() {
            let give_up = Waker::from(Arc::new(GiveUp(Arc::downgrade(&self.shared))));
            let stuck = self.network_clock().when_stuck(&give_up);
            stuck.into_iter().for_each(|stuck| self.holding().watch_one(stuck));
        }
    }
}

/// Lets the held operation run once the other event has happened, or nothing happens any more.
fn watch(trace: &Trace, [first, second]: [&Place; 2], is_over: &AtomicBool) -> Flip {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    // It wakes threads as if no other thread did.
    serve();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut next, mut firsts, mut seconds, mut moments) = (1, 0, 0, 0);
    let outcome = loop {
        let over = is_over.load(Ordering::SeqCst);
        let is_held = trace.holding().is_one_held(&waker);
        while trace.poll_event(&waker, next).is_ready() {
            for event in trace.events_from(next) {
                next = event.seq + 1;
                moments = 0;
                // Once one of both has happened, the other one has no influence on the outcome.
                if firsts < first.count && seconds < second.count {
                    firsts += u64::from(counts(&event) && operation_key(&event).is_some_and(|key| key == first.key));
                    seconds += u64::from(event_key(&event) == second.key);
                }
            }
        }
        if seconds >= second.count {
            break Flip::Happened;
        }
        if over || firsts >= first.count {
            // If it was not let run, it was tried, and could not be held.
            break if trace.holding().gave_up_one() { Flip::Impossible } else { Flip::NotReached };
        }
        if !is_held {
            thread::park();
        } else if moments < SILENCE {
            moments += 1;
            thread::sleep(MOMENT);
        } else {
            break Flip::Impossible;
        }
    };
    trace.holding().release_one();
    outcome
}
