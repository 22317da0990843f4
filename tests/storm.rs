//! Many threads over one network.
#![cfg(all(feature = "std", feature = "pipenet"))]

#[path = "storm/name.rs"]
mod name;
