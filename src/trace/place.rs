//! Events and operations by names that are the same in each run.

use std::string::{String, ToString};

use crate::error::Operation;
use crate::trace::event::{Event, Kind};

/// The key of the operation that an event is of, whatever ports it takes: of a dial, accept, read or write. `None` for
/// events of other operations, which never wait.
pub(super) fn operation_key(event: &Event) -> Option<String> {
    match &event.kind {
        Kind::Dialled { src, dst } | Kind::Withdrawn { src, dst } | Kind::Connected { src, dialled: dst, .. } => {
            Some(std::format!("dial {}->{dst}", src.host))
        }
        Kind::Failed { error } if error.operation() == Operation::Dial => {
            let ((src, _), (dst, port)) = (error.source_addr()?, error.addr()?);
            Some(std::format!("dial {}->{}:{port}", src.as_str(), dst.as_str()))
        }
        Kind::Accepted { listener, .. } => Some(std::format!("accept {listener}")),
        Kind::Wrote { src, dst, .. } => Some(std::format!("write {src}->{dst}")),
        Kind::Read { src, dst, .. } | Kind::Ended { src, dst } => Some(std::format!("read {src}->{dst}")),
        _ => None,
    }
}

/// Whether an event is the one by which operations of its key are counted.
pub(super) fn counts(event: &Event) -> bool {
    !matches!(event.kind, Kind::Withdrawn { .. } | Kind::Connected { .. } | Kind::Failed { .. })
}

/// The key of an event: that of its operation, if that is counted by it, or else its text.
pub(super) fn event_key(event: &Event) -> String {
    operation_key(event).filter(|_| counts(event)).unwrap_or_else(|| event.to_string())
}

/// The text by which the dial began that an event is of, such as `dial b:1->a:10`.
pub(super) fn dial_text(event: &Event) -> Option<String> {
    match &event.kind {
        Kind::Dialled { src, dst } | Kind::Withdrawn { src, dst } | Kind::Connected { src, dialled: dst, .. } => {
            Some(std::format!("dial {src}->{dst}"))
        }
        Kind::Failed { error } if error.operation() == Operation::Dial => {
            let ((src, from), (dst, to)) = (error.source_addr()?, error.addr()?);
            Some(std::format!("dial {}:{from}->{}:{to}", src.as_str(), dst.as_str()))
        }
        _ => None,
    }
}
