//! All directions, connections and items that faults know, under one lock.
//!
//! Nothing here calls an engine, a clock or a waker: a step returns [`Action`]s, which are carried out under no lock.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::error::cause::Cause;
use crate::sim::direction::{DIAL, DialRoute, Direction, Item, Lane, Mark, Place};
use crate::sim::letter::Letter;
use crate::sim::setting::{Change, Plan, Way};
use crate::wait::clock::Timer;

/// The links of a connection, whatever its engine is.
pub(super) trait Wire: Send + Sync {
    /// Shows the reader bytes that the end `side` has written.
    fn show(&self, side: usize, count: usize);
    /// Tells the peer of `side` that this end is shut down. If it was also released, releases it.
    fn end(&self, side: usize, how: Shutdown, released: bool);
    /// Hides from now on what the end `side` writes, or no longer.
    fn hold(&self, side: usize, on: bool);
    /// Sets whether each write of the end `side`, and each read, is looked at.
    fn look(&self, side: usize, writes: bool, reads: bool);
    /// Resets both ends.
    fn break_off(&self);
    /// Wakes the tasks that wait to write at the end `side` as the limit of its bytes is reached.
    fn resume(&self, side: usize);
    /// Ends the operations of one end, which has timed out.
    fn time_out(&self, side: usize);
}

/// What is left to be done after a step.
pub(super) enum Action {
    Show(Arc<dyn Wire>, usize, usize),
    End(Arc<dyn Wire>, usize, Shutdown, bool),
    Hold(Arc<dyn Wire>, usize, bool),
    Look(Arc<dyn Wire>, usize, bool, bool),
    Break(Arc<dyn Wire>),
    Resume(Arc<dyn Wire>, usize),
    TimeOut(Arc<dyn Wire>, usize),
    Settle(Arc<Letter>, Result<(), Cause>),
    /// Nothing but to be dropped.
    Drop(Arc<Letter>),
}

