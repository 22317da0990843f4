//! An engine and a registry that behave arbitrarily.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use virtnet::table::Heap;
use virtnet::{Accept, Addr, Cause, Engine, NetRefExt as _, Notifier, Registry, RegistryError, Shutdown, SubNetwork};

use super::script::{Link, Script};

/// A network over such a backend, on the heap.
pub(super) type Net = SubNetwork<Hostile, Rogue, Heap<Link>>;

/// The engine.
#[derive(Debug)]
pub struct Hostile {
    script: Script,
    /// The engine's own network, to be called from within the engine.
    net: OnceLock<Weak<Net>>,
    /// The wakers of tasks that wait or have waited.
    wakers: Mutex<Vec<Waker>>,
}

impl Hostile {
    pub(super) fn new(script: Script) -> Self {
        Self { script, net: OnceLock::new(), wakers: Mutex::default() }
    }

    pub(super) fn set_net(&self, net: &Arc<Net>) {
        self.net.set(Arc::downgrade(net)).expect("it is set once");
    }

    /// Drops all wakers.
    pub(super) fn clear(&self) {
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        drop(wakers);
    }

    /// Keeps a waker, wakes it at once, wakes all kept ones, or does nothing.
    fn wait<T>(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        match self.script.below(4) {
            0 => wakers.push(cx.waker().clone()),
            1 => cx.waker().wake_by_ref(),
            2 => {
                let all = std::mem::take(&mut *wakers);
                drop(wakers);
                all.into_iter().for_each(Waker::wake);
            }
            _ => {}
        }
        Poll::Pending
    }

    /// May wait for a while, possibly without being woken.
    async fn dawdle(&self) {
        let mut left = self.script.below(8) / 2;
        poll_fn(|cx| {
            if left == 0 || self.script.is_over() {
                return Poll::Ready(());
            }
            left -= 1;
            self.wait(cx)
        })
        .await;
    }

    /// May call the network from within the engine.
    fn call_back(&self) {
        if self.script.below(8) != 7 || !self.script.enter() {
            return;
        }
        if let Some(net) = self.net.get().and_then(Weak::upgrade) {
            let host = net.get_host(["a", "b"][usize::from(self.script.below(2))]);
            let cx = &mut Context::from_waker(Waker::noop());
            match (self.script.below(7), host) {
                (0, Some(host)) => drop(host.listen("")),
                (1, Some(host)) => drop(pin!(host.dial("a:1")).try_wait()),
                (2, Some(host)) => drop(pin!(host.close()).try_wait()),
                (3, _) => drop(pin!(net.new_host("c")).try_wait()),
                (4, _) => drop(pin!(net.close()).try_wait()),
                (5, _) => drop(pin!(net.notifier().down(Cause::backend(&"from within"))).poll(cx)),
                _ => drop(net.auto_close()),
            }
        }
        self.script.leave();
    }

    /// Has a connection accepted, as the contract demands.
    async fn accepted<N: Notifier<Link = Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        notifier: &N,
    ) -> Result<N::Accept, Cause> {
        let far = self.script.link();
        self.script.hand_over(&far);
        notifier.accept(src, dst, far).await
    }

    fn moved(&self, link: &Link, cx: &mut Context<'_>, len: usize) -> Poll<Result<usize, Cause>> {
        self.script.used(link);
        self.call_back();
        match self.script.below(8) {
            0 => Poll::Ready(Err(Cause::SocketDown)),
            1 => Poll::Ready(Ok(len)),
            2 => Poll::Ready(Ok(1)),
            3 => Poll::Ready(Ok(0)),
            4 => Poll::Ready(Ok(len + 1)),
            5 => Poll::Ready(Ok(usize::MAX)),
            6 => Poll::Ready(Err(self.script.cause())),
            _ => self.wait(cx),
        }
    }
}

impl Engine for Hostile {
    type Link = Link;
    type Data = u8;

