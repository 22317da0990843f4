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
#[path = "trace/json.rs"]
mod json;
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
