//! A ring of events that needs no heap.
//!
//! Each ticket is the number of a record: a ticket is drawn by claiming the next record, and recorded by filling it, so
//! drawing and recording take the same few steps however full the ring is. Names are kept as hashes, and found again
//! among the hosts of the network when the ring is shown.

use core::fmt;

use heapless::String;

use crate::addr::Addr;
use crate::addr::name::{ErrorText, HostName, Name};
use crate::addr::text::write_host_port;
use crate::contract::observe::{CoreEvent, How, Observer, RawEvent, Ticket};
use crate::error::Operation;
use crate::error::cause::Cause;
use crate::error::kind::ErrorKind;
use crate::error::packed::PackedCause;
use crate::sync::Lock;
use crate::trace::glob::glob;
use crate::trace::text::{write_of, write_shut};

/// The newest `N` events of a network, in a static, for programs without a heap. It keeps no bytes, and of a failure no
/// text of a backend's own.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "pipenet")]
/// # fn main() -> Result<(), virtnet::Error> {
/// use virtnet::pipenet::fixed;
/// use virtnet::trace::EventRing;
///
/// static RING: EventRing<64> = EventRing::new();
/// static NET: fixed::Network<fixed::Traced> = virtnet::fixed!("t", 2, 4, 2, 64; trace = &RING);
///
/// let listener: fixed::Listener<fixed::Traced> = NET.host("a")?.listen(":10")?;
/// assert!(RING.next(&NET).is_some_and(|event| event.is("host a")));
/// assert_eq!(RING.show(&NET).to_string(), "listen a:10\n");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "pipenet"))]
/// # fn main() {}
/// ```
pub struct EventRing<const N: usize>(Lock<Records<N>>);

/// What a traced network of a fixed size is recorded by: any observer in a static, so that no type names the size of a
/// ring.
pub type Recorder = &'static dyn Observer;

struct Records<const N: usize> {
    /// The number of the next ticket, less one.
    drawn: u32,
    /// How many events were taken by `next`, or dropped before.
    taken: u32,
    dropped: u32,
    records: [Record; N],
}

#[derive(Clone, Copy)]
struct Record {
    ticket: u32,
    /// One more than the number of the end, so that a new ring is all zeros.
    end: u32,
    /// The hashes of the local and the remote host.
    hosts: [u32; 2],
    ports: [u16; 2],
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    /// Its ticket was given back. It is the first, so that a new ring is all zeros.
    Void,
    /// Its ticket is open.
    Open,
    HostMade,
    HostClosed,
    HostDied(bool),
    HostBack,
    Listened,
    ListenerClosed(bool),
    Dialled,
    Withdrawn,
    /// The port of the listener.
    Accepted(u16),
    /// The port that was dialled.
    Connected(u16),
    Wrote(u32, u32),
    Taken(u32, u32),
    Read(u32),
    Ended,
    Shut(How, bool),
    Failed(Operation, PackedCause),
    NetworkDown(PackedCause),
    NetworkClosed,
}

const NO_END: u32 = 0;

/// How a record keeps the end of an event.
fn kept(end: Option<u32>) -> u32 {
    end.map_or(NO_END, |end| end.wrapping_add(1))
}

/// The names of a network's hosts.
pub trait HostNames {
    /// The first name that fits.
    fn find(&self, fits: &mut dyn FnMut(&str) -> bool) -> Option<HostName>;
}

impl<const M: usize> HostNames for [&str; M] {
    fn find(&self, fits: &mut dyn FnMut(&str) -> bool) -> Option<HostName> {
        self.iter().find(|name| fits(name)).and_then(|name| HostName::valid(name, ""))
    }
}

impl<const N: usize> EventRing<N> {
    /// A ring without events.
    #[must_use]
    pub const fn new() -> Self {
        Self(Lock::new(Records { drawn: 0, taken: 0, dropped: 0, records: [Record::VOID; N] }))
    }

    /// Takes the oldest event, if there is one below the lowest open ticket.
    pub fn next(&self, hosts: &impl HostNames) -> Option<RingEvent> {
        self.0.with(Records::next).map(|record| RingEvent::new(&record, hosts))
    }

