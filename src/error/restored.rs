//! Errors from their printed parts.

use crate::addr::name::ErrorText;
use crate::error::cause::Cause;
use crate::error::packed::PackedCause;
use crate::error::packed_strs::PackedStrs;
use crate::error::{Error, Operation};

impl Error {
    /// The error of these parts: the network's name, and the source and the address, each with its port. Empty parts
    /// are not known.
    pub(crate) fn restored(
        operation: Operation,
        network: &str,
        [(source, source_port), (host, port)]: [(ErrorText, u16); 2],
        cause: Cause,
    ) -> Self {
        let (cause, text) = PackedCause::of(cause);
        Self { words: PackedStrs::new([network.into(), source, host, text]), source_port, port, operation, cause }
    }
}
