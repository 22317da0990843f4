//! Races: events that happen in another order in another run, with other ports, or other outcomes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::Operation;
use crate::error::kind::ErrorKind;
use crate::trace::event::Event;
use crate::trace::order::Order;
use crate::trace::recorder::Trace;
use crate::trace::slot::{Chunk, Code, Slot};
use crate::trace::view::View;

/// Two events that the network does not order, though their order matters.
///
/// It is a candidate: a lock or a channel of the program may order them. [`Trace::token`] tells such an order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Race {
    /// The event that happened first in this run.
    pub first: Event,
    /// The other one.
    pub second: Event,
    /// The outcome that depends on their order.
    pub why: String,
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, why } = self;
        write!(f, "race: {first} ({}) and {second} ({}) are not ordered: {why}", first.actor, second.actor)
    }
}

/// The races of a trace; it prints one line for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Races(Vec<Race>);

impl Races {
    /// Each race, in the order in which they happened.
    pub fn iter(&self) -> impl Iterator<Item = &Race> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Races {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, race) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { "\n" };
            write!(f, "{before}{race}")?;
        }
        Ok(())
    }
}

/// The effect of an event on the ports of a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    /// Takes the lowest free one.
    Lowest(u16),
    /// Takes this one.
    Exact(u16),
    Gives(u16),
}

/// A thing that several events use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Ports { network: u16, host: u32 },
    Queue { network: u16, host: u32, port: u16 },
}

/// An event that uses something.
#[derive(Clone, Copy)]
struct Use {
    position: usize,
    actor: u32,
    act: Act,
}

#[derive(Clone, Copy)]
enum Act {
    Port(Port),
    /// Enters the queue of a listener.
    Queues,
    /// Is refused as there is no listener.
    Refused,
    /// Opens or closes the listener.
    Listens,
}

/// So many earlier users of one thing are compared with each.
const LOOK_BACK: usize = 64;

impl Trace {
    /// The races so far: of events that take or give back ports of one host, that queue at one listener, and of a dial
    /// that is refused beside an event that opens or closes the listener.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// assert!(Trace::new().races().is_empty());
    /// ```
    #[must_use]
    pub fn races(&self) -> Races {
        races(&Order::new(self.freeze(), false))
    }
}

impl View {
    /// The pairs of neighbouring events of this view that the network does not order. In another run they may stand the
    /// other way round, so an assertion on the order of the lines would be flaky; [`View::same`] is not.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// (1..=2).for_each(|number| trace.note(number));
    /// assert!(trace.view().races().is_empty());
    /// ```
    #[must_use]
    pub fn races(&self) -> Races {
        let order = Order::new(self.frozen.clone(), true);
        let rows = self.rows();
        let positions: Vec<_> = rows.iter().filter_map(|row| row.position).collect();
        let pairs = positions.windows(2).filter(|pair| !order.is_before(pair[0], pair[1]));
        let race = |pair: &[usize]| {
            let (first, second) = (self.frozen.event(pair[0])?, self.frozen.event(pair[1])?);
            Some(Race { first, second, why: "they may stand the other way round".into() })
        };
        Races(pairs.filter_map(race).collect())
    }
}

/// The races of an order without ports.
pub(super) fn races(order: &Order) -> Races {
    let (mut uses, mut held) = (BTreeMap::<Shared, Vec<Use>>::new(), BTreeSet::new());
    // Each pair, with the texts of what it takes and of what else depends on it.
    let mut found = BTreeMap::<(usize, usize), [Vec<String>; 2]>::new();
    for (position, chunk, slot) in order.frozen.slots() {
        for (shared, act) in acts(chunk, slot, &mut held) {
            let user = Use { position, actor: slot.actor, act };
            let before = uses.entry(shared).or_default();
            let mut met = BTreeSet::from([slot.actor]);
            for other in before.iter().rev().take(LOOK_BACK) {
                let Some((kind, thing)) = conflict(other.act, act) else { continue };
                if met.contains(&other.actor) || order.is_before(other.position, position) {
                    continue;
                }
                met.insert(other.actor);
                let names = order.frozen.names();
                let text = match shared {
                    Shared::Ports { host, .. } => alloc::format!("{thing} {}", names.host(host)),
                    Shared::Queue { host, port, .. } => alloc::format!("{thing} {}:{port}", names.host(host)),
                };
                found.entry((other.position, position)).or_default()[kind].push(text);
            }
            before.push(user);
        }
    }
    let race = |((first, second), [taken, others]): ((usize, usize), [Vec<String>; 2])| {
        let taken = (!taken.is_empty()).then(|| alloc::format!("they take {}", taken.join(", and ")));
        let why: Vec<_> = taken.into_iter().chain(others).collect();
        Some(Race { first: order.frozen.event(first)?, second: order.frozen.event(second)?, why: why.join(", and ") })
    };
    Races(found.into_iter().filter_map(race).collect())
}

