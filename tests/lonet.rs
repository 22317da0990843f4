//! Networks of several processes, as their users see them.
#![cfg(all(feature = "lonet", unix))]

#[path = "lonet/basic.rs"]
mod basic;
#[path = "lonet/door.rs"]
mod door;
#[path = "lonet/limits.rs"]
mod limits;
#[path = "lonet/process.rs"]
mod process;
#[path = "lonet/registry.rs"]
mod registry;
#[cfg(feature = "tokio")]
#[path = "lonet/runtime.rs"]
mod runtime;
#[path = "lonet/support.rs"]
mod support;
#[cfg(all(feature = "json", feature = "trace"))]
#[path = "lonet/trace.rs"]
mod trace;
