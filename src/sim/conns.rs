//! The connections that faults know: by their numbers, and those of each direction in the order of their dials.
//!
//! A connection is known from the start of its dial on, so that a fault which is set later finds it. It takes a place
//! that another has left, and is linked to its neighbours in both directions: a dial and a close search for nothing.

use alloc::boxed::Box;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::ops::Range;

use crate::contract::engine::Shutdown;
use crate::sim::direction::{Direction, Lane, NONE, Place, Row};
use crate::sim::wire::Wire;

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
    /// What each side sends, from the first time on that it takes its way through a lane.
    lanes: [Option<Box<Lane>>; 2],
    pub(super) ends: [End; 2],
    /// Whether its engine has made it, and it was not forgotten since.
    pub(super) open: bool,
    /// Whether its dial has no answer yet, and the alarm of the time limit of that.
    pub(super) dialling: bool,
    pub(super) limit: Option<Place>,
    /// Where the answer is, once it was sent and if it is on its way.
    pub(super) answer: Option<Place>,
    /// How often the host that it is for had lost its power before.
    pub(super) cuts: u64,
    /// The places of those before and after it in each of its directions.
    neighbours: [[u32; 2]; 2],
}

impl Conn {
    /// A dial that begins.
    pub(super) fn new(wire: Weak<dyn Wire>, dial: u64, dirs: [usize; 2], cuts: u64) -> Self {
        Self {
            wire,
            dial,
            dirs,
            lanes: [None, None],
            ends: [End::Open; 2],
            open: false,
            dialling: true,
            limit: None,
            answer: None,
            cuts,
            neighbours: [[NONE; 2]; 2],
        }
    }

    /// What a side sends.
    pub(super) fn lane(&mut self, side: usize) -> &mut Lane {
        self.lanes[side].get_or_insert_default()
    }

    /// What a side sends, if it was ever delayed.
    pub(super) fn lane_of(&self, side: usize) -> Option<&Lane> {
        self.lanes[side].as_deref()
    }

    /// Whether nothing that a side has sent is on its way.
    pub(super) fn is_idle(&self, side: usize) -> bool {
        self.lane_of(side).is_none_or(|lane| lane.marks.is_empty())
    }

    /// Takes out what both sides have sent.
    pub(super) fn take_lanes(&mut self) -> [Option<Box<Lane>>; 2] {
        core::mem::take(&mut self.lanes)
    }

    /// Whether an end has failed by itself, or its machine has lost its power. What its peer sends takes its way through
    /// the lane, to be answered.
    pub(super) fn is_lost(&self, side: usize) -> bool {
        matches!(self.ends[side], End::Lost(_) | End::Leaving(Shutdown::Vanish, _))
    }

    /// Under which of its sides it is in the row of a direction.
    fn side_in(&self, dir: usize) -> usize {
        usize::from(self.dirs[0] != dir)
    }
}

/// A place for a connection.
struct Slot {
    /// How many connections it has had.
    uses: u32,
    conn: Option<Conn>,
    /// The next free place.
    next: u32,
}

/// All connections. A number is that of a place, and of its use.
pub(super) struct Conns {
    slots: Vec<Slot>,
    free: u32,
}

impl Conns {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: NONE }
    }

    /// The connection of this number that its engine has made.
    pub(super) fn get(&self, number: u64) -> Option<&Conn> {
        self.any(number).filter(|conn| conn.open)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Conn> {
        self.any_mut(number).filter(|conn| conn.open)
    }

    fn any(&self, number: u64) -> Option<&Conn> {
        let slot = self.slots.get(place(number) as usize)?;
        if slot.uses == uses(number) { slot.conn.as_ref() } else { None }
    }

    /// The connection of this number, or the dial to make it.
    pub(super) fn any_mut(&mut self, number: u64) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(place(number) as usize)?;
        if slot.uses == uses(number) { slot.conn.as_mut() } else { None }
    }

    /// The number of the next connection that is added.
    pub(super) fn next(&self) -> u64 {
        match self.slots.get(self.free as usize) {
            Some(slot) => number(self.free, slot.uses.wrapping_add(1)),
            None => number(self.slots.len() as u32, 1),
        }
    }

    /// Adds a connection, as the last one of its directions.
    pub(super) fn add(&mut self, mut conn: Conn, dirs: &mut [Direction]) {
        let at = if self.free == NONE { self.slots.len() as u32 } else { self.free };
        for side in sides(conn.dirs) {
            let row = &mut dirs[conn.dirs[side]].row;
            conn.neighbours[side] = [row.last, NONE];
            match self.neighbours(row.last, conn.dirs[side]) {
                Some(links) => links[1] = at,
                None => row.first = at,
            }
            row.last = at;
        }
        match self.slots.get_mut(at as usize) {
            Some(slot) => {
                self.free = slot.next;
                slot.uses = slot.uses.wrapping_add(1);
                slot.conn = Some(conn);
            }
            None => self.slots.push(Slot { uses: 1, conn: Some(conn), next: NONE }),
        }
    }

    /// Forgets a connection, but not its dial that is under way.
    pub(super) fn forget(&mut self, number: u64, dirs: &mut [Direction]) {
        let Some(conn) = self.any_mut(number) else { return };
        conn.open = false;
        if !conn.dialling {
            self.remove(number, dirs);
        }
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, number: u64, dirs: &mut [Direction]) {
        let Some(conn) = self.any_mut(number) else { return };
        let (own, neighbours) = (conn.dirs, conn.neighbours);
        for side in sides(own) {
            let ([before, after], row) = (neighbours[side], &mut dirs[own[side]].row);
            match self.neighbours(before, own[side]) {
                Some(links) => links[1] = after,
                None => row.first = after,
            }
            match self.neighbours(after, own[side]) {
                Some(links) => links[0] = before,
                None => row.last = before,
            }
        }
        let slot = &mut self.slots[place(number) as usize];
        (slot.conn, slot.next) = (None, self.free);
        self.free = place(number);
    }

    /// The neighbours of the connection at a place in a direction.
    fn neighbours(&mut self, at: u32, dir: usize) -> Option<&mut [u32; 2]> {
        let conn = self.slots.get_mut(at as usize)?.conn.as_mut()?;
        let side = conn.side_in(dir);
        Some(&mut conn.neighbours[side])
    }

    /// The connections of a direction and the dials under way, in the order in which they were dialled.
    pub(super) fn of(&self, dir: usize, row: Row) -> Vec<u64> {
        let (mut all, mut at) = (Vec::new(), row.first);
        while let Some(Slot { uses, conn: Some(conn), .. }) = self.slots.get(at as usize) {
            all.push(number(at, *uses));
            at = conn.neighbours[conn.side_in(dir)][1];
        }
        all
    }
}

/// Under which sides a connection is in rows: a host's direction to itself has it once.
fn sides(dirs: [usize; 2]) -> Range<usize> {
    0..if dirs[0] == dirs[1] { 1 } else { 2 }
}

fn number(place: u32, uses: u32) -> u64 {
    u64::from(uses) << 32 | u64::from(place)
}

fn place(number: u64) -> u32 {
    number as u32
}

fn uses(number: u64) -> u32 {
    (number >> 32) as u32
}
