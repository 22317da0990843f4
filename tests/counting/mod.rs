//! A layer that counts the calls of an engine's methods, and changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use virtnet::{Addr, Cause, Engine, Layer, LinkStatus, Notifier, Registry, Shutdown};

/// How often each method was called. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<BTreeMap<&'static str, u32>>>);

impl Calls {
    /// The counts of some methods.
    pub(crate) fn of<const N: usize>(&self, methods: [&str; N]) -> [u32; N] {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        methods.map(|method| calls.get(method).copied().unwrap_or_default())
    }

    fn count(&self, method: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(method).or_default() += 1;
    }
}

impl Layer for Calls {
    type Engine<E: Engine + 'static> = Counting<E>;

    fn wrap<E: Engine + 'static>(self, inner: E) -> Counting<E> {
        Counting { inner, calls: self }
    }
}

/// An engine whose calls are counted.
#[derive(Debug)]
pub(crate) struct Counting<E> {
    inner: E,
    calls: Calls,
}

/// Without the fast path, so that each read and write is counted.
impl<E: Engine> Engine for Counting<E> {
    type Link = E::Link;
    type Data = E::Data;

    fn start<N>(&self, notifier: impl FnOnce() -> N)
    where
        Self: 'static,
        N: Notifier<Link = E::Link> + 'static,
    {
        self.calls.count("start");
        self.inner.start(notifier);
    }

    async fn new_host<R: Registry<Data = E::Data>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        self.calls.count("new_host");
        self.inner.new_host(host, registry).await
    }

    async fn dial<N: Notifier<Link = E::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: E::Data,
        notifier: &N,
    ) -> Result<(E::Link, Addr), Cause> {
        self.calls.count("dial");
        self.inner.dial(src, dst, data, notifier).await
    }

    fn poll_read(&self, link: &E::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.calls.count("poll_read");
        self.inner.poll_read(link, cx, buf)
    }

    fn poll_peek(&self, link: &E::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.calls.count("poll_peek");
        self.inner.poll_peek(link, cx, buf)
    }

    fn poll_write(&self, link: &E::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        self.calls.count("poll_write");
        self.inner.poll_write(link, cx, buf)
    }

    fn is_rendezvous(&self) -> bool {
        self.inner.is_rendezvous()
    }

    fn poll_writable(&self, link: &E::Link, cx: &mut Context<'_>) -> Poll<()> {
        self.calls.count("poll_writable");
        self.inner.poll_writable(link, cx)
    }

    fn poll_flush(&self, link: &E::Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.calls.count("poll_flush");
        self.inner.poll_flush(link, cx)
    }

    fn cancel_read(&self, link: &E::Link, waker: &Waker) {
        self.calls.count("cancel_read");
        self.inner.cancel_read(link, waker);
    }

    fn cancel_write(&self, link: &E::Link, waker: &Waker) {
        self.calls.count("cancel_write");
        self.inner.cancel_write(link, waker);
    }

    fn withdraw_write(&self, link: &E::Link, waker: &Waker) -> usize {
        self.calls.count("withdraw_write");
        self.inner.withdraw_write(link, waker)
    }

    fn status(&self, link: &E::Link) -> LinkStatus {
        self.calls.count("status");
        self.inner.status(link)
    }

    fn number(&self, link: &E::Link) -> u64 {
        self.calls.count("number");
        self.inner.number(link)
    }

    fn watch(&self, link: &E::Link, waker: &Waker) {
        self.calls.count("watch");
        self.inner.watch(link, waker);
    }

    fn shutdown(&self, link: &E::Link, how: Shutdown) -> bool {
        self.calls.count("shutdown");
        self.inner.shutdown(link, how)
    }

    fn release(&self, link: &E::Link) {
        self.calls.count("release");
        self.inner.release(link);
    }

    async fn close(&self) -> Result<(), Cause> {
        self.calls.count("close");
        self.inner.close().await
    }
}
