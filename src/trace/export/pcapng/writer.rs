//! The events of a view, as the blocks of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::string::String;
use std::vec::Vec;

use crate::addr::Addr;
use crate::addr::name::{HostName, NetworkName};
use crate::contract::observe::How;
use crate::error::kind::ErrorKind;
use crate::error::{Error, Operation};
use crate::trace::event::{End, Event, Kind};
use crate::trace::export::escape::{Limited, Visible};
use crate::trace::export::pcapng::block::Blocks;
use crate::trace::export::pcapng::flow::{Flow, Sent, State};
use crate::trace::export::pcapng::frame::{SEGMENT, Side, ip, make};
use crate::trace::export::pcapng::ports::shifted;
use crate::trace::slot::Code;
use crate::trace::view::View;

/// So many characters of an event are in a comment.
const COMMENT: usize = 1000;

/// Without a clock, an event is so many nanoseconds after the one before.
const STEP: u64 = 1_000_000;

/// A file that is being written.
pub(super) struct Writer<W> {
    /// Added to each port.
    offset: u16,
    blocks: Blocks<W>,
    networks: Vec<NetworkName>,
    /// The number of each host, from 1 on.
    hosts: BTreeMap<(NetworkName, HostName), u32>,
    /// The port to which each dial is, by its event, where that is not the one that was dialled.
    accepted: BTreeMap<u64, u16>,
    /// Networks with rendezvous.
    meeting: BTreeSet<NetworkName>,
    /// The bytes on offer in a rendezvous: by flow, side and offset.
    offers: BTreeMap<(usize, usize, u64), Vec<u8>>,
    flows: Vec<Flow>,
    /// The flow of the newest dial from a port.
    dials: BTreeMap<Side, usize>,
    /// The flow of a connection.
    conns: BTreeMap<(u32, u32), usize>,
    /// The newest flow between two sides.
    newest: BTreeMap<[Side; 2], usize>,
    frame: Vec<u8>,
    comment: String,
    /// The time of the last event that has one.
    clock: Option<u64>,
}

impl<W: Write> Writer<W> {
    /// Writes events of a view, and adds an offset to each port. With `accepted`, dials are to the port that was taken.
    pub(super) fn new(view: &View, offset: u16, accepted: bool, to: W) -> Self {
        let mut writer = Self {
            offset,
            blocks: Blocks::new(to),
            networks: Vec::new(),
            hosts: BTreeMap::new(),
            accepted: BTreeMap::new(),
            meeting: BTreeSet::new(),
            offers: BTreeMap::new(),
            flows: Vec::new(),
            dials: BTreeMap::new(),
            conns: BTreeMap::new(),
            newest: BTreeMap::new(),
            frame: Vec::new(),
            comment: String::new(),
            clock: None,
        };
        let (frozen, mut known, mut dials) = (&view.frozen, BTreeSet::new(), BTreeMap::new());
        for (_, _, slot) in frozen.slots() {
            let network = frozen.names().network(slot.network);
            match slot.code {
                Code::Taken => {
                    writer.meeting.insert(network);
                }
                Code::Dialled if accepted => {
                    dials.insert((slot.network, slot.hosts[0], slot.ports[0]), slot.seq);
                }
                Code::Accepted => {
                    let dial = dials.remove(&(slot.network, slot.hosts[1], slot.ports[1]));
                    writer.accepted.extend(dial.map(|dial| (dial, slot.ports[0])));
                }
                _ => {}
            }
            for host in slot.hosts.into_iter().filter(|&host| host != 0 && known.insert((slot.network, host))) {
                writer.number(network, frozen.names().host(host));
            }
        }
        writer
    }

    /// The number of a host, and of its network.
    fn number(&mut self, network: NetworkName, host: HostName) -> u32 {
        let next = self.hosts.len() as u32 + 1;
        if !self.networks.contains(&network) {
            self.networks.push(network);
        }
        *self.hosts.entry((network, host)).or_insert(next)
    }

