//! The causes of each event, found out from the record alone.
//!
//! Invariant: each edge is a flow of information, so that its order holds in every run that has these events. Where one
//! of several events may have been the cause, the earliest is taken: it alone was enough. Order that does not go
//! through the network (locks, channels, joins) is not seen, unless a token tells it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::addr::name::ErrorText;
use crate::addr::text::write_host_port;
use crate::contract::observe::How;
use crate::error::kind::ErrorKind;
use crate::error::{Error, Operation};
use crate::trace::slot::{Chunk, Code, NO_END, NO_OFFSET, Slot};

/// Why one event comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// One actor did both, one after the other.
    Program,
    /// The first made what the second uses.
    Made,
    /// The second accepts what the first dialled, or learns that it was accepted.
    Accepted,
    /// The second reads what the first wrote, or learns that it was read.
    Bytes,
    /// The second finds what the first closed, or fails for it.
    Closed,
    /// The second has the port that the first gave back, or fails as the first has it.
    Port,
    /// The second fails for the fault that the first injected, and names it.
    Fault,
    /// A token of the program orders them.
    Token,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "the same actor",
            Self::Made => "uses it",
            Self::Accepted => "accepts it",
            Self::Bytes => "the bytes",
            Self::Closed => "finds it closed",
            Self::Port => "the port",
            Self::Fault => "the fault",
            Self::Token => "a token",
        })
    }
}

/// An address: network, host, port.
type Place = (u16, u32, u16);

/// The earlier events that later ones may follow from. Each value is the position of an event.
#[derive(Default)]
pub(super) struct Causes {
    actors: BTreeMap<u32, usize>,
    hosts: BTreeMap<(u16, u32), usize>,
    dead_hosts: BTreeMap<(u16, u32), usize>,
    dead_networks: BTreeMap<u16, usize>,
    /// When the newest listener there was made and closed.
    listeners: BTreeMap<Place, [Option<usize>; 2]>,
    dials: BTreeMap<Place, usize>,
    withdrawn: BTreeMap<Place, usize>,
    /// When a port was taken, and given back.
    ports: BTreeMap<Place, [Option<usize>; 2]>,
    ends: BTreeMap<(u16, u32), EndState>,
    /// The texts of faults.
    faults: Vec<(String, usize)>,
    tokens: BTreeMap<u64, usize>,
}

#[derive(Default)]
struct EndState {
    begun: Option<usize>,
    /// Whether it has the port of its listener.
    shares_port: bool,
    /// The offsets at which its last writes start and end; those that were read are forgotten.
    writes: VecDeque<(u64, u64, usize)>,
    /// The same of its last reads.
    reads: VecDeque<(u64, u64, usize)>,
    write_closed: Option<usize>,
    read_closed: Option<usize>,
    closed: Option<usize>,
    reset: Option<usize>,
}

/// So many reads of an end are remembered, for the write of a rendezvous that they complete.
const READS: usize = 16;

