//! The events of a trace, and their texts.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::addr::Addr;
use crate::addr::name::{HostName, NetworkName};
use crate::addr::text::write_host_port;
use crate::contract::observe::How;
use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::trace::text::{Moved, write_shut};

/// Something that happened in a network, or a note.
///
/// It prints as one line, such as `dial b:1->a:10`, in the words of this crate's errors. The line has no time, no
/// number and no thread in it, so it is the same in each run. `{:#}` puts these in front, with the network's name:
/// `4 @0.010s #1 pipet dial b:1->a:10`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its place in the trace: events are counted from 1, without holes. That of a gap is the place of the first event
    /// that was dropped.
    pub seq: u64,
    /// When it was recorded, on the clock of the trace, if it has one.
    pub at: Option<Duration>,
    /// The thread or task that did it, or saw it.
    pub actor: Actor,
    /// The full name of its network; empty if it belongs to none.
    pub network: NetworkName,
    /// The end of a connection that it is about, if any.
    pub end: Option<End>,
    /// Whether it is an accept whose dial a merge of several files had to choose by time. A `?` follows its line then.
    pub guessed: bool,
    /// The kind of event, with its addresses.
    pub kind: Kind,
}

/// A thread or task, as a number that counts them in order of their first event. It prints like `#1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(pub u32);

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One end of a connection of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct End {
    /// A number for the network, which counts the networks of the trace.
    pub network: u32,
    /// The number of the connection within the network.
    pub conn: u32,
    /// Whether this is the accepted end, not the dialled one.
    pub accepted: bool,
}

/// A kind of event. `src` and `dst` are the ends between which bytes flow, in their direction.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "a variant explains its fields")]
#[non_exhaustive]
pub enum Kind {
    /// A host was made.
    HostMade { host: HostName },
    /// A host was closed, with its sockets.
    HostClosed { host: HostName },
    /// A host crashed, or lost its power.
    HostDied { host: HostName, power_off: bool },
    /// A host that was closed or dead was restarted.
    HostBack { host: HostName },
    /// A listener was made.
    Listened { addr: Addr },
    /// A listener was closed, or dropped while it was open.
    ListenerClosed { addr: Addr, dropped: bool },
    /// A dial took its port and is being queued.
    Dialled { src: Addr, dst: Addr },
    /// A dial was dropped.
    Withdrawn { src: Addr, dst: Addr },
    /// A listener accepted a connection.
    Accepted { listener: Addr, local: Addr, peer: Addr },
    /// A dial was accepted, at `peer`.
    Connected { src: Addr, dialled: Addr, peer: Addr },
    /// `count` of `of` bytes were written. `bytes` are those that the trace keeps; `offset` counts the bytes written
    /// before, if they are known. In a rendezvous, these bytes are on offer.
    Wrote { src: Addr, dst: Addr, offset: Option<u64>, count: u32, of: u32, bytes: Vec<u8> },
    /// The peer took `count` of the `of` bytes on offer, and the write of a rendezvous is done.
    Taken { src: Addr, dst: Addr, offset: Option<u64>, count: u32, of: u32 },
    /// Bytes were read; see [`Kind::Wrote`].
    Read { src: Addr, dst: Addr, offset: Option<u64>, count: u32, bytes: Vec<u8> },
    /// A read found the end of the stream.
    Ended { src: Addr, dst: Addr },
    /// An end was shut down, in whole or in part; whether this reset the connection.
    Shut { local: Addr, peer: Addr, how: How, reset: bool },
    /// An operation failed.
    Failed { error: Error },
    /// A fault was injected.
    Fault { text: String },
    /// A fault ended.
    FaultEnded { text: String },
    /// The network failed.
    NetworkDown { cause: Cause },
    /// The network was closed.
    NetworkClosed,
    /// The program noted something.
    Note { text: String },
    /// So many events were dropped, as the trace is bounded.
    Gap { dropped: u64 },
}

