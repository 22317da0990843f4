//! An engine and a registry that behave as configured, correctly or not, and record their calls.

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

/// The configured behaviour of the engine and registry of a subnetwork, and their recorded calls.
#[derive(Debug, Default)]
pub struct Rig {
    /// The error of new hosts.
    pub new_host: Option<Cause>,
    /// The engine's behaviour when it dials.
    pub dial: Dial,
    /// The error of the engine's close.
    pub engine_close: Option<Cause>,
    /// The error of the registry's close.
    pub registry_close: Option<Cause>,
    /// While the gate is shut, new hosts and closes wait. It wakes no task: tests poll again.
    pub gate: Gate,
    /// Whether the gate applies to the registry's close only.
    pub registry_gate: bool,
    pub wires: Wires,
    /// See [`Rig::calls`].
    pub calls: Mutex<Vec<String>>,
}

/// The behaviour of a rigged engine when it dials.
#[derive(Clone, Copy, Debug, Default)]
pub enum Dial {
    /// Connects.
    #[default]
    Honest,
    /// Connects, and reports this address as the peer's.
    Elsewhere(Addr),
    /// Fails.
    Fail(Cause),
    /// Has two connections accepted, and returns one.
    Twice,
    /// Has the connection accepted, and then refuses it.
    Refuse,
    /// Has the connection accepted, and never completes.
    Mute,
}

impl Rig {
    /// Makes a subnetwork named `x` that is rigged like this.
    pub fn build(self) -> (Arc<Net>, Arc<Self>) {
        let rig = Arc::new(self);
        let net = SubNetwork::new("x", RiggedEngine(rig.clone()), RiggedRegistry(rig.clone()), Heap::new());
        (Arc::new(net), rig)
    }

    /// The calls of engine and registry, in order.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    fn note(&self, call: &str) {
        lock(&self.calls).push(call.into());
    }
}

/// A gate that futures wait at.
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
    /// Has the notifier accept a connection.
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

/// The registry: it accepts every name, and finds every host.
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
