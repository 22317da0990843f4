//! Dials, their answers, and writes of a rendezvous on their way.

use alloc::sync::{Arc, Weak};

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::error::cause::Cause;
use crate::sim::action::{Action, Actions};
use crate::sim::conn::Way;
use crate::sim::conns::{Conn, End};
use crate::sim::direction::{DIAL, Item};
use crate::sim::letter::{Letter, Outcome};
use crate::sim::setting::{Cut, Settings};
use crate::sim::wire::Wire;
use crate::sim::world::{Alarm, World};

/// A letter that is on its way: with its direction, and its number among all items.
pub(super) type Sent = (Arc<Letter>, usize, u64);

/// A dial that begins.
#[derive(Default)]
pub(super) struct Begun {
    /// Arrives where the listener is; `None` if it has arrived.
    pub(super) request: Option<Sent>,
    /// Whether it is refused there, or has been on its way.
    pub(super) refused: Option<Refused>,
    /// Whether something of it is due later.
    pub(super) is_late: bool,
}

/// Where a dial is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// At the host that it is for.
    There,
    /// By the link, which is cut.
    OnTheWay,
}

impl World {
    /// A dial begins that no rule delays: if it is known to arrive at once, as is the next one between two hosts without
    /// faults. That takes no look at the clock.
    pub(super) fn dial_at_once<W: Wire + 'static>(
        &mut self,
        [from, to]: [&HostName; 2],
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> Option<Arc<W>> {
        let dirs = self.recent(from, to).filter(|dirs| self.dirs[dirs[0]].passes_dials())?;
        Some(self.register(dirs, to, wire).1)
    }

    /// A dial begins, or begins anew that `began` then. By a rule, it arrives later by `more`, or is refused. `wire` makes
    /// the links of its connection for its number.
    pub(super) fn dial<W: Wire + 'static>(
        &mut self,
        [from, to]: [&HostName; 2],
        (more, refused): (u64, Option<Refused>),
        (began, now): (u64, u64),
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> (Begun, Arc<W>) {
        let dirs = self.both(from, to, now);
        let ((number, wire), dir) = (self.register(dirs, to, wire), dirs[0]);
        let mut begun = Begun { request: None, refused, is_late: false };
        if !self.dirs[dir].passes_dials() || more > 0 || refused.is_some() {
            self.send_dial((number, dir), &mut begun, more, (began, now));
        }
        (begun, wire)
    }

    /// Sends the request of a dial that faults refuse or delay.
    fn send_dial(&mut self, (conn, dir): (u64, usize), begun: &mut Begun, more: u64, (began, now): (u64, u64)) {
        let dial = self.dirs[dir].dials;
        let Settings { cut, refuse, connect_timeout, .. } = self.dirs[dir].settings;
        match (cut == Some(Cut::Reset), refuse) {
            (true, _) => begun.refused = Some(Refused::OnTheWay),
            (false, true) => begun.refused = Some(Refused::There),
            (false, false) => {}
        }
        if let Some(limit) = connect_timeout {
            begun.is_late = true;
            let place = (began.saturating_add(limit), self.next_number());
            self.alarms.insert(place, Alarm::Dial(conn));
            self.conns.any_mut(conn).into_iter().for_each(|known| known.limit = Some(place));
        }
        if begun.refused != Some(Refused::OnTheWay) {
            let direction = &mut self.dirs[dir];
            let due = direction.dial_due(now, dial, more);
            if due > direction.time(now) || !direction.is_open() {
                let letter = Arc::new(Letter::new());
                let (_, number) = self.post(dir, due, Item::Dial(letter.clone(), dial));
                (begun.request, begun.is_late) = (Some((letter, dir, number)), true);
            }
        }
    }

    /// A connection is made that was dialled elsewhere.
    pub(super) fn incoming<W: Wire + 'static>(
        &mut self,
        [from, to]: [&HostName; 2],
        now: u64,
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> Arc<W> {
        let dirs = self.both(from, to, now);
        let (number, wire) = self.register(dirs, to, wire);
        self.conns.any_mut(number).into_iter().for_each(|known| known.dialling = false);
        wire
    }

    /// A connection to `to` is dialled, in these directions: its number.
    fn register<W: Wire + 'static>(
        &mut self,
        dirs: [usize; 2],
        to: &HostName,
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> (u64, Arc<W>) {
        let cuts = self.cuts(to);
        let direction = &mut self.dirs[dirs[0]];
        direction.dials += 1;
        let (dial, number) = (direction.dials, self.conns.next());
        let wire = wire(number);
        let weak: Weak<W> = Arc::downgrade(&wire);
        self.conns.add(Conn::new(weak, dial, dirs, cuts), &mut self.dirs);
        (number, wire)
    }

    /// A listener has accepted a dial, or refused it: the answer is sent, unless it was. Returns whether it was, or has
    /// arrived at once since no fault is on.
    pub(super) fn answers_at_once(&mut self, conn: u64, accepted: bool) -> bool {
        let Some(known) = self.conns.any_mut(conn).filter(|known| known.dialling) else { return true };
        let (later, back) = (known.limit.is_some() || known.answer.is_some(), known.dirs[1]);
        let at_once = !later && self.is_plain(back) && (accepted || !self.is_forgotten(conn));
        if at_once {
            self.conns.any_mut(conn).into_iter().for_each(|known| known.dialling = false);
        }
        at_once
    }

