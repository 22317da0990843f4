//! The contracts that backends and access points implement: traits and their docs.

#[cfg(feature = "alloc")]
pub(crate) mod any_notifier;
pub(crate) mod engine;
pub(crate) mod layer;
pub(crate) mod networker;
pub(crate) mod notifier;
pub(crate) mod observe;
pub(crate) mod registry;
pub(crate) mod shutdown;
