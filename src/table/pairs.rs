//! The peers of connections at shared ports.

use hashbrown::HashTable;

use super::Peer;
use super::hash::hash;

/// A set of pairs: a shared port, and the peer of a connection there. One lookup returns which of a peer host's 64
/// consecutive ports are in it.
#[derive(Debug, Default)]
pub(super) struct PairSet {
    words: HashTable<Word>,
}

/// Which of 64 consecutive ports are in the set.
#[derive(Debug)]
struct Word {
    key: u64,
    /// Bit `i` is set if port `i` is in the set. Never 0: an empty word is removed.
    bits: u64,
}

impl PairSet {
    /// A bit for each of the 64 ports of `host` from `64 * index` on: set if a connection at `port` has that peer.
    pub(super) fn word(&self, port: u16, host: u32, index: u16) -> u64 {
        let key = key(port, host, index);
        self.words.find(hash(&key.to_ne_bytes()), |word| word.key == key).map_or(0, |word| word.bits)
    }

    pub(super) fn contains(&self, port: u16, peer: Peer) -> bool {
        self.word(port, peer.host, peer.port >> 6) & bit(peer) != 0
    }

    pub(super) fn insert(&mut self, port: u16, peer: Peer) {
        let key = key(port, peer.host, peer.port >> 6);
        let entry =
            self.words.entry(hash(&key.to_ne_bytes()), |word| word.key == key, |word| hash(&word.key.to_ne_bytes()));
        entry.or_insert(Word { key, bits: 0 }).get_mut().bits |= bit(peer);
    }

    pub(super) fn remove(&mut self, port: u16, peer: Peer) {
        let key = key(port, peer.host, peer.port >> 6);
        let Ok(mut entry) = self.words.find_entry(hash(&key.to_ne_bytes()), |word| word.key == key) else { return };
        entry.get_mut().bits &= !bit(peer);
        if entry.get().bits == 0 {
            entry.remove();
        }
    }
}

/// The key of the 64 ports from `64 * index` on.
fn key(port: u16, host: u32, index: u16) -> u64 {
    u64::from(port) << 48 | u64::from(host) << 16 | u64::from(index)
}

fn bit(peer: Peer) -> u64 {
    1 << (peer.port & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_differ_by_port_host_and_port_of_the_peer() {
        let pairs = [(1, 0, 1), (1, 0, 2), (1, 0, 65), (1, 1, 1), (2, 0, 1), (u16::MAX, u32::MAX, u16::MAX)];
        let pairs = pairs.map(|(port, host, peer)| (port, Peer { host, port: peer }));
        let mut set = PairSet::default();
        for (count, &(port, peer)) in pairs.iter().enumerate() {
            set.insert(port, peer);
            let known = pairs.iter().filter(|&&(port, peer)| set.contains(port, peer));
            assert_eq!(known.count(), count + 1);
        }
        assert_eq!((set.word(1, 0, 0), set.word(1, 0, 1), set.word(1, 0, 2)), (0b110, 0b10, 0));
        for (port, peer) in pairs {
            set.remove(port, peer);
            set.remove(port, peer);
            assert!(!set.contains(port, peer));
        }
        assert!(set.words.is_empty());
    }
}
