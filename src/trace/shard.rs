//! Tickets, and the events that threads have recorded since they were last collected.
//!
//! Each thread uses one of a few shards, so threads seldom wait for each other. Tickets come from one counter, and are
//! kept in the shard while they are open.
//!
//! Invariant: each ticket below the watermark that [`Shards::collect`] returns has been closed, and its event was
//! collected. So a reader of the events below the watermark never sees a consequence without its cause, and later
//! collections add nothing below it.
//!
//! A ticket is drawn and opened in one step of its shard, and the counter is read before the first shard is looked at.
//! This guards against the interleaving in which a thread has drawn a ticket and not opened it yet while all shards are
//! looked at: were the counter read last, the ticket would be below the watermark and its event missing. Test:
//! `no_line_below_the_watermark_changes` in `tests/trace/storm.rs`.

use alloc::vec::Vec;
use core::mem;
use core::sync::atomic::Ordering;

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::contract::observe::{How, Ticket};
use crate::error::Error;
use crate::error::cause::Cause;
use crate::sync::{AtomicUsize, Lock};

/// An event as it was recorded: addresses of ends and offsets are found out when it is merged.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) ticket: u64,
    /// Nanoseconds on the trace's clock; `u64::MAX` if it has none.
    pub(super) at: u64,
    pub(super) actor: u64,
    /// Where its bytes or its text start, or which of the rare events it is.
    start: usize,
    /// How many of its bytes are kept.
    len: u32,
    pub(super) network: u16,
    /// Whether it was recorded during a pause, and shall not be seen.
    pub(super) hidden: bool,
    pub(super) raw: Raw,
}

#[derive(Clone, Copy)]
pub(super) enum Raw {
    Wrote {
        end: u32,
        count: u32,
        of: u32,
    },
    Taken {
        end: u32,
        count: u32,
        of: u32,
    },
    Read {
        end: u32,
        count: u32,
    },
    Ended {
        end: u32,
    },
    Shut {
        end: u32,
        how: How,
        reset: bool,
    },
    Rare,
    Note,
    Fault,
    FaultEnded,
    NetworkClosed,
    /// A token was made, or joined.
    Token(u64),
    Joined(u64),
    /// Recording was paused or resumed: bytes may have been moved unseen.
    Paused,
}

/// Events with names, which are too long to be kept for each event.
#[derive(Clone, Copy)]
pub(super) enum Rare {
    Opened { conn: u32, src: Addr, dst: Addr },
    HostMade(HostName),
    HostClosed(HostName),
    HostDied(HostName, bool),
    HostBack(HostName),
    Listened(Addr),
    ListenerClosed(Addr, bool),
    Dialled { src: Addr, dst: Addr },
    Withdrawn { src: Addr, dst: Addr },
    Accepted { end: u32, listener: Addr, local: Addr, peer: Addr },
    Connected { end: u32, dialled: Addr, peer: Addr },
    Failed(Error, Option<u32>),
    NetworkDown(Cause),
}

/// The part of an event that is kept apart.
#[derive(Clone, Copy)]
pub(super) enum Load<'a> {
    Bytes(&'a [u8]),
    Rare(&'a Rare),
}

/// How many shards there are. One is enough where there are no threads, and models have no more threads than two.
const PARTS: usize = match (cfg!(loom), cfg!(feature = "std")) {
    (true, _) => 2,
    (false, true) => 1 << PART_BITS,
    (false, false) => 1,
};
const PART_BITS: u32 = 4;

pub(super) struct Shards {
    /// The number of the next ticket.
    next: AtomicUsize,
    parts: [Part; PARTS],
}

/// On cache lines of its own.
#[repr(align(128))]
struct Part(Lock<Shard>);

#[derive(Default)]
struct Shard {
    /// Tickets that were drawn and neither recorded nor given back.
    open: Vec<u64>,
    recorded: Collected,
}

/// Events that were recorded and are not merged yet.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) items: Vec<Item>,
    bytes: Vec<u8>,
    rares: Vec<Rare>,
}

impl Item {
    pub(super) fn new(raw: Raw, network: u16, actor: u64, at: u64, hidden: bool) -> Self {
        Self { ticket: 0, at, actor, start: 0, len: 0, network, hidden, raw }
    }
}

