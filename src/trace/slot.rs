//! Events as they are stored: of a fixed size, with numbers instead of names.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::addr::Addr;
use crate::addr::name::{HostName, NetworkName};
use crate::contract::observe::How;
use crate::error::Error;
use crate::error::cause::Cause;
use crate::trace::event::{Actor, End, Event, Kind};
use crate::trace::text::Moved;

/// A stored event. Which fields count depends on its code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) seq: u64,
    /// Nanoseconds on the trace's clock, or [`NO_TIME`].
    pub(super) at: u64,
    /// The bytes that this direction carried before, or [`NO_OFFSET`]; of tokens their number.
    pub(super) offset: u64,
    /// The local and the remote host, by their numbers in [`Names`].
    pub(super) hosts: [u32; 2],
    pub(super) end: u32,
    pub(super) actor: u32,
    /// Where its bytes or text start in the chunk, or which of the chunk's errors or causes it has.
    pub(super) data: u32,
    pub(super) count: u32,
    pub(super) of: u32,
    pub(super) network: u16,
    /// The local port, the remote port, and that which was listened at or dialled.
    pub(super) ports: [u16; 3],
    pub(super) code: Code,
    pub(super) flag: bool,
}

pub(super) const NO_TIME: u64 = u64::MAX;
pub(super) const NO_OFFSET: u64 = u64::MAX;
pub(super) const NO_END: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    HostMade,
    HostClosed,
    HostDied,
    HostBack,
    Listened,
    ListenerClosed,
    Dialled,
    Withdrawn,
    Accepted,
    Connected,
    Wrote,
    Taken,
    Read,
    Ended,
    Shut(How),
    Failed,
    Fault,
    FaultEnded,
    NetworkDown,
    NetworkClosed,
    Note,
    /// Not an event: a token was made or joined.
    Token,
    Joined,
}

impl Code {
    /// Whether it is an event, and not a mark that only orders events.
    pub(super) fn is_event(self) -> bool {
        !matches!(self, Self::Token | Self::Joined)
    }
}

/// A name table that only grows.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The first is that of an unknown host.
    pub(super) hosts: Vec<HostName>,
    /// The first is that of what belongs to no network.
    pub(super) networks: Vec<NetworkName>,
}

/// Events in a row, with their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    pub(super) slots: Vec<Slot>,
    pub(super) bytes: Vec<u8>,
    pub(super) errors: Vec<Error>,
    pub(super) causes: Vec<Cause>,
    /// At most so many bytes of a write or read are kept.
    pub(super) keep: u32,
}

