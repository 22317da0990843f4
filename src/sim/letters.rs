//! Dials, their answers, and writes of a rendezvous on their way.

use alloc::sync::{Arc, Weak};

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::error::cause::Cause;
use crate::sim::action::Actions;
use crate::sim::conn::Way;
use crate::sim::conns::{Conn, End};
use crate::sim::direction::{DIAL, DialRoute, Item};
use crate::sim::letter::Letter;
use crate::sim::setting::{Cut, Settings};
use crate::sim::wire::Wire;
use crate::sim::world::{Alarm, World};

/// A letter that is on its way: with its direction, and its number among all items.
pub(super) type Sent = (Arc<Letter>, usize, u64);

/// A dial that begins.
pub(super) struct Begun {
    pub(super) route: DialRoute,
    /// Arrives where the listener is; `None` if it has arrived.
    pub(super) request: Option<Sent>,
    /// Whether it is refused there, or has been on its way.
    pub(super) refused: Option<Refused>,
    /// How often the host that it is for has lost its power before.
    pub(super) cuts: u64,
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
    /// A dial begins, or begins anew that `began` then. By a rule, it arrives later by `more`, or is refused. `wire` makes
    /// the links of its connection for its number.
    pub(super) fn dial<W: Wire + 'static>(
        &mut self,
        [from, to]: [&HostName; 2],
        (more, refused): (u64, Option<Refused>),
        (began, now): (u64, u64),
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> (Begun, Arc<W>) {
        let (number, route, wire) = self.register([from, to], now, wire);
        let mut begun = Begun { route, request: None, refused, cuts: self.cuts(to), is_late: false };
        if !self.dirs[route.dirs[0]].passes_dials() || more > 0 || refused.is_some() {
            self.send_dial(number, &mut begun, more, (began, now));
        }
        (begun, wire)
    }

    /// Sends the request of a dial that faults refuse or delay.
    fn send_dial(&mut self, conn: u64, begun: &mut Begun, more: u64, (began, now): (u64, u64)) {
        let DialRoute { dirs: [dir, _], dial } = begun.route;
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
        hosts: [&HostName; 2],
        now: u64,
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> Arc<W> {
        let (number, _, wire) = self.register(hosts, now, wire);
        self.conns.any_mut(number).into_iter().for_each(|known| known.dialling = false);
        wire
    }

    /// A connection is dialled: its number, and its route.
    fn register<W: Wire + 'static>(
        &mut self,
        [from, to]: [&HostName; 2],
        now: u64,
        wire: impl FnOnce(u64) -> Arc<W>,
    ) -> (u64, DialRoute, Arc<W>) {
        let dirs = self.both(from, to, now);
        let direction = &mut self.dirs[dirs[0]];
        direction.dials += 1;
        let (dial, number) = (direction.dials, self.conns.next());
        let wire = wire(number);
        let weak: Weak<W> = Arc::downgrade(&wire);
        self.conns.add(Conn::new(weak, dial, dirs), &mut self.dirs);
        (number, DialRoute { dirs, dial }, wire)
    }

    /// The answer of a dial is sent. `None` if it has arrived.
    pub(super) fn answer(&mut self, route: DialRoute, now: u64) -> Option<Sent> {
        let DialRoute { dirs: [dir, back], dial } = route;
        let draws = self.dirs[dir].draws;
        let direction = &self.dirs[back];
        let due = direction.time(now).saturating_add(direction.latency(draws, dial, true, DIAL));
        if due <= direction.time(now) && direction.is_open() {
            return None;
        }
        let letter = Arc::new(Letter::new());
        let (_, number) = self.post(back, due, Item::Answer(letter.clone()));
        Some((letter, back, number))
    }

    /// The answer of a dial is sent, and arrives at once since no fault is on. Returns whether it does.
    pub(super) fn answered(&mut self, conn: u64, route: DialRoute) -> bool {
        let limited = self.conns.any_mut(conn).is_none_or(|known| known.limit.is_some());
        let at_once = !limited && self.is_plain(route.dirs[1]);
        if at_once {
            self.dialled(conn);
        }
        at_once
    }

    /// A dial is done, or was dropped. Returns whether an alarm of it is gone.
    pub(super) fn dialled(&mut self, conn: u64) -> bool {
        let Some(known) = self.conns.any_mut(conn) else { return false };
        known.dialling = false;
        let (open, limit) = (known.open, known.limit.take());
        if !open {
            self.conns.remove(conn, &mut self.dirs);
        }
        limit.is_some_and(|place| self.alarms.remove(&place).is_some())
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
