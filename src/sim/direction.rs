//! One direction between two hosts: its own time, its faults, and what is on its way.
//!
//! # The time of a direction
//!
//! Dues are instants of the direction's own time, which stops while the direction is cut. So a repair delays all that is
//! on its way by the length of the cut, without a look at any of it. A direction that is held keeps its time: what was
//! due meanwhile arrives at the release, the rest when it is due.
//!
//! Invariant: what is due is taken out before a direction is cut or held, and only what is still in the queue waits.
//! So nothing has to be compared with the moment of the cut, not even what is sent in the same instant.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::sim::draw::{Drawer, Draws, scale};
use crate::sim::letter::Letter;
use crate::sim::setting::{Change, Cut, Settings};

/// When something is due that waits for a release.
pub(super) const NEVER: u64 = u64::MAX;

/// The place of an item in the queue of a direction: when it is due in the direction's time, and a number that counts
/// all that was ever sent.
pub(super) type Place = (u64, u64);

/// Something on its way.
#[derive(Debug)]
pub(super) enum Item {
    /// Bytes of a connection.
    Bytes { conn: u64, side: usize, count: usize },
    /// The end of what one end of a connection sends.
    End { conn: u64, side: usize, how: Shutdown },
    /// A reset of both ends of a connection.
    Break { conn: u64, side: usize },
    /// A dial, with its number.
    Dial(Arc<Letter>, u64),
    /// The answer of the dial of a connection.
    Answer(u64),
    /// A write of a rendezvous.
    Offer { conn: u64, side: usize, letter: Arc<Letter> },
}

impl Item {
    /// The end of a connection that has sent it, where it keeps its place among what that sends.
    pub(super) fn lane(&self) -> Option<(u64, usize)> {
        match *self {
            Self::Bytes { conn, side, .. } | Self::End { conn, side, .. } | Self::Offer { conn, side, .. } => {
                Some((conn, side))
            }
            Self::Break { .. } | Self::Dial(..) | Self::Answer(_) => None,
        }
    }

