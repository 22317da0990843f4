//! Several words in one small buffer.

use crate::name::{Name, Text};

/// `COUNT` words in `BYTES` bytes. Where they do not fit, the longest are cut and end in `…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words<const COUNT: usize, const BYTES: usize> {
    bytes: Name<BYTES>,
    /// Where each word ends.
    ends: [u8; COUNT],
}

impl<const COUNT: usize, const BYTES: usize> Words<COUNT, BYTES> {
    pub(crate) const EMPTY: Self = Self { bytes: Name::EMPTY, ends: [0; COUNT] };

    pub(crate) fn new(words: [Text; COUNT]) -> Self {
        let tails = words.map(|word| if word.is_cut() { "…" } else { "" });
        let mut lens = [0; COUNT];
        for (len, (word, tail)) in lens.iter_mut().zip(words.iter().zip(tails)) {
            *len = word.as_str().len() + tail.len();
        }
        let share = fair_share(lens, BYTES);
        let (mut bytes, mut ends) = (Name::EMPTY, [0; COUNT]);
        for (end, ((word, tail), len)) in ends.iter_mut().zip(words.iter().zip(tails).zip(lens)) {
            match len <= share {
                true => bytes.push_all([word.as_str(), tail]),
                false => bytes.push_all([head(word.as_str(), share.saturating_sub("…".len())), "…"]),
            }
            *end = bytes.len() as u8;
        }
        Self { bytes, ends }
    }

    pub(crate) fn get(&self, index: usize) -> &str {
        let end = |index: usize| self.ends.get(index).copied().map_or(0, usize::from);
        let start = index.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(index)).unwrap_or_default()
    }
}

/// The most that one word gets of `total`, so that no shorter one loses anything.
fn fair_share<const COUNT: usize>(lens: [usize; COUNT], total: usize) -> usize {
    let mut share = total;
    while lens.iter().map(|&len| len.min(share)).sum::<usize>() > total {
        share -= 1;
    }
    share
}

/// The longest head of `text` of whole characters that has at most `len` bytes.
fn head(text: &str, mut len: usize) -> &str {
    len = len.min(text.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.get(..len).unwrap_or_default()
}
