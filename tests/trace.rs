//! The trace: fed with the events that a network would tell it, and as a layer of real networks.
#![cfg(all(feature = "pipenet", feature = "std", feature = "trace"))]

#[path = "trace/bounds.rs"]
mod bounds;
#[path = "trace/check.rs"]
mod check;
#[path = "trace/export.rs"]
mod export;
#[path = "trace/feed.rs"]
mod feed;
#[path = "trace/fixed.rs"]
mod fixed;
#[path = "trace/gate.rs"]
mod gate;
#[path = "trace/gate_threads.rs"]
mod gate_threads;
#[path = "trace/json.rs"]
mod json;
#[cfg(feature = "json")]
#[path = "trace/json_merge.rs"]
mod json_merge;
#[cfg(feature = "json")]
#[path = "trace/json_read.rs"]
mod json_read;
#[path = "trace/live.rs"]
mod live;
#[path = "trace/order.rs"]
mod order;
#[path = "trace/ring.rs"]
mod ring;
#[path = "trace/same.rs"]
mod same;
#[path = "trace/scenario.rs"]
mod scenario;
#[path = "trace/storm.rs"]
mod storm;
#[path = "trace/text.rs"]
mod text;
#[path = "trace/two_phase.rs"]
mod two_phase;
#[path = "trace/verify.rs"]
mod verify;