    async fn new_host<R: Registry<Data = u8>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        self.call_back();
        self.dawdle().await;
        match self.script.below(8) {
            4 => {}
            5 => return Err(self.script.cause()),
            6 => drop(registry.announce("another", 1).await),
            7 => pending::<()>().await,
            _ => registry.announce(host, 0).await?,
        }
        self.call_back();
        Ok(())
    }

    async fn dial<N: Notifier<Link = Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        _: u8,
        notifier: &N,
    ) -> Result<(Link, Addr), Cause> {
        self.dawdle().await;
        self.call_back();
        let elsewhere = |host, port| Addr::new("x", host, port).expect("a valid name");
        let peer = match self.script.below(16) {
            6 => return Err(self.script.cause()),
            7 => pending().await,
            // No listener was asked.
            8 => elsewhere(dst.host(), 7),
            9 => elsewhere("elsewhere", 7),
            10 => elsewhere("", 0),
            11 => {
                self.accepted(src, dst, notifier).await?.refuse();
                return Err(self.script.cause());
            }
            12 => {
                let _never_acknowledged = self.accepted(src, dst, notifier).await?;
                pending().await
            }
            13 => {
                // Two connections are accepted, and the first one stays unacknowledged while the second waits.
                let first = self.accepted(src, dst, notifier).await?;
                let second = self.accepted(src, dst, notifier).await?;
                self.dawdle().await;
                first.acknowledge()?;
                let peer = second.local_addr();
                second.acknowledge()?;
                peer
            }
            14 => {
                // The connection goes to another listener, from an unknown host.
                let (src, dst) = (elsewhere("nobody", 0), elsewhere(["a", "b", "d"][usize::from(dst.port()) % 3], 1));
                let far = self.script.link();
                self.script.hand_over(&far);
                notifier.connect(&src, &dst, far).await?
            }
            15 => {
                notifier.down(self.script.cause()).await;
                elsewhere(dst.host(), 7)
            }
            _ => {
                let accept = self.accepted(src, dst, notifier).await?;
                self.dawdle().await;
                let peer = accept.local_addr();
                accept.acknowledge()?;
                peer
            }
        };
        self.dawdle().await;
        let near = self.script.link();
        self.script.hand_over(&near);
        Ok((near, peer))
    }

    fn poll_read(&self, link: &Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        buf.fill(0xff);
        self.moved(link, cx, buf.len())
    }

    fn poll_peek(&self, link: &Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.moved(link, cx, buf.len())
    }

    fn poll_write(&self, link: &Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        self.moved(link, cx, buf.len())
    }

    fn is_rendezvous(&self) -> bool {
        self.script.below(2) == 1
    }

    fn poll_writable(&self, link: &Link, cx: &mut Context<'_>) -> Poll<()> {
        self.moved(link, cx, 1).map(|_| ())
    }

    fn poll_flush(&self, link: &Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.moved(link, cx, 1).map_ok(|_| ())
    }

    fn cancel_read(&self, link: &Link, _: &Waker) {
        self.script.used(link);
        self.call_back();
    }

    fn cancel_write(&self, link: &Link, _: &Waker) {
        self.script.used(link);
        self.call_back();
    }

    fn withdraw_write(&self, link: &Link, _: &Waker) -> usize {
        self.script.used(link);
        [0, 1, usize::MAX][usize::from(self.script.below(3))]
    }

    fn shutdown(&self, link: &Link, _: Shutdown) -> bool {
        self.script.shut(link);
        self.call_back();
        true
    }

    fn release(&self, link: &Link) {
        self.script.release(link);
        self.call_back();
    }

    async fn close(&self) -> Result<(), Cause> {
        self.script.engine_closed();
        self.call_back();
        self.dawdle().await;
        if self.script.below(4) == 3 { Err(self.script.cause()) } else { Ok(()) }
    }
}

/// The registry.
#[derive(Debug)]
pub struct Rogue(pub(super) Script);

impl Registry for Rogue {
    type Data = u8;

    async fn announce(&self, host: &str, _: u8) -> Result<(), RegistryError> {
        if self.0.below(4) == 3 { Err(self.0.refusal("x", host)) } else { Ok(()) }
    }

    async fn query(&self, host: &str) -> Result<u8, RegistryError> {
        match self.0.below(8) {
            6 => pending().await,
            7 => Err(self.0.refusal("x", host)),
            data => Ok(data),
        }
    }

    async fn close(&self) -> Result<(), Cause> {
        self.0.registry_closed();
        if self.0.below(4) == 3 { Err(self.0.cause()) } else { Ok(()) }
    }
}