impl Event {
    /// The name of the host that did it, or saw it; `None` for events of a whole network, notes and gaps.
    #[must_use]
    pub fn host(&self) -> Option<HostName> {
        match &self.kind {
            Kind::HostMade { host }
            | Kind::HostClosed { host }
            | Kind::HostDied { host, .. }
            | Kind::HostBack { host } => Some(*host),
            Kind::Listened { addr: at }
            | Kind::ListenerClosed { addr: at, .. }
            | Kind::Dialled { src: at, .. }
            | Kind::Withdrawn { src: at, .. }
            | Kind::Accepted { local: at, .. }
            | Kind::Connected { src: at, .. }
            | Kind::Wrote { src: at, .. }
            | Kind::Taken { src: at, .. }
            | Kind::Read { dst: at, .. }
            | Kind::Ended { dst: at, .. }
            | Kind::Shut { local: at, .. } => Some(at.host),
            Kind::Failed { error } => {
                let acting = match error.operation() {
                    Operation::Dial | Operation::Write | Operation::Shutdown => error.source_addr(),
                    _ => error.addr(),
                };
                acting.and_then(|(host, _)| HostName::valid(host.as_str(), ""))
            }
            Kind::Fault { .. }
            | Kind::FaultEnded { .. }
            | Kind::NetworkDown { .. }
            | Kind::NetworkClosed
            | Kind::Note { .. }
            | Kind::Gap { .. } => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() && !matches!(self.kind, Kind::Gap { .. }) {
            write!(f, "{} ", self.seq)?;
            if let Some(at) = self.at {
                write!(f, "@{}.{:03}s ", at.as_secs(), at.subsec_millis())?;
            }
            write!(f, "{} ", self.actor)?;
            if !self.network.is_empty() {
                write!(f, "{} ", self.network)?;
            }
        }
        fmt::Display::fmt(&self.kind, f)?;
        if self.guessed { f.write_str(" ?") } else { Ok(()) }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostMade { host } => write!(f, "host {host}"),
            Self::HostClosed { host } => write!(f, "close host {host}"),
            Self::HostDied { host, power_off: false } => write!(f, "crash {host}"),
            Self::HostDied { host, power_off: true } => write!(f, "power off {host}"),
            Self::HostBack { host } => write!(f, "restart {host}"),
            Self::Listened { addr } => write!(f, "listen {addr}"),
            Self::ListenerClosed { addr, dropped } => {
                write!(f, "{} {addr}", if *dropped { "drop" } else { "close" })
            }
            Self::Dialled { src, dst } => write!(f, "dial {src}->{dst}"),
            Self::Withdrawn { src, dst } => write!(f, "dial {src}->{dst}: withdrawn"),
            Self::Accepted { listener, local, peer } => write!(f, "accept {listener}: {local}<-{peer}"),
            Self::Connected { src, dialled, peer } => write!(f, "connect {src}->{dialled}: {peer}"),
            Self::Wrote { .. } | Self::Taken { .. } | Self::Read { .. } => {
                self.moved().map_or(Ok(()), |moved| moved.write(f))
            }
            Self::Ended { src, dst } => write!(f, "read {src}->{dst}: end"),
            Self::Shut { local, peer, how, reset } => write_shut(f, *how, *reset, local, peer),
            Self::Failed { error } => write_failure(f, error),
            Self::Fault { text } => write!(f, "fault {text}"),
            Self::FaultEnded { text } => write!(f, "fault end {text}"),
            Self::NetworkDown { cause } => write!(f, "network down: {cause}"),
            Self::NetworkClosed => f.write_str("close network"),
            Self::Note { text } => write!(f, "note: {text}"),
            Self::Gap { dropped: 1 } => f.write_str("… 1 event dropped"),
            Self::Gap { dropped } => write!(f, "… {dropped} events dropped"),
        }
    }
}

impl Kind {
    /// The bytes that were moved, if it is about bytes.
    pub(super) fn moved(&self) -> Option<Moved<'_>> {
        let (verb, ends, &count, &of, bytes): (_, [&Addr; 2], _, _, &[u8]) = match self {
            Self::Wrote { src, dst, count, of, bytes, .. } => ("write ", [src, dst], count, of, bytes),
            Self::Taken { src, dst, count, of, .. } => ("written ", [src, dst], count, of, &[]),
            Self::Read { src, dst, count, bytes, .. } => ("read ", [src, dst], count, count, bytes),
            _ => return None,
        };
        Some(Moved { verb, ends: ends.map(|addr| (addr.host.as_str(), addr.port)), count, of, bytes })
    }
}

/// The text of an error without its network.
fn write_failure(f: &mut fmt::Formatter<'_>, error: &Error) -> fmt::Result {
    write!(f, "{}", error.operation())?;
    let mut before = " ";
    for (host, port) in [error.source_addr(), error.addr()].into_iter().flatten() {
        f.write_str(before)?;
        let name = host.as_str();
        let tail = if host.is_cut() { "…" } else { "" };
        match error.operation() {
            operation if operation.is_of_host() => write!(f, "{name}{tail}")?,
            _ => write_host_port(f, name, tail, port)?,
        }
        before = "->";
    }
    write!(f, ": {}", error.cause())
}
