//! The contract of who is where.

use core::fmt;
use core::future::Future;

use crate::error::cause::Cause;
use crate::error::registry::RegistryError;

/// Host name → host data, shared by all subnetworks of a network. In RAM, a file, a server, a broadcast.
///
/// An engine announces its hosts here, and the core asks for the host of every address that is dialled. Methods are
/// called through a shared reference, from any thread, several at once, and under no lock. A future that is dropped
/// has either done its work or not.
pub trait Registry: Send + Sync {
    /// What is kept for a host; see [`Engine::Data`](crate::Engine::Data).
    type Data: Clone + fmt::Debug + Send;

    /// Takes the name `host` and keeps `data` with it. A name once taken stays taken.
    ///
    /// # Errors
    ///
    /// [`RegistryReason::HostExists`](crate::RegistryReason::HostExists) if the name is taken,
    /// [`RegistryReason::Down`](crate::RegistryReason::Down) after [`close`](Registry::close).
    fn announce(&self, host: &str, data: Self::Data) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// What is kept for `host`.
    ///
    /// # Errors
    ///
    /// [`RegistryReason::NoSuchHost`](crate::RegistryReason::NoSuchHost) if nobody has taken the name,
    /// [`RegistryReason::Down`](crate::RegistryReason::Down) after [`close`](Registry::close).
    fn query(&self, host: &str) -> impl Future<Output = Result<Self::Data, RegistryError>> + Send;

    /// The network of this subnetwork is closed: called once, after the engine's close, unless an earlier call's future
    /// was dropped before it was done.
    ///
    /// # Errors
    ///
    /// What did not go well; it is reported by every close of the network.
    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send;
}
