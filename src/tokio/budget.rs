//! The budget that a runtime gives its tasks: tokio's, without effect elsewhere.

pub(crate) use ::tokio::task::coop::poll_proceed;
