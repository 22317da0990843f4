//! A list of named items that is read without a lock while it grows.
//!
//! An item may be replaced by a later one of its name. It keeps its place, and a search by name finds the later one.
//! Invariant: an index has one place for each name. So an item that was replaced is not entered into a later index.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;
use core::{array, fmt};

use super::hash::hash;
use crate::addr::name::HostName;
use crate::sync::{AtomicBool, AtomicU32, Once};

/// Items with a name and a place. The list only grows, one item at a time, and readers never wait for a writer.
///
/// Places start at `FIRST`. The position of a place's highest bit, and the bit after it, select the piece that the
/// place is in.
pub(super) struct List<T> {
    /// Each two in a row have room for as many items as all pieces before them. Pieces before that of `FIRST` are never
    /// made.
    pieces: [Once<Piece<T>>; 64],
    /// The first free place. The index of the place before it covers all items.
    end: AtomicU32,
    /// Whether an item was replaced. Only then does a new index leave items out.
    replaced: AtomicBool,
}

struct Piece<T> {
    /// Items never move.
    items: Box<[Item<T>]>,
    /// The places of the items of this piece, of the next three, and of all before. An item's entry is at the hash of
    /// its name, or at the next free entry after it. At least half of the entries stay 0, which is where a search ends.
    /// Only every fourth piece has an index.
    index: Box<[AtomicU32]>,
}

/// An item in cache lines of its own, so that threads using one do not slow down threads using the next.
#[repr(align(64))]
struct Item<T>(Once<(HostName, T)>);

/// The first place. It is smaller under loom, so that a model reaches the next index sooner.
pub(super) const FIRST: u32 = if cfg!(loom) { 4 } else { 16 };

/// The end of all places: the list holds about 134 million items.
const LAST: u32 = 1 << 27;

/// The piece that a place is in, and its position there.
#[inline]
fn split(place: u32) -> (usize, usize) {
    let bit = (place | 2).ilog2();
    let half = bit - 1;
    ((2 * bit + (place >> half & 1)) as usize, (place & ((1 << half) - 1)) as usize)
}

/// The piece whose index covers `place` and all places before it.
#[inline]
fn indexed(place: u32) -> usize {
    2 * ((place | 2).ilog2() & !1) as usize
}

impl<T> List<T> {
    pub(super) fn new() -> Self {
        Self { pieces: array::from_fn(|_| Once::new()), end: AtomicU32::new(FIRST), replaced: AtomicBool::new(false) }
    }

    /// The first free place.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    /// The name and the item in a place.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&(HostName, T)> {
        let (piece, at) = split(place);
        self.pieces[piece].get()?.items.get(at)?.0.get()
    }

    /// The index that `place` is or will be entered in. It covers all items up to that place.
    #[inline]
    fn index(&self, place: u32) -> Option<&[AtomicU32]> {
        Some(&self.pieces[indexed(place)].get()?.index)
    }

    /// The place of the item with that name.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        self.entry(self.index(self.end() - 1)?, name).ok()
    }

    /// The place that an index has for a name, or else the free entry for it.
    fn entry(&self, index: &[AtomicU32], name: &[u8]) -> Result<u32, usize> {
        let mut at = hash(name) as usize;
        loop {
            at &= index.len() - 1;
            match index[at].load(Ordering::Acquire) {
                0 => return Err(at),
                place if self.get(place).is_some_and(|(known, _)| known.as_bytes() == name) => return Ok(place),
                _ => at += 1,
            }
        }
    }

    /// The place of the item with that name, which is added if it is missing, or `None` if there is no room. The caller
    /// makes sure that only one call runs at a time.
    pub(super) fn find_or_push(&self, name: HostName, item: impl FnOnce() -> T) -> Option<u32> {
        let place = self.end();
        let entry = self.index(place - 1).map(|index| self.entry(index, name.as_bytes()));
        if let Some(Ok(found)) = entry {
            return Some(found);
        }
        let (piece, at) = Some(split(place)).filter(|_| place < LAST)?;
        self.pieces[piece].call_once(|| self.piece(piece)).items[at].0.call_once(|| (name, item()));
        let index = self.index(place)?;
        match entry {
            Some(Err(free)) if at > 0 => index[free].store(place, Ordering::Release),
            // The new place may belong to a new index.
            _ => enter(index, &name, place),
        }
        self.end.store(place + 1, Ordering::Release);
        Some(place)
    }

    /// Adds an item with the name of the one in `old`, which stays in its place: from now on, a search finds the new
    /// one. Returns its place, or `None` if there is no room. The caller makes sure that only one call runs at a time,
    /// and that a search finds `old`.
    #[cold]
    pub(super) fn replace(&self, old: u32, item: T) -> Option<u32> {
        let (name, _) = self.get(old)?;
        let place = self.end();
        let (piece, at) = Some(split(place)).filter(|_| place < LAST)?;
        self.pieces[piece].call_once(|| self.piece(piece)).items[at].0.call_once(|| (*name, item));
        let index = self.index(place)?;
        let mut at = hash(name.as_bytes()) as usize & (index.len() - 1);
        while index[at].load(Ordering::Relaxed) != old {
            at = (at + 1) & (index.len() - 1);
        }
        index[at].store(place, Ordering::Release);
        self.replaced.store(true, Ordering::Relaxed);
        self.end.store(place + 1, Ordering::Release);
        Some(place)
    }

    /// A new piece. If it has an index, all items before it that a search finds are entered there.
    fn piece(&self, piece: usize) -> Piece<T> {
        let room = 1 << (piece / 2 - 1);
        let items = (0..room).map(|_| Item(Once::new())).collect();
        if !piece.is_multiple_of(4) {
            return Piece { items, index: Box::default() };
        }
        let index: Box<[_]> = (0..16 * room).map(|_| AtomicU32::new(0)).collect();
        let replaced = self.replaced.load(Ordering::Relaxed);
        for place in FIRST..self.end() {
            if let Some((name, _)) = self.get(place)
                && (!replaced || self.find(name.as_bytes()) == Some(place))
            {
                enter(&index, name, place);
            }
        }
        Piece { items, index }
    }
}

