//! One direction of a connection: a ring of bytes, the state of each end, and the waiting tasks.

use core::task::Poll;

use super::ring::{Offer, Ring};
use crate::contract::engine::{LinkStatus, Shutdown};
use crate::error::cause::Cause;
use crate::wait::waker::{Registration, Task, Wakers};

#[cfg(feature = "alloc")]
mod fast;
#[cfg(feature = "sim")]
mod held;

/// One direction of a connection.
///
/// Its ring holds bytes only while they can still be read.
#[derive(Debug)]
pub struct Direction<W, B: ?Sized> {
    /// Which connection this is, among those that one after the other use the same memory.
    pub(in crate::pipenet) generation: u16,
    writer: EndState,
    reader: EndState,
    /// Tasks that wait for bytes.
    readers: W,
    /// Tasks that wait for room, or for their bytes to be taken.
    writers: W,
    ring: B,
}

/// How many bytes were moved.
pub(in crate::pipenet) type Moved = Poll<Result<usize, Failure>>;

/// Why bytes cannot be moved: what remains of a [`Cause`] where size counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipenet) enum Failure {
    Down,
    Reset,
    Broken,
}

impl From<Failure> for Cause {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Down => Self::SocketDown,
            Failure::Reset => Self::ConnectionReset,
            Failure::Broken => Self::BrokenPipe,
        }
    }
}

/// The state of one end of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndState {
    Open,
    /// The writer has ended the stream, or the reader reads no more of it and lets the writer go on.
    Finished,
    Closed,
    /// The end has reset the connection.
    Reset,
    /// The writer is open; what it writes is hidden from the reader.
    #[cfg(feature = "sim")]
    Held,
    /// The writer has ended the stream, and the reader does not know it yet.
    #[cfg(feature = "sim")]
    Ending,
    /// The end is closed, and the other does not know it yet.
    #[cfg(feature = "sim")]
    Gone,
    /// The connection was reset, by neither end.
    #[cfg(feature = "sim")]
    Broken,
}

impl<W, B> Direction<W, B> {
    pub(in crate::pipenet) const fn new(readers: W, writers: W, ring: B) -> Self {
        Self { generation: 0, writer: EndState::Open, reader: EndState::Open, readers, writers, ring }
    }
}

impl<W: Wakers, B: Ring + ?Sized> Direction<W, B> {
    /// Begins a connection in memory that served another.
    pub(in crate::pipenet) fn reset(&mut self, generation: u16) {
        debug_assert!(self.readers.is_empty() && self.writers.is_empty(), "no task waits on a closed pipe");
        self.generation = generation;
        (self.writer, self.reader) = (EndState::Open, EndState::Open);
        self.ring.clear();
        self.ring.forget_offers();
    }

    /// Reads or peeks. Returns the tasks to wake.
    #[cfg_attr(feature = "std", inline)]
    pub(in crate::pipenet) fn read(
        &mut self,
        registration: &mut Registration<'_>,
        buf: &mut [u8],
        take: bool,
    ) -> (Moved, W::Taken) {
        #[cfg(feature = "sim")]
        if self.reader == EndState::Gone {
            return (Poll::Ready(Err(Failure::Down)), W::Taken::default());
        }
        if self.ring.len() == 0 {
            let moved = match (self.reader, self.writer) {
                (EndState::Closed | EndState::Reset, _) => Poll::Ready(Err(Failure::Down)),
                (_, EndState::Reset) => Poll::Ready(Err(Failure::Reset)),
                #[cfg(feature = "sim")]
                (EndState::Broken, _) => Poll::Ready(Err(Failure::Reset)),
                #[cfg(feature = "sim")]
                (EndState::Open, EndState::Finished | EndState::Closed) if self.ring.hidden() > 0 => {
                    registration.register(&mut self.readers);
                    Poll::Pending
                }
                (EndState::Finished, _) | (_, EndState::Finished | EndState::Closed) => Poll::Ready(Ok(0)),
                (_, _) => {
                    registration.register(&mut self.readers);
                    Poll::Pending
                }
            };
            return (moved, W::Taken::default());
        }
        if !take {
            return (Poll::Ready(Ok(self.ring.peek(buf))), W::Taken::default());
        }
        let count = self.ring.read(buf);
        // A write of a rendezvous waits until its last byte is taken.
        let woken =
            if !self.ring.has_offer() || self.ring.len() == 0 { self.writers.take_all() } else { W::Taken::default() };
        (Poll::Ready(Ok(count)), woken)
    }

