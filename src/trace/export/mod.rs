//! Traces in the formats of others.

mod chart;
mod escape;
mod mark;
mod page;
mod picture;
