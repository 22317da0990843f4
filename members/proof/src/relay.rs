//! An engine whose dials wait for an answer before they acknowledge a connection, and its registry. Bytes move as in
//! the model, because the core between engine and registry is under test.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use virtnet::{Accept, Addr, Cause, Engine, Notifier, Registry, RegistryError, RegistryReason, Shutdown};

use crate::model::{REFUSED, Verdict, stream};
use stream::{End, Stream};

/// The engine, and its state as visible to the test. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Relay {
    buffer: usize,
    close_failure: Option<&'static str>,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    /// The answer to each dial, by its number, and the waker of the dial.
    verdicts: BTreeMap<u64, (Option<Verdict>, Option<Waker>)>,
    /// The number of dials.
    dials: u64,
    /// The number of ends made and not released. It is negative if one was released twice.
    ends: isize,
    /// The number of closes.
    closed: usize,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct Link {
    wire: Arc<Mutex<Wire>>,
    side: usize,
}

#[derive(Debug)]
struct Wire {
    written_by: [Stream; 2],
    closed: [bool; 2],
    /// The wakers of all tasks that wait for this wire.
    waiting: Vec<Waker>,
}

impl Relay {
    /// An engine whose connections hold `buffer` bytes in each direction.
    #[must_use]
    pub fn new(buffer: usize, close_failure: Option<&'static str>) -> Self {
        Self { buffer, close_failure, books: Arc::default() }
    }

    /// The number of the last dial.
    #[must_use]
    pub fn last_dial(&self) -> u64 {
        lock(&self.books).dials
    }

    /// Sets the answer to a dial, for when a listener has claimed it.
    pub fn decide(&self, dial: u64, verdict: Verdict) {
        let mut books = lock(&self.books);
        let (word, waker) = books.verdicts.entry(dial).or_default();
        *word = Some(verdict);
        let waker = waker.take();
        drop(books);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The number of ends of connections that were made and not released.
    #[must_use]
    pub fn ends(&self) -> isize {
        lock(&self.books).ends
    }

    /// The number of closes.
    #[must_use]
    pub fn closed(&self) -> usize {
        lock(&self.books).closed
    }

    fn wire(&self) -> (Link, Link) {
        lock(&self.books).ends += 2;
        let wire = Wire { written_by: [Stream::new(), Stream::new()], closed: [false; 2], waiting: Vec::new() };
        let wire = Arc::new(Mutex::new(wire));
        (Link { wire: wire.clone(), side: 0 }, Link { wire, side: 1 })
    }

    fn poll_verdict(&self, dial: u64, cx: &mut Context<'_>) -> Poll<Verdict> {
        let mut books = lock(&self.books);
        let (word, waker) = books.verdicts.entry(dial).or_default();
        match word {
            None | Some(Verdict::Open) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(verdict) => Poll::Ready(*verdict),
        }
    }

    /// Performs a read or write of an end; wakes waiting tasks if it completes.
    fn poll<T>(
        &self,
        link: &Link,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut [Stream; 2]) -> Option<Result<T, &'static str>>,
    ) -> Poll<Result<T, Cause>> {
        let mut wire = lock(&link.wire);
        if wire.closed[link.side] {
            return Poll::Ready(Err(Cause::SocketDown));
        }
        match step(&mut wire.written_by) {
            None => {
                wire.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            Some(outcome) => {
                let woken = mem::take(&mut wire.waiting);
                drop(wire);
                woken.into_iter().for_each(Waker::wake);
                Poll::Ready(outcome.map_err(|text| match text {
                    "broken pipe" => Cause::BrokenPipe,
                    "connection reset" => Cause::ConnectionReset,
                    text => unreachable!("{text} is no failure of a stream"),
                }))
            }
        }
    }
}

/// The resources of a dial until it is connected.
struct Attempt<'a> {
    engine: &'a Relay,
    near: Option<Link>,
    number: u64,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let told = lock(&self.engine.books).verdicts.remove(&self.number);
        drop(told);
        if let Some(near) = self.near.take() {
            self.engine.shutdown(&near, Shutdown::CloseOrReset);
            self.engine.release(&near);
        }
    }
}

impl Engine for Relay {
    type Link = Link;
    type Data = &'static str;

