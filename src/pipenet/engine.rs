//! The engine: dials by making a pipe and handing its other end to the listener.

use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use super::memory::PipeMemory;
use super::pipe::{Failure, Moved};
use crate::addr::Addr;
#[cfg(feature = "sim")]
use crate::contract::engine::DelayIo;
use crate::contract::engine::{Engine, FastIo, LinkStatus, Shutdown};
use crate::contract::notifier::Notifier;
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::wait::ClockSlot;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;
use crate::wait::waker::{Task, Wakers, discard, poll_locked};

/// The engine of in-process networks: connections are pipes in memory.
pub struct Pipes<M> {
    pub(super) memory: M,
    pub(super) rendezvous: bool,
    /// Whether an end that is closed while bytes wait unread at it resets.
    pub(super) reset_unread: bool,
    #[cfg_attr(not(feature = "sim"), allow(dead_code, reason = "without `sim` it is empty"))]
    pub(super) clock: ClockSlot,
}

impl<M: PipeMemory> Engine for Pipes<M> {
    type Link = M::Link;

    /// Nothing: a host's name is enough to reach it.
    type Data = &'static str;

    async fn new_host<R: Registry<Data = Self::Data>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        Ok(registry.announce(host, "").await?)
    }

    #[allow(clippy::manual_async_fn, reason = "an `async fn` would keep its arguments twice")]
    fn dial<N: Notifier<Link = Self::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        _: Self::Data,
        notifier: &N,
    ) -> impl Future<Output = Result<(Self::Link, Addr), Cause>> + Send {
        async move {
            let (near, far) = self.memory.open(src.host(), self.rendezvous)?;
            let mut guard = Near { engine: self, link: Some(&near), notifier: Some(notifier) };
            let answer = notifier.connect(src, dst, far).await;
            guard.answered(answer.is_ok());
            drop(guard);
            Ok((near, answer?))
        }
    }

    #[inline]
    fn fast_io(&self) -> Option<&impl FastIo<M::Link>> {
        Some(&self.memory)
    }

    #[cfg(feature = "sim")]
    #[inline]
    fn delay_io(&self) -> Option<&impl DelayIo<M::Link>> {
        M::DELAYS.then_some(self)
    }

    fn poll_read(&self, link: &M::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.read(link, cx.waker(), buf, true).map_err(Cause::from)
    }

    fn poll_peek(&self, link: &M::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.read(link, cx.waker(), buf, false).map_err(Cause::from)
    }

    fn poll_write(&self, link: &M::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        self.write(link, cx.waker(), buf).map_err(Cause::from)
    }

    #[cfg(feature = "sim")]
    #[inline]
    fn clock(&self) -> Option<&Clock> {
        self.clock.get().0
    }

    fn is_rendezvous(&self) -> bool {
        self.rendezvous
    }

    fn poll_writable(&self, link: &M::Link, cx: &mut Context<'_>) -> Poll<()> {
        poll_locked(cx.waker(), |registration| {
            self.memory.outgoing(link, |direction| match direction {
                Some(direction) => direction.writable(registration, self.rendezvous),
                None => Poll::Ready(()),
            })
        })
    }

    fn cancel_read(&self, link: &M::Link, waker: &Waker) {
        let left = self.memory.incoming(link, |direction| direction?.readers().remove(waker));
        left.into_iter().for_each(discard);
    }

    fn cancel_write(&self, link: &M::Link, waker: &Waker) {
        let left = self.memory.outgoing(link, |direction| direction?.writers().remove(waker));
        left.into_iter().for_each(discard);
    }

    fn withdraw_write(&self, link: &M::Link, waker: &Waker) -> usize {
        let mut woken = Taken::<M>::default();
        let taken = self.memory.outgoing(link, |direction| match direction {
            Some(direction) => direction.withdraw(Task::of(waker), &mut woken),
            None => 0,
        });
        woken.wake();
        taken
    }

    fn status(&self, link: &M::Link) -> LinkStatus {
        let mut status = LinkStatus { read_closed: true, write_closed: true, ..LinkStatus::default() };
        self.memory.incoming(link, |direction| direction.into_iter().for_each(|it| it.reader_status(&mut status)));
        self.memory.outgoing(link, |direction| direction.into_iter().for_each(|it| it.writer_status(&mut status)));
        status
    }

    fn number(&self, link: &M::Link) -> u64 {
        self.memory.number(link).into()
    }

    fn watch(&self, link: &M::Link, waker: &Waker) {
        let _: Poll<()> = poll_locked(waker, |registration| {
            self.memory.incoming(link, |direction| {
                direction.into_iter().for_each(|direction| {
                    registration.register(direction.readers());
                });
            });
            Poll::Pending
        });
    }

    fn shutdown(&self, link: &M::Link, mut how: Shutdown) -> bool {
        // The holder of the last link is about to drop it: an open connection has another one in its table.
        if self.memory.is_last(link) {
            return false;
        }
        let resets = self.reset_unread && !self.rendezvous;
        let wake = |(readers, writers): (M::Wakers, M::Wakers)| {
            readers.wake();
            writers.wake();
        };
        // What this end reads comes first: whether bytes wait there decides how a close ends what it writes.
        let incoming = match how {
            Shutdown::Write => None,
            _ => self.memory.incoming(link, |direction| Some(direction?.shut_reader(&mut how, resets))),
        };
        let outgoing = match how {
            Shutdown::Read => None,
            _ => self.memory.outgoing(link, |direction| Some(direction?.shut_writer(how))),
        };
        outgoing.into_iter().for_each(wake);
        incoming.into_iter().for_each(wake);
        matches!(how, Shutdown::Reset | Shutdown::Abort)
    }

    fn release(&self, link: &M::Link) {
        self.memory.release(link);
    }

    async fn close(&self) -> Result<(), Cause> {
        Ok(())
    }
}