impl Collected {
    /// Adds an event, with its load.
    #[inline]
    pub(super) fn push(&mut self, mut item: Item, load: Load<'_>) {
        match load {
            Load::Bytes(bytes) => {
                (item.start, item.len) = (self.bytes.len(), bytes.len() as u32);
                self.bytes.extend_from_slice(bytes);
            }
            Load::Rare(rare) => {
                item.start = self.rares.len();
                self.rares.push(*rare);
            }
        }
        self.items.push(item);
    }

    /// Its bytes, or its text.
    #[inline]
    pub(super) fn bytes(&self, item: &Item) -> &[u8] {
        self.bytes.get(item.start..item.start + item.len as usize).unwrap_or_default()
    }

    /// The load of an event.
    pub(super) fn load(&self, item: &Item) -> Load<'_> {
        let rare = self.rares.get(item.start).filter(|_| matches!(item.raw, Raw::Rare));
        rare.map_or(Load::Bytes(self.bytes(item)), Load::Rare)
    }

    /// The memory that the events take, about.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.items) + self.bytes.len() + size_of_val(&*self.rares)
    }

    /// Forgets all events, and keeps the memory for others.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.rares.clear();
    }

    /// Moves all events of another here.
    fn append(&mut self, other: &mut Self) {
        if self.items.is_empty() {
            return mem::swap(self, other);
        }
        let (bytes, rares, first) = (self.bytes.len(), self.rares.len(), self.items.len());
        self.bytes.append(&mut other.bytes);
        self.rares.append(&mut other.rares);
        self.items.append(&mut other.items);
        for item in &mut self.items[first..] {
            item.start += if matches!(item.raw, Raw::Rare) { rares } else { bytes };
        }
    }
}

impl Shards {
    pub(super) fn new() -> Self {
        Self { next: AtomicUsize::new(1), parts: core::array::from_fn(|_| Part(Lock::new(Shard::default()))) }
    }

    /// Draws a ticket of the shard of `thread`. May be called under locks.
    pub(super) fn draw(&self, thread: u64) -> Ticket {
        let part = part(thread);
        let number = self.parts[part].0.with(|shard| {
            let number = self.next.fetch_add(1, Ordering::Relaxed) as u64;
            shard.open.push(number);
            number
        });
        Ticket::new(number << PART_BITS | part as u64)
    }

    /// Closes a ticket without an event.
    pub(super) fn void(&self, ticket: Ticket) {
        self.parts[part(ticket.number())].0.with(|shard| shard.close(ticket.number() >> PART_BITS));
    }

    /// Closes a ticket with an event; returns how many events the shard holds now.
    #[inline]
    pub(super) fn record(&self, ticket: Ticket, mut item: Item, load: Load<'_>) -> usize {
        item.ticket = ticket.number() >> PART_BITS;
        self.parts[part(ticket.number())].0.with(|shard| {
            shard.close(item.ticket);
            shard.push(item, load)
        })
    }

    /// Draws a ticket and closes it with an event in one step; returns how many events the shard holds now.
    #[inline]
    pub(super) fn record_now(&self, thread: u64, mut item: Item, load: Load<'_>) -> usize {
        self.parts[part(thread)].0.with(|shard| {
            item.ticket = self.next.fetch_add(1, Ordering::Relaxed) as u64;
            shard.push(item, load)
        })
    }

    /// Moves all recorded events to `collected`. Returns the watermark, the lowest ticket that may be open.
    pub(super) fn collect(&self, collected: &mut Collected) -> u64 {
        let mut watermark = self.next.load(Ordering::Relaxed) as u64;
        for part in &self.parts {
            part.0.with(|shard| {
                watermark = shard.open.iter().fold(watermark, |least, &open| least.min(open));
                collected.append(&mut shard.recorded);
            });
        }
        watermark
    }

    /// How many tickets are open.
    pub(super) fn open(&self) -> usize {
        self.parts.iter().map(|part| part.0.with(|shard| shard.open.len())).sum()
    }
}

impl Shard {
    fn close(&mut self, number: u64) {
        // The newest one mostly is the one.
        if let Some(at) = self.open.iter().rposition(|&open| open == number) {
            self.open.swap_remove(at);
        }
    }

    #[inline]
    fn push(&mut self, item: Item, load: Load<'_>) -> usize {
        self.recorded.push(item, load);
        // Large loads count as more events, to be merged before they take much memory.
        self.recorded.items.len() + self.recorded.bytes.len() / 64 + 4 * self.recorded.rares.len()
    }
}

/// The shard of a thread, or of a ticket: their number is a power of 2.
fn part(number: u64) -> usize {
    number as usize & (PARTS - 1)
}