/// Whether the order of two uses matters: whether both take something, and what.
fn conflict(first: Act, second: Act) -> Option<(usize, &'static str)> {
    match (first, second) {
        (Act::Queues, Act::Queues) => Some((0, "places in the queue of")),
        (Act::Refused, Act::Listens) | (Act::Listens, Act::Refused) => Some((1, "the dial may find a listener at")),
        (Act::Port(first), Act::Port(second)) => match (first, second) {
            (Port::Lowest(_), Port::Lowest(_)) => Some((0, "ports of host")),
            (Port::Lowest(lowest), Port::Exact(exact)) | (Port::Exact(exact), Port::Lowest(lowest)) => {
                (exact < lowest).then_some((0, "ports of host"))
            }
            (Port::Gives(given), Port::Lowest(taken) | Port::Exact(taken)) => {
                (given == taken).then_some((1, "one takes the port that the other gives back, of host"))
            }
            (Port::Lowest(taken), Port::Gives(given)) => {
                (given < taken).then_some((1, "one may take the port that the other gives back, of host"))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The things that an event uses, and how. `held` are the ports that are taken.
fn acts(chunk: &Chunk, slot: &Slot, held: &mut BTreeSet<(u16, u32, u16)>) -> Vec<(Shared, Act)> {
    let Slot { network, hosts: [local, peer], ports: [local_port, peer_port, third_port], .. } = *slot;
    let ports = Shared::Ports { network, host: local };
    let own = (network, local, local_port);
    let queue = |host, port| Shared::Queue { network, host, port };
    match slot.code {
        Code::Dialled => {
            held.insert(own);
            Vec::from([(ports, Act::Port(Port::Lowest(local_port))), (queue(peer, peer_port), Act::Queues)])
        }
        Code::Accepted if local_port != third_port => {
            held.insert(own);
            Vec::from([(ports, Act::Port(Port::Lowest(local_port)))])
        }
        Code::Listened => {
            // With a lower port free, it was asked for.
            let is_lowest = (1..local_port).all(|port| held.contains(&(network, local, port)));
            held.insert(own);
            let port = if is_lowest { Port::Lowest(local_port) } else { Port::Exact(local_port) };
            Vec::from([(ports, Act::Port(port)), (queue(local, local_port), Act::Listens)])
        }
        Code::ListenerClosed => {
            held.remove(&own);
            Vec::from([(ports, Act::Port(Port::Gives(local_port))), (queue(local, local_port), Act::Listens)])
        }
        Code::Failed => {
            let error = chunk.errors.get(slot.data as usize);
            let refused = error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            let gives = held.contains(&own) && error.is_some_and(|error| error.operation() == Operation::Dial);
            let gives = gives.then(|| held.remove(&own)).map(|_| (ports, Act::Port(Port::Gives(local_port))));
            let refused = refused.then_some((queue(peer, peer_port), Act::Refused));
            gives.into_iter().chain(refused).collect()
        }
        Code::Withdrawn => {
            held.remove(&own);
            Vec::from([(ports, Act::Port(Port::Gives(local_port)))])
        }
        Code::Shut(how) if how.closes() && held.remove(&own) => {
            Vec::from([(ports, Act::Port(Port::Gives(local_port)))])
        }
        _ => Vec::new(),
    }
}
