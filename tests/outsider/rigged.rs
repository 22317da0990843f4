//! An engine and a registry that do as they are told, right or wrong, and note what they were asked.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use virtnet::table::Heap;
use virtnet::{Accept as _, Addr, Cause, Engine, Notifier, Registry, RegistryError, Shutdown, SubNetwork};

use super::engine::Near;
use super::wire::{End, Wires, lock};

/// A rigged subnetwork.
pub type Net = SubNetwork<RiggedEngine, RiggedRegistry, Heap<End>>;

/// How engine and registry of a subnetwork behave, and what they were asked.
#[derive(Debug, Default)]
pub struct Rig {
    /// What new hosts fail with.
    pub new_host: Option<Cause>,
    /// What the engine does when it is to dial.
    pub dial: Dial,
    /// What the engine's close fails with.
    pub engine_close: Option<Cause>,
    /// What the registry's close fails with.
    pub registry_close: Option<Cause>,
    /// While it is shut, new hosts and closes wait, and are polled by whoever wants to know.
    pub gate: Gate,
    /// Whether that goes for the registry's close only.
    pub registry_gate: bool,
    pub wires: Wires,
    /// See [`Rig::calls`].
    pub calls: Mutex<Vec<String>>,
}

/// What a rigged engine does when it is to dial.
#[derive(Clone, Copy, Debug, Default)]
pub enum Dial {
    /// Connects.
    #[default]
    Honest,
    /// Connects, and says that it was to this address.
    Elsewhere(Addr),
    /// Fails.
    Fail(Cause),
    /// Has two connections accepted, and gives one.
    Twice,
    /// Has the connection accepted, and then lets it be.
    Refuse,
    /// Has the connection accepted, and never says more.
    Mute,
}

impl Rig {
    /// A subnetwork named `x` that is rigged so.
    pub fn build(self) -> (Arc<Net>, Arc<Self>) {
        let rig = Arc::new(self);
        let net = SubNetwork::new("x", RiggedEngine(rig.clone()), RiggedRegistry(rig.clone()), Heap::new());
        (Arc::new(net), rig)
    }

    /// What engine and registry were asked, in this order.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    fn note(&self, call: &str) {
        lock(&self.calls).push(call.into());
    }
}

/// Where futures wait.
#[derive(Debug, Default)]
pub struct Gate(AtomicBool);

impl Gate {
    pub fn shut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn open(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    async fn pass(&self) {
        let is_shut = |_: &mut Context<'_>| if self.0.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(()) };
        poll_fn(is_shut).await;
    }
}

/// The engine.
#[derive(Debug)]
pub struct RiggedEngine(Arc<Rig>);

impl RiggedEngine {
    /// Has a connection accepted.
    async fn connect<N: Notifier<Link = End>>(
        &self,
        src: &Addr,
        dst: &Addr,
        notifier: &N,
    ) -> Result<(Near, N::Accept), Cause> {
        let (near, far) = self.0.wires.wire();
        let near = Near(Some(near));
        Ok((near, notifier.accept(src, dst, far).await?))
    }
}

impl Engine for RiggedEngine {
    type Link = End;
    type Data = ();

    async fn new_host<R: Registry<Data = ()>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        self.0.note(&format!("engine: new host {host}"));
        self.0.gate.pass().await;
        registry.announce(host, ()).await?;
        self.0.new_host.map_or(Ok(()), Err)
    }

    async fn dial<N: Notifier<Link = End>>(
        &self,
        src: &Addr,
        dst: &Addr,
        (): (),
        notifier: &N,
    ) -> Result<(End, Addr), Cause> {
        if let Dial::Fail(cause) = self.0.dial {
            return Err(cause);
        }
        let (near, accept) = self.connect(src, dst, notifier).await?;
        let peer = accept.local_addr();
        match self.0.dial {
            Dial::Refuse => {
                accept.refuse();
                return Err(Cause::backend(&"changed my mind"));
            }
            Dial::Mute => return pending().await,
            Dial::Twice => {
                accept.acknowledge()?;
                let (_, accept) = self.connect(src, dst, notifier).await?;
                accept.acknowledge()?;
            }
            Dial::Honest | Dial::Elsewhere(_) | Dial::Fail(_) => accept.acknowledge()?,
        }
        let told = if let Dial::Elsewhere(addr) = self.0.dial { addr } else { peer };
        Ok((near.keep(), told))
    }

    fn poll_read(&self, link: &End, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        link.poll_read(cx, buf)
    }

    fn poll_peek(&self, link: &End, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        link.poll_peek(cx, buf)
    }

    fn poll_write(&self, link: &End, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        link.poll_write(cx, buf)
    }

    fn poll_writable(&self, link: &End, cx: &mut Context<'_>) -> Poll<()> {
        link.poll_writable(cx)
    }

    fn cancel_read(&self, link: &End, waker: &Waker) {
        link.cancel_read(waker);
    }

    fn cancel_write(&self, link: &End, waker: &Waker) {
        link.cancel_write(waker);
    }

    fn watch(&self, link: &End, waker: &Waker) {
        link.watch(waker);
    }

    fn shutdown(&self, link: &End, how: Shutdown) -> bool {
        link.shutdown(how)
    }

    fn release(&self, link: &End) {
        link.release();
    }

    async fn close(&self) -> Result<(), Cause> {
        self.0.note("engine: close");
        if !self.0.registry_gate {
            self.0.gate.pass().await;
        }
        self.0.engine_close.map_or(Ok(()), Err)
    }
}

/// The registry: takes every name, and knows every host.
#[derive(Debug)]
pub struct RiggedRegistry(Arc<Rig>);

impl Registry for RiggedRegistry {
    type Data = ();

    async fn announce(&self, host: &str, (): ()) -> Result<(), RegistryError> {
        self.0.note(&format!("registry: announce {host}"));
        Ok(())
    }

    async fn query(&self, host: &str) -> Result<(), RegistryError> {
        self.0.note(&format!("registry: query {host}"));
        Ok(())
    }

    async fn close(&self) -> Result<(), Cause> {
        self.0.note("registry: close");
        self.0.gate.pass().await;
        self.0.registry_close.map_or(Ok(()), Err)
    }
}
