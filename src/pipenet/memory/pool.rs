//! Memory that drained directions have given back.

use alloc::vec::Vec;
use core::mem;

use crate::sync::Lock;

/// Memory of drained directions, for directions that are written next: a bounded number of pieces, in shards that do
/// not contend.
#[derive(Debug)]
pub(super) struct BufferPool([Shelf; SHELVES]);

/// In cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shelf(Lock<[Vec<u8>; DEPTH]>);

const SHELVES: usize = 8;

/// How many pieces of memory are in a shard: about as many as a thread drains before it writes again.
const DEPTH: usize = 2;

impl BufferPool {
    pub(super) fn new() -> Self {
        Self([(); SHELVES].map(|()| Shelf(Lock::new([const { Vec::new() }; DEPTH]))))
    }

    /// The shard for the host `name`.
    pub(super) fn shelf(name: &str) -> u8 {
        name.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte)) % SHELVES as u8
    }

    /// Takes a piece of memory, or one of no bytes if there is none.
    pub(super) fn take(&self, shelf: u8) -> Vec<u8> {
        self.0[usize::from(shelf)].0.with(|pieces| {
            let found = pieces.iter_mut().find(|piece| piece.capacity() > 0);
            found.map(mem::take).unwrap_or_default()
        })
    }

    /// Adds a piece of memory, in the place of the smallest.
    pub(super) fn put(&self, shelf: u8, mut memory: Vec<u8>) {
        memory.clear();
        if memory.capacity() > 0 {
            self.0[usize::from(shelf)].0.with(|pieces| {
                let smallest = pieces.iter_mut().min_by_key(|piece| piece.capacity());
                smallest.into_iter().for_each(|piece| mem::swap(piece, &mut memory));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_keeps_the_largest_pieces() {
        let pool = BufferPool::new();
        assert_eq!(pool.take(3).capacity(), 0);
        for size in [500, 300, 400] {
            pool.put(3, Vec::with_capacity(size));
        }
        let mut taken = [(); 3].map(|()| pool.take(3).capacity());
        taken.sort_unstable();
        assert_eq!(taken, [0, 400, 500]);
        assert_eq!(pool.take(2).capacity(), 0);
    }
}
