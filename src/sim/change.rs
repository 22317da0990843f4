//! Changes of faults: what they do to directions, connections and dials that are known.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::sim::action::{Action, Actions};
use crate::sim::direction::{Direction, Item, NEVER, Place};
use crate::sim::letter::Outcome;
use crate::sim::setting::{Change, Cut, Settings, Way};
use crate::sim::world::{Alarm, World};

impl World {
    /// The directions of a way that are known.
    pub(super) fn known(&self, way: &Way) -> Vec<usize> {
        if let Way { from: Some(from), to: Some(to) } = way {
            return self.find(from, to).into_iter().collect();
        }
        let all = self.dirs.iter().enumerate();
        all.filter(|(_, dir)| way.contains(&dir.from, &dir.to)).map(|(at, _)| at).collect()
    }

    /// Changes faults of the directions of a way, those that are known and those to come.
    pub(super) fn change(&mut self, way: Way, change: &Change, now: u64, actions: &mut Actions) {
        self.plan.add(way, *change);
        for dir in self.known(&way) {
            if matches!(change, Change::Cut(_) | Change::Clear) {
                self.dirs[dir].cut_until = None;
            }
            self.change_direction(dir, change, now, actions);
        }
    }

    /// Cuts the known directions of a way for a time. A cut that ends later stays.
    pub(super) fn cut_for(&mut self, way: Way, length: u64, now: u64, actions: &mut Actions) {
        let until = now.saturating_add(length);
        if let Way { from: Some(from), to: Some(to) } = &way {
            self.direction(from, to, now);
        }
        for dir in self.known(&way) {
            let direction = &mut self.dirs[dir];
            let cut = direction.settings.cut.is_some();
            if cut && direction.cut_until.is_none_or(|known| known >= until) {
                continue;
            }
            direction.cut_until = Some(until);
            let number = self.next_number();
            self.alarms.insert((until, number), Alarm::Repair(dir));
            self.change_direction(dir, &Change::Cut(Some(Cut::Stall)), now, actions);
        }
    }

    pub(super) fn change_direction(&mut self, dir: usize, change: &Change, now: u64, actions: &mut Actions) {
        let (delayed, looked) = (self.delays(dir), self.looks(dir));
        let before = self.dirs[dir].change(change, now);
        let after = self.dirs[dir].settings;
        if matches!(change, Change::Held(false)) || before.held && !after.held {
            self.release(dir, now);
        }
        let released = matches!(change, Change::Held(false) | Change::Clear) || before.blackhole;
        if released && !after.blackhole {
            self.release_dials(dir, now);
        }
        if after.cut == Some(Cut::Reset) && before.cut != after.cut {
            self.reset_direction(dir, actions);
            self.refuse_dials(dir, actions);
        }
        self.schedule(dir);
        let conns = self.conns.of(dir, self.dirs[dir].row);
        for conn in conns {
            self.follow(conn, dir, (delayed, looked), (&before, &after), actions);
            if after.user_timeout != before.user_timeout {
                (0..2).for_each(|side| self.watch_unseen(conn, side));
            }
        }
    }

    /// A connection follows a change of one of its directions.
    fn follow(
        &mut self,
        conn: u64,
        dir: usize,
        (delayed, looked): (bool, (bool, bool)),
        (before, after): (&Settings, &Settings),
        actions: &mut Actions,
    ) {
        let (delays, looks) = (self.delays(dir), self.looks(dir));
        let Some(known) = self.conns.get(conn) else { return };
        for side in (0..2).filter(|&side| known.dirs[side] == dir) {
            let stays = known.is_lost(1 - side) || !delays && !known.is_idle(side);
            if delays != delayed && !stays {
                actions.extend(known.wire.upgrade().map(|wire| Action::Hold(wire, side, delays)));
            }
            if looks != looked {
                actions.extend(known.wire.upgrade().map(|wire| Action::Look(wire, side, looks.0, looks.1)));
            }
            if before.limit != after.limit {
                actions.extend(known.wire.upgrade().map(|wire| Action::Resume(wire, side)));
            }
        }
    }

    /// Sets whether a rule looks at each write.
    pub(super) fn set_ruled(&mut self, on: bool, actions: &mut Actions) {
        let before: Vec<_> = (0..self.dirs.len()).map(|dir| (self.delays(dir), self.looks(dir))).collect();
        self.ruled = on;
        for (dir, before) in before.into_iter().enumerate() {
            self.follow_all(dir, before, actions);
        }
    }

