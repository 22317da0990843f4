//! A backend that does nothing on its own, for models of the core's part.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use virtnet::table::Heap;
use virtnet::{Addr, Cause, Engine, Notifier, Registry, RegistryError, Shutdown, SubNetwork};

use crate::act::Event;

/// The handle of a model's network.
pub(crate) type Idle = Arc<SubNetwork<IdleEngine, IdleRegistry, Heap<Link>>>;

/// A network with an engine that completes its close when `close` happens.
pub(crate) fn idle(close: Arc<Event>) -> Idle {
    idle_in(Heap::new(), close, 2)
}

/// As [`idle`], with tables that the caller can inspect, and with a backlog.
pub(crate) fn idle_in(tables: Heap<Link>, close: Arc<Event>, backlog: u32) -> Idle {
    let engine = IdleEngine { close, closes: AtomicUsize::new(0) };
    Arc::new(SubNetwork::new("t", engine, IdleRegistry::default(), tables).backlog(backlog))
}

/// One end of a connection that moves nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    released: Arc<AtomicUsize>,
}

impl Link {
    /// How often the link was released.
    pub(crate) fn released(&self) -> usize {
        self.released.load(Ordering::SeqCst)
    }
}

/// An engine whose dials wait forever.
pub(crate) struct IdleEngine {
    close: Arc<Event>,
    closes: AtomicUsize,
}

impl IdleEngine {
    /// The number of completed closes.
    pub(crate) fn closes(&self) -> usize {
        self.closes.load(Ordering::SeqCst)
    }
}

impl Engine for IdleEngine {
    type Link = Link;
    type Data = ();

    async fn new_host<R: Registry<Data = ()>>(&self, _: &str, _: &R) -> Result<(), Cause> {
        Ok(())
    }

    async fn dial<N: Notifier<Link = Link>>(&self, _: &Addr, _: &Addr, (): (), _: &N) -> Result<(Link, Addr), Cause> {
        pending().await
    }

    fn poll_read(&self, _: &Link, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Cause>> {
        Poll::Pending
    }

    fn poll_peek(&self, _: &Link, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Cause>> {
        Poll::Pending
    }

    fn poll_write(&self, _: &Link, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Cause>> {
        Poll::Pending
    }

    fn poll_writable(&self, _: &Link, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn shutdown(&self, _: &Link, _: Shutdown) -> bool {
        false
    }

    fn release(&self, link: &Link) {
        link.released.fetch_add(1, Ordering::SeqCst);
    }

    async fn close(&self) -> Result<(), Cause> {
        poll_fn(|cx| self.close.poll(cx)).await;
        self.closes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A registry that knows every host.
#[derive(Default)]
pub(crate) struct IdleRegistry {
    closes: AtomicUsize,
}

impl IdleRegistry {
    /// The number of completed closes.
    pub(crate) fn closes(&self) -> usize {
        self.closes.load(Ordering::SeqCst)
    }
}

impl Registry for IdleRegistry {
    type Data = ();

    async fn announce(&self, _: &str, (): ()) -> Result<(), RegistryError> {
        Ok(())
    }

    async fn query(&self, _: &str) -> Result<(), RegistryError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), Cause> {
        self.closes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
