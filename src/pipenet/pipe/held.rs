//! Directions whose bytes and ends reach the reader later than they were sent; see
//! [`DelayIo`](crate::contract::engine::DelayIo).
//!
//! Invariant: while bytes are hidden, the writer is in none of the states that let the fast path write. So no byte is
//! appended behind hidden ones without being hidden as well. Test: `a_write_during_the_switch_is_before_or_after_it`.

use core::task::Poll;

use super::{Direction, EndState, Moved};
use crate::contract::engine::{LinkStatus, Shutdown};
use crate::pipenet::ring::Ring;
use crate::wait::waker::{Registration, Wakers};

impl<W: Wakers, B: Ring + ?Sized> Direction<W, B> {
    /// From now on hides what is written, or no longer does unless bytes are hidden. Returns whether it does.
    pub(in crate::pipenet) fn hold(&mut self, on: bool) -> bool {
        match self.writer {
            EndState::Open if on => self.writer = EndState::Held,
            EndState::Held if !on && self.ring.hidden() == 0 => self.writer = EndState::Open,
            _ => {}
        }
        self.writer == EndState::Held
    }

    /// Writes, hidden if the direction hides what is written; returns also whether it does, and the tasks to wake.
    pub(in crate::pipenet) fn write_held(
        &mut self,
        registration: &mut Registration<'_>,
        bytes: &[u8],
    ) -> (Moved, bool, W::Taken) {
        let (held, unread) = (self.writer == EndState::Held, self.reader == EndState::Gone);
        if !held && !unread || self.write_failure().is_some() || self.reader == EndState::Finished {
            let (moved, woken) = self.write(registration, bytes);
            return (moved, false, woken);
        }
        match self.ring.write_hidden(bytes) {
            0 => {
                registration.register(&mut self.writers);
                (Poll::Pending, held, W::Taken::default())
            }
            count => (Poll::Ready(Ok(count)), held, W::Taken::default()),
        }
    }

    /// Shows the first `count` hidden bytes. Returns the tasks to wake.
    pub(in crate::pipenet) fn show(&mut self, count: usize) -> W::Taken {
        if self.reader != EndState::Gone {
            self.ring.show(count);
        }
        self.readers.take_all()
    }

    /// How many bytes are hidden.
    pub(in crate::pipenet) fn hidden(&self) -> usize {
        self.ring.hidden()
    }

    /// Drops the hidden bytes. The writer has left before, so that none is written behind them.
    pub(in crate::pipenet) fn drop_hidden(&mut self) {
        self.ring.drop_hidden();
    }

    /// The reader's end is closed, unknown to the writer: decides how, if that is open. Returns the readers to wake.
    ///
    /// The room that unread bytes take is free once the writer is told.
    pub(in crate::pipenet) fn leave_reader(&mut self, how: &mut Shutdown) -> W {
        let open = matches!(self.reader, EndState::Open | EndState::Finished | EndState::Broken);
        if *how == Shutdown::CloseOrReset {
            *how = if open && self.ring.len() > 0 { Shutdown::Reset } else { Shutdown::Close };
        }
        if !open {
            return W::default();
        }
        self.reader = EndState::Gone;
        if !self.ring.has_offer() {
            self.ring.hide();
        }
        self.readers.take()
    }

    /// The writer ends the stream, or its end is closed, unknown to the reader. Returns the writers to wake.
    pub(in crate::pipenet) fn leave_writer(&mut self, how: Shutdown) -> W {
        let next = if how == Shutdown::Write { EndState::Ending } else { EndState::Gone };
        match self.writer {
            EndState::Open | EndState::Held => {}
            EndState::Ending if how != Shutdown::Write => {}
            _ => return W::default(),
        }
        self.writer = next;
        if how != Shutdown::Write {
            self.settle_offer(false);
        }
        self.writers.take()
    }

    /// The connection was reset by neither end. Returns the tasks to wake.
    pub(in crate::pipenet) fn break_off(&mut self) -> (W, W) {
        match self.writer {
            EndState::Open | EndState::Held | EndState::Ending | EndState::Finished => self.writer = EndState::Broken,
            EndState::Gone => self.writer = EndState::Closed,
            EndState::Closed | EndState::Reset | EndState::Broken => {}
        }
        match self.reader {
            EndState::Open | EndState::Finished => self.reader = EndState::Broken,
            EndState::Gone => self.reader = EndState::Closed,
            _ => {}
        }
        self.settle_offer(false);
        self.ring.clear();
        (self.readers.take(), self.writers.take())
    }

    /// Ends a writer in one of the states of a held direction. Returns whether it did.
    pub(super) fn shut_held_writer(&mut self, how: Shutdown) -> bool {
        let (open, gone) = (matches!(self.writer, EndState::Held | EndState::Ending), self.writer == EndState::Gone);
        let broken = self.writer == EndState::Broken;
        self.writer = match how {
            Shutdown::Write if open || gone => EndState::Finished,
            Shutdown::Close if open || gone || broken => EndState::Closed,
            Shutdown::CloseOrReset if open || broken => EndState::Closed,
            Shutdown::Reset | Shutdown::Abort if open || gone || broken => EndState::Reset,
            _ => return false,
        };
        true
    }

    /// Reports the status in the states of a held direction.
    pub(super) fn held_reader_status(&self, status: &mut LinkStatus) {
        let arriving = matches!(self.writer, EndState::Held | EndState::Ending | EndState::Gone);
        if self.reader == EndState::Open && (arriving || self.ring.hidden() > 0) {
            status.read_closed = false;
        }
        status.reset |= self.reader == EndState::Broken;
    }
}
