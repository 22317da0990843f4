//! The two ends of a connection, as faults see them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use crate::contract::engine::{DelayIo as _, Engine, Shutdown};
use crate::error::cause::Cause;
use crate::sim::letter::Letter;
use crate::sim::shared::Shared;
use crate::sim::world::Wire;
use crate::sync::{AtomicBool, Lock};
use crate::wait::waker::{ManyWakers, Task, Wakers, poll_locked};

/// The links of a connection.
pub(super) struct Links<E: Engine> {
    pub(super) engine: Arc<E>,
    pub(super) shared: Arc<Shared>,
    /// The number of the connection among those that faults know.
    pub(super) conn: u64,
    /// The link of each end, once it is known.
    ends: Lock<[Option<E::Link>; 2]>,
    sides: [Side; 2],
    /// Whether it was reset by neither end, over an engine that cannot do that.
    broken: AtomicBool,
}

/// What is known of one end.
struct Side {
    /// Whether what it writes may arrive later.
    delayed: AtomicBool,
    /// Whether each write is looked at.
    writes: AtomicBool,
    /// Whether reads are cut short.
    reads: AtomicBool,
    /// Whether the end has timed out.
    lost: AtomicBool,
    /// Whether its program has closed it. The engine may not know: its stream had ended before, and its peer is told
    /// later.
    closed: AtomicBool,
    /// Tasks that wait to write as the limit of its bytes is reached.
    stalled: Lock<ManyWakers>,
    /// Writes that are on their way to be offered, of engines that cannot hide bytes.
    offers: Lock<Vec<Offer>>,
}

/// A write that is on its way.
pub(super) struct Offer {
    task: Task,
    len: usize,
    sum: u64,
    pub(super) letter: Arc<Letter>,
    /// Its number among all items, and its direction.
    pub(super) number: u64,
    pub(super) dir: usize,
}

impl Offer {
    pub(super) fn new(task: Task, bytes: &[u8], letter: Arc<Letter>, (dir, number): (usize, u64)) -> Self {
        Self { task, len: bytes.len(), sum: sum(bytes), letter, number, dir }
    }
}

/// How an engine shuts an end down that does not know how to vanish, or whose peer is gone.
pub(super) fn audible(how: Shutdown) -> Shutdown {
    if how == Shutdown::Vanish { Shutdown::Abort } else { how }
}

