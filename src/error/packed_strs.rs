//! Several texts packed into one small buffer.

use crate::addr::name::{ErrorText, Name};

/// `COUNT` texts in `BYTES` bytes. Where they do not fit, the longest are cut, and each cut text is marked. A further text
/// may use the room that they leave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedStrs<const COUNT: usize, const BYTES: usize> {
    bytes: Name<BYTES>,
    /// The end of each text, with the [`CUT`] bit if the text was cut.
    ends: [u8; COUNT],
}

impl<const COUNT: usize, const BYTES: usize> PackedStrs<COUNT, BYTES> {
    pub(crate) const EMPTY: Self = Self { bytes: Name::EMPTY, ends: [0; COUNT] };

    pub(crate) fn new(words: [ErrorText; COUNT]) -> Self {
        const { assert!(BYTES < CUT as usize, "an end has seven bits") };
        let texts = words.each_ref().map(ErrorText::as_str);
        let share = fair_share(texts.map(str::len), BYTES);
        let (mut bytes, mut ends) = (Name::EMPTY, [0; COUNT]);
        for (end, (word, text)) in ends.iter_mut().zip(words.iter().zip(texts)) {
            let kept = head(text, share);
            bytes.push_all([kept]);
            let cut = word.is_cut() || kept.len() < text.len();
            *end = bytes.len() as u8 | if cut { CUT } else { 0 };
        }
        Self { bytes, ends }
    }

    pub(crate) fn get(&self, index: usize) -> ErrorText {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        let start = index.checked_sub(1).map_or(0, end) & !CUT;
        let kept = self.bytes.get(usize::from(start)..usize::from(end(index) & !CUT)).unwrap_or_default();
        ErrorText::head(kept, end(index) & CUT != 0)
    }

    /// Adds a further text, as much of it as the others leave room for.
    pub(crate) fn push_rest(&mut self, text: &str) {
        self.bytes.push_all([text]);
    }

    /// The kept part of the further text.
    pub(crate) fn rest(&self) -> &str {
        let start = self.ends.last().copied().unwrap_or_default() & !CUT;
        self.bytes.get(usize::from(start)..).unwrap_or_default()
    }
}

/// The bit of an end that marks its text as cut.
const CUT: u8 = 0x80;

/// The largest share of `total` for each text such that all fit; only texts longer than the share are cut.
fn fair_share<const COUNT: usize>(lens: [usize; COUNT], total: usize) -> usize {
    let mut share = total;
    while lens.iter().map(|&len| len.min(share)).sum::<usize>() > total {
        share -= 1;
    }
    share
}

/// The longest prefix of `text` that has at most `len` bytes and ends between two characters.
fn head(text: &str, mut len: usize) -> &str {
    len = len.min(text.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.get(..len).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// Texts for tests: of every length, of characters of one to four bytes, some ending in `…`.
    pub(crate) fn texts<const N: usize>(seed: u32) -> [String; N] {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut below = |end: u32| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state % end
        };
        core::array::from_fn(|_| {
            let most = [4, 12, 40, 80][below(4) as usize];
            let mut text: String =
                (0..below(most)).map(|_| ['a', 'é', 'h', '\'', '"', '…', '𝄞'][below(7) as usize]).collect();
            text.push_str(["", "", "…"][below(3) as usize]);
            text
        })
    }

    /// Checks that `kept` is all of `whole`, or a prefix of it that is marked as cut.
    #[track_caller]
    pub(crate) fn is_kept(kept: &ErrorText, whole: &str) {
        let (head, cut) = (kept.as_str(), kept.is_cut());
        assert!(whole.starts_with(head) && cut == (head.len() < whole.len()), "{kept:?} of {whole:?}");
        assert_eq!(format!("{kept}"), if cut { format!("{head}…") } else { whole.into() });
        assert_eq!(*kept == *whole, !cut, "{kept:?} and {whole:?}");
    }

    #[test]
    fn packed_texts_are_whole_or_marked_as_cut() {
        for seed in 0..4_000 {
            let whole = texts::<4>(seed);
            let words = PackedStrs::<4, 78>::new([0, 1, 2, 3].map(|at| whole[at].as_str().into()));
            let kept: Vec<_> = (0..4).map(|at| words.get(at)).collect();
            kept.iter().zip(&whole).for_each(|(kept, whole)| is_kept(kept, whole));
            let fits = whole.iter().map(String::len).sum::<usize>() <= 78 && whole.iter().all(|text| text.len() <= 63);
            assert_eq!(kept.iter().all(|text| !text.is_cut()), fits, "{whole:?}");
            assert!(PackedStrs::new([0, 1, 2, 3].map(|at| words.get(at))) == words, "what was kept is kept");
        }
    }
}
