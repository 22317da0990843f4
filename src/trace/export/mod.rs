//! Traces in the formats of others.

mod band;
mod chart;
mod escape;
#[cfg(feature = "std")]
mod files;
mod mark;
mod mermaid;
mod page;
#[cfg(feature = "pcapng")]
mod pcapng;
mod picture;
mod shiviz;

pub(super) use escape::write_runs;
#[cfg(feature = "pcapng")]
pub use pcapng::Pcapng;
