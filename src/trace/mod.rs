//! trace
mod offers;
mod traced;

pub use traced::{Traced, TracedLink};