    /// The connections of a direction follow a change that is none of its settings.
    pub(super) fn follow_all(&mut self, dir: usize, before: (bool, (bool, bool)), actions: &mut Actions) {
        let settings = self.dirs[dir].settings;
        let conns = self.conns.of(dir, self.dirs[dir].row);
        conns.into_iter().for_each(|conn| self.follow(conn, dir, before, (&settings, &settings), actions));
    }

    /// Resets the connections of the known directions of a way.
    pub(super) fn reset(&mut self, way: &Way, actions: &mut Actions) {
        self.known(way).into_iter().for_each(|dir| self.reset_direction(dir, actions));
    }

    /// Resets the connections that there are then.
    pub(super) fn reset_at(&mut self, ways: [Option<Way>; 2], at: u64) {
        let number = self.next_number();
        self.alarms.insert((at, number), Alarm::Reset(Box::new(ways)));
    }

    pub(super) fn reset_direction(&mut self, dir: usize, actions: &mut Actions) {
        let conns = self.conns.of(dir, self.dirs[dir].row);
        for conn in conns {
            let wire = self.conns.get(conn).and_then(|known| known.wire.upgrade());
            if let Some(wire) = wire.filter(|wire| wire.is_live()) {
                actions.push(Action::Break(wire));
                self.forget(conn, actions);
            }
        }
    }

    /// Refuses the dials under way of a direction.
    fn refuse_dials(&mut self, dir: usize, actions: &mut Actions) {
        for conn in self.conns.of(dir, self.dirs[dir].row) {
            let dial = self.conns.any_mut(conn).filter(|known| known.dialling && known.dirs[0] == dir);
            if let Some(known) = dial {
                known.limit.take().and_then(|place| self.alarms.remove(&place));
                actions.extend(known.wire.upgrade().map(|wire| Action::SettleDial(wire, Outcome::Refused)));
            }
        }
    }

    /// Resets a connection, unless both ends are closed.
    pub(super) fn break_off(&mut self, conn: u64, actions: &mut Actions) {
        let wire = self.conns.get(conn).and_then(|known| known.wire.upgrade());
        actions.extend(wire.map(Action::Break));
        self.forget(conn, actions);
    }

    /// What was due while a direction was held, or waits for its release, arrives now, in the order in which it was sent.
    fn release(&mut self, dir: usize, now: u64) {
        let time = self.dirs[dir].time(now);
        let Direction { queue, .. } = &mut self.dirs[dir];
        let late = |&(due, _): &Place, item: &Item| due < time || due == NEVER && !matches!(item, Item::Dial(..));
        let places: Vec<Place> =
            queue.iter().filter(|(place, item)| late(place, item)).map(|(place, _)| *place).collect();
        for place in places {
            self.replace(dir, place, time);
        }
        for conn in self.conns.of(dir, self.dirs[dir].row) {
            let Some(known) = self.conns.get_mut(conn) else { continue };
            let dirs = known.dirs;
            for side in (0..2).filter(|&side| dirs[side] == dir) {
                if known.lane_of(side).is_some_and(|lane| lane.last == NEVER) {
                    known.lane(side).last = time;
                }
            }
        }
    }

    /// Dials that wait for the end of a black hole, or for a release, are sent now.
    fn release_dials(&mut self, dir: usize, now: u64) {
        let stalled = self.dirs[dir].queue.range((NEVER, 0)..).filter_map(|(place, item)| match item {
            Item::Dial(_, dial) => Some((*place, *dial)),
            _ => None,
        });
        for (place, dial) in stalled.collect::<Vec<_>>() {
            let due = self.dirs[dir].dial_due(now, dial, 0);
            self.replace(dir, place, due);
        }
    }

    /// Changes when an item is due.
    pub(super) fn replace(&mut self, dir: usize, place: Place, due: u64) {
        let Some(item) = self.dirs[dir].queue.remove(&place) else { return };
        let lane = item.lane();
        if let Item::Answer(conn) = item {
            self.conns.any_mut(conn).into_iter().for_each(|known| known.answer = Some((due, place.1)));
        }
        self.dirs[dir].queue.insert((due, place.1), item);
        let lane = lane.and_then(|(conn, side)| Some(self.conns.get_mut(conn)?.lane(side)));
        let mark = lane.and_then(|lane| {
            lane.last = lane.last.max(due);
            lane.marks.iter_mut().rev().find(|mark| mark.place == place)
        });
        mark.into_iter().for_each(|mark| mark.place.0 = due);
    }
}