impl Action {
    pub(super) fn run(self) {
        match self {
            Self::Show(wire, side, count) => wire.show(side, count),
            Self::End(wire, side, how, released) => wire.end(side, how, released),
            Self::Hold(wire, side, on) => wire.hold(side, on),
            Self::Look(wire, side, writes, reads) => wire.look(side, writes, reads),
            Self::Break(wire) => wire.break_off(),
            Self::Resume(wire, side) => wire.resume(side),
            Self::TimeOut(wire, side) => wire.time_out(side),
            Self::Settle(letter, outcome) => letter.settle(outcome),
            Self::Drop(letter) => drop(letter),
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// It ended its stream.
    Ended,
    /// It is closed, and its peer is told later. Whether it was released meanwhile.
    Leaving(Shutdown, bool),
    Closed,
    /// It failed by itself, unknown to its peer. Once it is closed, whether it was released meanwhile.
    Lost(Option<bool>),
    /// It is of another network, where it closes unseen.
    Elsewhere,
}

pub(super) struct Conn {
    pub(super) wire: Weak<dyn Wire>,
    /// The number of its dial among those of its direction, for draws.
    pub(super) dial: u64,
    /// The direction in which it was dialled, and the other one: that of the bytes of each side.
    pub(super) dirs: [usize; 2],
    pub(super) lanes: [Lane; 2],
    pub(super) ends: [End; 2],
    /// Whether a listener has accepted it.
    pub(super) live: bool,
}

impl Conn {
    /// Whether an end has failed by itself, or its machine has lost its power. What its peer sends takes its way through
    /// the lane, to be answered.
    pub(super) fn is_lost(&self, side: usize) -> bool {
        matches!(self.ends[side], End::Lost(_) | End::Leaving(Shutdown::Vanish, _))
    }
}

/// Something that happens at an instant, whatever the time of a direction is.
#[derive(Debug)]
pub(super) enum Alarm {
    /// A timed cut may end.
    Repair(usize),
    /// A dial has taken too long.
    Dial(usize, u64),
    /// Bytes of this end may have waited for too long.
    Unseen(u64, usize),
    /// Connections are reset.
    Reset(Box<[Option<Way>; 2]>),
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) plan: Plan,
    pub(super) index: BTreeMap<(HostName, HostName), usize>,
    pub(super) dirs: Vec<Direction>,
    pub(super) conns: BTreeMap<u64, Conn>,
    /// The first item of each direction: its real time, its number, and the direction.
    pub(super) agenda: BTreeSet<(u64, u64, usize)>,
    pub(super) alarms: BTreeMap<Place, Alarm>,
    /// How many items there were.
    pub(super) items: u64,
    last_conn: u64,
    /// Whether a thread carries out what is due; and whether another one has seen more meanwhile.
    pub(super) running: bool,
    pub(super) again: bool,
    /// What wakes the runner: when, which one, and how to forget it.
    pub(super) armed: Option<(u64, u64, Option<Timer>)>,
    /// How many timers there were.
    pub(super) timers: u64,
    /// Whether a rule looks at each write, so that each goes through a lane.
    pub(super) ruled: bool,
    /// The hosts that have lost their power.
    pub(super) powers: BTreeMap<HostName, Power>,
}

/// The power of a host.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Power {
    /// How often it was cut and not given back: it is on if that is 0.
    pub(super) off: u32,
    /// How often it was cut.
    pub(super) cuts: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            plan: Plan::default(),
            index: BTreeMap::new(),
            dirs: Vec::new(),
            conns: BTreeMap::new(),
            agenda: BTreeSet::new(),
            alarms: BTreeMap::new(),
            items: 0,
            last_conn: 0,
            running: false,
            again: false,
            armed: None,
            timers: 0,
            ruled: false,
            powers: BTreeMap::new(),
        }
    }

    pub(super) fn direction(&mut self, from: &HostName, to: &HostName, now: u64) -> usize {
        let Self { index, dirs, plan, seed, powers, .. } = self;
        *index.entry((*from, *to)).or_insert_with(|| {
            let mut direction = Direction::new(*seed, *from, *to, plan.settings(from, to), now);
            direction.off = from != to && powers.get(to).is_some_and(|power| power.off > 0);
            dirs.push(direction);
            dirs.len() - 1
        })
    }

    /// Whether what is sent in a direction goes through lanes.
    pub(super) fn delays(&self, dir: usize) -> bool {
        self.ruled || self.dirs[dir].off || self.dirs[dir].settings.delays()
    }

    pub(super) fn looks(&self, dir: usize) -> (bool, bool) {
        let settings = &self.dirs[dir].settings;
        (self.ruled || settings.looks_at_writes(), settings.short_reads)
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.items += 1;
        self.items
    }

    /// Puts an item in the queue of a direction.
    pub(super) fn post(&mut self, dir: usize, due: u64, item: Item) -> Place {
        let place = (due, self.next_number());
        self.dirs[dir].queue.insert(place, item);
        self.schedule(dir);
        place
    }

    /// Brings the place of a direction in the agenda up to date.
    pub(super) fn schedule(&mut self, dir: usize) {
        let Direction { scheduled, .. } = &self.dirs[dir];
        let (before, next) = (*scheduled, self.dirs[dir].next());
        if before != next {
            before.iter().for_each(|&(at, number)| {
                self.agenda.remove(&(at, number, dir));
            });
            next.iter().for_each(|&(at, number)| {
                self.agenda.insert((at, number, dir));
            });
            self.dirs[dir].scheduled = next;
        }
    }

    /// When the next item arrives or the next alarm goes off.
    pub(super) fn next_at(&self) -> Option<u64> {
        let item = self.agenda.first().map(|&(at, _, _)| at);
        let alarm = self.alarms.first_key_value().map(|(&(at, _), _)| at);
        item.into_iter().chain(alarm).min()
    }

    /// Takes out what is due next, if it is due now.
    pub(super) fn take_due(&mut self, now: u64, actions: &mut Vec<Action>) -> bool {
        let item = self.agenda.first().copied().filter(|&(at, _, _)| at <= now);
        let alarm = self.alarms.first_key_value().map(|(&place, _)| place).filter(|&(at, _)| at <= now);
        match (item, alarm) {
            (Some((at, _, dir)), alarm) if alarm.is_none_or(|(alarm, _)| at <= alarm) => {
                let taken = self.dirs[dir].queue.pop_first();
                self.schedule(dir);
                taken.into_iter().for_each(|(_, item)| self.arrive(dir, item, now, actions));
                true
            }
            (_, Some(place)) => {
                let alarm = self.alarms.remove(&place);
                alarm.into_iter().for_each(|alarm| self.go_off(alarm, now, actions));
                true
            }
            (_, None) => false,
        }
    }

    pub(super) fn arrive(&mut self, dir: usize, item: Item, now: u64, actions: &mut Vec<Action>) {
        match item {
            Item::Dial(letter, _) | Item::Answer(letter) => actions.push(Action::Settle(letter, Ok(()))),
            Item::Offer { conn, side, letter } => {
                actions.push(Action::Settle(letter, Ok(())));
                self.answer_lost(conn, 1 - side, now);
            }
            Item::Bytes { conn, side, count } => {
                let delays = self.delays(dir);
                let Some(known) = self.conns.get_mut(&conn) else { return };
                known.lanes[side].marks.pop_front();
                let Some(wire) = known.wire.upgrade() else { return };
                let lost = known.is_lost(1 - side);
                if !delays && !lost && known.lanes[side].marks.is_empty() {
                    actions.push(Action::Hold(wire.clone(), side, false));
                    actions.insert(0, Action::Show(wire, side, count));
                } else {
                    actions.push(Action::Show(wire, side, count));
                }
                self.watch_unseen(conn, side);
                self.answer_lost(conn, 1 - side, now);
            }
            Item::End { conn, side, how } => {
                let Some(known) = self.conns.get_mut(&conn) else { return };
                known.lanes[side].marks.pop_front();
                let Some(wire) = known.wire.upgrade() else { return };
                let released = matches!(known.ends[side], End::Leaving(_, true));
                if how != Shutdown::Write {
                    known.ends[side] = End::Closed;
                }
                actions.push(Action::End(wire, side, how, released));
                self.watch_unseen(conn, side);
                self.answer_lost(conn, 1 - side, now);
            }
            Item::Break { conn, .. } => self.break_off(conn, actions),
        }
    }

    /// Something has reached an end. One that has failed, or is of a machine that knows it no more, answers by a reset.
    pub(super) fn answer_lost(&mut self, conn: u64, side: usize, now: u64) {
        let Some(known) = self.conns.get(&conn) else { return };
        if !known.is_lost(side) {
            return;
        }
        let (dir, dial) = (known.dirs[side], known.dial);
        let draws = self.dirs[known.dirs[0]].draws;
        let direction = &self.dirs[dir];
        let due = direction.time(now).saturating_add(direction.latency(draws, dial, side == 1, DIAL));
        let epoch = direction.epoch;
        let place = self.post(dir, due, Item::Break { conn, side });
        // So that it is forgotten with the connection.
        let known = self.conns.get_mut(&conn);
        known.into_iter().for_each(|known| known.lanes[side].marks.push_back(Mark { place, epoch, sent: now }));
    }

    fn go_off(&mut self, alarm: Alarm, now: u64, actions: &mut Vec<Action>) {
        match alarm {
            Alarm::Repair(dir) => {
                if self.dirs[dir].cut_until.is_some_and(|until| until <= now) {
                    self.dirs[dir].cut_until = None;
                    self.change_direction(dir, &Change::Cut(None), now, actions);
                }
            }
            Alarm::Dial(dir, dial) => {
                let known = self.dirs[dir].dialling.get(&dial);
                actions.extend(known.map(|(letter, _)| Action::Settle(letter.clone(), Err(Cause::TimedOut))));
            }
            Alarm::Unseen(conn, side) => self.lose(conn, side, actions),
            Alarm::Reset(ways) => ways.iter().flatten().for_each(|way| self.reset(way, actions)),
        }
    }

    /// A number for a connection.
    pub(super) fn next_conn(&mut self) -> u64 {
        self.last_conn += 1;
        self.last_conn
    }

    /// Registers a connection, of which these ends are of this network. One that is not never closes here.
    pub(super) fn open(
        &mut self,
        conn: u64,
        wire: Weak<dyn Wire>,
        DialRoute { dirs, dial }: DialRoute,
        own: [bool; 2],
        actions: &mut Vec<Action>,
    ) {
        for (side, dir) in dirs.into_iter().enumerate() {
            self.dirs[dir].conns.insert(conn);
            let looks = self.looks(dir);
            if self.delays(dir) {
                actions.extend(wire.upgrade().map(|wire| Action::Hold(wire, side, true)));
            }
            if looks != (false, false) {
                actions.extend(wire.upgrade().map(|wire| Action::Look(wire, side, looks.0, looks.1)));
            }
        }
        let lanes = [Lane::default(), Lane::default()];
        let ends = own.map(|own| if own { End::Open } else { End::Elsewhere });
        // A listener elsewhere has accepted before.
        self.conns.insert(conn, Conn { wire, dial, dirs, lanes, ends, live: !own[1] });
    }

    /// A listener has accepted a connection.
    pub(super) fn accepted(&mut self, conn: u64) {
        self.conns.get_mut(&conn).into_iter().for_each(|known| known.live = true);
    }

    /// Forgets a connection, with all that is on its way. Ends that have left are shut down at once.
    pub(super) fn forget(&mut self, conn: u64, actions: &mut Vec<Action>) {
        let Some(known) = self.conns.remove(&conn) else { return };
        for (side, lane) in known.lanes.iter().enumerate() {
            let dir = known.dirs[side];
            for mark in &lane.marks {
                self.dirs[dir].queue.remove(&mark.place);
            }
            self.dirs[dir].conns.remove(&conn);
            self.schedule(dir);
            lane.alarm.and_then(|place| self.alarms.remove(&place));
        }
        for (side, end) in known.ends.into_iter().enumerate() {
            let left = match end {
                End::Leaving(how, released) => Some((how, released)),
                End::Lost(Some(released)) => Some((Shutdown::Close, released)),
                End::Open | End::Ended | End::Closed | End::Lost(None) | End::Elsewhere => None,
            };
            if let Some((how, released)) = left {
                actions.extend(known.wire.upgrade().map(|wire| Action::End(wire, side, how, released)));
            }
        }
    }
}
