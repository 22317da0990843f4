//! A notifier of any type.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::addr::Addr;
use crate::contract::notifier::{Accept, Notifier};
use crate::error::cause::Cause;

/// A [`Notifier`] whose type is not known: only that of its links is. An engine that accepts connections in the background
/// keeps one, whatever layers are around it; see [`Engine::start`](crate::Engine::start). Clones are the same notifier.
///
/// A call is made when its future is first polled, so connections arrive at a listener in the order of the first polls.
pub struct AnyNotifier<L>(Arc<dyn DynNotifier<L>>);

/// An [`Accept`] whose type is not known.
pub struct AnyAccept(Box<dyn DynAccept>);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A notifier as an object: its futures are boxed, and own what they borrow otherwise.
trait DynNotifier<L>: Send + Sync {
    fn accept(self: Arc<Self>, src: Addr, dst: Addr, link: L) -> Boxed<Result<AnyAccept, Cause>>;
    fn connect(self: Arc<Self>, src: Addr, dst: Addr, link: L) -> Boxed<Result<Addr, Cause>>;
    fn down(self: Arc<Self>, cause: Cause) -> Boxed<()>;
}

trait DynAccept: Send {
    fn local_addr(&self) -> Addr;
    fn acknowledge(self: Box<Self>) -> Result<(), Cause>;
    fn refuse(self: Box<Self>);
}

impl<N: Notifier<Link: Send> + 'static> DynNotifier<N::Link> for N {
    fn accept(self: Arc<Self>, src: Addr, dst: Addr, link: N::Link) -> Boxed<Result<AnyAccept, Cause>> {
        Box::pin(async move { Ok(AnyAccept(Box::new(Notifier::accept(&*self, &src, &dst, link).await?))) })
    }

    fn connect(self: Arc<Self>, src: Addr, dst: Addr, link: N::Link) -> Boxed<Result<Addr, Cause>> {
        Box::pin(async move { Notifier::connect(&*self, &src, &dst, link).await })
    }

    fn down(self: Arc<Self>, cause: Cause) -> Boxed<()> {
        Box::pin(async move { Notifier::down(&*self, cause).await })
    }
}

impl<A: Accept> DynAccept for A {
    fn local_addr(&self) -> Addr {
        Accept::local_addr(self)
    }

    fn acknowledge(self: Box<Self>) -> Result<(), Cause> {
        Accept::acknowledge(*self)
    }

    fn refuse(self: Box<Self>) {
        Accept::refuse(*self);
    }
}

impl<L> AnyNotifier<L> {
    /// Hides the type of `notifier`.
    pub fn new<N: Notifier<Link = L> + 'static>(notifier: N) -> Self
    where
        L: Send,
    {
        Self(Arc::new(notifier))
    }
}

impl<L: 'static> Notifier for AnyNotifier<L> {
    type Link = L;
    type Accept = AnyAccept;

    fn accept(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<AnyAccept, Cause>> + Send {
        self.0.clone().accept(*src, *dst, link)
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<Addr, Cause>> + Send {
        self.0.clone().connect(*src, *dst, link)
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.0.clone().down(cause)
    }
}

impl Accept for AnyAccept {
    fn local_addr(&self) -> Addr {
        self.0.local_addr()
    }

    fn acknowledge(self) -> Result<(), Cause> {
        self.0.acknowledge()
    }

    fn refuse(self) {
        self.0.refuse();
    }
}

impl<L> Clone for AnyNotifier<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L> fmt::Debug for AnyNotifier<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyNotifier")
    }
}

impl fmt::Debug for AnyAccept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyAccept").field(&self.0.local_addr()).finish()
    }
}