impl Causes {
    /// Adds the event at `position`, and appends its causes to `found`.
    pub(super) fn add(&mut self, position: usize, chunk: &Chunk, slot: &Slot, found: &mut Vec<(usize, Reason)>) {
        let mut add = |cause: Option<usize>, reason| found.extend(cause.map(|cause| (cause, reason)));
        let Slot { network, hosts: [local, peer], ports: [local_port, peer_port, third_port], .. } = *slot;
        let (own, other) = ((network, local, local_port), (network, peer, peer_port));
        add(self.actors.insert(slot.actor, position), Reason::Program);
        let hosts = &self.hosts;
        let host = || hosts.get(&(network, local)).copied();
        match slot.code {
            Code::HostMade => self.set_host(network, local, position),
            Code::HostBack => {
                add(self.dead_hosts.remove(&(network, local)), Reason::Closed);
                self.set_host(network, local, position);
            }
            Code::HostClosed | Code::HostDied => {
                add(host(), Reason::Made);
                self.dead_hosts.entry((network, local)).or_insert(position);
            }
            Code::Listened => {
                add(host(), Reason::Made);
                add(self.take_port(own, position), Reason::Port);
                self.listeners.insert(own, [Some(position), None]);
            }
            Code::ListenerClosed => {
                let listener = self.listeners.entry(own).or_default();
                add(listener[0], Reason::Made);
                listener[1] = Some(position);
                self.give_port(own, position);
            }
            Code::Dialled => {
                add(host(), Reason::Made);
                add(self.take_port(own, position), Reason::Port);
                self.dials.insert(own, position);
            }
            Code::Withdrawn => {
                add(self.dials.remove(&own), Reason::Made);
                self.withdrawn.insert(own, position);
                self.give_port(own, position);
            }
            Code::Accepted => {
                let listener = (network, local, third_port);
                add(self.listeners.get(&listener).and_then(|listener| listener[0]), Reason::Made);
                add(self.dials.get(&other).copied(), Reason::Accepted);
                let shares_port = local_port == third_port;
                if !shares_port {
                    add(self.take_port(own, position), Reason::Port);
                }
                let begun = EndState { begun: Some(position), shares_port, ..EndState::default() };
                self.ends.insert((network, slot.end), begun);
            }
            Code::Connected => {
                add(self.dials.remove(&own), Reason::Made);
                add(self.end(network, slot.end ^ 1).begun, Reason::Accepted);
                self.end(network, slot.end).begun = Some(position);
            }
            Code::Failed => self.add_failed(position, chunk, slot, &mut add),
            Code::NetworkDown | Code::NetworkClosed => {
                add(self.dead_networks.get(&network).copied(), Reason::Closed);
                self.dead_networks.entry(network).or_insert(position);
            }
            Code::Token => {
                self.tokens.insert(slot.offset, position);
            }
            Code::Joined => add(self.tokens.get(&slot.offset).copied(), Reason::Token),
            Code::Wrote | Code::Taken | Code::Read | Code::Ended | Code::Shut(_) => {
                add(self.end(network, slot.end).begun, Reason::Made);
                self.add_of_end(position, slot, &mut add);
            }
            Code::Fault => {
                self.faults.push((String::from_utf8_lossy(chunk.text(slot, slot.count)).into(), position));
            }
            Code::FaultEnded | Code::Note => {}
        }
    }

    fn add_of_end(&mut self, position: usize, slot: &Slot, add: &mut dyn FnMut(Option<usize>, Reason)) {
        let Slot { network, end, hosts: [local, peer], ports: [local_port, peer_port, _], .. } = *slot;
        let (from, to) = (slot.offset, slot.offset.saturating_add(slot.count.into()));
        match slot.code {
            _ if slot.offset == NO_OFFSET && matches!(slot.code, Code::Wrote | Code::Taken | Code::Read) => {}
            Code::Wrote => self.end(network, end).writes.push_back((from, to, position)),
            Code::Read => {
                let writes = &mut self.end(network, end ^ 1).writes;
                while writes.front().is_some_and(|&(_, end, _)| end <= from) {
                    writes.pop_front();
                }
                let causes = writes.iter().take_while(|&&(start, ..)| start < to);
                causes.for_each(|&(.., write)| add(Some(write), Reason::Bytes));
                let reads = &mut self.end(network, end).reads;
                if reads.len() == READS {
                    reads.pop_front();
                }
                reads.push_back((from, to, position));
            }
            Code::Taken => {
                // The rest of the offer was withdrawn.
                let offer = self.end(network, end).writes.iter_mut().find(|(start, ..)| *start == from);
                offer.into_iter().for_each(|(_, end, _)| *end = to);
                let reads = &self.end(network, end ^ 1).reads;
                let causes = reads.iter().filter(|&&(start, end, _)| start < to && from < end);
                causes.for_each(|&(.., read)| add(Some(read), Reason::Bytes));
            }
            Code::Ended => {
                let gone = self.withdrawn.get(&(network, peer, peer_port)).copied();
                let host = self.dead_hosts.get(&(network, peer)).copied();
                let causes = [self.end(network, end ^ 1).write_closed, self.end(network, end).read_closed];
                let closed = causes.into_iter().chain([host]).flatten().min();
                add(closed.or(gone), Reason::Closed);
            }
            Code::Shut(How::ShutdownRead) => {
                self.end(network, end).read_closed.get_or_insert(position);
            }
            Code::Shut(How::Shutdown) => {
                self.end(network, end).write_closed.get_or_insert(position);
            }
            _ => {
                let resets = slot.flag || slot.code == Code::Shut(How::Abort);
                let state = self.end(network, end);
                state.write_closed.get_or_insert(position);
                state.closed.get_or_insert(position);
                if resets {
                    state.reset.get_or_insert(position);
                }
                if !state.shares_port {
                    self.give_port((network, local, local_port), position);
                }
            }
        }
    }

