//! Steps on all slots, and the tasks that wait for one.

use core::fmt;
use core::task::{Context, Poll, Waker};

use super::slot::{Arrival, Conn, Direction, End, Item, Lane, Pair, Slot, Waiting};
use crate::addr::name::HostName;
use crate::contract::engine::Shutdown;
use crate::error::cause::{Cause, Resource};
use crate::sync::Lock;
use crate::wait::clock::{Class, Time, TimeSource, Timer};
use crate::wait::waker::{Wakers, is_noop, poll_locked};

/// The slots of some faults, of any number, with their clock.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) clock: &'static dyn TimeSource,
    /// Whether all goes through lanes, though nothing delays it.
    pub(super) lanes: bool,
    pub(super) slots: &'static Lock<[Slot]>,
}

/// The connection that has a slot now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    slot: u16,
    generation: u16,
}

/// What a task waits to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Read = 0,
    Write = 1,
}

/// How an end is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The engine does it now, for both ends.
    Direct,
    /// The end leaves now, and its peer is told later.
    Lane,
    /// It was done before.
    Done,
}

/// What has arrived that an end has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    /// The end that has sent it.
    pub(super) side: usize,
    pub(super) item: Item,
    /// Whether that end is to be released.
    pub(super) released: bool,
}

impl Table {
    pub(super) fn step<R>(&self, step: impl FnOnce(&mut Slots<'_>) -> R) -> R {
        let now = self.clock.now().as_nanos();
        self.slots.with(|slots| step(&mut Slots { slots, lanes: self.lanes, now }))
    }

    /// Waits until the letter of a dial arrives that the end `side` has sent: its request, or its answer.
    pub(super) fn poll_letter(&self, id: Id, side: usize, cx: &mut Context<'_>) -> Poll<()> {
        let look = |slots: &mut Slots<'_>| {
            let (way, now) = (slots.way(id, side)?, slots.now);
            let lane = &mut slots.conn(id)?.lanes[side];
            let (arrival, _) = lane.next(&way, now).filter(|&(_, item)| item == Item::Letter)?;
            if arrival == Arrival::Now {
                lane.take();
            }
            Some(arrival)
        };
        self.poll(id, (0, Role::Read), cx.waker(), look).map(drop)
    }

    /// Registers a task of the end `side` that waits for something to arrive. Returns whether it has to wait, and not to
    /// look again.
    pub(super) fn wait(&self, id: Id, side: usize, role: Role, waker: &Waker) -> bool {
        self.poll(id, (side, role), waker, |slots| slots.next(id, 1 - side)) != Poll::Ready(true)
    }

