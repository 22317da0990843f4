//! The engine: it dials by making a wire and handing its far end to the subnetwork that the registry names.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use virtnet::{Accept as _, Addr, AnyNotifier, Cause, Engine, Notifier, Registry, Shutdown};

use super::wire::{End, Wires};

/// The location of a host: where its subnetwork takes connections, like the address of a process.
#[derive(Clone)]
pub struct Peer {
    label: &'static str,
    /// Empty until the subnetwork is shared.
    notifier: Arc<OnceLock<AnyNotifier<End>>>,
}

impl Peer {
    pub(super) fn new(label: &'static str) -> Self {
        Self { label, notifier: Arc::default() }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label)
    }
}

/// The engine of one subnetwork. It knows nothing of layers around it.
#[derive(Debug)]
pub struct Channels {
    /// The data that the registry keeps for this subnetwork's hosts.
    me: Peer,
    wires: Wires,
}

impl Channels {
    pub(super) fn new(me: Peer, wires: Wires) -> Self {
        Self { me, wires }
    }
}

impl Engine for Channels {
    type Link = End;
    type Data = Peer;

    fn start<N: Notifier<Link = End> + 'static>(&self, notifier: impl FnOnce() -> N) {
        self.me.notifier.set(AnyNotifier::new(notifier())).expect("an engine is started once");
    }

    async fn new_host<R: Registry<Data = Peer>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        Ok(registry.announce(host, self.me.clone()).await?)
    }

    async fn dial<N: Notifier<Link = End>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: Peer,
        _: &N,
    ) -> Result<(End, Addr), Cause> {
        let notifier = data.notifier.get().ok_or(Cause::ConnectionRefused)?;
        let (near, far) = self.wires.wire();
        let (near, refused) = (Near(Some(near)), far.clone());
        let accept = notifier.accept(src, dst, far).await.map_err(|cause| {
            // A subnetwork that is gone drops the far end without releasing it.
            refused.discard();
            seen_from_here(cause)
        })?;
        let peer = accept.local_addr();
        accept.acknowledge()?;
        Ok((near.keep(), peer))
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
        self.wires.note_closed(format!("engine {}", self.me.label));
        Ok(())
    }
}

/// A peer network that is down is seen here as a refused connection.
fn seen_from_here(cause: Cause) -> Cause {
    match cause {
        Cause::NetworkDown => Cause::ConnectionRefused,
        cause => cause,
    }
}

/// The dialling end of a wire, closed and released on drop unless it is kept.
pub(super) struct Near(pub(super) Option<End>);

impl Near {
    pub(super) fn keep(mut self) -> End {
        self.0.take().expect("an end is kept once")
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end.shutdown(Shutdown::CloseOrReset);
            end.release();
        }
    }
}
