//! What is kept of a pair of hosts and their faults, and of a connection.

use heapless::Deque;

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::wait::clock::Timer;
use crate::wait::waker::TwoWakers;

/// One place in the table of [`FixedFaults`](super::FixedFaults): a pair of hosts, and a connection of any pair.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) pair: Pair,
    pub(super) conn: Conn,
}

impl Slot {
    pub(super) const EMPTY: Self = Self { pair: Pair::EMPTY, conn: Conn::EMPTY };
}

/// Two hosts, and the directions from the first to the second and back. Times are in nanoseconds.
#[derive(Debug)]
pub(super) struct Pair {
    /// No names: the place is free.
    pub(super) hosts: [HostName; 2],
    pub(super) ways: [Direction; 2],
    /// Whether a route names the pair, which keeps its place then.
    pub(super) named: bool,
}

impl Pair {
    pub(super) const EMPTY: Self = Self { hosts: [HostName::EMPTY; 2], ways: [Direction::OPEN; 2], named: false };
}

/// The faults of a direction. It has a time of its own, which stands still while the direction is cut: all that is on its
/// way is then later by the length of the cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    pub(super) latency: u64,
    /// By how much its own time is behind that of the clock.
    shift: u64,
    /// Since when it is cut.
    pub(super) cut_at: Option<u64>,
    pub(super) held: bool,
}

/// When something arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Now,
    /// At this time of the clock.
    At(u64),
    /// When faults change.
    Unknown,
}

impl Direction {
    const OPEN: Self = Self { latency: 0, shift: 0, cut_at: None, held: false };

    /// Its own time.
    fn time(&self, now: u64) -> u64 {
        self.cut_at.map_or(now, |cut| cut.min(now)).saturating_sub(self.shift)
    }

    /// When, in its own time, something arrives that is sent now.
    pub(super) fn due(&self, now: u64) -> u64 {
        self.time(now).saturating_add(self.latency)
    }

    /// When something arrives that is due at a time of its own.
    pub(super) fn arrival(&self, due: u64, now: u64) -> Arrival {
        if self.cut_at.is_some() || self.held {
            Arrival::Unknown
        } else if due <= self.time(now) {
            Arrival::Now
        } else {
            Arrival::At(due.saturating_add(self.shift))
        }
    }

    /// Whether something that is sent now does not arrive at once.
    pub(super) fn delays(&self) -> bool {
        self.latency > 0 || self.cut_at.is_some() || self.held
    }

    pub(super) fn cut(&mut self, now: u64) {
        self.cut_at.get_or_insert(now);
    }

    pub(super) fn repair(&mut self, now: u64) {
        if let Some(since) = self.cut_at.take() {
            self.shift += now.saturating_sub(since);
        }
    }
}

/// A connection, from its dial on.
#[derive(Debug)]
pub(super) struct Conn {
    /// The place of its pair; `None` if the place of the connection is free.
    pub(super) pair: Option<u16>,
    /// Whether the second host of the pair dialled.
    pub(super) flipped: bool,
    /// Counts the connections that had this place.
    pub(super) generation: u16,
    /// Whether it has ends, and is no dial on its way.
    pub(super) open: bool,
    /// Whether the request of its dial was sent, and the answer.
    pub(super) letters: [bool; 2],
    /// What each end sends. The end that dialled is the first, here and below.
    pub(super) lanes: [Lane; 2],
    pub(super) ends: [End; 2],
    pub(super) waiting: [[Waiting; 2]; 2],
}

impl Conn {
    const EMPTY: Self = Self {
        pair: None,
        flipped: false,
        generation: 0,
        open: false,
        letters: [false; 2],
        lanes: [const { Lane::EMPTY }; 2],
        ends: [End::Open; 2],
        waiting: Self::NO_TASKS,
    };

    pub(super) const NO_TASKS: [[Waiting; 2]; 2] = [const { [const { Waiting::NONE }; 2] }; 2];

    pub(super) fn take_place(&mut self, pair: u16, flipped: bool) {
        *self = Self { pair: Some(pair), flipped, generation: self.generation.wrapping_add(1), ..Self::EMPTY };
    }

    /// Whether no program holds an end any more, or uses it.
    pub(super) fn is_over(&self) -> bool {
        self.open && self.ends.iter().all(|end| matches!(end, End::Leaving(..) | End::Closed))
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// It writes no more, and its peer is told that when it arrives.
    Ended,
    /// It was closed: its peer is told when that arrives, and then it is released, if it has no handle any more.
    Leaving(Shutdown, bool),
    /// It was closed, and its peer knows.
    Closed,
}

/// The tasks of an end that wait to read or to write, and the timer that wakes the last one of them.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) tasks: TwoWakers,
    pub(super) timer: Option<Timer>,
}

impl Waiting {
    pub(super) const NONE: Self = Self { tasks: TwoWakers::NONE, timer: None };
}

/// What one end sends.
#[derive(Debug)]
pub(super) struct Lane {
    items: Deque<(u64, Item), ITEMS>,
    /// How many of them had arrived when the faults changed last, and were not taken since.
    arrived: usize,
    /// When its last item is due: none after it is due earlier.
    last: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The request of the dial, or the answer: the first item.
    Letter,
    Bytes(usize),
    End(Shutdown),
}

/// How many items of one end are on their way. The last two places are for ends: bytes are merged with those before them
/// when the others are taken, and arrive with the later ones.
const ITEMS: usize = 8;

impl Lane {
    pub(super) const EMPTY: Self = Self { items: Deque::new(), arrived: 0, last: 0 };

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The next item, and when it arrives, at a time of its direction `way`.
    pub(super) fn next(&self, way: &Direction, now: u64) -> Option<(Arrival, Item)> {
        let &(due, item) = self.items.front()?;
        Some((if self.arrived > 0 { Arrival::Now } else { way.arrival(due, now) }, item))
    }

    /// Notes what has arrived, before the faults of its direction change.
    pub(super) fn note_arrived(&mut self, way: &Direction, now: u64) {
        while self.items.get(self.arrived).is_some_and(|&(due, _)| way.arrival(due, now) == Arrival::Now) {
            self.arrived += 1;
        }
    }

    pub(super) fn take(&mut self) -> Option<Item> {
        self.arrived = self.arrived.saturating_sub(1);
        self.items.pop_front().map(|(_, item)| item)
    }

    /// Sends an item that is due at `due`, or when the one before it is.
    pub(super) fn send(&mut self, due: u64, item: Item) {
        self.last = self.last.max(due);
        let len = self.items.len();
        let full = len >= ITEMS - 2;
        if let (Item::Bytes(count), Some((before, Item::Bytes(sum)))) = (item, self.items.back_mut())
            && (full || *before == self.last)
            && self.arrived < len
        {
            (*before, *sum) = (self.last, *sum + count);
            return;
        }
        // There is room: an end is shut down for writing once, and closed once.
        let _ = self.items.push_back((self.last, item));
    }
}