    /// `Ready(true)` if that has arrived, and `Ready(false)` if the connection is not known. Else registers the task, and
    /// sets a timer.
    fn poll(
        &self,
        id: Id,
        (side, role): (usize, Role),
        waker: &Waker,
        look: impl Fn(&mut Slots<'_>) -> Option<Arrival>,
    ) -> Poll<bool> {
        let mut at = None;
        let outcome = poll_locked(waker, |registration| {
            self.step(|slots| match look(slots) {
                None => Poll::Ready(false),
                Some(Arrival::Now) => Poll::Ready(true),
                Some(arrival) => {
                    at = if let Arrival::At(at) = arrival { Some(at) } else { None };
                    slots.waiting(id, side, role).map(|waiting| registration.register(&mut waiting.tasks));
                    Poll::Pending
                }
            })
        });
        if outcome.is_pending() && !is_noop(waker) {
            let timer = at.map(|at| self.clock.wake_at(Time::from_nanos(at), Class::Delivery, waker.clone()));
            let before = self.step(|slots| match slots.waiting(id, side, role) {
                Some(waiting) => core::mem::replace(&mut waiting.timer, timer),
                None => timer,
            });
            self.forget(before);
        }
        outcome
    }

    fn forget(&self, timer: Option<Timer>) {
        timer.into_iter().for_each(|timer| _ = self.clock.forget(timer));
    }

    /// A task waits no more: others that wait for the same look again.
    pub(super) fn leave(&self, id: Id, side: usize, role: Role) {
        let waiting = self.step(|slots| slots.take_waiting(id, side, role));
        waiting.into_iter().for_each(|waiting| self.end(waiting));
    }

    /// The tasks of an end look again.
    pub(super) fn wake(&self, id: Id, side: usize) {
        [Role::Read, Role::Write].into_iter().for_each(|role| self.leave(id, side, role));
    }

    /// All tasks that wait look again.
    pub(super) fn wake_all(&self) {
        let count = self.slots.with(|slots| slots.len());
        for slot in 0..count {
            let id = self.slots.with(|slots| Id { slot: slot as u16, generation: slots[slot].conn.generation });
            (0..2).for_each(|side| self.wake(id, side));
        }
    }

    fn end(&self, waiting: Waiting) {
        self.forget(waiting.timer);
        waiting.tasks.wake();
    }

    /// The connection needs no place any more.
    pub(super) fn free(&self, id: Id) {
        let waiting = self.step(|slots| {
            let conn = slots.conn(id)?;
            conn.pair = None;
            Some(core::mem::replace(&mut conn.waiting, Conn::NO_TASKS))
        });
        waiting.into_iter().flatten().flatten().for_each(|waiting| self.end(waiting));
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

/// All slots, at one time.
pub(super) struct Slots<'a> {
    pub(super) slots: &'a mut [Slot],
    lanes: bool,
    pub(super) now: u64,
}

impl Slots<'_> {
    /// The place of a pair of hosts, which it takes if it has none, and whether it is known the other way round.
    pub(super) fn pair(&mut self, from: &HostName, to: &HostName) -> Result<(usize, bool), Cause> {
        if let Some(known) = self.known_pair(from, to) {
            return Ok(known);
        }
        let free = (0..self.slots.len()).find(|&at| self.is_free(at)).ok_or(self.full())?;
        self.slots[free].pair = Pair { hosts: [*from, *to], ..Pair::EMPTY };
        Ok((free, false))
    }

    fn known_pair(&self, from: &HostName, to: &HostName) -> Option<(usize, bool)> {
        let at = |hosts: [&HostName; 2]| self.slots.iter().position(|slot| slot.pair.hosts.each_ref() == hosts);
        at([from, to]).map(|at| (at, false)).or_else(|| at([to, from]).map(|at| (at, true)))
    }

    /// Whether the place of a pair can be another's.
    fn is_free(&self, at: usize) -> bool {
        !self.slots[at].pair.named && !self.slots.iter().any(|slot| slot.conn.pair == Some(at as u16))
    }

    fn full(&self) -> Cause {
        Cause::Full(Resource::Faults, self.slots.len() as u32)
    }

    /// A dial begins. A host's way to itself has faults only if it is named.
    pub(super) fn dial(&mut self, from: &HostName, to: &HostName) -> Result<Option<Id>, Cause> {
        if from == to && self.known_pair(from, to).is_none() {
            return Ok(None);
        }
        let slot = self.slots.iter().position(|slot| slot.conn.pair.is_none()).ok_or(self.full())?;
        let (pair, flipped) = self.pair(from, to)?;
        let conn = &mut self.slots[slot].conn;
        conn.take_place(pair as u16, flipped);
        Ok(Some(Id { slot: slot as u16, generation: conn.generation }))
    }

    /// The end `side` sends the letter of a dial, unless it did: 0 the request, 1 the answer.
    pub(super) fn send_letter(&mut self, id: Id, side: usize) {
        let delays = self.way(id, side).is_some_and(|way| way.delays());
        let sent = self.conn(id).is_none_or(|conn| core::mem::replace(&mut conn.letters[side], true));
        if delays && !sent {
            self.send(id, side, Item::Letter);
        }
    }

    /// The faults of a pair are about to change.
    pub(super) fn note_arrived(&mut self, pair: usize) {
        let (ways, now) = (self.slots[pair].pair.ways, self.now);
        for Slot { conn, .. } in self.slots.iter_mut().filter(|slot| slot.conn.pair == Some(pair as u16)) {
            let flipped = usize::from(conn.flipped);
            (0..2).for_each(|side| conn.lanes[side].note_arrived(&ways[side ^ flipped], now));
        }
    }

    pub(super) fn conn(&mut self, id: Id) -> Option<&mut Conn> {
        let conn = &mut self.slots.get_mut(usize::from(id.slot))?.conn;
        (conn.pair.is_some() && conn.generation == id.generation).then_some(conn)
    }

    /// A connection has ends from now on, which may be closed by way of lanes.
    pub(super) fn open(&mut self, id: Id) {
        self.conn(id).into_iter().for_each(|conn| conn.open = true);
    }

    /// There is no connection: nothing but its answer is on its way.
    pub(super) fn refuse(&mut self, id: Id) {
        if let Some(conn) = self.conn(id) {
            conn.open = false;
            if !conn.letters[1] {
                conn.lanes[1] = Lane::EMPTY;
            }
        }
    }

    /// The direction in which the end `side` sends.
    pub(super) fn way(&mut self, id: Id, side: usize) -> Option<Direction> {
        let conn = self.conn(id)?;
        let (pair, way) = (conn.pair?, side ^ usize::from(conn.flipped));
        Some(self.slots.get(usize::from(pair))?.pair.ways[way])
    }

    /// Whether what the end `side` sends now arrives later.
    pub(super) fn delays(&mut self, id: Id, side: usize) -> bool {
        let delays = self.lanes || self.way(id, side).is_some_and(|way| way.delays());
        delays || self.conn(id).is_some_and(|conn| !conn.lanes[side].is_empty())
    }

    /// When the next item arrives that the end `side` has sent.
    fn next(&mut self, id: Id, side: usize) -> Option<Arrival> {
        let (way, now) = (self.way(id, side)?, self.now);
        let next = self.conn(id)?.lanes[side].next(&way, now);
        Some(next.map_or(Arrival::Unknown, |(arrival, _)| arrival))
    }

    /// The end `side` sends something.
    pub(super) fn send(&mut self, id: Id, side: usize, item: Item) {
        let Some(way) = self.way(id, side) else { return };
        let due = way.due(self.now);
        if let Some(Conn { lanes, .. }) = self.conn(id) {
            let lane: &mut Lane = &mut lanes[side];
            lane.send(due, item);
        }
    }

    /// Takes an item that has arrived.
    pub(super) fn arrived(&mut self, id: Id) -> Option<Arrived> {
        let side = (0..2).find(|&side| self.next(id, side) == Some(Arrival::Now))?;
        let conn = self.conn(id)?;
        let item = conn.lanes[side].take()?;
        let mut released = false;
        if let (Item::End(how), End::Leaving(_, without_handle)) = (item, conn.ends[side])
            && how != Shutdown::Write
        {
            released = without_handle;
            conn.ends[side] = End::Closed;
        }
        Some(Arrived { side, item, released })
    }

    /// The end `side`, or what it writes, is to be shut down.
    pub(super) fn shut(&mut self, id: Id, side: usize, how: Shutdown) -> Way {
        let delays = self.delays(id, side);
        let Some(conn) = self.conn(id).filter(|conn| conn.open) else { return Way::Direct };
        let whole = how != Shutdown::Write;
        match conn.ends[side] {
            End::Leaving(..) | End::Closed => Way::Done,
            End::Ended if !whole => Way::Done,
            End::Open | End::Ended => {
                conn.ends[side] = match (delays, whole) {
                    (true, true) => End::Leaving(how, false),
                    (true, false) => End::Ended,
                    (false, true) => End::Closed,
                    (false, false) => End::Open,
                };
                if delays { Way::Lane } else { Way::Direct }
            }
        }
    }

    /// Whether the end `side` is closed, though its peer may not know.
    pub(super) fn is_closed(&mut self, id: Id, side: usize) -> bool {
        self.conn(id).is_some_and(|conn| matches!(conn.ends[side], End::Leaving(..) | End::Closed))
    }

    /// The end `side` has left in the way `how`.
    pub(super) fn left(&mut self, id: Id, side: usize, how: Shutdown) {
        if let Some(Conn { ends, .. }) = self.conn(id)
            && let End::Leaving(as_asked, _) = &mut ends[side]
        {
            *as_asked = how;
        }
        self.send(id, side, Item::End(how));
    }

    /// The end `side` has no handle any more. Returns whether the engine may release it now.
    pub(super) fn release(&mut self, id: Id, side: usize) -> bool {
        match self.conn(id).map(|conn| &mut conn.ends[side]) {
            Some(End::Leaving(_, released)) => {
                *released = true;
                false
            }
            _ => true,
        }
    }

    /// How the ends of a connection left whose peers were not told, if both are closed. It is not told again.
    pub(super) fn take_leaving(&mut self, id: Id) -> Option<[Option<(Shutdown, bool)>; 2]> {
        let conn = self.conn(id).filter(|conn| conn.is_over())?;
        Some(conn.ends.each_mut().map(|end| match core::mem::replace(end, End::Closed) {
            End::Leaving(how, released) => Some((how, released)),
            _ => None,
        }))
    }

    fn waiting(&mut self, id: Id, side: usize, role: Role) -> Option<&mut Waiting> {
        Some(&mut self.conn(id)?.waiting[side][role as usize])
    }

    fn take_waiting(&mut self, id: Id, side: usize, role: Role) -> Option<Waiting> {
        Some(core::mem::replace(self.waiting(id, side, role)?, Waiting::NONE))
    }
}
