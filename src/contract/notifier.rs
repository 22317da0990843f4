//! The contract through which a backend reports events to the core.

use core::future::Future;

use crate::addr::Addr;
use crate::contract::shutdown::Shutdown;
use crate::error::cause::Cause;

/// Through it, a backend hands over incoming connections to the core and reports that the network failed.
///
/// [`SubNetwork::notifier`](crate::SubNetwork::notifier) gives one. So does a `Weak` of a subnetwork, which does not
/// keep it alive. An engine is given one for its background threads by [`Engine::start`](crate::Engine::start). Once the
/// subnetwork is gone, every call fails with
/// [`Cause::NetworkDown`], and a link that is handed over is only dropped. A pending accept, and an accept that waits
/// to be acknowledged, keep the subnetwork alive.
///
/// All methods may be called from any thread, also from within an engine's or a registry's method.
pub trait Notifier: Send + Sync {
    /// The engine's end of a connection.
    type Link;

    /// The result of [`accept`](Notifier::accept).
    type Accept: Accept;

    /// Hands over `link`, the listening side's end of a connection from `src` to `dst`, and waits until a listener
    /// takes it. The connection is established when the result has been [acknowledged](Accept::acknowledge).
    ///
    /// The request is in the listener's queue from the call on. The core owns the link: if no connection is
    /// established, the core shuts it down and releases it. The future borrows the notifier and the addresses.
    ///
    /// # Errors
    ///
    /// `address b:1: no such host` if the host of `dst` is not one of this subnetwork's, [`Cause::ConnectionRefused`]
    /// if no listener is there (or no longer), a full backlog, port or host table, [`Cause::NetworkDown`], and
    /// [`Cause::AddrInUse`] if connections share the listener's port and one has this peer, or is queued.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the connection; the listener never sees it.
    fn accept(
        &self,
        src: &Addr,
        dst: &Addr,
        link: Self::Link,
    ) -> impl Future<Output = Result<Self::Accept, Cause>> + Send;

    /// As [`accept`](Notifier::accept), acknowledged in advance: the listener has the connection as soon as it takes
    /// it. This is for engines that own both ends: a dial that is dropped after that must shut down its own end, as
    /// [`ending`](Notifier::ending) says. Returns the address of the accepted connection.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Notifier::accept).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the connection, unless a listener has it already.
    fn connect(&self, src: &Addr, dst: &Addr, link: Self::Link) -> impl Future<Output = Result<Addr, Cause>> + Send;

    /// Reports that the network failed. This closes it, as [`NetRefExt::close`](crate::NetRefExt::close) does, with
    /// `cause` as the first of its failures. Does nothing on a network that is closed or has failed already.
    ///
    /// The network is down when the call returns. The future closes engine and registry. An engine that cannot wait for
    /// its own close need not poll it: the next close, or the drop of the last handle, does it then.
    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send;

    /// How an engine ends a connection whose dial is dropped after the listener has accepted it: that of a dead host
    /// does not close politely. For engines that [connect](Notifier::connect).
    #[inline]
    fn ending(&self) -> Shutdown {
        Shutdown::CloseOrReset
    }
}

/// An incoming connection that a listener has claimed and that is not established yet. Its port is reserved.
///
/// Refusing or dropping it frees the port, and the listener continues to wait. Until then it occupies one pending
/// accept, so acknowledge it soon.
pub trait Accept: Send {
    /// The address of the accepted connection.
    fn local_addr(&self) -> Addr;

    /// Establishes the connection: a pending accept returns it, or the next one. If the listener is closed afterwards,
    /// so is the connection.
    ///
    /// # Errors
    ///
    /// [`Cause::ConnectionRefused`] if the listener was closed meanwhile.
    fn acknowledge(self) -> Result<(), Cause>;

    /// Refuses the connection, as dropping it does.
    fn refuse(self);
}