    /// The same if a fault is on, or the dial has a limit. A host that has lost its power since has forgotten the dial,
    /// and does not refuse it.
    pub(super) fn answer(&mut self, conn: u64, accepted: bool, now: u64, actions: &mut Actions) {
        let Some(known) = self.conns.any_mut(conn).filter(|known| known.dialling && known.answer.is_none()) else {
            return;
        };
        let (dial, [dir, back]) = (known.dial, known.dirs);
        if !accepted && self.is_forgotten(conn) {
            return;
        }
        let (draws, direction) = (self.dirs[dir].draws, &self.dirs[back]);
        let due = direction.time(now).saturating_add(direction.latency(draws, dial, true, DIAL));
        if due <= direction.time(now) && direction.is_open() {
            self.answered(conn, actions);
        } else {
            let place = self.post(back, due, Item::Answer(conn));
            self.conns.any_mut(conn).into_iter().for_each(|known| known.answer = Some(place));
        }
    }

    /// The answer of a dial arrives.
    pub(super) fn answered(&mut self, conn: u64, actions: &mut Actions) {
        let Some(known) = self.conns.any_mut(conn) else { return };
        (known.dialling, known.answer) = (false, None);
        known.limit.take().and_then(|place| self.alarms.remove(&place));
        actions.extend(known.wire.upgrade().map(|wire| Action::SettleDial(wire, Outcome::Arrived)));
    }

    /// Whether a dial has no answer, and the host that it is for has lost its power since.
    pub(super) fn is_forgotten(&mut self, conn: u64) -> bool {
        let Some(known) = self.conns.any_mut(conn).filter(|known| known.dialling && known.answer.is_none()) else {
            return false;
        };
        let (dir, cuts) = (known.dirs[0], known.cuts);
        self.cuts(&self.dirs[dir].to) != cuts
    }

    /// A dial is done, or was dropped. Returns whether something of it that was due later is gone.
    pub(super) fn dialled(&mut self, conn: u64) -> bool {
        let Some(known) = self.conns.any_mut(conn) else { return false };
        known.dialling = false;
        let (open, limit, answer, back) = (known.open, known.limit.take(), known.answer.take(), known.dirs[1]);
        if !open {
            self.conns.remove(conn, &mut self.dirs);
        }
        let limited = limit.is_some_and(|place| self.alarms.remove(&place).is_some());
        let Some(place) = answer else { return limited };
        self.dirs[back].queue.remove(&place);
        self.schedule(back);
        true
    }

    /// Takes the letter with this number off its way.
    pub(super) fn take_letter(&mut self, dir: usize, number: u64) -> Option<Arc<Letter>> {
        let queue = &mut self.dirs[dir].queue;
        let place = queue.iter().find(|((_, known), _)| *known == number).map(|(place, _)| *place)?;
        let letter = queue.remove(&place)?.letter()?;
        self.schedule(dir);
        Some(letter)
    }

    /// A write of a rendezvous is sent: it is offered when it arrives. `None` if it is offered at once.
    pub(super) fn send_offer(
        &mut self,
        conn: u64,
        side: usize,
        count: usize,
        letter: &Arc<Letter>,
        (more, now): (u64, u64),
    ) -> Option<(usize, u64)> {
        let dir = self.conns.get(conn)?.dirs[side];
        let delays = self.delays(dir);
        let known = self.conns.get_mut(conn)?;
        if !delays && !known.is_lost(1 - side) || known.ends[side] != End::Open {
            return None;
        }
        let draws = self.dirs[known.dirs[0]].draws;
        let (direction, dial) = (&mut self.dirs[dir], known.dial);
        let lane = known.lane(side);
        let latency = direction.latency(draws, dial, side == 1, lane.writes).saturating_add(more);
        lane.writes += 1;
        let due = direction.leave(now, count).saturating_add(latency).max(lane.last);
        lane.last = due;
        if due <= direction.time(now) && direction.is_open() {
            self.answer_lost(conn, 1 - side, now);
            return None;
        }
        let (_, number) = self.post(dir, due, Item::Offer { conn, side, letter: letter.clone() });
        Some((dir, number))
    }

    /// Whether a write of the end `side` may still be on its way.
    pub(super) fn is_open(&self, conn: u64, side: usize) -> bool {
        self.conns.get(conn).is_some_and(|known| known.ends[side] == End::Open && known.ends[1 - side] != End::Closed)
    }

    /// An end of an engine that cannot tell its peer later is shut down.
    pub(super) fn shut_at_once(&mut self, conn: u64, side: usize, how: Shutdown, actions: &mut Actions) -> Way {
        if let Some(known) = self.conns.get_mut(conn)
            && !matches!(how, Shutdown::Read | Shutdown::Write)
        {
            known.ends[side] = End::Closed;
            if known.ends.iter().all(|end| matches!(end, End::Closed | End::Elsewhere)) {
                self.forget(conn, actions);
            }
        }
        Way::Direct
    }
}

/// What a dial reports that was refused.
pub(super) const REFUSED: Cause = Cause::ConnectionRefused;
