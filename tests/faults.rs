//! Faults as a layer, over in-process networks.
#![cfg(all(feature = "pipenet", feature = "sim", feature = "std"))]

#[path = "faults/answer.rs"]
mod answer;
#[path = "faults/bed.rs"]
mod bed;
#[cfg(feature = "testing")]
#[path = "faults/conformance.rs"]
mod conformance;
#[path = "faults/death.rs"]
mod death;
#[path = "faults/rendezvous.rs"]
mod rendezvous;
#[path = "faults/reset.rs"]
mod reset;
#[path = "faults/scenario.rs"]
mod scenario;
#[path = "faults/seen.rs"]
mod seen;
#[path = "faults/shape.rs"]
mod shape;
#[path = "faults/stream.rs"]
mod stream;
