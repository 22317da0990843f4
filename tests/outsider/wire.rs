//! Wires: messages on their way from one end of a connection to the other, and the wakers of waiting tasks.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use virtnet::{Cause, Shutdown};

/// Makes wires, and counts their ends. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Wires {
    buffer: usize,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    /// The number of ends made and not released. It is negative if one was released twice.
    ends: isize,
    /// The engines and registries that were closed.
    closed: Vec<String>,
}

impl Wires {
    /// Wires that hold at most `buffer` bytes in each direction.
    pub fn with_buffer(buffer: usize) -> Self {
        assert!(buffer > 0, "a wire holds at least one byte");
        Self { buffer, books: Arc::default() }
    }

    /// The two ends of a new wire.
    pub fn wire(&self) -> (End, End) {
        lock(&self.books).ends += 2;
        let wire = Wire { sides: [Side::default(), Side::default()], buffer: self.buffer };
        let wire = Arc::new(Mutex::new(wire));
        let end = |me| End { wire: wire.clone(), me, books: self.books.clone() };
        (end(0), end(1))
    }

    /// The number of ends that were made and not released.
    pub fn ends(&self) -> isize {
        lock(&self.books).ends
    }

    /// The closed engines and registries, in the order of their closing.
    pub fn closed(&self) -> Vec<String> {
        lock(&self.books).closed.clone()
    }

    /// Records that an engine or registry was closed.
    pub fn note_closed(&self, what: String) {
        lock(&self.books).closed.push(what);
    }
}

impl Default for Wires {
    fn default() -> Self {
        Self::with_buffer(4096)
    }
}

/// One end of a wire. Clones are the same end.
#[derive(Clone)]
pub struct End {
    wire: Arc<Mutex<Wire>>,
    /// The wire's side of this end: 0 or 1.
    me: usize,
    books: Arc<Mutex<Books>>,
}

struct Wire {
    sides: [Side; 2],
    /// The maximum number of bytes in one inbox.
    buffer: usize,
}

/// The state of one end.
#[derive(Default)]
struct Side {
    state: State,
    /// Whether this end reads no more and discards incoming messages.
    deaf: bool,
    /// Whether the last handle of this end was released.
    released: bool,
    /// Messages from the peer that were not read yet; none is empty.
    inbox: VecDeque<Vec<u8>>,
    /// The wakers of tasks that wait for a message in the inbox.
    readers: Vec<Waker>,
    /// The wakers of tasks that wait for room in the peer's inbox.
    writers: Vec<Waker>,
}

/// The extent to which an end is closed.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
enum State {
    #[default]
    Open,
    /// The end does not write any more.
    Finished,
    Closed,
    Reset,
}