    /// How many events were overwritten before they were taken.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.0.with(|records| records.dropped)
    }

    /// Prints the events that are not taken yet, a line for each, and leaves them.
    pub fn show<'a, H: HostNames>(&'a self, hosts: &'a H) -> ShownRing<'a, H, N> {
        ShownRing { ring: self, hosts }
    }
}

impl<const N: usize> Default for EventRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Records<N> {
    /// The place of a ticket's record.
    fn at(&mut self, ticket: u32) -> Option<&mut Record> {
        self.records.get_mut((ticket as usize).checked_rem(N)?)
    }

    /// Claims the next record.
    fn draw(&mut self, what: What) -> u32 {
        self.drawn = self.drawn.wrapping_add(1);
        let ticket = self.drawn;
        if let Some(record) = self.at(ticket) {
            *record = Record { ticket, what, ..Record::VOID };
        }
        ticket
    }

    /// Fills the record of a ticket, unless a later one has its place.
    fn fill(&mut self, mut filled: Record) {
        if filled.end != NO_END && filled.hosts == [0; 2] {
            self.address(&mut filled);
        }
        if filled.repeats() && self.records.iter().any(|known| known.is_repeated_by(&filled)) {
            // Without its end: its addresses may be in the order of the bytes.
            filled = Record { ticket: filled.ticket, ..Record::VOID };
        }
        if let Some(record) = self.at(filled.ticket).filter(|record| record.ticket == filled.ticket) {
            *record = filled;
        }
    }

    /// Gives an event of an end the addresses of the newest event of its connection.
    fn address(&mut self, event: &mut Record) {
        for back in 1..N as u32 {
            let Some(known) = self.at(event.ticket.wrapping_sub(back)).copied() else { return };
            // A failed read has its addresses in the order of the bytes.
            let is_failure = matches!(known.what, What::Failed(..));
            if known.conn() != event.conn() || known.hosts == [0; 2] || is_failure {
                continue;
            }
            let ([local, peer], [local_port, peer_port]) = (known.hosts, known.ports);
            (event.hosts, event.ports) = if known.end == event.end {
                ([local, peer], [local_port, peer_port])
            } else {
                ([peer, local], [peer_port, local_port])
            };
            return;
        }
    }

    /// The oldest event after ticket `after` that is not taken, if it is below the lowest open ticket.
    fn after(&mut self, after: u32) -> Option<Record> {
        let oldest = self.drawn.saturating_sub(N as u32);
        for ticket in self.taken.max(oldest).max(after).saturating_add(1)..=self.drawn {
            match self.at(ticket).copied()? {
                Record { what: What::Open, .. } => return None,
                Record { what: What::Void, .. } => {}
                record => return Some(record),
            }
        }
        None
    }

    fn next(&mut self) -> Option<Record> {
        let lost = self.drawn.saturating_sub(N as u32).saturating_sub(self.taken);
        (self.taken, self.dropped) = (self.taken + lost, self.dropped.saturating_add(lost));
        let next = self.after(0)?;
        self.taken = next.ticket;
        Some(next)
    }
}

impl<const N: usize> Observer for EventRing<N> {
    fn ticket(&self) -> Ticket {
        Ticket::new(self.0.with(|records| records.draw(What::Open)).into())
    }

    fn void(&self, ticket: Ticket) {
        self.0.with(|records| {
            let ticket = ticket.number() as u32;
            if let Some(record) = records.at(ticket).filter(|record| record.ticket == ticket) {
                record.what = What::Void;
            }
        });
    }

    fn record(&self, ticket: Ticket, event: &RawEvent<'_>) {
        let ticket = ticket.number() as u32;
        self.0.with(|records| records.fill(Record::new(ticket, event)));
    }

    fn now(&self, event: &RawEvent<'_>) {
        let record = Record::new(0, event);
        if !matches!(record.what, What::Void) {
            self.0.with(|records| {
                let ticket = records.draw(What::Open);
                records.fill(Record { ticket, ..record });
            });
        }
    }
}

impl Record {
    const VOID: Self = Self { ticket: 0, end: NO_END, hosts: [0; 2], ports: [0; 2], what: What::Void };

    /// The connection that it is about, by a number that no event without an end has.
    fn conn(&self) -> u32 {
        self.end.wrapping_sub(1) / 2
    }