    async fn new_host<R: Registry<Data = Self::Data>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        Ok(registry.announce(host, "").await?)
    }

    async fn dial<N: Notifier<Link = Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        _: &'static str,
        notifier: &N,
    ) -> Result<(Link, Addr), Cause> {
        let (near, far) = self.wire();
        let number = {
            let mut books = lock(&self.books);
            books.dials += 1;
            books.dials
        };
        let mut attempt = Attempt { engine: self, near: Some(near), number };
        let accept = notifier.accept(src, dst, far).await?;
        let peer = accept.local_addr();
        if poll_fn(|cx| self.poll_verdict(attempt.number, cx)).await == Verdict::Refuse {
            accept.refuse();
            return Err(Cause::backend(&REFUSED));
        }
        accept.acknowledge()?;
        let near = attempt.near.take().expect("an end is connected once");
        Ok((near, peer))
    }

    fn poll_read(&self, link: &Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let read = self.poll(link, cx, |streams| streams[1 - link.side].read(buf.len(), true));
        read.map_ok(|bytes| copy(&bytes, buf))
    }

    fn poll_peek(&self, link: &Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let read = self.poll(link, cx, |streams| streams[1 - link.side].read(buf.len(), false));
        read.map_ok(|bytes| copy(&bytes, buf))
    }

    fn poll_write(&self, link: &Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        self.poll(link, cx, |streams| streams[link.side].write(None, buf, self.buffer))
    }

    fn poll_writable(&self, link: &Link, cx: &mut Context<'_>) -> Poll<()> {
        let ready = |streams: &mut [Stream; 2]| streams[link.side].is_writable(false, self.buffer).then_some(Ok(()));
        self.poll(link, cx, ready).map(|_| ())
    }

    fn shutdown(&self, link: &Link, how: Shutdown) -> bool {
        let mut wire = lock(&link.wire);
        let unread = !wire.written_by[1 - link.side].is_empty();
        let end = match how {
            Shutdown::Read | Shutdown::Write => End::Finished,
            Shutdown::CloseOrReset if unread => End::Reset,
            Shutdown::Reset => End::Reset,
            Shutdown::Abort => End::Aborted,
            _ => End::Closed,
        };
        if how != Shutdown::Read {
            wire.written_by[link.side].shut_writer(end);
        }
        if how != Shutdown::Write {
            wire.written_by[1 - link.side].shut_reader(end);
        }
        wire.closed[link.side] |= end != End::Finished;
        let woken = mem::take(&mut wire.waiting);
        drop(wire);
        woken.into_iter().for_each(Waker::wake);
        matches!(end, End::Reset | End::Aborted)
    }

    fn release(&self, _: &Link) {
        lock(&self.books).ends -= 1;
    }

    async fn close(&self) -> Result<(), Cause> {
        lock(&self.books).closed += 1;
        self.close_failure.map_or(Ok(()), |text| Err(Cause::backend(&text)))
    }
}

/// A registry that is a set of names.
#[derive(Debug)]
pub struct Names {
    names: Mutex<BTreeSet<String>>,
    close_failure: Option<&'static str>,
}

impl Names {
    /// The registry's name in errors.
    pub const NAME: &str = "names";

    /// Makes an empty registry.
    #[must_use]
    pub fn new(close_failure: Option<&'static str>) -> Self {
        Self { names: Mutex::default(), close_failure }
    }
}

impl Registry for Names {
    type Data = &'static str;

    async fn announce(&self, host: &str, data: &'static str) -> Result<(), RegistryError> {
        if lock(&self.names).insert(host.into()) {
            Ok(())
        } else {
            Err(RegistryError::announce(Self::NAME, host, &data, RegistryReason::HostExists))
        }
    }

    async fn query(&self, host: &str) -> Result<&'static str, RegistryError> {
        if lock(&self.names).contains(host) {
            Ok("")
        } else {
            Err(RegistryError::query(Self::NAME, host, RegistryReason::NoSuchHost))
        }
    }

    async fn close(&self) -> Result<(), Cause> {
        self.close_failure.map_or(Ok(()), |text| Err(Cause::backend(&text)))
    }
}

fn copy(bytes: &[u8], buf: &mut [u8]) -> usize {
    buf[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
