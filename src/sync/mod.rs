//! The lock of the core and of pipenet, and what else threads share: loom's in models.

#[cfg(not(loom))]
mod lock;
#[cfg(loom)]
mod loom;

#[cfg(loom)]
pub(crate) use self::loom::*;
#[cfg(not(loom))]
pub(crate) use lock::*;
