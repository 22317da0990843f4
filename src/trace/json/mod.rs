//! Traces as JSON lines.

mod base64;
#[cfg(feature = "json")]
mod cause;
#[cfg(feature = "json")]
mod clock;
#[cfg(feature = "json")]
mod ends;
#[cfg(feature = "json")]
mod failure;
#[cfg(feature = "json")]
mod file;
#[cfg(feature = "json")]
mod load;
#[cfg(feature = "json")]
mod merge;
#[cfg(feature = "json")]
mod read;
mod write;

#[cfg(feature = "json")]
pub use failure::JsonError;
