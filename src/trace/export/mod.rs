//! Traces in the formats of others.

mod chart;
mod escape;
mod mark;
mod mermaid;
mod page;
mod picture;
mod shiviz;

