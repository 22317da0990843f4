//! The set of a host's taken ports.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A set of ports that finds the lowest free one in a few steps, however full it is. It consists of pages of 4096
/// ports; a page is allocated when its first port is taken.
#[derive(Debug, Default)]
pub(super) struct PortSet {
    pages: Vec<Option<Box<Page>>>,
    /// Bit `p` is set if all ports of page `p` are taken.
    full: u16,
}

#[derive(Debug)]
struct Page {
    /// Bit `i` of word `w` is set if port `64 w + i` of the page is taken.
    words: [u64; 64],
    /// Bit `w` is set if word `w` is all ones.
    full: u64,
}

impl Page {
    /// Takes a port. Returns whether the page is full now.
    fn take(&mut self, word: usize, bit: u64) -> bool {
        self.words[word] |= bit;
        if self.words[word] == u64::MAX {
            self.full |= 1 << word;
        }
        self.full == u64::MAX
    }
}

impl PortSet {
    /// Takes the lowest free port from 1 on.
    pub(super) fn take_lowest(&mut self) -> Option<u16> {
        let page = self.full.trailing_ones() as usize;
        let first = page << 12;
        let Some(taken) = self.pages.get_mut(page).and_then(Option::as_deref_mut) else {
            let port = u16::try_from(first.max(1)).ok()?;
            self.insert(port);
            return Some(port);
        };
        // Port 0 counts as taken as soon as its page exists.
        let word = taken.full.trailing_ones() as usize;
        let bit = taken.words.get(word)?.trailing_ones();
        self.full |= u16::from(taken.take(word, 1 << bit)) << page;
        Some((first + (word << 6)) as u16 + bit as u16)
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        let (page, word, bit) = place(port);
        let page = self.pages.get(page).and_then(Option::as_deref);
        page.is_some_and(|page| page.words[word] & bit != 0)
    }

    /// A bit for each of the 64 ports from `64 * index` on: set if it is taken. Port 0 always is.
    pub(super) fn word(&self, index: u16) -> u64 {
        let (page, word) = (usize::from(index >> 6), usize::from(index & 63));
        let page = self.pages.get(page).and_then(Option::as_deref);
        page.map_or(0, |page| page.words[word]) | u64::from(index == 0)
    }

    pub(super) fn insert(&mut self, port: u16) {
        let (page, word, bit) = place(port);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let taken = self.pages[page].get_or_insert_with(|| {
            let mut words = [0; 64];
            words[0] = u64::from(page == 0);
            Box::new(Page { words, full: 0 })
        });
        self.full |= u16::from(taken.take(word, bit)) << page;
    }

    pub(super) fn remove(&mut self, port: u16) {
        let (page, word, bit) = place(port);
        if let Some(taken) = self.pages.get_mut(page).and_then(Option::as_deref_mut) {
            taken.words[word] &= !bit;
            taken.full &= !(1 << word);
            self.full &= !(1 << page);
        }
    }
}

/// Page, word and bit of a port.
fn place(port: u16) -> (usize, usize, u64) {
    let port = usize::from(port);
    (port >> 12, (port >> 6) & 63, 1 << (port & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_port_is_found_up_to_the_last() {
        let mut set = PortSet::default();
        for port in 1..=u16::MAX {
            assert_eq!(set.take_lowest(), Some(port));
            assert!(set.contains(port));
        }
        assert_eq!(set.take_lowest(), None);
        for port in [65535, 4096, 4095, 64, 1] {
            set.remove(port);
            assert!(!set.contains(port));
            assert_eq!(set.take_lowest(), Some(port));
            set.remove(port);
        }
    }

    #[test]
    fn a_high_port_leaves_the_low_ones_free() {
        let mut set = PortSet::default();
        set.insert(60_000);
        assert!(set.contains(60_000) && !set.contains(59_999));
        assert_eq!([set.take_lowest(), set.take_lowest()], [Some(1), Some(2)]);
    }
}
