//! All directions, connections and items that faults know, under one lock.
//!
//! Nothing here calls an engine, a clock or a waker: a step leaves [`Actions`], which are carried out under no lock.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use hashbrown::HashTable;

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::sim::action::{Action, Actions};
use crate::sim::conns::{Conns, End};
use crate::sim::direction::{DIAL, Direction, Item, Mark, Place};
use crate::sim::draw::Draws;
use crate::sim::letter::Outcome;
use crate::sim::setting::{Change, Plan, Way};
use crate::wait::clock::Timer;

/// Something that happens at an instant, whatever the time of a direction is.
#[derive(Debug)]
pub(super) enum Alarm {
    /// A timed cut may end.
    Repair(usize),
    /// The dial of a connection has taken too long.
    Dial(u64),
    /// Bytes of this end may have waited for too long.
    Unseen(u64, usize),
    /// Connections are reset.
    Reset(Box<[Option<Way>; 2]>),
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) plan: Plan,
    /// The directions, by the names of their hosts.
    index: HashTable<usize>,
    /// The direction of the last dial. A program often dials the same host again.
    recent: usize,
    pub(super) dirs: Vec<Direction>,
    pub(super) conns: Conns,
    /// The first item of each direction: its real time, its number, and the direction.
    pub(super) agenda: BTreeSet<(u64, u64, usize)>,
    pub(super) alarms: BTreeMap<Place, Alarm>,
    /// How many items there were.
    pub(super) items: u64,
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
            index: HashTable::new(),
            recent: 0,
            dirs: Vec::new(),
            conns: Conns::new(),
            agenda: BTreeSet::new(),
            alarms: BTreeMap::new(),
            items: 0,
            running: false,
            again: false,
            armed: None,
            timers: 0,
            ruled: false,
            powers: BTreeMap::new(),
        }
    }

    /// The direction between two hosts, if it is known.
    pub(super) fn find(&self, from: &HostName, to: &HostName) -> Option<usize> {
        self.find_by(Draws::of(self.seed, from, to), from, to)
    }

    fn find_by(&self, draws: Draws, from: &HostName, to: &HostName) -> Option<usize> {
        let is_it = |&dir: &usize| self.dirs[dir].from == *from && self.dirs[dir].to == *to;
        self.index.find(draws.hash(), is_it).copied()
    }

    /// The direction between two hosts, which is known from now on.
    pub(super) fn direction(&mut self, from: &HostName, to: &HostName, now: u64) -> usize {
        let draws = Draws::of(self.seed, from, to);
        if let Some(dir) = self.find_by(draws, from, to) {
            return dir;
        }
        let off = from != to && self.powers.get(to).is_some_and(|power| power.off > 0);
        let Self { index, dirs, plan, .. } = self;
        dirs.push(Direction::new(draws, *from, *to, plan.settings(from, to), off, now));
        index.insert_unique(draws.hash(), dirs.len() - 1, |&dir| dirs[dir].draws.hash());
        dirs.len() - 1
    }

    /// The direction of the last dial and the other one, if it was between these hosts.
    pub(super) fn recent(&self, from: &HostName, to: &HostName) -> Option<[usize; 2]> {
        let direction = self.dirs.get(self.recent)?;
        (direction.from == *from && direction.to == *to).then_some([self.recent, direction.back?])
    }

    /// The direction between two hosts, and the other one.
    pub(super) fn both(&mut self, from: &HostName, to: &HostName, now: u64) -> [usize; 2] {
        let dir = self.direction(from, to, now);
        let back = match self.dirs[dir].back {
            Some(back) => back,
            None => self.direction(to, from, now),
        };
        self.dirs[dir].back = Some(back);
        self.recent = dir;
        [dir, back]
    }

    /// Whether what is sent in a direction goes through lanes.
    pub(super) fn delays(&self, dir: usize) -> bool {
        self.ruled || self.dirs[dir].delays()
    }

    /// Whether no fault is on in a direction.
    pub(super) fn is_plain(&self, dir: usize) -> bool {
        !self.ruled && self.dirs[dir].is_plain()
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
    pub(super) fn take_due(&mut self, now: u64, actions: &mut Actions) -> bool {
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

    pub(super) fn arrive(&mut self, dir: usize, item: Item, now: u64, actions: &mut Actions) {
        match item {
            Item::Dial(letter, _) => actions.push(Action::Settle(letter)),
            Item::Answer(conn) => self.answered(conn, actions),
            Item::Offer { conn, side, letter } => {
                actions.push(Action::Settle(letter));
                self.answer_lost(conn, 1 - side, now);
            }
            Item::Bytes { conn, side, count } => {
                let delays = self.delays(dir);
                let Some(known) = self.conns.get_mut(conn) else { return };
                known.lane(side).marks.pop_front();
                let Some(wire) = known.wire.upgrade() else { return };
                let lost = known.is_lost(1 - side);
                if !delays && !lost && known.is_idle(side) {
                    actions.push(Action::Show(wire.clone(), side, count));
                    actions.push(Action::Hold(wire, side, false));
                } else {
                    actions.push(Action::Show(wire, side, count));
                }
                self.watch_unseen(conn, side);
                self.answer_lost(conn, 1 - side, now);
            }
            Item::End { conn, side, how } => {
                let Some(known) = self.conns.get_mut(conn) else { return };
                known.lane(side).marks.pop_front();
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
        let Some(known) = self.conns.get(conn) else { return };
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
        let known = self.conns.get_mut(conn);
        known.into_iter().for_each(|known| known.lane(side).marks.push_back(Mark { place, epoch, sent: now }));
    }

    fn go_off(&mut self, alarm: Alarm, now: u64, actions: &mut Actions) {
        match alarm {
            Alarm::Repair(dir) => {
                if self.dirs[dir].cut_until.is_some_and(|until| until <= now) {
                    self.dirs[dir].cut_until = None;
                    self.change_direction(dir, &Change::Cut(None), now, actions);
                }
            }
            Alarm::Dial(conn) => {
                let Some(known) = self.conns.any_mut(conn) else { return };
                known.limit = None;
                actions.extend(known.wire.upgrade().map(|wire| Action::SettleDial(wire, Outcome::TimedOut)));
            }
            Alarm::Unseen(conn, side) => self.lose(conn, side, actions),
            Alarm::Reset(ways) => ways.iter().flatten().for_each(|way| self.reset(way, actions)),
        }
    }

    /// The engine has made a connection, of which these ends are of this network. One that is not never closes here.
    /// Returns whether it has to [follow](Self::follow_first) faults.
    pub(super) fn open(&mut self, conn: u64, own: [bool; 2]) -> bool {
        let Some(known) = self.conns.any_mut(conn) else { return false };
        known.open = true;
        known.ends = own.map(|own| if own { End::Open } else { End::Elsewhere });
        let dirs = known.dirs;
        !dirs.into_iter().all(|dir| self.is_plain(dir))
    }

    /// A new connection follows the faults of its directions.
    pub(super) fn follow_first(&mut self, conn: u64, actions: &mut Actions) {
        let Some(known) = self.conns.get(conn) else { return };
        for (side, dir) in known.dirs.into_iter().enumerate() {
            let looks = self.looks(dir);
            if self.delays(dir) {
                actions.extend(known.wire.upgrade().map(|wire| Action::Hold(wire, side, true)));
            }
            if looks != (false, false) {
                actions.extend(known.wire.upgrade().map(|wire| Action::Look(wire, side, looks.0, looks.1)));
            }
        }
    }

    /// Forgets a connection, with all that is on its way. Ends that have left are shut down at once. Its dial may still be
    /// under way.
    pub(super) fn forget(&mut self, conn: u64, actions: &mut Actions) {
        let Some(known) = self.conns.get_mut(conn) else { return };
        let (dirs, lanes) = (known.dirs, known.take_lanes());
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
        self.conns.forget(conn, &mut self.dirs);
        for (lane, dir) in lanes.into_iter().zip(dirs) {
            let Some(lane) = lane else { continue };
            for mark in &lane.marks {
                self.dirs[dir].queue.remove(&mark.place);
            }
            self.schedule(dir);
            lane.alarm.and_then(|place| self.alarms.remove(&place));
        }
    }
}