impl Chunk {
    /// The bytes of memory that it takes, about.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.slots) + self.bytes.len() + size_of_val(&*self.errors) + size_of_val(&*self.causes)
    }

    pub(super) fn text(&self, slot: &Slot, len: u32) -> &[u8] {
        let start = slot.data as usize;
        self.bytes.get(start..start + len as usize).unwrap_or_default()
    }

    /// The bytes that are kept of a write or read.
    pub(super) fn bytes(&self, slot: &Slot) -> &[u8] {
        self.text(slot, slot.count.min(self.keep))
    }

    /// The event in a slot.
    pub(super) fn event(&self, slot: &Slot, names: &Names) -> Event {
        Event {
            seq: slot.seq,
            at: (slot.at != NO_TIME).then(|| Duration::from_nanos(slot.at)),
            actor: Actor(slot.actor),
            network: names.network(slot.network),
            end: slot.end(),
            guessed: slot.code == Code::Accepted && slot.flag,
            kind: self.kind(slot, names),
        }
    }

    /// Writes the line of the event in a slot.
    pub(super) fn write_line(&self, slot: &Slot, names: &Names, to: &mut impl fmt::Write) -> fmt::Result {
        let (verb, of, bytes): (_, _, &[u8]) = match slot.code {
            Code::Wrote => ("write ", slot.of, self.bytes(slot)),
            Code::Taken => ("written ", slot.of, &[]),
            Code::Read => ("read ", slot.count, self.bytes(slot)),
            _ => return write!(to, "{}", self.event(slot, names)),
        };
        // Most events are of bytes, and their lines need no names to be copied.
        let host = |side: usize| names.hosts.get(slot.hosts[side] as usize).map_or("", |name| name.as_str());
        let mut ends = [(host(0), slot.ports[0]), (host(1), slot.ports[1])];
        if slot.code == Code::Read {
            ends.reverse();
        }
        Moved { verb, ends, count: slot.count, of, bytes }.write(to)
    }

    fn kind(&self, slot: &Slot, names: &Names) -> Kind {
        // Only what the event has is made: names are long.
        let addr = |side: usize, port: usize| Addr {
            network: names.network(slot.network),
            host: names.host(slot.hosts[side]),
            port: slot.ports[port],
        };
        let (local, peer, host) = (|| addr(0, 0), || addr(1, 1), || names.host(slot.hosts[0]));
        let (count, of, offset) = (slot.count, slot.of, Some(slot.offset).filter(|&offset| offset != NO_OFFSET));
        let text = || String::from_utf8_lossy(self.text(slot, count)).into_owned();
        let bytes = || self.bytes(slot).to_vec();
        match slot.code {
            Code::HostMade => Kind::HostMade { host: host() },
            Code::HostClosed => Kind::HostClosed { host: host() },
            Code::HostDied => Kind::HostDied { host: host(), power_off: slot.flag },
            Code::HostBack => Kind::HostBack { host: host() },
            Code::Listened => Kind::Listened { addr: local() },
            Code::ListenerClosed => Kind::ListenerClosed { addr: local(), dropped: slot.flag },
            Code::Dialled => Kind::Dialled { src: local(), dst: peer() },
            Code::Withdrawn => Kind::Withdrawn { src: local(), dst: peer() },
            Code::Accepted => Kind::Accepted { listener: addr(0, 2), local: local(), peer: peer() },
            Code::Connected => Kind::Connected { src: local(), dialled: addr(1, 2), peer: peer() },
            Code::Wrote => Kind::Wrote { src: local(), dst: peer(), offset, count, of, bytes: bytes() },
            Code::Taken => Kind::Taken { src: local(), dst: peer(), offset, count, of },
            Code::Read => Kind::Read { src: peer(), dst: local(), offset, count, bytes: bytes() },
            Code::Ended => Kind::Ended { src: peer(), dst: local() },
            Code::Shut(how) => Kind::Shut { local: local(), peer: peer(), how, reset: slot.flag },
            Code::Failed => match self.errors.get(slot.data as usize) {
                Some(&error) => Kind::Failed { error },
                None => Kind::Note { text: String::new() },
            },
            Code::Fault => Kind::Fault { text: text() },
            Code::FaultEnded => Kind::FaultEnded { text: text() },
            Code::NetworkDown => {
                Kind::NetworkDown { cause: self.causes.get(slot.data as usize).copied().unwrap_or(Cause::NetworkDown) }
            }
            Code::NetworkClosed => Kind::NetworkClosed,
            Code::Note | Code::Token | Code::Joined => Kind::Note { text: text() },
        }
    }
}

impl Slot {
    /// A slot of no network and without an end.
    pub(super) fn new(code: Code, seq: u64, at: u64, actor: u32) -> Self {
        Self {
            seq,
            at,
            offset: NO_OFFSET,
            hosts: [0; 2],
            end: NO_END,
            actor,
            data: 0,
            count: 0,
            of: 0,
            network: 0,
            ports: [0; 3],
            code,
            flag: false,
        }
    }

    pub(super) fn end(&self) -> Option<End> {
        let end = Some(self.end).filter(|&end| end != NO_END)?;
        Some(End { network: self.network.into(), conn: end / 2, accepted: end % 2 == 1 })
    }
}

impl Names {
    pub(super) fn host(&self, number: u32) -> HostName {
        self.hosts.get(number as usize).copied().unwrap_or(HostName::EMPTY)
    }

    pub(super) fn network(&self, number: u16) -> NetworkName {
        self.networks.get(usize::from(number)).copied().unwrap_or(NetworkName::EMPTY)
    }
}

/// The event of a gap, before the event number `next`.
pub(super) fn gap(dropped: u64, next: u64) -> Event {
    Event {
        seq: next - dropped,
        at: None,
        actor: Actor::default(),
        network: NetworkName::EMPTY,
        end: None,
        guessed: false,
        kind: Kind::Gap { dropped },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_takes_64_bytes() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
