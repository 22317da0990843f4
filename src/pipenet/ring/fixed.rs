//! A ring in an array.

use super::{Offer, Ring, copy_in, copy_out};
use crate::wait::waker::Task;

/// A ring in an array.
#[derive(Debug)]
pub struct FixedRing<S: ?Sized> {
    start: usize,
    len: usize,
    /// How many hidden bytes lie behind the buffered ones.
    #[cfg(feature = "sim")]
    hidden: usize,
    offer: Option<Offer>,
    /// The latest two, the older first: as many tasks as can wait to write without evicting each other.
    answers: [Option<Offer>; 2],
    bytes: S,
}

impl<const N: usize> FixedRing<[u8; N]> {
    pub(in crate::pipenet) const fn new() -> Self {
        Self {
            start: 0,
            len: 0,
            #[cfg(feature = "sim")]
            hidden: 0,
            offer: None,
            answers: [None; 2],
            bytes: [0; N],
        }
    }
}

impl Ring for FixedRing<[u8]> {
    fn len(&self) -> usize {
        self.len
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.len == 0 {
            self.start = 0;
        }
        let count = bytes.len().min(self.room());
        let size = self.bytes.len();
        let end = self.start + self.len;
        let end = if end < size { end } else { end - size };
        copy_in(&mut self.bytes, end, bytes.get(..count).unwrap_or_default());
        self.len += count;
        count
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        let count = self.peek(buf);
        self.len -= count;
        self.start += count;
        if self.start >= self.bytes.len() {
            self.start -= self.bytes.len();
        }
        count
    }

    fn peek(&self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.len);
        copy_out(&self.bytes, self.start, buf.get_mut(..count).unwrap_or_default());
        count
    }

    fn written(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or_default()
    }

    fn clear(&mut self) {
        (self.start, self.len) = (0, 0);
        #[cfg(feature = "sim")]
        {
            self.hidden = 0;
        }
    }

    #[cfg(feature = "sim")]
    fn hidden(&self) -> usize {
        self.hidden
    }

    #[cfg(feature = "sim")]
    fn write_hidden(&mut self, bytes: &[u8]) -> usize {
        self.len += self.hidden;
        let count = self.write(bytes);
        self.hidden += count;
        self.len -= self.hidden;
        count
    }

    #[cfg(feature = "sim")]
    fn hide(&mut self) {
        (self.len, self.hidden) = (0, self.len + self.hidden);
    }

    #[cfg(feature = "sim")]
    fn show(&mut self, count: usize) {
        let shown = count.min(self.hidden);
        (self.len, self.hidden) = (self.len + shown, self.hidden - shown);
    }

    #[cfg(feature = "sim")]
    fn drop_hidden(&mut self) {
        self.hidden = 0;
    }

    fn has_offer(&self) -> bool {
        self.offer.is_some()
    }

    fn offer(&mut self) -> &mut Option<Offer> {
        &mut self.offer
    }

    fn keep_answer(&mut self, answer: Offer) {
        let [older, newer] = &mut self.answers;
        if let waited @ Some(_) = newer.replace(answer) {
            *older = waited;
        }
    }

    fn forget_offers(&mut self) {
        (self.offer, self.answers) = (None, [None; 2]);
    }

    fn take_answer(&mut self, task: Task) -> Option<Offer> {
        self.answers.iter_mut().find_map(|kept| kept.take_if(|answer| answer.task == task))
    }
}