    /// Writes all that comes before the events.
    pub(super) fn write_head(&mut self, keys: &str) -> io::Result<()> {
        self.blocks.section(concat!("virtnet ", env!("CARGO_PKG_VERSION")))?;
        for network in if self.networks.is_empty() { &[NetworkName::EMPTY][..] } else { &self.networks } {
            self.blocks.interface(network)?;
        }
        let mut hosts: Vec<_> = self.hosts.iter().map(|((_, host), number)| (*number, host)).collect();
        hosts.sort();
        if !hosts.is_empty() {
            let visible = |host: &HostName| {
                let mut name = String::new();
                write!(Visible(&mut name), "{host}").map(|()| name).unwrap_or_default()
            };
            self.blocks.names(hosts.iter().map(|(number, host)| (ip(*number), visible(host))))?;
        }
        if keys.is_empty() { Ok(()) } else { self.blocks.keys(keys) }
    }

    pub(super) fn write_event(&mut self, event: &Event) -> io::Result<()> {
        self.comment.clear();
        write!(self.comment, "{event:#}").map_err(io::Error::other)?;
        // Nearly all are short and plain, and need no second look.
        if self.comment.len() > COMMENT || !self.comment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let text = std::mem::take(&mut self.comment);
            Limited::new(&mut Visible(&mut self.comment), COMMENT).write_str(&text).map_err(io::Error::other)?;
        }
        let (flow, sent) = self.segments(event);
        self.clock = event.at.map(|at| at.as_nanos() as u64).or(self.clock);
        let at = self.clock.unwrap_or(event.seq * STEP);
        let is_newest = |flow: &usize| self.newest.get(&self.flows[*flow].sides) == Some(flow);
        let Some(flow) = flow.filter(is_newest).filter(|_| !sent.is_empty()) else {
            return self.blocks.journal(at, &self.comment);
        };
        let offered = match (&event.kind, event.end) {
            (Kind::Taken { offset: Some(offset), .. }, Some(end)) => {
                self.offers.remove(&(flow, end.accepted.into(), *offset)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let bytes = match &event.kind {
            Kind::Wrote { bytes, .. } | Kind::Read { bytes, .. } => bytes,
            _ => &offered,
        };
        let interface = self.networks.iter().position(|network| *network == event.network).unwrap_or(0) as u32;
        let sides = self.flows[flow].sides.map(|side| Side { port: shifted(side.port, self.offset), ..side });
        for Sent { side, segment, payload: (from, len) } in sent {
            // Bytes that the trace has not kept are not in the file; the packet says how long it was.
            let kept = bytes.get(from as usize..).unwrap_or_default();
            let kept = kept.get(..len).unwrap_or(kept);
            let mut padded = [0; SEGMENT];
            padded[..kept.len()].copy_from_slice(kept);
            make(&mut self.frame, [sides[side], sides[1 - side]], segment, &padded[..len]);
            let cut = self.frame.len() - (len - kept.len());
            self.blocks.packet(interface, at, &self.frame[..cut], self.frame.len(), &self.comment)?;
            self.comment.clear();
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.blocks.flush()
    }

    /// The segments of an event, and of which flow they are.
    fn segments(&mut self, event: &Event) -> (Option<usize>, Vec<Sent>) {
        match &event.kind {
            Kind::Dialled { src, dst } => {
                let mut sides = [self.side(event, src), self.side(event, dst)];
                sides[1].port = self.accepted.get(&event.seq).copied().unwrap_or(dst.port);
                let flow = self.open(sides);
                self.dials.insert(sides[0], flow);
                return (Some(flow), [self.flows[flow].dial()].into());
            }
            Kind::Withdrawn { src, .. } => {
                let src = self.side(event, src);
                return self.give_up(src, |flow| flow.withdraw());
            }
            Kind::Failed { error } if error.operation() == Operation::Dial => {
                let Some(src) = self.source(event, error) else { return (None, Vec::new()) };
                let is_refused = error.kind() == ErrorKind::ConnectionRefused;
                return self.give_up(src, |flow| if is_refused { flow.refuse() } else { flow.withdraw() });
            }
            _ => {}
        }
        let Some(end) = event.end else { return (None, Vec::new()) };
        let Some(number) = self.flow(event, end) else { return (None, Vec::new()) };
        let side = usize::from(end.accepted);
        let meets = self.meeting.contains(&event.network);
        let flow = &mut self.flows[number];
        let sent: Vec<Sent> = match &event.kind {
            Kind::Accepted { .. } if flow.state == State::Dialling => [flow.accept()].into(),
            _ if flow.state != State::Open => Vec::new(),
            Kind::Connected { .. } => [flow.acknowledge(0)].into(),
            Kind::Wrote { offset, count, .. } if !meets => flow.write(side, *offset, (*count).into()),
            Kind::Wrote { offset: Some(offset), bytes, .. } => {
                self.offers.insert((number, side, *offset), bytes.clone());
                Vec::new()
            }
            // The peer may not have told yet that it has read them.
            Kind::Taken { offset, count, .. } => flow.deliver(side, *offset, (*count).into()),
            Kind::Read { count: 0, .. } => Vec::new(),
            Kind::Read { offset, count, .. } => {
                let count = u64::from(*count);
                let mut sent = if meets { flow.deliver(1 - side, *offset, count) } else { Vec::new() };
                sent.push(flow.read(side, *offset, count));
                sent
            }
            Kind::Ended { .. } => flow.end(side),
            Kind::Shut { how: How::ShutdownRead, .. } => {
                flow.deafen(side);
                Vec::new()
            }
            Kind::Shut { how, reset, .. } if *reset || *how == How::Abort => [flow.reset(side)].into(),
            Kind::Shut { how: How::Shutdown, .. } => flow.close(side).into_iter().collect(),
            Kind::Shut { .. } => {
                flow.deafen(side);
                flow.close(side).into_iter().collect()
            }
            // The reset was no event if the host of the peer closed.
            Kind::Failed { error } if error.kind() == ErrorKind::ConnectionReset => [flow.reset(1 - side)].into(),
            _ => Vec::new(),
        };
        (Some(number), sent)
    }

    fn open(&mut self, sides: [Side; 2]) -> usize {
        let flow = self.flows.len();
        self.flows.push(Flow::new(flow as u32, sides));
        self.newest.insert(sides, flow);
        flow
    }

    fn give_up(&mut self, src: Side, give_up: impl FnOnce(&mut Flow) -> Sent) -> (Option<usize>, Vec<Sent>) {
        let flow = self.dials.get(&src).copied().filter(|&flow| self.flows[flow].state == State::Dialling);
        (flow, flow.map(|flow| give_up(&mut self.flows[flow])).into_iter().collect())
    }

    /// The flow of an end; that of a connection whose dial was dropped from the trace begins here.
    fn flow(&mut self, event: &Event, end: End) -> Option<usize> {
        let key = (end.network, end.conn);
        if let Some(&flow) = self.conns.get(&key) {
            return Some(flow);
        }
        let flow = match &event.kind {
            Kind::Accepted { listener, peer, .. } => {
                let sides = [self.side(event, peer), self.side(event, listener)];
                let dial = self.dials.get(&sides[0]).copied();
                dial.unwrap_or_else(|| self.open(sides))
            }
            Kind::Wrote { src, dst, .. } | Kind::Shut { local: src, peer: dst, .. } => {
                self.resume(event, end, src, dst)
            }
            Kind::Read { src, dst, .. } | Kind::Ended { src, dst } => self.resume(event, end, dst, src),
            _ => return None,
        };
        self.conns.insert(key, flow);
        Some(flow)
    }

    fn resume(&mut self, event: &Event, end: End, own: &Addr, peer: &Addr) -> usize {
        let sides = [self.side(event, own), self.side(event, peer)];
        let flow = self.open(if end.accepted { [sides[1], sides[0]] } else { sides });
        self.flows[flow].state = State::Open;
        flow
    }

    fn side(&mut self, event: &Event, addr: &Addr) -> Side {
        Side { host: self.number(event.network, addr.host), port: addr.port }
    }

    /// Where a failed dial came from.
    fn source(&mut self, event: &Event, error: &Error) -> Option<Side> {
        let (host, port) = error.source_addr()?;
        let host = HostName::valid(host.as_str(), "")?;
        Some(Side { host: self.number(event.network, host), port })
    }
}
