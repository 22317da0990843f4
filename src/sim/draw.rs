//! Random numbers as a pure function of where they are drawn.
//!
//! No generator has a state, so a draw on one link shifts no draw on another, and neither does a new connection or the
//! timing of threads. The numbers are frozen by the tests below: a seed means one run in all later versions.

use crate::addr::name::HostName;

/// Which fault draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawer {
    Jitter = 1,
    Latency = 2,
    PairLatency = 3,
    Loss = 4,
    Slice = 5,
    ShortRead = 6,
}

/// The draws of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// The draws of the direction from `src` to `dst`.
    pub(super) fn of(seed: u64, src: &HostName, dst: &HostName) -> Self {
        Self(fold(fold(mix(seed), src.as_bytes()), dst.as_bytes()))
    }

    /// The same number for the same direction.
    pub(super) fn hash(self) -> u64 {
        self.0
    }

    /// The draw of `drawer` for an item of a dial, counted among the dials of the direction in which they were made.
    /// `back` is the other direction of its connection.
    pub(super) fn draw(self, drawer: Drawer, dial: u64, back: bool, item: u64) -> u64 {
        [drawer as u64, dial, back.into(), item].into_iter().fold(self.0, |state, word| mix(state ^ word))
    }

    /// A number below `limit`, or 0.
    pub(super) fn below(self, limit: u64, drawer: Drawer, dial: u64, back: bool, item: u64) -> u64 {
        scale(self.draw(drawer, dial, back, item), limit)
    }
}

/// A draw as a number below `limit`, or 0.
pub(super) fn scale(draw: u64, limit: u64) -> u64 {
    ((u128::from(draw) * u128::from(limit)) >> 64) as u64
}

/// Mixes a name into a state, eight bytes at a time in little endian.
fn fold(state: u64, name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let state = words.iter().fold(mix(state ^ name.len() as u64), |state, word| mix(state ^ u64::from_le_bytes(*word)));
    let rest = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    mix(state ^ rest)
}

/// A step of splitmix64.
fn mix(state: u64) -> u64 {
    let word = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::valid("", text).expect("a valid name")
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // Its first numbers from the state 0, as published.
        let gamma: u64 = 0x9e37_79b9_7f4a_7c15;
        let first = [0, 1, 2].map(|step| mix(gamma.wrapping_mul(step)));
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn draws_differ_by_each_part_of_their_place() {
        let draws = |seed, src, dst| Draws::of(seed, &name(src), &name(dst));
        let base = draws(7, "a", "b");
        let all = [
            base.draw(Drawer::Jitter, 1, false, 0),
            base.draw(Drawer::Loss, 1, false, 0),
            base.draw(Drawer::Jitter, 2, false, 0),
            base.draw(Drawer::Jitter, 1, true, 0),
            base.draw(Drawer::Jitter, 1, false, 1),
            draws(8, "a", "b").draw(Drawer::Jitter, 1, false, 0),
            draws(7, "b", "a").draw(Drawer::Jitter, 1, false, 0),
            draws(7, "ab", "a").draw(Drawer::Jitter, 1, false, 0),
            draws(7, "database-1", "b").draw(Drawer::Jitter, 1, false, 0),
        ];
        for (at, draw) in all.iter().enumerate() {
            assert!(!all[..at].contains(draw), "draw {at}");
        }
    }

    #[test]
    fn draws_are_frozen() {
        let draws = Draws::of(7, &name("database-1"), &name("b"));
        let drawn = [0, 1, 2].map(|item| draws.draw(Drawer::Jitter, 3, false, item));
        assert_eq!(drawn, FROZEN);
    }

    /// Numbers of this version. Other numbers change each run of each seed.
    const FROZEN: [u64; 3] = [14_102_582_510_176_647_239, 17_239_854_666_167_437_252, 10_863_850_447_974_498_374];

    #[test]
    fn a_scaled_draw_is_below_its_limit() {
        assert_eq!([scale(0, 10), scale(u64::MAX, 10), scale(u64::MAX / 2, 10), scale(u64::MAX, 0)], [0, 9, 4, 0]);
    }
}
