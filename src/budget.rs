//! The budget that a runtime gives its tasks: here, none does.

use core::task::{Context, Poll};

/// One operation of a task.
pub(crate) struct Turn;

impl Turn {
    /// It did something.
    pub(crate) fn made_progress(&self) {}
}

/// Whether the task may go on: it may.
pub(crate) fn poll_proceed(_: &mut Context<'_>) -> Poll<Turn> {
    Poll::Ready(Turn)
}
