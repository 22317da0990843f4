//! Faults of networks of a fixed size, in a static, without a heap.
//!
//! - `faults`: the static, and the verbs of a route
//! - `slot`: what is kept of a pair of hosts, and of a connection
//! - `table`: steps on all slots, and the tasks that wait for one
//! - `faulty`, `dial`, `engine`: how what was sent arrives, how a dial does, and the engine with both
//!
//! Nothing runs by itself: what is due is carried out by the operation of either end that looks next. A task that waits
//! is woken by the clock when the next item of its connection is due, and by each change of faults.

mod dial;
mod engine;
mod faults;
mod faulty;
mod slot;
mod table;

pub use faults::{FixedFaults, FixedRoute};
pub use faulty::{FixedFaulty, FixedFaultyLink};