    /// Whether it is told only once: a failed read, write or accept that is not a timeout, and a half close.
    fn repeats(&self) -> bool {
        match self.what {
            What::Failed(Operation::Read | Operation::Write | Operation::Accept, cause) => {
                cause.cause(ErrorText::EMPTY) != Cause::TimedOut
            }
            What::Shut(How::Shutdown | How::ShutdownRead, _) => true,
            _ => false,
        }
    }

    /// Whether an event that is told only once is the same as this one.
    fn is_repeated_by(&self, other: &Self) -> bool {
        self.what == other.what && (self.end, self.hosts, self.ports) == (other.end, other.hosts, other.ports)
    }

    /// The record of an event; a void one of what the ring does not keep.
    fn new(ticket: u32, event: &RawEvent<'_>) -> Self {
        let small = |count: usize| count.min(u32::MAX as usize) as u32;
        let bare = |end: Option<u32>, what| Self { ticket, end: kept(end), hosts: [0; 2], ports: [0; 2], what };
        match *event {
            RawEvent::Wrote { end, bytes, of } => bare(Some(end), What::Wrote(small(bytes.len()), small(of))),
            RawEvent::Taken { end, count, of } => bare(Some(end), What::Taken(small(count), small(of))),
            RawEvent::Read { end, bytes } => bare(Some(end), What::Read(small(bytes.len()))),
            RawEvent::Core(event, end) => Self::of_core(event, end, bare(end, What::Void)),
            RawEvent::Opened { .. } => bare(None, What::Void),
        }
    }

    fn of_core(event: &CoreEvent<'_>, end: Option<u32>, bare: Self) -> Self {
        let host = |name: &str, what| Self { hosts: [hash(name), 0], what, ..bare };
        let ends = |local: &Addr, peer: &Addr, what| Self {
            hosts: [hash(&local.host), hash(&peer.host)],
            ports: [local.port, peer.port],
            what,
            ..bare
        };
        let port = |addr: &Addr, what| Self { hosts: [hash(&addr.host), 0], ports: [addr.port, 0], what, ..bare };
        match *event {
            CoreEvent::HostMade { host: name } => host(name, What::HostMade),
            CoreEvent::HostClosed { host: name } => host(name, What::HostClosed),
            CoreEvent::HostDied { host: name, power_off } => host(name, What::HostDied(power_off)),
            CoreEvent::HostBack { host: name } => host(name, What::HostBack),
            CoreEvent::Listened { addr } => port(addr, What::Listened),
            CoreEvent::ListenerClosed { addr, dropped } => port(addr, What::ListenerClosed(dropped)),
            CoreEvent::Dialled { src, dst } => ends(src, dst, What::Dialled),
            CoreEvent::Withdrawn { src, dst } => ends(src, dst, What::Withdrawn),
            CoreEvent::Accepted { listener, local, peer } => ends(local, peer, What::Accepted(listener.port)),
            CoreEvent::Connected { dialled, .. } => Self { what: What::Connected(dialled.port), ..bare },
            CoreEvent::Shut(how, reset) => Self { what: What::Shut(how, reset), ..bare },
            CoreEvent::Ended => Self { what: What::Ended, ..bare },
            CoreEvent::Failed(error) if error.kind() == ErrorKind::WouldBlock => bare,
            CoreEvent::Failed(error) => {
                let what = What::Failed(error.operation(), PackedCause::of(error.cause()).0);
                let side =
                    |addr: Option<(ErrorText, u16)>| addr.map_or((0, 0), |(host, port)| (hash(host.as_str()), port));
                let ((source, source_port), (host, port)) = (side(error.source_addr()), side(error.addr()));
                Self { end: kept(end), hosts: [source, host], ports: [source_port, port], what, ..bare }
            }
            CoreEvent::NetworkDown(cause) => Self { what: What::NetworkDown(PackedCause::of(cause).0), ..bare },
            CoreEvent::NetworkClosed => Self { what: What::NetworkClosed, ..bare },
            CoreEvent::Void => bare,
        }
    }
}

