//! The contract of the directory of hosts.

use core::fmt;
use core::future::Future;

use crate::error::cause::Cause;
use crate::error::registry::RegistryError;

/// Maps host names to host data, for all subnetworks of a network: in memory, in a file, on a server or by broadcast.
///
/// An engine announces its hosts here, and the core queries the host of every address that is dialled. Methods are
/// called through a shared reference, from any thread, concurrently, and never under a lock. A future that is dropped
/// has either had its whole effect or none.
pub trait Registry: Send + Sync {
    /// The data of a host; see [`Engine::Data`](crate::Engine::Data).
    type Data: Clone + fmt::Debug + Send;

    /// Registers `host` with `data`. A name cannot be released or registered again.
    ///
    /// # Errors
    ///
    /// [`RegistryReason::HostExists`](crate::RegistryReason::HostExists) if the name is taken,
    /// [`RegistryReason::Down`](crate::RegistryReason::Down) after [`close`](Registry::close).
    fn announce(&self, host: &str, data: Self::Data) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// Returns the data of `host`.
    ///
    /// # Errors
    ///
    /// [`RegistryReason::NoSuchHost`](crate::RegistryReason::NoSuchHost) if the name is not registered,
    /// [`RegistryReason::Down`](crate::RegistryReason::Down) after [`close`](Registry::close).
    fn query(&self, host: &str) -> impl Future<Output = Result<Self::Data, RegistryError>> + Send;

    /// Closes the registry for this subnetwork. Called once, after the engine's close; again only if the future of an
    /// earlier call was dropped before it was done.
    ///
    /// # Errors
    ///
    /// The failure, which every close of the network reports.
    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send;
}
