//! What faults ask of the links of a connection.

use crate::contract::engine::Shutdown;
use crate::sim::letter::Outcome;

/// The links of a connection, whatever its engine is.
pub(super) trait Wire: Send + Sync {
    /// Shows the reader bytes that the end `side` has written.
    fn show(&self, side: usize, count: usize);
    /// Tells the peer of `side` that this end is shut down. If it was also released, releases it.
    fn end(&self, side: usize, how: Shutdown, released: bool);
    /// Hides from now on what the end `side` writes, or no longer.
    fn hold(&self, side: usize, on: bool);
    /// Sets whether each write of the end `side`, and each read, is looked at.
    fn look(&self, side: usize, writes: bool, reads: bool);
    /// Whether a listener has accepted it.
    fn is_live(&self) -> bool;
    /// Resets both ends.
    fn break_off(&self);
    /// Wakes the tasks that wait to write at the end `side` as the limit of its bytes is reached.
    fn resume(&self, side: usize);
    /// Its dial fails.
    fn settle_dial(&self, outcome: Outcome);
    /// Ends the operations of one end, which has timed out, and drops what it has written and waits.
    fn time_out(&self, side: usize);
}