    fn add_failed(&mut self, position: usize, chunk: &Chunk, slot: &Slot, add: &mut dyn FnMut(Option<usize>, Reason)) {
        let Slot { network, end, hosts: [local, peer], ports: [local_port, peer_port, _], .. } = *slot;
        let (own, other) = ((network, local, local_port), (network, peer, peer_port));
        let Some(error) = chunk.errors.get(slot.data as usize) else { return };
        let operation = error.operation();
        let of_end = end != NO_END;
        if of_end {
            add(self.end(network, end).begun, Reason::Made);
        }
        let host = |host| self.dead_hosts.get(&(network, host)).copied();
        let cause = match error.kind() {
            ErrorKind::NetworkDown => self.dead_networks.get(&network).copied(),
            ErrorKind::HostDown => host(local),
            ErrorKind::SocketDown if of_end => self.end(network, end).closed,
            ErrorKind::SocketDown => self.listeners.get(&own).and_then(|listener| listener[1]),
            ErrorKind::ConnectionReset if of_end => {
                let host = host(peer);
                [self.end(network, end ^ 1).reset, host].into_iter().flatten().min()
            }
            ErrorKind::BrokenPipe if of_end => {
                let host = host(peer);
                let causes = [self.end(network, end).write_closed, self.end(network, end ^ 1).closed, host];
                causes.into_iter().flatten().min()
            }
            ErrorKind::ConnectionRefused => {
                let closed = self.listeners.get(&other).and_then(|listener| listener[1]);
                closed.or(host(peer))
            }
            ErrorKind::AddrInUse if operation == Operation::Listen => {
                add(self.ports.get(&own).and_then(|port| port[0]), Reason::Port);
                None
            }
            _ => None,
        };
        add(cause, Reason::Closed);
        if cause.is_none() {
            let begun = if of_end { self.end(network, end).begun } else { None };
            add(self.fault(error, begun), Reason::Fault);
        }
        if operation == Operation::Dial && self.dials.contains_key(&own) {
            add(self.dials.remove(&own), Reason::Made);
            self.withdrawn.insert(own, position);
            self.give_port(own, position);
        }
    }

    /// The first fault, after the connection began, that the failure names: by its text, or as the reset of its ends.
    fn fault(&self, error: &Error, begun: Option<usize>) -> Option<usize> {
        if self.faults.is_empty() {
            return None;
        }
        let addr = |addr: Option<(ErrorText, u16)>| {
            let mut text = String::new();
            // A string takes all.
            addr.map(|(host, port)| write_host_port(&mut text, host.as_str(), host.tail(), port).ok());
            text
        };
        let (source, addr) = (addr(error.source_addr()), addr(error.addr()));
        let resets = [format!("reset {source}->{addr}"), format!("reset {addr}->{source}")];
        let cause = error.cause().to_string();
        let is_reset = error.kind() == ErrorKind::ConnectionReset;
        let names = |text: &String| *text == cause || is_reset && resets.contains(text);
        let after = |at: usize| begun.is_none_or(|begun| begun < at);
        self.faults.iter().find(|(text, at)| after(*at) && names(text)).map(|(_, at)| *at)
    }

    fn set_host(&mut self, network: u16, host: u32, position: usize) {
        self.hosts.insert((network, host), position);
    }

    /// A port is taken; returns when it was given back before.
    fn take_port(&mut self, place: Place, position: usize) -> Option<usize> {
        let [taken, given] = self.ports.entry(place).or_default();
        *taken = Some(position);
        self.withdrawn.remove(&place);
        given.take()
    }

    fn give_port(&mut self, place: Place, position: usize) {
        self.ports.insert(place, [None, Some(position)]);
    }

    fn end(&mut self, network: u16, end: u32) -> &mut EndState {
        self.ends.entry((network, end)).or_default()
    }
}
