//! What a clock knows of its networks.

use core::fmt;

/// A network whose time is that of a clock. It prints as it is.
pub trait Member: fmt::Display + Send + Sync {
    /// Nothing can happen in the network any more: all that waits in it fails, for this reason.
    fn fail(&self, why: &'static str);
}
