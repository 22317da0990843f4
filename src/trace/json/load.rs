//! Events that were read become a trace.

use alloc::collections::BTreeMap;

use crate::addr::Addr;
use crate::addr::name::NetworkName;
use crate::trace::event::{Event, Kind};
use crate::trace::json::failure::JsonError;
use crate::trace::json::read::read;
use crate::trace::log::{Bounds, Log};
use crate::trace::recorder::Trace;
use crate::trace::slot::{Code, NO_OFFSET, NO_TIME, Slot};

impl Trace {
    /// Reads the JSON lines that [`View::write_json`](crate::trace::View::write_json) has written: the trace has the
    /// same events, tokens and gap. Their order can be asked for as that of any trace, as far as all events were
    /// written, reads included.
    ///
    /// Keys that are not known are ignored, and so are empty lines. Causes of failures are read from their texts; one
    /// that is not the crate's own is of the kind `Backend`.
    ///
    /// # Errors
    ///
    /// The first line that is no event, with what was expected in its place.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// trace.note("leader is b");
    /// let mut json = String::new();
    /// trace.view().reads(true).write_json(&mut json)?;
    /// let read = Trace::from_json(&json)?;
    /// read.view().same("note: leader is b")?;
    ///
    /// let error = Trace::from_json(&json.replace("note:", "nota:")).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"line 2: expected "text", a text after "note: ", found "nota: leader is b""#
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut loader = Loader::new();
        for line in read("", text)? {
            let network = loader.network(line.event.network, line.network_before);
            loader.add(network, line.mark, &line.event);
        }
        Ok(loader.trace())
    }
}

/// Makes a trace of lines.
pub(super) struct Loader {
    log: Log,
    /// The networks, by name and how many of that name came before.
    networks: BTreeMap<(NetworkName, u16), u16>,
}

impl Loader {
    pub(super) fn new() -> Self {
        let bounds = Bounds { events: u64::MAX, head: u64::MAX, memory: usize::MAX, keep: u32::MAX };
        Self { log: Log::new(bounds), networks: [((NetworkName::EMPTY, 0), 0)].into() }
    }

    /// The number of a network.
    pub(super) fn network(&mut self, name: NetworkName, before: u16) -> u16 {
        let Self { log, networks } = self;
        *networks.entry((name, before)).or_insert_with(|| {
            let number = log.add_network();
            log.name_network(number, name);
            number
        })
    }

    /// Adds an event of a network, or a token.
    pub(super) fn add(&mut self, network: u16, mark: Option<(Code, u64)>, event: &Event) {
        match (mark, &event.kind) {
            (Some((code, number)), _) => self.log.push(Slot { offset: number, ..slot(code, event) }),
            (None, Kind::Gap { dropped }) => self.log.lose(event.seq..event.seq + dropped),
            (None, _) => self.log.load(network, event),
        }
    }

    pub(super) fn trace(self) -> Trace {
        Trace::builder().with(self.log)
    }
}

fn slot(code: Code, event: &Event) -> Slot {
    let at = event.at.map_or(NO_TIME, |at| at.as_nanos() as u64);
    Slot::new(code, event.seq, at, event.actor.0)
}