/// The tasks to wake.
type Taken<M> = <<M as PipeMemory>::Wakers as Wakers>::Taken;

/// On an end that was released.
const DOWN: Moved = Poll::Ready(Err(Failure::Down));

impl<M: PipeMemory> Pipes<M> {
    /// Reads or peeks.
    #[inline(never)]
    fn read(&self, link: &M::Link, waker: &Waker, buf: &mut [u8], take: bool) -> Moved {
        poll_locked(waker, |registration| {
            let (moved, woken, spare) = self.memory.incoming(link, |direction| {
                let Some(direction) = direction else { return (DOWN, Taken::<M>::default(), false) };
                let (moved, woken) = direction.read(registration, buf, take);
                (moved, woken, direction.has_spare())
            });
            self.memory.wake_writers(link, woken);
            if spare {
                self.memory.reclaim(link, false);
            }
            moved
        })
    }

    /// Writes as many bytes as there is room for.
    #[inline(never)]
    fn write(&self, link: &M::Link, waker: &Waker, bytes: &[u8]) -> Moved {
        if self.rendezvous {
            return self.rendezvous(link, waker, bytes);
        }
        poll_locked(waker, |registration| {
            let (moved, woken) = self.memory.outgoing(link, |direction| match direction {
                Some(direction) => direction.write(registration, bytes),
                None => (DOWN, Taken::<M>::default()),
            });
            woken.wake();
            moved
        })
    }

    fn rendezvous(&self, link: &M::Link, waker: &Waker, bytes: &[u8]) -> Moved {
        self.memory.borrow_buffer(link);
        let (mut woken, mut spare) = (Taken::<M>::default(), false);
        let outcome = poll_locked(waker, |registration| {
            self.memory.outgoing(link, |direction| {
                let Some(direction) = direction else { return DOWN };
                let moved = direction.rendezvous(registration, bytes, &mut woken);
                spare = direction.has_spare();
                moved
            })
        });
        woken.wake();
        if spare {
            self.memory.reclaim(link, true);
        }
        outcome
    }
}

impl<M> fmt::Debug for Pipes<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes").field("rendezvous", &self.rendezvous).finish_non_exhaustive()
    }
}

/// The dialling end of a pipe, closed unless the connection is established.
struct Near<'a, M: PipeMemory, N: Notifier> {
    engine: &'a Pipes<M>,
    /// Until the dial knows that the peer has accepted.
    link: Option<&'a M::Link>,
    /// Until the peer has answered. It may have accepted before the dial knows it.
    notifier: Option<&'a N>,
}

impl<M: PipeMemory, N: Notifier> Near<'_, M, N> {
    #[inline]
    fn answered(&mut self, accepted: bool) {
        self.notifier = None;
        if accepted {
            self.link = None;
        }
    }
}

impl<M: PipeMemory, N: Notifier> Drop for Near<'_, M, N> {
    fn drop(&mut self) {
        if let Some(link) = self.link {
            let how = self.notifier.map_or(Shutdown::CloseOrReset, Notifier::ending);
            self.engine.shutdown(link, how);
            self.engine.release(link);
        }
    }
}