/// A hash of a host's name that is not 0 (FNV-1a).
fn hash(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

/// An event of a ring. It prints as one line, as an [`Event`](crate::trace::Event) does, without bytes.
#[derive(Clone, Copy)]
pub struct RingEvent {
    record: Record,
    /// The names of the local and the remote host.
    names: [HostName; 2],
}

/// The longest line has two names, two ports and some words.
const LINE: usize = 256;

impl RingEvent {
    fn new(record: &Record, hosts: &impl HostNames) -> Self {
        let name = |hashed: u32| {
            let found = (hashed != 0).then(|| hosts.find(&mut |name| hash(name) == hashed)).flatten();
            found.unwrap_or(Name::EMPTY)
        };
        Self { record: *record, names: record.hosts.map(name) }
    }

    /// Whether its line is this one, in which each `*` stands for any characters.
    #[must_use]
    pub fn is(&self, pattern: &str) -> bool {
        let mut line = String::<LINE>::new();
        fmt::write(&mut line, format_args!("{self}")).is_ok() && glob(pattern, &line)
    }
}

impl fmt::Display for RingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { what, ports: [local_port, peer_port], .. } = self.record;
        let at = |side: usize, port| At(&self.names[side], port);
        let (host, local, peer) = (&self.names[0], at(0, local_port), at(1, peer_port));
        match what {
            What::Open | What::Void => Ok(()),
            What::HostMade => write!(f, "host {host}"),
            What::HostClosed => write!(f, "close host {host}"),
            What::HostDied(false) => write!(f, "crash {host}"),
            What::HostDied(true) => write!(f, "power off {host}"),
            What::HostBack => write!(f, "restart {host}"),
            What::Listened => write!(f, "listen {local}"),
            What::ListenerClosed(dropped) => write!(f, "{} {local}", if dropped { "drop" } else { "close" }),
            What::Dialled => write!(f, "dial {local}->{peer}"),
            What::Withdrawn => write!(f, "dial {local}->{peer}: withdrawn"),
            What::Accepted(port) => write!(f, "accept {}: {local}<-{peer}", at(0, port)),
            What::Connected(port) => write!(f, "connect {local}->{}: {peer}", at(1, port)),
            What::Wrote(count, of) => {
                write!(f, "write {local}->{peer}: {count}")?;
                write_of(f, count, of)
            }
            What::Taken(count, of) => {
                write!(f, "written {local}->{peer}: {count}")?;
                write_of(f, count, of)
            }
            What::Read(count) => write!(f, "read {peer}->{local}: {count}"),
            What::Ended => write!(f, "read {peer}->{local}: end"),
            What::Shut(how, reset) => write_shut(f, how, reset, &local, &peer),
            What::Failed(operation, cause) => {
                write!(f, "{operation}")?;
                let mut before = " ";
                let known = [local, peer].into_iter().zip(self.record.hosts).filter(|(_, host)| *host != 0);
                for (at, _) in known {
                    write!(f, "{before}{at}")?;
                    before = "->";
                }
                match cause.cause(ErrorText::EMPTY) {
                    // What was asked for is not kept.
                    Cause::Registry(error) => f.write_str(error.reason().text()),
                    cause => write!(f, ": {cause}"),
                }
            }
            What::NetworkDown(cause) => write!(f, "network down: {}", cause.cause(ErrorText::EMPTY)),
            What::NetworkClosed => f.write_str("close network"),
        }
    }
}

impl fmt::Debug for RingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingEvent({self})")
    }
}

/// A host and a port.
#[derive(Clone, Copy)]
struct At<'a>(&'a HostName, u16);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.0.as_bytes().is_empty() { "?" } else { self.0 };
        write_host_port(f, name, "", self.1)
    }
}

/// The events of a ring that are not taken yet; see [`EventRing::show`].
pub struct ShownRing<'a, H, const N: usize> {
    ring: &'a EventRing<N>,
    hosts: &'a H,
}

impl<H: HostNames, const N: usize> fmt::Display for ShownRing<'_, H, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut after = 0;
        while let Some(record) = self.ring.0.with(|records| records.after(after)) {
            after = record.ticket;
            writeln!(f, "{}", RingEvent::new(&record, self.hosts))?;
        }
        Ok(())
    }
}

impl<H, const N: usize> fmt::Debug for ShownRing<'_, H, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownRing")
    }
}

impl<const N: usize> fmt::Debug for EventRing<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventRing({N})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_32_bytes() {
        assert_eq!(size_of::<Record>(), 32);
        assert!(size_of::<EventRing<64>>() <= 64 * 32 + 32);
    }
}
