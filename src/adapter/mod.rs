//! Implementations of other crates' traits: reading and writing connections, dialling from hosts, and more.

#[cfg(feature = "defmt")]
mod defmt;
#[cfg(feature = "edge-nal")]
mod edge_nal;
mod embedded_io;
#[cfg(feature = "embedded-io-async")]
mod embedded_io_async;
#[cfg(feature = "embedded-nal-async")]
mod nal;
#[cfg(feature = "std")]
mod std_io;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;
#[cfg(feature = "std")]
mod vectored;