impl Log {
    /// Adds an event of this network.
    fn load(&mut self, network: u16, event: &Event) {
        let mut slot = Slot { network, ..slot(code(&event.kind), event) };
        if let Some(end) = event.end {
            slot.end = 2 * end.conn + u32::from(end.accepted);
        }
        let [local, peer, third] = addrs(&event.kind);
        for (side, port, addr) in [(0, 0, local), (1, 1, peer)] {
            if let Some(addr) = addr {
                (slot.hosts[side], slot.ports[port]) = (self.host_number(&addr.host), addr.port);
            }
        }
        slot.ports[2] = third.map_or(0, |addr| addr.port);
        let mut kept: &[u8] = &[];
        match &event.kind {
            Kind::HostMade { host } | Kind::HostClosed { host } | Kind::HostBack { host } => {
                slot.hosts[0] = self.host_number(host);
            }
            Kind::HostDied { host, power_off } => (slot.hosts[0], slot.flag) = (self.host_number(host), *power_off),
            Kind::ListenerClosed { dropped: flag, .. } | Kind::Shut { reset: flag, .. } => slot.flag = *flag,
            Kind::Accepted { .. } => slot.flag = event.guessed,
            Kind::Wrote { offset, count, of, bytes, .. } => {
                (slot.offset, slot.count, slot.of, kept) = (offset.unwrap_or(NO_OFFSET), *count, *of, bytes);
            }
            Kind::Taken { offset, count, of, .. } => {
                (slot.offset, slot.count, slot.of) = (offset.unwrap_or(NO_OFFSET), *count, *of);
            }
            Kind::Read { offset, count, bytes, .. } => {
                (slot.offset, slot.count, kept) = (offset.unwrap_or(NO_OFFSET), *count, bytes);
            }
            Kind::Fault { text } | Kind::FaultEnded { text } | Kind::Note { text } => {
                (slot.count, kept) = (text.len() as u32, text.as_bytes());
            }
            Kind::Failed { error } => {
                self.name_sides(error, &mut slot);
                return self.push_error(slot, error);
            }
            Kind::NetworkDown { cause } => return self.push_cause(slot, *cause),
            _ => {}
        }
        if matches!(slot.code, Code::Wrote | Code::Read) {
            self.keep(slot.count, kept.len() as u32);
        }
        self.push_bytes(slot, kept);
    }
}

/// The local address of an event, that of the peer, and that which was listened at or dialled.
fn addrs(kind: &Kind) -> [Option<&Addr>; 3] {
    match kind {
        Kind::Listened { addr } | Kind::ListenerClosed { addr, .. } => [Some(addr), None, None],
        Kind::Dialled { src: local, dst: peer }
        | Kind::Withdrawn { src: local, dst: peer }
        | Kind::Wrote { src: local, dst: peer, .. }
        | Kind::Taken { src: local, dst: peer, .. }
        | Kind::Shut { local, peer, .. }
        | Kind::Read { dst: local, src: peer, .. }
        | Kind::Ended { dst: local, src: peer } => [Some(local), Some(peer), None],
        Kind::Accepted { listener: third, local, peer } | Kind::Connected { src: local, dialled: third, peer } => {
            [Some(local), Some(peer), Some(third)]
        }
        _ => [None; 3],
    }
}

/// The code of an event; that of a gap is not used.
fn code(kind: &Kind) -> Code {
    match kind {
        Kind::HostMade { .. } => Code::HostMade,
        Kind::HostClosed { .. } => Code::HostClosed,
        Kind::HostDied { .. } => Code::HostDied,
        Kind::HostBack { .. } => Code::HostBack,
        Kind::Listened { .. } => Code::Listened,
        Kind::ListenerClosed { .. } => Code::ListenerClosed,
        Kind::Dialled { .. } => Code::Dialled,
        Kind::Withdrawn { .. } => Code::Withdrawn,
        Kind::Accepted { .. } => Code::Accepted,
        Kind::Connected { .. } => Code::Connected,
        Kind::Wrote { .. } => Code::Wrote,
        Kind::Taken { .. } => Code::Taken,
        Kind::Read { .. } => Code::Read,
        Kind::Ended { .. } => Code::Ended,
        Kind::Shut { how, .. } => Code::Shut(*how),
        Kind::Failed { .. } => Code::Failed,
        Kind::Fault { .. } => Code::Fault,
        Kind::FaultEnded { .. } => Code::FaultEnded,
        Kind::NetworkDown { .. } => Code::NetworkDown,
        Kind::NetworkClosed => Code::NetworkClosed,
        Kind::Note { .. } | Kind::Gap { .. } => Code::Note,
    }
}
