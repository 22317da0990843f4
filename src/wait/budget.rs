//! The cooperative budget of a task. With the feature `tokio` it is tokio's, which has no effect on other executors.
//! Without the feature it is unlimited.

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
        /// The operation made progress.
        pub(crate) fn made_progress(&self) {}
    }

    /// Whether the task's budget allows another operation: always.
    pub(crate) fn poll_proceed(_: &mut Context<'_>) -> Poll<Turn> {
        Poll::Ready(Turn)
    }
}
