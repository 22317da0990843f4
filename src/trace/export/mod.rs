//! Traces in the formats of others.

mod chart;
mod escape;
#[cfg(feature = "std")]
mod files;
mod mark;
mod mermaid;
mod page;
mod picture;
mod shiviz;

