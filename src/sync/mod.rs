//! The lock of the core and of pipenet, and the atomics and thread functions that they use. Models use loom's.

#[cfg(not(loom))]
mod lock;
#[cfg(loom)]
mod loom;

#[cfg(loom)]
pub(crate) use self::loom::*;
#[cfg(not(loom))]
pub(crate) use lock::*;
