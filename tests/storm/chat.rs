//! The exchange of bytes over one connection of a storm.

use std::io::{Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use virtnet::{Conn, Error, ErrorKind, NetRef};

use super::stream::{Receiver, Sender};
use super::worker::{Worker, cause};
use super::world::Node;

/// One end of a connection, and the streams that it sends and receives.
pub(crate) struct Chat<'c, 'w, N: NetRef> {
    worker: &'c mut Worker<'w, N>,
    conn: &'c Arc<Conn<N>>,
    node: &'c Node<N>,
    /// `None` once the stream was closed for writing.
    sender: Option<Sender<'w>>,
    receiver: Receiver<'w>,
    /// Whether the received stream has ended.
    ended: bool,
}

/// The usual maximum of bytes that one end sends without an answer.
const LONG: u64 = 5000;

/// The absolute maximum, which is more than the bytes copied under a lock.
const LONGEST: u64 = 60_000;

impl<'c, 'w, N: NetRef> Chat<'c, 'w, N> {
    pub(crate) fn new(worker: &'c mut Worker<'w, N>, conn: &'c Arc<Conn<N>>, node: &'c Node<N>) -> Self {
        let ledger = &worker.world.ledger;
        let (own, peer) = (conn.local_addr(), conn.peer_addr());
        let sender = Some(ledger.send(own, peer));
        Self { sender, receiver: ledger.receive(peer, own), worker, conn, node, ended: false }
    }

    /// Sends bytes, closes for writing, and waits for the answer. There are no time limits, so a lost wake-up shows as
    /// a hang.
    pub(crate) fn ask(mut self) {
        if self.worker.rng.once_in(8) {
            self.ask_with_two_threads()
        } else {
            self.write_much();
            self.close_write();
            self.read_to_end();
        }
    }

    /// Reads while another thread writes.
    fn ask_with_two_threads(mut self) {
        let Some(sender) = self.sender.take() else { return };
        let len = self.length();
        let conn = self.conn.clone();
        thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut left = len;
                while left > 0 {
                    let Ok(count) = (&*conn).write(&sender.next(left)) else { return };
                    sender.sent(count);
                    left -= count as u64;
                }
                // Another thread may have closed the connection.
                let _ = conn.close_write();
            });
            self.read_to_end();
            // The peer may be closed before it has read everything.
            writing.join().expect("no panic");
        });
    }

    /// Waits for the end of the question, and sends an answer.
    pub(crate) fn answer(mut self) {
        self.read_to_end();
        self.write_much();
        match self.worker.rng.below(8) {
            0 => self.conn.abort(),
            1 => self.conn.close(),
            _ => {}
        }
    }

    /// Reads and writes in any order, never for long, and stops at any time.
    pub(crate) fn ramble(mut self) {
        for _ in 0..self.worker.rng.below(40) {
            self.set_time_limits();
            match self.worker.rng.below(24) {
                0..9 => self.write(200),
                9..18 => self.read(200),
                18 => self.write_once(),
                19 => self.try_to_read(),
                20 => self.peek(),
                21 => self.empty(),
                22 => self.close_write(),
                _ if self.worker.rng.once_in(4) => self.conn.abort(),
                _ => {}
            }
            if self.ended && self.sender.is_none() {
                break;
            }
        }
    }

    fn set_time_limits(&mut self) {
        let limit = Some(self.worker.micros(300) + Duration::from_nanos(1));
        self.conn.set_read_timeout(limit).expect("it is not zero");
        self.conn.set_write_timeout(limit).expect("it is not zero");
    }

    /// The number of bytes to send.
    fn length(&mut self) -> u64 {
        let rng = &mut self.worker.rng;
        let most = if rng.once_in(16) { LONGEST } else { LONG };
        rng.below(most)
    }

    fn write_much(&mut self) {
        let mut left = self.length();
        while left > 0 && self.sender.is_some() {
            let most = 1 + self.worker.rng.below(left);
            self.write(most);
            left -= most;
        }
    }

    /// Writes up to `most` bytes.
    fn write(&mut self, most: u64) {
        let Some(sender) = &self.sender else { return };
        let bytes = sender.next(1 + self.worker.rng.below(most));
        let mut left = &*bytes;
        while !left.is_empty() {
            self.worker.at("write");
            match (&**self.conn).write(left) {
                Ok(0) => panic!("a write wrote nothing"),
                Ok(count) => {
                    self.sent(count);
                    left = &left[count..];
                }
                Err(error) => return self.failed_to_write(cause(&error)),
            }
        }
    }

    /// Writes once without waiting, as a single-threaded program would.
    fn write_once(&mut self) {
        let Some(sender) = &self.sender else { return };
        let bytes = sender.next(50);
        self.worker.at("try to write");
        match self.conn.try_write(&bytes) {
            Ok(count) => self.sent(count),
            // The peer may have the bytes, or get them later, even if an end was closed since.
            Err(error) if self.worker.world.rendezvous => {
                let sender = self.sender.take();
                self.failed_to_write(&error);
                sender.into_iter().for_each(|sender| sender.perhaps_sent(bytes.len()));
            }
            Err(error) => self.failed_to_write(&error),
        }
    }

    fn sent(&self, count: usize) {
        self.sender.iter().for_each(|sender| sender.sent(count));
    }

    fn failed_to_write(&mut self, error: &Error) {
        let closed = [ErrorKind::BrokenPipe, ErrorKind::SocketDown, ErrorKind::ConnectionReset];
        let waited = [ErrorKind::TimedOut, ErrorKind::WouldBlock];
        self.worker.world.expect(error, "write", Some(self.node), &[&closed[..], &waited].concat());
        if !waited.contains(&error.kind()) {
            self.sender = None;
        }
    }

    fn close_write(&mut self) {
        if let Err(error) = self.conn.close_write() {
            self.worker.world.expect(&error, "close write", Some(self.node), &[ErrorKind::SocketDown]);
        }
        self.sender = None;
    }

    fn read_to_end(&mut self) {
        let most = if self.worker.rng.once_in(8) { LONGEST } else { 1000 };
        while !self.ended {
            self.read(most);
        }
    }

    /// Reads up to `most` bytes.
    fn read(&mut self, most: u64) {
        self.worker.at("read");
        let mut buf = vec![0; 1 + self.worker.rng.below(most) as usize];
        let count = (&**self.conn).read(&mut buf);
        self.received(&buf, count.map_err(|error| *cause(&error)));
    }

    fn try_to_read(&mut self) {
        self.worker.at("try to read");
        let mut buf = [0; 64];
        let count = self.conn.try_read(&mut buf);
        self.received(&buf, count);
    }

    fn received(&mut self, buf: &[u8], count: Result<usize, Error>) {
        let reset = [ErrorKind::SocketDown, ErrorKind::ConnectionReset];
        let waited = [ErrorKind::TimedOut, ErrorKind::WouldBlock];
        match count {
            Ok(0) => {
                self.receiver.ended();
                self.ended = true;
            }
            Ok(count) => self.receiver.received(&buf[..count]),
            Err(error) => {
                self.worker.world.expect(&error, "read", Some(self.node), &[&reset[..], &waited].concat());
                self.ended |= !waited.contains(&error.kind());
            }
        }
    }

    /// Peeks, and then reads at least the bytes seen.
    fn peek(&mut self) {
        let (mut seen, mut buf) = ([0; 20], [0; 20]);
        let looked = self.conn.poll_peek(&mut Context::from_waker(Waker::noop()), &mut seen);
        let Poll::Ready(Ok(count)) = looked else { return };
        let read = self.conn.try_read(&mut buf);
        if let Ok(read) = read {
            // A rendezvous write that was dropped takes its bytes along.
            let same = read >= count && buf[..count] == seen[..count];
            assert!(same || self.worker.world.rendezvous, "what was seen is not what comes");
        }
        self.received(&buf, read);
    }

    /// Reads and writes with empty buffers.
    fn empty(&mut self) {
        let (read, written) = ((&**self.conn).read(&mut []), (&**self.conn).write(&[]));
        for outcome in [read, written] {
            match outcome {
                Ok(count) => assert_eq!(count, 0),
                Err(error) => {
                    let error = cause(&error);
                    self.worker.world.expect(error, "nothing", Some(self.node), &[ErrorKind::SocketDown]);
                }
            }
        }
    }
}