impl End {
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let waker = cx.waker().clone();
        let mut wire = lock(&self.wire);
        let (me, peer) = wire.sides(self.me);
        let count = match me.poll_peek(peer, buf) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => {
                wait(&mut me.readers, waker);
                return Poll::Pending;
            }
        };
        me.forget(count);
        let woken = std::mem::take(&mut peer.writers);
        drop(wire);
        woken.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let waker = cx.waker().clone();
        let mut wire = lock(&self.wire);
        let (me, peer) = wire.sides(self.me);
        let peeked = me.poll_peek(peer, buf);
        if peeked.is_pending() {
            wait(&mut me.readers, waker);
        }
        peeked
    }

    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let waker = cx.waker().clone();
        let mut wire = lock(&self.wire);
        let buffer = wire.buffer;
        let (me, peer) = wire.sides(self.me);
        me.may_write(peer)?;
        let count = buf.len().min(buffer - peer.waiting());
        if peer.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        if count == 0 {
            wait(&mut me.writers, waker);
            return Poll::Pending;
        }
        peer.inbox.push_back(buf[..count].to_vec());
        let woken = std::mem::take(&mut peer.readers);
        drop(wire);
        woken.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut wire = lock(&self.wire);
        let buffer = wire.buffer;
        let (me, peer) = wire.sides(self.me);
        if me.may_write(peer).is_err() || peer.deaf || peer.waiting() < buffer {
            return Poll::Ready(());
        }
        wait(&mut me.writers, waker);
        Poll::Pending
    }

    pub fn cancel_read(&self, waker: &Waker) {
        let left = leave(&mut lock(&self.wire).sides[self.me].readers, waker);
        drop(left);
    }

    pub fn cancel_write(&self, waker: &Waker) {
        let left = leave(&mut lock(&self.wire).sides[self.me].writers, waker);
        drop(left);
    }

    /// Registers a waker, like a read that finds nothing.
    pub fn watch(&self, waker: &Waker) {
        let waker = waker.clone();
        wait(&mut lock(&self.wire).sides[self.me].readers, waker);
    }

    pub fn shutdown(&self, how: Shutdown) -> bool {
        let mut wire = lock(&self.wire);
        let (me, peer) = wire.sides(self.me);
        let state = match how {
            Shutdown::Read => me.state,
            Shutdown::Write => State::Finished,
            Shutdown::CloseOrReset if !me.inbox.is_empty() => State::Reset,
            Shutdown::Reset | Shutdown::Abort => State::Reset,
            _ => State::Closed,
        };
        if me.state >= State::Closed || (state <= me.state && how != Shutdown::Read) {
            return false;
        }
        me.state = state;
        if how != Shutdown::Write {
            me.deaf = true;
            me.inbox.clear();
        }
        if how == Shutdown::Abort {
            peer.inbox.clear();
        }
        let woken = [me, peer].map(|side| (std::mem::take(&mut side.readers), std::mem::take(&mut side.writers)));
        drop(wire);
        woken.into_iter().flat_map(|(readers, writers)| readers.into_iter().chain(writers)).for_each(Waker::wake);
        state == State::Reset
    }

    /// Closes and releases this end, unless that is done.
    pub fn discard(&self) {
        let is_released = lock(&self.wire).sides(self.me).0.released;
        if !is_released {
            self.shutdown(Shutdown::CloseOrReset);
            self.release();
        }
    }

    pub fn release(&self) {
        let mut wire = lock(&self.wire);
        let (me, _) = wire.sides(self.me);
        assert!(me.state >= State::Closed, "an end is shut down before it is released");
        assert!(!std::mem::replace(&mut me.released, true), "an end is released once");
        drop(wire);
        lock(&self.books).ends -= 1;
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "End({})", self.me)
    }
}

impl Wire {
    /// The side `me`, and the peer's side.
    fn sides(&mut self, me: usize) -> (&mut Side, &mut Side) {
        let [first, second] = &mut self.sides;
        if me == 0 { (first, second) } else { (second, first) }
    }
}

impl Side {
    /// Copies bytes of the inbox without taking them.
    fn poll_peek(&self, peer: &Self, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        match (self.state, peer.state) {
            (State::Closed | State::Reset, _) => Poll::Ready(Err(Cause::SocketDown)),
            (_, State::Reset) if self.inbox.is_empty() => Poll::Ready(Err(Cause::ConnectionReset)),
            (_, State::Open) if self.inbox.is_empty() && !self.deaf => Poll::Pending,
            _ => {
                let bytes = self.inbox.iter().flatten();
                Poll::Ready(Ok(buf.iter_mut().zip(bytes).map(|(to, from)| *to = *from).count()))
            }
        }
    }

    /// Takes `count` bytes out of the inbox.
    fn forget(&mut self, mut count: usize) {
        while let Some(message) = self.inbox.front_mut().filter(|_| count > 0) {
            let taken = count.min(message.len());
            message.drain(..taken);
            count -= taken;
            if message.is_empty() {
                self.inbox.pop_front();
            }
        }
    }

    /// The number of bytes in the inbox.
    fn waiting(&self) -> usize {
        self.inbox.iter().map(Vec::len).sum()
    }

    fn may_write(&self, peer: &Self) -> Result<(), Cause> {
        match (self.state, peer.state) {
            (State::Closed | State::Reset, _) => Err(Cause::SocketDown),
            (_, State::Reset) => Err(Cause::ConnectionReset),
            (State::Finished, _) | (_, State::Closed) => Err(Cause::BrokenPipe),
            (State::Open, State::Open | State::Finished) => Ok(()),
        }
    }
}

fn wait(waiting: &mut Vec<Waker>, waker: Waker) {
    if !waiting.iter().any(|known| known.will_wake(&waker)) {
        waiting.push(waker);
    }
}

fn leave(waiting: &mut Vec<Waker>, waker: &Waker) -> Option<Waker> {
    let found = waiting.iter().position(|known| known.will_wake(waker));
    found.map(|found| waiting.swap_remove(found))
}

/// Locks a mutex, poisoned or not: a panic leaves no state half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