    /// Why a write would fail, if it would.
    fn write_failure(&self) -> Option<Failure> {
        match (self.writer, self.reader) {
            (EndState::Open, EndState::Open | EndState::Finished) => None,
            #[cfg(feature = "sim")]
            (EndState::Gone, _) => Some(Failure::Down),
            #[cfg(feature = "sim")]
            (EndState::Broken, _) => Some(Failure::Reset),
            (EndState::Closed | EndState::Reset, _) => Some(Failure::Down),
            (_, EndState::Reset) => Some(Failure::Reset),
            (EndState::Finished, _) | (_, EndState::Closed) => Some(Failure::Broken),
            #[cfg(feature = "sim")]
            (EndState::Ending, _) => Some(Failure::Broken),
            #[cfg(feature = "sim")]
            _ => None,
        }
    }

    /// Writes as many bytes as there is room for. Returns the tasks to wake.
    pub(in crate::pipenet) fn write(&mut self, registration: &mut Registration<'_>, bytes: &[u8]) -> (Moved, W::Taken) {
        if let Some(failure) = self.write_failure() {
            return (Poll::Ready(Err(failure)), W::Taken::default());
        }
        if self.reader == EndState::Finished {
            return (Poll::Ready(Ok(bytes.len())), W::Taken::default());
        }
        let count = self.ring.write(bytes);
        if count == 0 {
            registration.register(&mut self.writers);
            return (Poll::Pending, W::Taken::default());
        }
        (Poll::Ready(Ok(count)), self.readers.take_all())
    }

    /// Writes, and is done when all bytes were taken.
    ///
    /// A task has one write at a time. It is identified by its waker and its bytes: the same task with other
    /// bytes has dropped its last write.
    #[cfg_attr(feature = "std", inline)]
    pub(in crate::pipenet) fn rendezvous(
        &mut self,
        registration: &mut Registration<'_>,
        bytes: &[u8],
        woken: &mut W::Taken,
    ) -> Moved {
        let task = registration.task();
        if let Some(offer) = self.ring.offer().take_if(|offer| offer.task == task) {
            if !offer.is_to(bytes, self.ring.written(offer.len)) {
                self.ring.clear();
            } else if self.ring.len() > 0 {
                *self.ring.offer() = Some(offer);
                registration.register(&mut self.writers);
                return Poll::Pending;
            } else if offer.len > 0 {
                *woken = self.writers.take_all();
                return Poll::Ready(Ok(offer.len));
            }
        }
        if let Some(answer) = self.ring.take_answer(task)
            && answer.is_to(bytes, &[])
        {
            return Poll::Ready(Ok(answer.len));
        }
        if let Some(failure) = self.write_failure() {
            return Poll::Ready(Err(failure));
        }
        if self.reader == EndState::Finished {
            return Poll::Ready(Ok(bytes.len()));
        }
        if !registration.register(&mut self.writers) || self.ring.len() > 0 {
            return Poll::Pending;
        }
        if let Some(done) = self.ring.offer().take() {
            // Its task has not polled again yet.
            let answer = done.sealed(self.ring.written(done.len));
            self.ring.keep_answer(answer);
        }
        let len = self.ring.write(bytes);
        *self.ring.offer() = Some(Offer::new(task, len));
        *woken = self.readers.take_all();
        Poll::Pending
    }

    /// Withdraws the write of a task, in a rendezvous network; returns how many of its bytes were taken.
    pub(in crate::pipenet) fn withdraw(&mut self, task: Task, woken: &mut W::Taken) -> usize {
        if !self.ring.has_offer() {
            return self.ring.take_answer(task).map_or(0, |answer| answer.len);
        }
        match self.ring.offer().take_if(|offer| offer.task == task) {
            Some(offer) => {
                let taken = offer.len - self.ring.len();
                self.ring.clear();
                *woken = self.writers.take_all();
                taken
            }
            None => self.ring.take_answer(task).map_or(0, |answer| answer.len),
        }
    }

    /// Ready when a write would be done, in a rendezvous network begin, or fail at once.
    pub(in crate::pipenet) fn writable(&mut self, registration: &mut Registration<'_>, rendezvous: bool) -> Poll<()> {
        let room = if rendezvous { self.ring.len() == 0 } else { self.has_room() };
        if self.write_failure().is_some() || room {
            return Poll::Ready(());
        }
        registration.register(&mut self.writers);
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        #[cfg(feature = "sim")]
        return self.ring.room() > self.ring.hidden();
        #[cfg(not(feature = "sim"))]
        return self.ring.room() > 0;
    }

