//! The budget that a runtime gives its tasks: tokio's with the feature `tokio`, without effect on other executors; else
//! none.

#[cfg(feature = "tokio")]
pub(crate) use ::tokio::task::coop::poll_proceed;
#[cfg(not(feature = "tokio"))]
pub(crate) use unlimited::poll_proceed;

#[cfg(not(feature = "tokio"))]
mod unlimited {
    use core::task::{Context, Poll};

    /// One operation of a task.
    pub(crate) struct Turn;

    impl Turn {
        /// The operation did something.
        pub(crate) fn made_progress(&self) {}
    }

    /// Whether the task may go on: it may.
    pub(crate) fn poll_proceed(_: &mut Context<'_>) -> Poll<Turn> {
        Poll::Ready(Turn)
    }
}
