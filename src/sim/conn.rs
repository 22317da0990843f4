//! What the ends of a connection send: bytes and ends, by way of lanes.

use crate::addr::name::HostName;
use crate::contract::engine::{DelayStatus, Shutdown};
use crate::error::cause::Cause;
use crate::sim::action::{Action, Actions};
use crate::sim::conns::End;
use crate::sim::direction::{Item, MARKS, Mark, NEVER, slice};
use crate::sim::draw::Drawer;
use crate::sim::setting::{Limit, Settings};
use crate::sim::world::{Alarm, World};

/// What may be done of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// So many bytes may be written, at least 1.
    Write(usize),
    /// It waits until the limit is lifted.
    Wait,
    Fail(Cause),
}

/// How an end is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The engine shuts it down now, for both ends.
    Direct,
    /// The end leaves now, and its peer is told later.
    Lane,
    /// It was shut down before.
    Done,
}

impl World {
    /// The end `side` of a connection has written `count` bytes that wait, to be shown at once by the caller: nothing
    /// delays them, and nothing is on its way before them. Returns whether that is so.
    pub(super) fn sent_at_once(&mut self, conn: u64, side: usize, count: usize) -> bool {
        let Some(known) = self.conns.get_mut(conn) else { return false };
        let at_once = self.dirs[known.dirs[side]].is_prompt() && !known.is_lost(0) && !known.is_lost(1);
        // Time does not go back, so no item after it is due earlier.
        let at_once = at_once && known.is_idle(side);
        if at_once {
            let lane = known.lane(side);
            lane.writes += 1;
            lane.bytes += count as u64;
        }
        at_once
    }

    /// The end `side` of a connection has written `count` bytes that wait to be shown. `more` is how much later they
    /// arrive by a rule.
    pub(super) fn sent(
        &mut self,
        conn: u64,
        side: usize,
        (count, more): (usize, u64),
        now: u64,
        actions: &mut Actions,
    ) {
        let Some(known) = self.conns.get_mut(conn) else { return };
        if known.is_lost(side) {
            // It has failed meanwhile.
            return;
        }
        let dir = known.dirs[side];
        let draws = self.dirs[known.dirs[0]].draws;
        let (direction, dial) = (&mut self.dirs[dir], known.dial);
        let lane = known.lane(side);
        let latency = direction.latency(draws, dial, side == 1, lane.writes).saturating_add(more);
        lane.writes += 1;
        lane.bytes += count as u64;
        let (mut left, mut shown) = (count, 0);
        while left > 0 {
            let piece = left.min(direction.piece());
            left -= piece;
            let due = direction.leave(now, piece).saturating_add(latency).max(lane.last);
            lane.last = due;
            if due <= direction.time(now) && direction.is_open() && lane.marks.is_empty() {
                shown += piece;
                continue;
            }
            let full = lane.marks.len() >= MARKS;
            if let Some(mark) = lane.marks.back_mut()
                && mark.epoch == direction.epoch
                && (mark.place.0 == due || full)
                && let Some(Item::Bytes { count, .. }) = direction.queue.get_mut(&mark.place)
            {
                *count += piece;
                if mark.place.0 != due
                    && let Some(item) = direction.queue.remove(&mark.place)
                {
                    mark.place.0 = due;
                    direction.queue.insert(mark.place, item);
                }
                continue;
            }
            self.items += 1;
            let place = (due, self.items);
            direction.queue.insert(place, Item::Bytes { conn, side, count: piece });
            lane.marks.push_back(Mark { place, epoch: direction.epoch, sent: now });
        }
        let limit = direction.settings.limit;
        let answered = shown > 0 && known.is_lost(1 - side);
        if shown > 0 {
            actions.extend(known.wire.upgrade().map(|wire| Action::Show(wire, side, shown)));
        }
        let reached = limit.filter(|&(most, _)| known.lane(side).bytes >= most).map(|(_, limit)| limit);
        self.schedule(dir);
        self.watch_unseen(conn, side);
        if answered {
            self.answer_lost(conn, 1 - side, now);
        }
        match reached {
            Some(Limit::Reset) => self.send_last(conn, side, Item::Break { conn, side }, 0, now, actions),
            Some(Limit::Close | Limit::Stall) | None => {}
        }
    }

    /// Sends the last item of a lane, which arrives `more` later than others would.
    fn send_last(&mut self, conn: u64, side: usize, item: Item, more: u64, now: u64, actions: &mut Actions) {
        let Some(known) = self.conns.get_mut(conn) else { return };
        let dir = known.dirs[side];
        let draws = self.dirs[known.dirs[0]].draws;
        let (direction, dial) = (&mut self.dirs[dir], known.dial);
        let lane = known.lane(side);
        let latency = direction.latency(draws, dial, side == 1, lane.writes).saturating_add(more);
        lane.writes += 1;
        let due = direction.leave(now, 0).saturating_add(latency).max(lane.last);
        lane.last = due;
        if due <= direction.time(now) && direction.is_open() && lane.marks.is_empty() {
            return self.arrive_now(dir, item, now, actions);
        }
        self.items += 1;
        let place = (due, self.items);
        lane.marks.push_back(Mark { place, epoch: direction.epoch, sent: now });
        direction.queue.insert(place, item);
        self.schedule(dir);
        self.watch_unseen(conn, side);
    }

