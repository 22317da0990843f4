//! The names of the streams that events are divided into.

use alloc::format;
use alloc::string::String;

use crate::addr::name::{ErrorText, HostName};
use crate::error::Operation;
use crate::trace::event::{Event, Kind};

/// The name of the stream of an event by hosts.
pub(super) fn host(event: &Event) -> HostName {
    event.host().unwrap_or_else(|| HostName::cut("network").0)
}

/// The name of the connection of an event, from the dialled to the accepted end.
pub(super) fn conn(event: &Event) -> Option<String> {
    let (local, peer) = match &event.kind {
        Kind::Accepted { local, peer, .. } | Kind::Shut { local, peer, .. } => (local, peer),
        Kind::Connected { src, peer, .. } => (src, peer),
        Kind::Wrote { src, dst, .. } | Kind::Taken { src, dst, .. } => (src, dst),
        Kind::Read { src, dst, .. } | Kind::Ended { src, dst } => (dst, src),
        Kind::Failed { error } => {
            let addr = |at: Option<(ErrorText, u16)>| at.map(|(host, port)| format!("{host}:{port}"));
            let (source, addr) = (addr(error.source_addr())?, addr(error.addr())?);
            let is_read = error.operation() == Operation::Read;
            let starts = event.end?.accepted == is_read;
            return Some(if starts { format!("{source}->{addr}") } else { format!("{addr}->{source}") });
        }
        _ => return None,
    };
    let accepted = event.end?.accepted;
    Some(if accepted { format!("{peer}->{local}") } else { format!("{local}->{peer}") })
}