/// FNV-1a.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl<E: Engine> Links<E> {
    pub(super) fn new(engine: Arc<E>, shared: Arc<Shared>, conn: u64, ends: [Option<E::Link>; 2]) -> Self {
        let side = || Side {
            delayed: AtomicBool::new(false),
            writes: AtomicBool::new(false),
            reads: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            stalled: Lock::new(ManyWakers::default()),
            offers: Lock::new(Vec::new()),
        };
        Self { engine, shared, conn, ends: Lock::new(ends), sides: [side(), side()], broken: AtomicBool::new(false) }
    }

    /// The link of an end is known from now on.
    pub(super) fn set(&self, side: usize, link: E::Link) {
        let before = self.ends.with(|ends| ends[side].replace(link));
        drop(before);
    }

    pub(super) fn end(&self, side: usize) -> Option<E::Link> {
        self.ends.with(|ends| ends[side].clone())
    }

    pub(super) fn is_delayed(&self, side: usize) -> bool {
        self.sides[side].delayed.load(Ordering::Relaxed)
    }

    pub(super) fn looks_at_writes(&self, side: usize) -> bool {
        self.sides[side].writes.load(Ordering::Relaxed)
    }

    pub(super) fn looks_at_reads(&self, side: usize) -> bool {
        self.sides[side].reads.load(Ordering::Relaxed)
    }

    /// What an operation of an end reports that failed.
    pub(super) fn cause(&self, side: usize, cause: Cause) -> Cause {
        if self.sides[side].closed.load(Ordering::Relaxed) {
            Cause::SocketDown
        } else if cause != Cause::SocketDown {
            cause
        } else if self.sides[side].lost.load(Ordering::Relaxed) {
            Cause::TimedOut
        } else if self.broken.load(Ordering::Relaxed) {
            Cause::ConnectionReset
        } else {
            cause
        }
    }

    /// The end is closed by its program: from now on that is reported.
    pub(super) fn closed(&self, side: usize) {
        self.sides[side].closed.store(true, Ordering::Relaxed);
    }

    /// Registers a task that waits until the limit of the end's bytes is lifted.
    pub(super) fn stall(&self, side: usize, cx: &mut Context<'_>) {
        let _: Poll<()> = poll_locked(cx.waker(), |registration| {
            self.sides[side].stalled.with(|stalled| registration.register(stalled));
            Poll::Pending
        });
    }

    /// The write of a task that is on its way with these bytes, if there is one. One with other bytes was dropped, and
    /// is returned second.
    pub(super) fn offer(&self, side: usize, task: Task, bytes: &[u8]) -> (Option<Arc<Letter>>, Option<Offer>) {
        self.sides[side].offers.with(|offers| {
            let Some(at) = offers.iter().position(|offer| offer.task == task) else { return (None, None) };
            let offer = &offers[at];
            if offer.len == bytes.len() && offer.sum == sum(bytes) {
                (Some(offer.letter.clone()), None)
            } else {
                (None, Some(offers.swap_remove(at)))
            }
        })
    }

    pub(super) fn add_offer(&self, side: usize, offer: Offer) {
        self.sides[side].offers.with(|offers| offers.push(offer));
    }

    pub(super) fn take_offer(&self, side: usize, task: Task) -> Option<Offer> {
        self.sides[side].offers.with(|offers| {
            let at = offers.iter().position(|offer| offer.task == task)?;
            Some(offers.swap_remove(at))
        })
    }

    pub(super) fn take_offers(&self, side: usize) -> Vec<Offer> {
        self.sides[side].offers.with(core::mem::take)
    }
}

impl<E: Engine> Wire for Links<E> {
    fn show(&self, side: usize, count: usize) {
        if let (Some(io), Some(link)) = (self.engine.delay_io(), self.end(side)) {
            io.show(&link, count);
        }
    }

    fn end(&self, side: usize, how: Shutdown, released: bool) {
        if let Some(link) = self.end(side) {
            self.engine.shutdown(&link, audible(how));
            if released {
                self.engine.release(&link);
            }
        }
        self.resume(1 - side);
    }

    fn hold(&self, side: usize, on: bool) {
        self.sides[side].delayed.store(on, Ordering::Relaxed);
        if self.engine.is_rendezvous() {
            return;
        }
        if let (Some(io), Some(link)) = (self.engine.delay_io(), self.end(side)) {
            io.hold(&link, on);
        }
    }

    fn look(&self, side: usize, writes: bool, reads: bool) {
        self.sides[side].writes.store(writes, Ordering::Relaxed);
        self.sides[1 - side].reads.store(reads, Ordering::Relaxed);
    }

    fn break_off(&self) {
        let ends = [self.end(0), self.end(1)];
        match (self.engine.delay_io(), &ends) {
            (Some(io), [Some(link), _] | [None, Some(link)]) => io.break_off(link),
            _ => {
                self.broken.store(true, Ordering::Relaxed);
                ends.iter().flatten().for_each(|link| {
                    self.engine.shutdown(link, Shutdown::Abort);
                });
            }
        }
        (0..2).for_each(|side| self.resume(side));
    }

    fn resume(&self, side: usize) {
        self.sides[side].stalled.with(Wakers::take).wake();
        // Writes that were on their way poll again.
        let offers: Vec<Arc<Letter>> =
            self.sides[side].offers.with(|offers| offers.iter().map(|offer| offer.letter.clone()).collect());
        offers.iter().for_each(|letter| letter.wake());
    }

    fn time_out(&self, side: usize) {
        self.sides[side].lost.store(true, Ordering::Relaxed);
        if let Some(link) = self.end(side) {
            match self.engine.delay_io() {
                Some(io) => {
                    io.leave(&link, Shutdown::Close);
                }
                None => {
                    self.engine.shutdown(&link, Shutdown::Abort);
                }
            }
        }
    }
}
