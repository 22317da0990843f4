//! The look of an event: its symbol, its colour, and the level of detail that it belongs to.

use crate::contract::observe::How;
use crate::error::kind::ErrorKind;
use crate::trace::cause::Reason;
use crate::trace::event::{Event, Kind};

/// The symbol of an event: an element that the page defines under this name.
pub(super) fn symbol(event: &Event) -> &'static str {
    match &event.kind {
        Kind::HostMade { .. } | Kind::HostBack { .. } => "host",
        Kind::HostClosed { .. } => "bar",
        Kind::HostDied { .. } => "died",
        Kind::Listened { .. } => "listen",
        Kind::ListenerClosed { dropped: false, .. } => "bar",
        Kind::ListenerClosed { dropped: true, .. } => "drop",
        Kind::Dialled { .. } => "dial",
        Kind::Withdrawn { .. } => "withdrawn",
        Kind::Accepted { .. } | Kind::Connected { .. } => "open",
        Kind::Wrote { .. } | Kind::Taken { .. } => "write",
        Kind::Read { .. } => "read",
        Kind::Ended { .. } => "end",
        Kind::Shut { how: How::Abort, .. } => "abort",
        Kind::Shut { how: How::Shutdown | How::ShutdownRead, .. } => "half",
        Kind::Shut { how: How::Close, .. } => "bar",
        Kind::Shut { how: How::Drop, .. } => "drop",
        Kind::Failed { .. } => "failed",
        Kind::NetworkDown { .. } | Kind::NetworkClosed => "bar",
        Kind::Fault { .. } | Kind::FaultEnded { .. } => "fault",
        Kind::Note { .. } => "note",
        Kind::Gap { .. } => "gap",
    }
}

/// The colour of an event, and of the arrows from it.
pub(super) fn colour(event: &Event) -> &'static str {
    match &event.kind {
        Kind::Dialled { .. } | Kind::Accepted { .. } | Kind::Connected { .. } => "way",
        Kind::Wrote { .. } | Kind::Taken { .. } | Kind::Read { .. } => "data",
        Kind::Failed { .. } | Kind::NetworkDown { .. } | Kind::HostDied { .. } => "bad",
        Kind::Shut { how, reset, .. } if *reset || *how == How::Abort => "bad",
        Kind::Shut { .. } | Kind::Ended { .. } => "shut",
        Kind::Fault { .. } | Kind::FaultEnded { .. } | Kind::Gap { .. } => "fault",
        _ => "base",
    }
}

/// From which level of detail on an event is shown: hosts, connections, bytes, reads.
pub(super) fn level(event: &Event) -> u8 {
    match &event.kind {
        Kind::HostMade { .. }
        | Kind::HostClosed { .. }
        | Kind::HostDied { .. }
        | Kind::HostBack { .. }
        | Kind::Fault { .. }
        | Kind::FaultEnded { .. }
        | Kind::NetworkDown { .. }
        | Kind::NetworkClosed
        | Kind::Note { .. }
        | Kind::Gap { .. } => 0,
        Kind::Wrote { .. } | Kind::Taken { .. } | Kind::Ended { .. } => 2,
        Kind::Read { .. } => 3,
        _ => 1,
    }
}

/// Whether an edge between hosts is an arrow of the picture.
pub(super) fn is_arrow(from: &Event, to: &Event, reason: Reason) -> bool {
    match reason {
        Reason::Accepted | Reason::Bytes | Reason::Token => true,
        // The others are seen at the events: a host that is down, the own end that is closed.
        Reason::Closed => match (&from.kind, &to.kind) {
            (Kind::Shut { .. }, Kind::Ended { .. }) => true,
            (Kind::Shut { .. } | Kind::HostDied { .. } | Kind::HostClosed { .. }, Kind::Failed { error }) => {
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
            }
            (Kind::HostDied { .. } | Kind::HostClosed { .. }, Kind::Ended { .. }) => true,
            _ => false,
        },
        Reason::Program | Reason::Made | Reason::Port | Reason::Fault => false,
    }
}