/// Enters the place of an item into an index.
fn enter(index: &[AtomicU32], name: &HostName, place: u32) {
    let mut at = hash(name.as_bytes()) as usize & (index.len() - 1);
    while index[at].load(Ordering::Relaxed) != 0 {
        at = (at + 1) & (index.len() - 1);
    }
    index[at].store(place, Ordering::Release);
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({})", self.end() - FIRST)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, thread};

    use super::*;

    fn name(place: u32) -> HostName {
        HostName::cut(&format!("host-{place}")).0
    }

    #[test]
    fn places_follow_each_other_from_piece_to_piece() {
        let mut next = split(FIRST);
        assert_eq!((next.1, indexed(FIRST)), (0, next.0));
        for place in FIRST..1000 {
            assert_eq!(split(place), next);
            next.1 += 1;
            if next.1 == 1 << (next.0 / 2 - 1) {
                next = (next.0 + 1, 0);
            }
        }
        assert!(split(u32::MAX).0 < 64);
    }

    #[test]
    fn the_last_item_of_a_name_is_found_in_every_index() {
        const END: u32 = if cfg!(miri) { 100 } else { 3000 };
        let list = List::new();
        assert_eq!(list.find_or_push(name(0), || 0), Some(FIRST));
        let mut newest = FIRST;
        while list.end() < END {
            let place = list.end();
            // One name is replaced again and again, between names that are not.
            if place % 3 == 0 {
                assert_eq!(list.find_or_push(name(place), || place), Some(place));
            } else {
                assert_eq!(list.replace(newest, place), Some(place));
                newest = place;
            }
            assert_eq!(list.find(name(0).as_bytes()), Some(newest));
            assert_eq!(list.find_or_push(name(0), || 0), Some(newest));
        }
        assert_eq!(list.get(FIRST), Some(&(name(0), 0)));
        for place in (FIRST + 1..END).filter(|place| place % 3 == 0) {
            assert_eq!(list.find(name(place).as_bytes()), Some(place));
        }
    }

    #[test]
    fn items_are_found_while_more_are_added() {
        const END: u32 = if cfg!(miri) { 100 } else { 10_000 };
        let list = List::new();
        assert_eq!(list.find(b"other"), None);
        thread::scope(|scope| {
            scope.spawn(|| {
                for place in FIRST..END {
                    assert_eq!(list.find(name(place).as_bytes()), None);
                    assert_eq!(list.find_or_push(name(place), || place), Some(place));
                    assert_eq!(list.find_or_push(name(place), || 0), Some(place));
                }
            });
            while list.end() < END {
                let end = list.end();
                for place in end.saturating_sub(10).max(FIRST)..end {
                    assert_eq!(list.find(name(place).as_bytes()), Some(place));
                    assert_eq!(list.get(place).map(|(_, item)| *item), Some(place));
                }
                assert_eq!(list.find(b"other"), None);
            }
        });
        for place in FIRST..END {
            assert_eq!(list.find(name(place).as_bytes()), Some(place));
        }
        assert!([0, FIRST - 1, END, u32::MAX].iter().all(|&place| list.get(place).is_none()));
    }
}
