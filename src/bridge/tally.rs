//! The numbers of a bridge, and its last failure.

use crate::error::Error;
use crate::error::kind::ErrorKind;

/// The number of connections of a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// The connections that are open, including those whose far side is being dialled.
    pub open: usize,
    /// The connections that were accepted.
    pub total: u64,
    /// The connections of these whose far side could not be reached.
    pub failed: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) last_error: Option<Error>,
}

impl Tally {
    pub(super) fn accepted(&mut self) {
        self.counts.open += 1;
        self.counts.total += 1;
    }

    pub(super) fn failed(&mut self, error: Error) {
        self.counts.failed += 1;
        self.last_error = Some(error);
    }

    pub(super) fn closed(&mut self) {
        self.counts.open -= 1;
    }

    /// Records an accept that failed, and returns when to accept again.
    pub(super) fn accept_failed(&mut self, error: Error) -> Retry {
        self.last_error = Some(error);
        match error.kind() {
            // A client has left the queue.
            ErrorKind::ConnectionReset => Retry::Now,
            // The process may have no more file descriptors: a connection that closes gives back two.
            ErrorKind::Backend if self.counts.open > 0 => Retry::OnceClosed,
            _ => Retry::Never,
        }
    }
}

/// When to accept again, after an accept that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Now,
    /// Once a connection of the bridge has closed.
    OnceClosed,
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Operation;
    use crate::error::cause::Cause;

    #[test]
    fn only_accepts_that_may_succeed_are_tried_again() {
        let mut tally = Tally::default();
        let retry = |tally: &mut Tally, cause| {
            let error = Error::new(Operation::Accept, "tcp", None, None, cause);
            let retry = tally.accept_failed(error);
            assert_eq!(tally.last_error, Some(error));
            retry
        };
        let full = Cause::backend(&"too many open files");
        let causes = [Cause::ConnectionReset, full, Cause::SocketDown, Cause::HostDown];
        let none_open = causes.map(|cause| retry(&mut tally, cause));
        assert_eq!(none_open, [Retry::Now, Retry::Never, Retry::Never, Retry::Never]);
        tally.accepted();
        let one_open = causes.map(|cause| retry(&mut tally, cause));
        assert_eq!(one_open, [Retry::Now, Retry::OnceClosed, Retry::Never, Retry::Never]);
        assert_eq!((tally.counts.open, tally.counts.total, tally.counts.failed), (1, 1, 0));
    }
}
