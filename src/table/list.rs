//! A list of what has a name, which is read without a lock while it grows.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;
use core::{array, fmt};

use super::hash::hash;
use crate::addr::name::HostName;
use crate::sync::{AtomicU32, Once};

/// What has a name and a place. It only grows, by one at a time; whoever reads it meanwhile waits for nobody.
///
/// Places are `FIRST` and those after it, so that where the highest bit of one is, and the next bit, say which piece it is
/// in.
pub(super) struct List<T> {
    /// Two have room for as many items as all before them. Those before that of `FIRST` are never made.
    pieces: [Once<Piece<T>>; 64],
    /// The first place that is not taken. The index of the one before it has all items.
    end: AtomicU32,
}

struct Piece<T> {
    /// They stay where they are.
    items: Box<[Item<T>]>,
    /// The places of the items of this piece, of the next three, and of all before: each where the hash of its name says,
    /// or the next free one behind. Half of it stays 0 at least, which is where a search ends. Only every fourth piece has
    /// one.
    index: Box<[AtomicU32]>,
}

/// In cache lines of its own, so that those who use one do not slow those down who use the next.
#[repr(align(64))]
struct Item<T>(Once<(HostName, T)>);

/// The first place. In a model, less comes before the next index.
pub(super) const FIRST: u32 = if cfg!(loom) { 4 } else { 16 };

/// The end of all places: some hundred million.
const LAST: u32 = 1 << 27;

/// The piece that a place is in, and where in it.
#[inline]
fn split(place: u32) -> (usize, usize) {
    let bit = (place | 2).ilog2();
    let half = bit - 1;
    ((2 * bit + (place >> half & 1)) as usize, (place & ((1 << half) - 1)) as usize)
}

/// The piece that has the index of all places as large as this one.
#[inline]
fn indexed(place: u32) -> usize {
    2 * ((place | 2).ilog2() & !1) as usize
}

impl<T> List<T> {
    pub(super) fn new() -> Self {
        Self { pieces: array::from_fn(|_| Once::new()), end: AtomicU32::new(FIRST) }
    }

    /// The first place that is not taken.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.end.load(Ordering::Acquire)
    }

    /// The item in a place, and its name.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&(HostName, T)> {
        let (piece, at) = split(place);
        self.pieces[piece].get()?.items.get(at)?.0.get()
    }

    /// The index of all items, which `place` is or will be one of.
    #[inline]
    fn index(&self, place: u32) -> Option<&[AtomicU32]> {
        Some(&self.pieces[indexed(place)].get()?.index)
    }

    /// The place of the item with that name.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        self.entry(self.index(self.end() - 1)?, name).ok()
    }

    /// The place that an index has for a name, or else which of its entries is free for it.
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

    /// The place of the item with that name, which is added if there is none; or none if there is no room. Only one may do
    /// so at a time.
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
            // It may be another index.
            _ => enter(index, &name, place),
        }
        self.end.store(place + 1, Ordering::Release);
        Some(place)
    }

    /// A new piece, which finds all before it if it has an index.
    fn piece(&self, piece: usize) -> Piece<T> {
        let room = 1 << (piece / 2 - 1);
        let items = (0..room).map(|_| Item(Once::new())).collect();
        if !piece.is_multiple_of(4) {
            return Piece { items, index: Box::default() };
        }
        let index: Box<[_]> = (0..16 * room).map(|_| AtomicU32::new(0)).collect();
        for place in FIRST..self.end() {
            if let Some((name, _)) = self.get(place) {
                enter(&index, name, place);
            }
        }
        Piece { items, index }
    }
}

/// Puts the place of an item into an index.
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
    fn what_was_added_is_found_while_more_is_added() {
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