    /// Whether the whole of an end, or what it sends, is shut down by way of its lane.
    pub(super) fn shut(&mut self, conn: u64, side: usize, how: Shutdown, actions: &mut Actions) -> Way {
        let Some(dir) = self.conns.get(conn).map(|known| known.dirs[side]) else { return Way::Direct };
        let delays = self.delays(dir);
        let Some(known) = self.conns.get_mut(conn) else { return Way::Direct };
        if how == Shutdown::Read {
            return Way::Direct;
        }
        let by_lane = delays || known.is_lost(1 - side) || !known.is_idle(side) || how == Shutdown::Vanish;
        let whole = how != Shutdown::Write;
        match known.ends[side] {
            End::Leaving(..) | End::Closed | End::Elsewhere | End::Lost(Some(_)) => return Way::Done,
            End::Ended | End::Lost(None) if !whole => return Way::Done,
            End::Lost(None) => {
                known.ends[side] = End::Lost(Some(false));
                self.forget_closed(conn, actions);
                return Way::Done;
            }
            End::Open | End::Ended => {}
        }
        if by_lane {
            known.ends[side] = if whole { End::Leaving(how, false) } else { End::Ended };
            if how == Shutdown::Vanish {
                // What the peer sends from now on is answered, whether or not a fault delays it.
                actions.extend(known.wire.upgrade().map(|wire| Action::Hold(wire, 1 - side, true)));
            }
            Way::Lane
        } else {
            known.ends[side] = if whole { End::Closed } else { End::Ended };
            if whole {
                self.forget_closed(conn, actions);
            }
            Way::Direct
        }
    }

    /// Shuts an end down of a connection without faults, of which nothing was ever delayed. `None` if it is none.
    pub(super) fn shut_plain(&mut self, conn: u64, side: usize, how: Shutdown) -> Option<Way> {
        let known = self.conns.get_mut(conn)?;
        let is_plain = |end| matches!(end, End::Open | End::Closed | End::Elsewhere);
        let is_new = (0..2).all(|side| known.lane_of(side).is_none() && is_plain(known.ends[side]));
        let looked_at = matches!(how, Shutdown::Vanish | Shutdown::Write);
        if !is_new || looked_at || self.ruled || !self.dirs[known.dirs[side]].is_plain() {
            return None;
        }
        if how == Shutdown::Read {
            return Some(Way::Direct);
        }
        if known.ends[side] != End::Open {
            return Some(Way::Done);
        }
        known.ends[side] = End::Closed;
        if known.ends[1 - side] != End::Open {
            self.conns.forget(conn, &mut self.dirs);
        }
        Some(Way::Direct)
    }

    /// The end `side` has left in the way `how`: its peer is told when that arrives.
    pub(super) fn left(&mut self, conn: u64, side: usize, how: Shutdown, now: u64, actions: &mut Actions) {
        let Some(known) = self.conns.get_mut(conn) else { return };
        match &mut known.ends[side] {
            End::Leaving(as_asked, _) => *as_asked = how,
            // It has failed meanwhile.
            End::Lost(_) => return,
            _ => {}
        }
        if self.forget_closed(conn, actions) || how == Shutdown::Vanish {
            return;
        }
        let polite = matches!(how, Shutdown::Write | Shutdown::Close);
        let Some(dir) = self.conns.get(conn).map(|known| known.dirs[side]) else { return };
        let more = if polite { self.dirs[dir].settings.slow_close } else { 0 };
        self.send_last(conn, side, Item::End { conn, side, how }, more, now, actions);
    }

    /// Forgets a connection if both ends are closed. Returns whether it did.
    fn forget_closed(&mut self, conn: u64, actions: &mut Actions) -> bool {
        let closed = |end: &End| matches!(end, End::Leaving(..) | End::Closed | End::Lost(Some(_)) | End::Elsewhere);
        let both = self.conns.get(conn).is_some_and(|known| known.ends.iter().all(closed));
        if both {
            self.forget(conn, actions);
        }
        both
    }

    /// The end `side` has no handle any more. Returns whether the engine may release it now.
    pub(super) fn release_end(&mut self, conn: u64, side: usize) -> bool {
        match self.conns.get_mut(conn).map(|known| &mut known.ends[side]) {
            Some(End::Leaving(_, released) | End::Lost(Some(released))) => {
                *released = true;
                false
            }
            _ => true,
        }
    }

