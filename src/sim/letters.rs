//! Dials, their answers, and writes of a rendezvous on their way.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::error::cause::Cause;
use crate::sim::conn::Way;
use crate::sim::direction::{DIAL, DialRoute, Item};
use crate::sim::letter::Letter;
use crate::sim::setting::Cut;
use crate::sim::world::{Action, Alarm, End, World};

/// A letter that is on its way: with its direction, and its number among all items.
pub(super) type Sent = (Arc<Letter>, usize, u64);

/// A dial that begins.
pub(super) struct Begun {
    pub(super) route: DialRoute,
    /// The number of its connection.
    pub(super) conn: u64,
    /// Fails if the dial is refused on its way, or takes too long.
    pub(super) fate: Arc<Letter>,
    /// Arrives where the listener is; `None` if it has arrived.
    pub(super) request: Option<Sent>,
    /// Whether it is refused there, or has been on its way.
    pub(super) refused: Option<Refused>,
    /// How often the host that it is for has lost its power before.
    pub(super) cuts: u64,
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
    /// A dial begins, or begins anew that `began` then. By a rule, it arrives later by `more`, or is refused.
    pub(super) fn dial(
        &mut self,
        from: &HostName,
        to: &HostName,
        (more, refused): (u64, Option<Refused>),
        (began, now): (u64, u64),
    ) -> Begun {
        let dirs = [self.direction(from, to, now), self.direction(to, from, now)];
        let conn = self.next_conn();
        let direction = &mut self.dirs[dirs[0]];
        direction.dials += 1;
        let (dial, fate) = (direction.dials, Arc::new(Letter::new()));
        let reset = direction.settings.cut == Some(Cut::Reset);
        let refused = match (reset, direction.settings.refuse) {
            (true, _) => Some(Refused::OnTheWay),
            (false, true) => Some(Refused::There),
            (false, false) => refused,
        };
        let limit = direction.settings.connect_timeout;
        let alarm = limit.map(|limit| {
            let place = (began.saturating_add(limit), self.next_number());
            self.alarms.insert(place, Alarm::Dial(dirs[0], dial));
            place
        });
        let direction = &mut self.dirs[dirs[0]];
        direction.dialling.insert(dial, (fate.clone(), alarm));
        let mut request = None;
        if refused != Some(Refused::OnTheWay) {
            let due = direction.dial_due(now, dial, more);
            if due > direction.time(now) || !direction.is_open() {
                let letter = Arc::new(Letter::new());
                let (_, number) = self.post(dirs[0], due, Item::Dial(letter.clone(), dial));
                request = Some((letter, dirs[0], number));
            }
        }
        Begun { route: DialRoute { dirs, dial }, conn, fate, request, refused, cuts: self.cuts(to) }
    }

    /// The number of a connection that was dialled elsewhere, and its route.
    pub(super) fn incoming(&mut self, from: &HostName, to: &HostName, now: u64) -> (u64, DialRoute) {
        let dirs = [self.direction(from, to, now), self.direction(to, from, now)];
        let direction = &mut self.dirs[dirs[0]];
        direction.dials += 1;
        let dial = direction.dials;
        (self.next_conn(), DialRoute { dirs, dial })
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

    /// A dial is done, or was dropped.
    pub(super) fn dialled(&mut self, dir: usize, dial: u64, actions: &mut Vec<Action>) {
        if let Some((letter, alarm)) = self.dirs[dir].dialling.remove(&dial) {
            alarm.and_then(|place| self.alarms.remove(&place));
            actions.push(Action::Drop(letter));
        }
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
        let dir = self.conns.get(&conn)?.dirs[side];
        let delays = self.delays(dir);
        let known = self.conns.get_mut(&conn)?;
        if !delays && !known.is_lost(1 - side) || known.ends[side] != End::Open {
            return None;
        }
        let draws = self.dirs[known.dirs[0]].draws;
        let (direction, lane) = (&mut self.dirs[dir], &mut known.lanes[side]);
        let latency = direction.latency(draws, known.dial, side == 1, lane.writes).saturating_add(more);
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
        self.conns.get(&conn).is_some_and(|known| known.ends[side] == End::Open && known.ends[1 - side] != End::Closed)
    }

    /// An end of an engine that cannot tell its peer later is shut down.
    pub(super) fn shut_at_once(&mut self, conn: u64, side: usize, how: Shutdown, actions: &mut Vec<Action>) -> Way {
        if let Some(known) = self.conns.get_mut(&conn)
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