    /// What is settled as it arrives.
    pub(super) fn letter(self) -> Option<Arc<Letter>> {
        match self {
            Self::Dial(letter, _) | Self::Offer { letter, .. } => Some(letter),
            Self::Bytes { .. } | Self::End { .. } | Self::Break { .. } | Self::Answer(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Direction {
    pub(super) from: HostName,
    pub(super) to: HostName,
    /// The other direction between the two hosts, once both are known.
    pub(super) back: Option<usize>,
    pub(super) settings: Settings,
    /// Whether no fault is on; whether one asks that what is sent goes through lanes; and whether none delays bytes.
    plain: bool,
    delays: bool,
    prompt: bool,
    pub(super) draws: Draws,
    /// How long it was cut in all.
    shift: u64,
    /// Since when it is cut.
    cut_at: Option<u64>,
    /// Whether the host that it leads to has no power.
    off: bool,
    /// When the cut ends by itself.
    pub(super) cut_until: Option<u64>,
    /// Counts the cuts and holds, and their ends: bytes sent before and after one are not merged.
    pub(super) epoch: u32,
    /// Until when the wire carries what was sent.
    free: u64,
    /// When the last dial is due.
    pub(super) last_dial: u64,
    /// How many dials there were.
    pub(super) dials: u64,
    pub(super) queue: BTreeMap<Place, Item>,
    /// Its place in the agenda, by real time.
    pub(super) scheduled: Option<(u64, u64)>,
    /// The connections of which it is one direction.
    pub(super) row: Row,
}

/// The places of the first and the last connection of a direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl Row {
    const EMPTY: Self = Self { first: NONE, last: NONE };
}

/// No place.
pub(super) const NONE: u32 = u32::MAX;

impl Direction {
    pub(super) fn new(draws: Draws, from: HostName, to: HostName, settings: Settings, off: bool, now: u64) -> Self {
        let cut_at = (settings.cut == Some(Cut::Stall)).then_some(now);
        let mut direction = Self {
            from,
            to,
            back: None,
            settings,
            plain: false,
            delays: false,
            prompt: false,
            draws,
            shift: 0,
            cut_at,
            off,
            cut_until: None,
            epoch: 0,
            free: 0,
            last_dial: 0,
            dials: 0,
            queue: BTreeMap::new(),
            scheduled: None,
            row: Row::EMPTY,
        };
        direction.settle();
        direction
    }

    /// Notes what its faults come to.
    fn settle(&mut self) {
        self.plain = !self.off && self.settings == Settings::default();
        self.delays = self.off || self.settings.delays();
        self.prompt = !self.off && self.settings.is_prompt();
    }

    /// Whether no fault is on.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether a fault asks that what is sent goes through lanes.
    pub(super) fn delays(&self) -> bool {
        self.delays
    }

    /// Whether bytes arrive as they are sent, if none are on their way.
    pub(super) fn is_prompt(&self) -> bool {
        self.prompt
    }

    /// Whether a dial that is sent now arrives at once: it is not behind another one either.
    pub(super) fn passes_dials(&self) -> bool {
        self.plain && self.last_dial == 0
    }

    pub(super) fn is_off(&self) -> bool {
        self.off
    }

    /// The host that it leads to loses its power, or has it again.
    pub(super) fn set_off(&mut self, off: bool) {
        self.off = off;
        self.epoch += 1;
        self.settle();
    }

    /// Changes a fault. Its time stops or starts, as its settings say then. Returns what they were.
    pub(super) fn change(&mut self, change: &Change, now: u64) -> Settings {
        let before = self.settings;
        self.settings.apply(change);
        self.settle();
        self.turn(&before, now);
        before
    }

    /// Its own time.
    pub(super) fn time(&self, now: u64) -> u64 {
        self.cut_at.map_or(now, |cut| cut.min(now)).saturating_sub(self.shift)
    }

    /// Whether what is due arrives.
    pub(super) fn is_open(&self) -> bool {
        self.cut_at.is_none() && !self.settings.held && !self.off
    }

    /// When the first item arrives in real time, and its number, if the direction is open.
    pub(super) fn next(&self) -> Option<(u64, u64)> {
        let (&(due, number), _) = self.queue.first_key_value()?;
        (self.is_open() && due != NEVER).then(|| (due.saturating_add(self.shift), number))
    }

    /// Stops or starts its time, as its settings say.
    fn turn(&mut self, before: &Settings, now: u64) {
        let cut = self.settings.cut == Some(Cut::Stall);
        match self.cut_at {
            None if cut => self.cut_at = Some(now),
            Some(since) if !cut => {
                self.shift += now.saturating_sub(since);
                self.cut_at = None;
            }
            _ => {}
        }
        if (before.cut, before.held) != (self.settings.cut, self.settings.held) {
            self.epoch += 1;
        }
    }

    /// The latency of an item: of a dial of the direction `dialled`, whose draws are given.
    pub(super) fn latency(&self, draws: Draws, dial: u64, back: bool, item: u64) -> u64 {
        let Settings { latency: (least, spread), pair_latency, jitter, loss, .. } = self.settings;
        let below = |limit, drawer| if limit == 0 { 0 } else { draws.below(limit + 1, drawer, dial, back, item) };
        let pair = pair_latency.map_or(0, |(least, spread)| {
            least + if spread == 0 { 0 } else { self.draws.below(spread + 1, Drawer::PairLatency, 0, false, 0) }
        });
        let lost = if loss == 0 { 0 } else { stall(loss, draws.draw(Drawer::Loss, dial, back, item)) };
        let drawn = below(spread, Drawer::Latency).saturating_add(below(jitter, Drawer::Jitter));
        least.saturating_add(pair).saturating_add(drawn).saturating_add(lost)
    }

    /// When `count` bytes that are sent now have left, at the rate of the direction.
    pub(super) fn leave(&mut self, now: u64, count: usize) -> u64 {
        let time = self.time(now);
        let Some(rate) = self.settings.rate else { return time };
        let needed = (count as u128 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        self.free = self.free.max(time).saturating_add(u64::try_from(needed).unwrap_or(NEVER));
        self.free
    }

    /// In pieces of how many bytes they leave.
    pub(super) fn piece(&self) -> usize {
        self.settings.rate.map_or(usize::MAX, |rate| (rate / 1000).clamp(1, 16 << 10) as usize)
    }

    /// When a dial that is sent now is due.
    pub(super) fn dial_due(&mut self, now: u64, dial: u64, more: u64) -> u64 {
        if self.settings.blackhole || more == NEVER {
            return NEVER;
        }
        let latency = self.latency(self.draws, dial, false, DIAL);
        let due =
            self.time(now).saturating_add(latency).saturating_add(self.settings.accept_delay).saturating_add(more);
        self.last_dial = self.last_dial.max(due);
        self.last_dial
    }
}

/// The number of a dial among the items of its connection, for draws.
pub(super) const DIAL: u64 = u64::MAX;

/// How much longer an item takes that was lost: a retransmission timeout, doubled each time that it is lost again.
fn stall(loss: u64, draw: u64) -> u64 {
    let (mut lost, mut draw, mut timeout) = (0, draw, RETRANSMISSION);
    for _ in 0..MOST_LOSSES {
        if draw >= loss && loss != u64::MAX {
            break;
        }
        lost += timeout;
        timeout *= 2;
        // The rest of the draw, stretched again, is a draw of its own.
        draw = if loss == u64::MAX { draw } else { stretch(draw, loss) };
    }
    lost
}

/// A number below `limit` as one below 2 to the power of 64.
fn stretch(number: u64, limit: u64) -> u64 {
    u64::try_from((u128::from(number) << 64) / u128::from(limit.max(1))).unwrap_or(u64::MAX)
}

/// The first retransmission timeout, in nanoseconds, and how often an item is lost at most.
const RETRANSMISSION: u64 = 200_000_000;
const MOST_LOSSES: u32 = 5;

/// What one end of a connection sends, in one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// When its last item is due: none after it is due earlier.
    pub(super) last: u64,
    /// Its items, in order.
    pub(super) marks: VecDeque<Mark>,
    /// How many writes there were, and bytes.
    pub(super) writes: u64,
    pub(super) bytes: u64,
    /// How many writes and reads were cut short.
    pub(super) slices: u64,
    /// When its bytes will have waited for too long to be seen.
    pub(super) alarm: Option<Place>,
}

/// An item of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Where it is in the queue of the direction.
    pub(super) place: Place,
    /// The epoch of the direction in which it was sent.
    pub(super) epoch: u32,
    /// When it was sent, or the first of what was merged into it.
    pub(super) sent: u64,
}

/// How many items of one lane are on their way, before bytes are merged with those before them.
pub(super) const MARKS: usize = 64;

/// A number of bytes between `average - spread` and `average + spread`, at least 1.
pub(super) fn slice((average, spread): (u32, u32), draw: u64) -> usize {
    let least = u64::from(average.saturating_sub(spread));
    let size = least + scale(draw, u64::from(average) + u64::from(spread) - least + 1);
    usize::try_from(size).unwrap_or(usize::MAX).max(1)
}
