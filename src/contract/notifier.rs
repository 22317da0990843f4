//! The contract of what the core offers a backend.

use core::future::Future;

use crate::addr::Addr;
use crate::error::cause::Cause;

/// What the core offers a backend: to hand over connections that come from outside, and to say that the network failed.
///
/// [`SubNetwork::notifier`](crate::SubNetwork::notifier) gives one. So does a `Weak` of a subnetwork, which does not keep
/// it alive and is what background threads should hold; when the subnetwork is gone, everything fails with
/// [`Cause::NetworkDown`], and a link that is handed over is only dropped. What is under way, a pending accept or an
/// accept that waits to be acknowledged, does keep the subnetwork.
///
/// All methods may be called from any thread, also from within an engine's or a registry's method.
pub trait Notifier: Send + Sync {
    /// The engine's end of a connection.
    type Link;

    /// What [`accept`](Notifier::accept) answers.
    type Accept: Accept;

    /// Hands over `link`, the listening side's end of a connection from `src` to `dst`, and waits until a listener takes
    /// it. The connection is made when the answer has been [acknowledged](Accept::acknowledge).
    ///
    /// It waits in the listener's queue from the call on, and the link is the core's: it shuts it down and releases it
    /// whenever the connection does not come about. The future borrows the notifier and the addresses.
    ///
    /// # Errors
    ///
    /// `address b:1: no such host` if the host of `dst` is not one of this subnetwork's, [`Cause::ConnectionRefused`]
    /// if nobody listens there (or no longer), a full backlog, port or host table, [`Cause::NetworkDown`], and
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
    /// it. For engines that have both ends in hand: a dial that is dropped after that has to close the end that it keeps.
    /// The answer is the address of the accepted connection.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Notifier::accept).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the connection, unless a listener has it already.
    fn connect(&self, src: &Addr, dst: &Addr, link: Self::Link) -> impl Future<Output = Result<Addr, Cause>> + Send;

    /// The network failed: it is closed, as by [`NetRefExt::close`](crate::NetRefExt::close), with
    /// `cause` first in the list of failures. Does nothing on a network that is closed or failed already.
    ///
    /// The network is down when the call returns; the future closes engine and registry, and need not be polled by an
    /// engine that cannot wait for its own close: the next close, or the end of the last handle, does it then.
    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send;
}

/// An incoming connection that a listener has taken, and that is not final yet. Its port is reserved.
///
/// Refusing or dropping it gives the port back, and the listener goes on waiting. Until then it takes the place of one
/// accept, so it should not take long.
pub trait Accept: Send {
    /// The address of the accepted connection.
    fn local_addr(&self) -> Addr;

    /// Makes the connection: a waiting accept has it, or the next one. If the listener was closed since, the connection
    /// is closed as well.
    ///
    /// # Errors
    ///
    /// [`Cause::ConnectionRefused`] if the listener was closed meanwhile.
    fn acknowledge(self) -> Result<(), Cause>;

    /// Lets it be, as dropping it does.
    fn refuse(self);
}