    /// Looks at a write of `len` bytes.
    pub(super) fn look(&mut self, conn: u64, side: usize, len: usize) -> Look {
        let Some(known) = self.conns.get_mut(conn) else { return Look::Write(len) };
        let settings = &self.dirs[known.dirs[side]].settings;
        let draws = self.dirs[known.dirs[0]].draws;
        let dial = known.dial;
        let lane = known.lane(side);
        let mut most = len;
        if let Some((limit, then)) = settings.limit {
            let left = limit.saturating_sub(lane.bytes);
            if left == 0 {
                return match then {
                    Limit::Close => Look::Fail(Cause::BrokenPipe),
                    Limit::Reset => Look::Fail(Cause::ConnectionReset),
                    Limit::Stall => Look::Wait,
                };
            }
            most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if let Some(sizes) = settings.slicer {
            lane.slices += 1;
            most = most.min(slice(sizes, draws.draw(Drawer::Slice, dial, side == 1, lane.slices)));
        }
        Look::Write(most)
    }

    /// What faults do to the bytes that the end `side` sends, but for how many are on their way.
    pub(super) fn status(&self, conn: u64, side: usize) -> Option<DelayStatus> {
        let known = self.conns.get(conn)?;
        let dir = known.dirs[side];
        if !self.delays(dir) && known.is_idle(side) {
            return None;
        }
        let Settings { cut, held, latency, .. } = self.dirs[dir].settings;
        Some(DelayStatus { cut: cut.is_some(), held, latency: latency.0, ..DelayStatus::default() })
    }

    /// The hosts of a connection, from the end `side` on.
    pub(super) fn hosts(&self, conn: u64, side: usize) -> Option<[HostName; 2]> {
        let direction = &self.dirs[self.conns.get(conn)?.dirs[side]];
        Some([direction.from, direction.to])
    }

    /// Whether the limit of what the end `side` may write was reached just now, so that the stream ends.
    pub(super) fn ends_now(&self, conn: u64, side: usize) -> bool {
        self.conns.get(conn).is_some_and(|known| {
            let limit = self.dirs[known.dirs[side]].settings.limit;
            let bytes = known.lane_of(side).map_or(0, |lane| lane.bytes);
            let reached = limit.is_some_and(|(most, then)| then == Limit::Close && bytes >= most);
            reached && known.ends[side] == End::Open
        })
    }

    /// How many of `len` bytes a read at the end `side` may return, at least 1.
    pub(super) fn short(&mut self, conn: u64, side: usize, len: usize) -> usize {
        let Some(known) = self.conns.get_mut(conn) else { return len };
        if !self.dirs[known.dirs[1 - side]].settings.short_reads {
            return len;
        }
        let draws = self.dirs[known.dirs[0]].draws;
        let dial = known.dial;
        let lane = known.lane(1 - side);
        lane.slices += 1;
        let draw = draws.below(len as u64, Drawer::ShortRead, dial, side == 1, lane.slices);
        1 + draw as usize
    }

    /// Sets the alarm of the oldest item that the end `side` has sent and that has not arrived, if there is a limit.
    pub(super) fn watch_unseen(&mut self, conn: u64, side: usize) {
        let Some(known) = self.conns.get_mut(conn) else { return };
        let limit = self.dirs[known.dirs[side]].settings.user_timeout;
        if known.lane_of(side).is_none() {
            return;
        }
        let lane = known.lane(side);
        let ends = limit.and_then(|limit| Some(lane.marks.front()?.sent.saturating_add(limit)));
        if lane.alarm.map(|(at, _)| at) == ends {
            return;
        }
        if let Some(place) = lane.alarm.take() {
            self.alarms.remove(&place);
        }
        if let Some(ends) = ends {
            self.items += 1;
            lane.alarm = Some((ends, self.items));
            self.alarms.insert((ends, self.items), Alarm::Unseen(conn, side));
        }
    }

    /// An alarm of unseen items: the end fails, and what it has sent is dropped, as TCP flushes its queues then.
    pub(super) fn lose(&mut self, conn: u64, side: usize, actions: &mut Actions) {
        let Some(known) = self.conns.get_mut(conn) else { return };
        known.lane(side).alarm = None;
        if matches!(known.ends[side], End::Open | End::Ended) {
            known.ends[side] = End::Lost(None);
            let dir = known.dirs[side];
            for mark in known.lane(side).marks.drain(..) {
                self.dirs[dir].queue.remove(&mark.place);
            }
            if let Some(wire) = known.wire.upgrade() {
                // What the peer sends from now on is answered, whether or not a fault delays it.
                actions.push(Action::Hold(wire.clone(), 1 - side, true));
                actions.push(Action::TimeOut(wire, side));
            }
            self.schedule(dir);
        }
    }

    /// An item that is due as it is sent.
    fn arrive_now(&mut self, dir: usize, item: Item, now: u64, actions: &mut Actions) {
        if let Item::End { conn, side, .. } | Item::Break { conn, side } = &item
            && let Some(known) = self.conns.get_mut(*conn)
        {
            // It is taken out again at once.
            known.lane(*side).marks.push_back(Mark { place: (NEVER, 0), epoch: 0, sent: now });
        }
        self.arrive(dir, item, now, actions);
    }
}
