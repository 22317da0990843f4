//! Both ends of a connection, made by a dial of the engine that is never accepted.

use core::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::addr::Addr;
use crate::contract::engine::Engine;
use crate::contract::notifier::{Accept, Notifier};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::net::net_ref::{LinkOf, NetRef};
use crate::wait::Op;

/// Makes the two ends of a connection by a dial of the engine: the near end, and the end that the engine hands over.
/// This works for engines that dial hosts of their own subnetwork through the given notifier, without an existing host.
///
/// # Panics
///
/// If the engine works differently.
pub fn links_by_dial<N: NetRef + 'static>(net: &N) -> (LinkOf<N>, LinkOf<N>) {
    let addr = |port| Addr::new(net.network_name(), "a", port).expect("a valid address");
    let taken = Intercept(Arc::default());
    let data = Op::new(net.registry().query("a")).wait().expect("a behaviour has a host `a` before it needs links");
    let (near, _) = Op::new(net.engine().dial(&addr(1), &addr(1), data, &taken)).wait().expect("a dial of the engine");
    let far = taken.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    (near, far.expect("a dial through the notifier that the engine was given"))
}

/// A notifier that keeps the link handed to it.
struct Intercept<L>(Arc<Mutex<Option<L>>>);

impl<L: Send> Notifier for Intercept<L> {
    type Link = L;
    type Accept = Intercepted;

    async fn accept(&self, _: &Addr, dst: &Addr, link: L) -> Result<Intercepted, Cause> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(link);
        Ok(Intercepted(*dst))
    }

    async fn connect(&self, src: &Addr, dst: &Addr, link: L) -> Result<Addr, Cause> {
        self.accept(src, dst, link).await.map(|accepted| accepted.0)
    }

    fn down(&self, _: Cause) -> impl Future<Output = ()> + Send {
        core::future::ready(())
    }
}

/// The address of an intercepted connection.
struct Intercepted(Addr);

impl Accept for Intercepted {
    fn local_addr(&self) -> Addr {
        self.0
    }

    fn acknowledge(self) -> Result<(), Cause> {
        Ok(())
    }

    fn refuse(self) {}
}