    /// Whether it is drained, with memory that it may not keep.
    #[inline]
    pub(in crate::pipenet) fn has_spare(&self) -> bool {
        self.ring.has_spare() && !self.ring.has_offer()
    }

    /// Reports the status of the connection as far as the reader of this direction sees it.
    pub(in crate::pipenet) fn reader_status(&self, status: &mut LinkStatus) {
        status.to_read = self.ring.len();
        status.readers = self.readers.count() as u32;
        status.read_closed = (self.writer, self.reader) != (EndState::Open, EndState::Open);
        status.reset = self.writer == EndState::Reset;
        status.peer_gone = matches!(self.writer, EndState::Closed | EndState::Reset);
        #[cfg(feature = "sim")]
        self.held_reader_status(status);
    }

    /// Reports the status of the connection as far as the writer of this direction sees it.
    pub(in crate::pipenet) fn writer_status(&self, status: &mut LinkStatus) {
        status.to_write = self.ring.len();
        status.writers = self.writers.count() as u32;
        status.write_closed = self.write_failure().is_some();
        #[cfg(feature = "sim")]
        {
            status.to_write += self.ring.hidden();
        }
    }

    /// The tasks that wait to read, for one to be taken out.
    pub(in crate::pipenet) fn readers(&mut self) -> &mut W {
        &mut self.readers
    }

    /// The tasks that wait to write, for one to be taken out.
    pub(in crate::pipenet) fn writers(&mut self) -> &mut W {
        &mut self.writers
    }

    /// The writer shuts down. Returns the tasks to wake.
    #[cfg_attr(feature = "std", inline)]
    pub(in crate::pipenet) fn shut_writer(&mut self, how: Shutdown) -> (W, W) {
        match (how, self.writer) {
            (Shutdown::Write, EndState::Open) => self.writer = EndState::Finished,
            (Shutdown::Reset | Shutdown::Abort, EndState::Open | EndState::Finished) => self.writer = EndState::Reset,
            (Shutdown::Close | Shutdown::CloseOrReset, EndState::Open | EndState::Finished) => {
                self.writer = EndState::Closed
            }
            #[cfg(feature = "sim")]
            _ if self.shut_held_writer(how) => {}
            _ => return (W::default(), W::default()),
        }
        if how != Shutdown::Write {
            self.settle_offer(false);
        }
        if how == Shutdown::Abort {
            self.ring.clear();
        }
        (self.readers.take(), self.writers.take())
    }

    /// Ends the write under way in a rendezvous network: as far as it was taken, or as a whole.
    fn settle_offer(&mut self, whole: bool) {
        if !self.ring.has_offer() {
            return;
        }
        if let Some(offer) = *self.ring.offer()
            && !offer.is_sealed()
        {
            let taken = if whole { offer.len } else { offer.len - self.ring.len() };
            *self.ring.offer() = Some(offer.sealed(self.ring.written(taken)));
            self.ring.clear();
        }
    }

    /// The reader shuts down, and says how the writer of the same end does. Whether unread bytes may reset it is
    /// `resets`. Returns the tasks to wake.
    #[cfg_attr(feature = "std", inline)]
    pub(in crate::pipenet) fn shut_reader(&mut self, how: &mut Shutdown, resets: bool) -> (W, W) {
        let open = matches!(self.reader, EndState::Open | EndState::Finished);
        #[cfg(feature = "sim")]
        if self.reader == EndState::Gone && *how == Shutdown::CloseOrReset {
            return (W::default(), W::default());
        }
        #[cfg(feature = "sim")]
        let open = open || matches!(self.reader, EndState::Gone | EndState::Broken);
        if *how == Shutdown::CloseOrReset {
            // Where another thread shuts this end down, too, both do the same to its writer.
            let resets = resets && if open { self.ring.len() > 0 } else { self.reader == EndState::Reset };
            *how = if resets { Shutdown::Reset } else { Shutdown::Close };
        }
        let next = match how {
            Shutdown::Read if self.reader == EndState::Open => EndState::Finished,
            Shutdown::Reset | Shutdown::Abort if open => EndState::Reset,
            Shutdown::Close if open => EndState::Closed,
            _ => return (W::default(), W::default()),
        };
        self.reader = next;
        self.settle_offer(next == EndState::Finished);
        self.ring.clear();
        (self.readers.take(), self.writers.take())
    }
}
