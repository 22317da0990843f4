//! The two ends of a connection, as faults see them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use crate::contract::engine::{DelayIo as _, Engine, Shutdown};
use crate::error::cause::Cause;
use crate::sim::letter::{Letter, Outcome};
use crate::sim::shared::Shared;
use crate::sim::wire::Wire;
use crate::sync::{AtomicBool, Lock};
use crate::wait::waker::{ManyWakers, Task, Wakers, poll_locked};

/// The links of a connection.
pub(super) struct Links<E: Engine> {
    pub(super) engine: Arc<E>,
    pub(super) shared: Arc<Shared>,
    /// The number of the connection among those that faults know.
    pub(super) conn: u64,
    /// The answer of the dial. It fails if the dial is refused on its way, or takes too long.
    pub(super) fate: Letter,
    /// The link of each end, once it is known. Where the engine can tell that of a peer, one is enough.
    ends: Lock<[Option<E::Link>; 2]>,
    /// Whether one is, and whether a listener has accepted.
    made: AtomicBool,
    live: AtomicBool,
    sides: [Side; 2],
    /// What waits at the ends; most have nothing.
    queues: Lock<Option<Box<[Queue; 2]>>>,
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
    /// Whether it was shut down, unknown to its peer for a time.
    left: AtomicBool,
    /// Whether its program has closed it. The engine may not know: its stream had ended before, and its peer is told
    /// later.
    closed: AtomicBool,
}

/// What waits at one end.
#[derive(Default)]
struct Queue {
    /// Tasks that wait to write as the limit of its bytes is reached.
    stalled: ManyWakers,
    /// Writes that are on their way to be offered, of engines that cannot hide bytes.
    offers: Vec<Offer>,
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
    pub(super) fn new(engine: Arc<E>, shared: Arc<Shared>, conn: u64) -> Self {
        let side = || Side {
            delayed: AtomicBool::new(false),
            writes: AtomicBool::new(false),
            reads: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            left: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        Self {
            engine,
            shared,
            conn,
            fate: Letter::new(),
            ends: Lock::new([None, None]),
            made: AtomicBool::new(false),
            live: AtomicBool::new(false),
            sides: [side(), side()],
            queues: Lock::new(None),
            broken: AtomicBool::new(false),
        }
    }

    /// The link of an end is known from now on.
    pub(super) fn set(&self, side: usize, link: E::Link) {
        let before = self.ends.with(|ends| ends[side].replace(link));
        drop(before);
        self.made.store(true, Ordering::Relaxed);
    }

    /// Whether the engine has made the connection.
    pub(super) fn are_made(&self) -> bool {
        self.made.load(Ordering::Relaxed)
    }

    /// A listener has accepted the connection, or refused it: its dial is answered, unless it was.
    pub(super) fn answer(&self, accepted: bool) {
        if accepted {
            self.live.store(true, Ordering::Relaxed);
        }
        if self.is_answered() {
            return;
        }
        // The core wakes the task of the dial afterwards. In one step, so that a dial which has no answer to send finds this
        // one.
        let answered = self.shared.look(|world| world.answers_at_once(self.conn, accepted).then(|| self.fate.arrive()));
        match answered {
            Some(waiting) => waiting.discard(),
            None => self.shared.step(|world, now, actions| world.answer(self.conn, accepted, now, actions)),
        }
    }

    /// Whether the answer of the dial has arrived.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.fate.outcome(), Some(Outcome::Arrived))
    }

    /// Runs a step on what waits at an end.
    fn queue<R>(&self, side: usize, step: impl FnOnce(&mut Queue) -> R) -> R {
        self.queues.with(|queues| step(&mut queues.get_or_insert_default()[side]))
    }

    /// Like [`queue`](Self::queue), if anything has ever waited.
    fn known_queue<R: Default>(&self, side: usize, step: impl FnOnce(&mut Queue) -> R) -> R {
        self.queues.with(|queues| queues.as_mut().map(|queues| step(&mut queues[side])).unwrap_or_default())
    }

    pub(super) fn end(&self, side: usize) -> Option<E::Link> {
        let ends = self.ends.with(|ends| ends.clone());
        let [own, peer] = if side == 0 {
            ends
        } else {
            let [near, far] = ends;
            [far, near]
        };
        own.or_else(|| Some(self.engine.delay_io()?.peer(&peer?)))
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

    /// An end was shut down, unknown to its peer for a time.
    pub(super) fn leave(&self, side: usize) {
        self.sides[side].left.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_left(&self, side: usize) -> bool {
        self.sides[side].left.load(Ordering::Relaxed)
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
            self.queue(side, |queue| registration.register(&mut queue.stalled));
            Poll::Pending
        });
    }

    /// The write of a task that is on its way with these bytes, if there is one. One with other bytes was dropped, and
    /// is returned second.
    pub(super) fn offer(&self, side: usize, task: Task, bytes: &[u8]) -> (Option<Arc<Letter>>, Option<Offer>) {
        self.known_queue(side, |Queue { offers, .. }| {
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
        self.queue(side, |queue| queue.offers.push(offer));
    }

    pub(super) fn take_offer(&self, side: usize, task: Task) -> Option<Offer> {
        self.known_queue(side, |Queue { offers, .. }| {
            let at = offers.iter().position(|offer| offer.task == task)?;
            Some(offers.swap_remove(at))
        })
    }

    pub(super) fn take_offers(&self, side: usize) -> Vec<Offer> {
        self.known_queue(side, |queue| core::mem::take(&mut queue.offers))
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

    fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    fn break_off(&self) {
        let ends = [self.end(0), self.end(1)];
        match (self.engine.delay_io(), &ends) {
            (Some(io), [Some(link), _]) => io.break_off(link),
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
        // Writes that were on their way poll again.
        let (stalled, offers): (ManyWakers, Vec<Arc<Letter>>) = self.known_queue(side, |Queue { stalled, offers }| {
            (stalled.take(), offers.iter().map(|offer| offer.letter.clone()).collect())
        });
        stalled.wake();
        offers.iter().for_each(|letter| letter.wake());
    }

    fn settle_dial(&self, outcome: Outcome) {
        self.fate.settle(outcome);
    }

    fn time_out(&self, side: usize) {
        self.sides[side].lost.store(true, Ordering::Relaxed);
        if let Some(link) = self.end(side) {
            match self.engine.delay_io() {
                Some(io) => {
                    io.leave(&link, Shutdown::Close);
                    io.drop_hidden(&link);
                }
                None => {
                    self.engine.shutdown(&link, Shutdown::Abort);
                }
            }
        }
    }
}
