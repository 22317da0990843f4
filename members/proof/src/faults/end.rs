//! A connection, and what may be seen of it.

use std::collections::VecDeque;

use virtnet::clock::Time;
use virtnet::{Addr, ErrorKind};

use super::verb::{Change, Links};
use super::{Conn, Report};

/// Both ends of a connection: 0 is the one that dialled.
pub(super) struct Pair {
    route: [usize; 2],
    ends: [Option<Conn>; 2],
    streams: [Stream; 2],
    /// Whether something may have reset it, or an end may have timed out.
    may_reset: bool,
    may_time_out: bool,
}

/// The bytes that one end sends.
#[derive(Default)]
struct Stream {
    written: u64,
    read: u64,
    /// Up to which byte was written when, at the earliest, these can be read.
    due: VecDeque<(u64, Time)>,
    /// Whether the end of the stream was sent, or may have been; and whether it was found.
    ended: bool,
    may_end: bool,
    found: bool,
    /// Whether the writing end is closed, so that bytes to it are for nobody.
    closed: bool,
    /// How many bytes had arrived when the direction was shut.
    shut_at: Option<u64>,
    arrived: u64,
}

/// The byte at an offset of a stream.
fn byte(side: usize, offset: u64) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 8)).wrapping_add(side as u64 * 101) as u8
}

impl Pair {
    pub(super) fn new(route: [usize; 2], accepted: Conn) -> Self {
        Self { route, ends: [None, Some(accepted)], streams: Default::default(), may_reset: false, may_time_out: false }
    }

    pub(super) fn is_of(&self, route: [usize; 2], local: &Addr, peer: &Addr) -> bool {
        let accepted = self.ends[1].as_ref();
        let same = accepted.is_some_and(|end| end.local_addr() == *peer && end.peer_addr() == *local);
        self.route == route && self.ends[0].is_none() && same
    }

    pub(super) fn dialled(&mut self, conn: Conn) {
        self.ends[0] = Some(conn);
    }

    /// A dial of the route was dropped, which may be that of this connection.
    pub(super) fn withdrawn(&mut self, route: [usize; 2]) {
        if self.route == route && self.ends[0].is_none() {
            self.streams[0].may_end = true;
            self.may_reset = true;
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }

    fn way(&self, side: usize) -> [usize; 2] {
        let [from, to] = self.route;
        if side == 0 { [from, to] } else { [to, from] }
    }

    pub(super) fn write(&mut self, side: usize, len: usize, now: Time, links: &Links) {
        let least = links.least(self.way(side));
        let Some(conn) = &self.ends[side] else { return };
        let stream = &mut self.streams[side];
        let bytes: Vec<u8> = (stream.written..).map(|offset| byte(side, offset)).take(len).collect();
        match conn.try_write(&bytes) {
            Ok(count) => {
                assert!(count > 0 && !(stream.ended && !stream.may_end), "a write after the end of the stream");
                stream.written += count as u64;
                stream.due.push_back((stream.written, now + least));
            }
            Err(error) => {
                let ended = self.streams[side].ended || self.streams[side].may_end;
                let closed = self.streams[1 - side].closed || self.streams[1 - side].may_end;
                self.explain(error.kind(), ended || closed, "write");
            }
        }
    }

    fn explain(&self, kind: ErrorKind, may_break: bool, what: &str) {
        let expected = match kind {
            ErrorKind::WouldBlock => true,
            ErrorKind::BrokenPipe => may_break,
            ErrorKind::ConnectionReset => self.may_reset || self.may_time_out,
            ErrorKind::TimedOut => self.may_time_out,
            _ => false,
        };
        assert!(expected, "a {what} failed: {kind:?}");
    }

    /// Reads at the end `side`. Returns whether there was something.
    pub(super) fn read(&mut self, side: usize, len: usize, now: Time, report: &mut Report) -> bool {
        let Some(conn) = &self.ends[side] else { return false };
        let mut buf = vec![0; len];
        let (kind, stream) = (conn.try_read(&mut buf), &mut self.streams[1 - side]);
        match kind {
            Ok(0) => {
                assert!(stream.ended || stream.may_end, "the stream was not ended");
                let whole = stream.read == stream.written || self.may_reset || self.may_time_out;
                assert!(whole, "the end of the stream came {} bytes too early", stream.written - stream.read);
                report.note(u64::MAX);
                stream.found = true;
                false
            }
            Ok(count) => {
                for got in &buf[..count] {
                    assert_eq!(*got, byte(1 - side, stream.read), "at byte {}", stream.read);
                    stream.read += 1;
                }
                assert!(stream.read <= stream.written, "bytes that were not written");
                let shut = stream.shut_at.is_none_or(|most| stream.read <= most);
                assert!(shut, "bytes arrived through a cut");
                while let Some(&(upto, due)) = stream.due.front()
                    && upto <= stream.read
                {
                    assert!(due <= now, "bytes arrived before they can have");
                    stream.due.pop_front();
                }
                report.count("bytes", count as u64);
                report.note(now.as_nanos() ^ stream.read);
                true
            }
            Err(error) => {
                if error.kind() == ErrorKind::ConnectionReset {
                    report.count("resets seen", 1);
                }
                self.explain(error.kind(), false, "read");
                false
            }
        }
    }

    /// How many bytes wait at an end.
    fn available(conn: &Conn) -> usize {
        let mut buf = vec![0; 1 << 13];
        match Box::pin(conn.peek(&mut buf)).as_mut().try_wait() {
            Some(Ok(count)) => count,
            _ => 0,
        }
    }

    pub(super) fn shut(&mut self, side: usize, how: usize) {
        let Some(conn) = &self.ends[side] else { return };
        let stream = &mut self.streams[side];
        match how {
            0 | 1 => {
                stream.ended |= conn.close_write().is_ok();
            }
            2..=4 => {
                (stream.ended, stream.closed) = (true, true);
                self.may_reset |= how == 4 || Self::available(conn) > 0;
                if how == 4 {
                    conn.abort();
                }
                self.ends[side] = None;
            }
            _ => {}
        }
    }

    /// Notes how many bytes have arrived.
    pub(super) fn mark(&mut self) {
        for side in 0..2 {
            if let Some(conn) = &self.ends[side] {
                let stream = &mut self.streams[1 - side];
                stream.arrived = stream.read + Self::available(conn) as u64;
            }
        }
    }

    /// Faults have changed.
    pub(super) fn changed(&mut self, change: &Change, links: &Links) {
        for side in 0..2 {
            let way = self.way(side);
            self.may_reset |= change.resets(way) || links.resets(way);
            self.may_time_out |= links.times_out(way);
            let stream = &mut self.streams[side];
            stream.may_end |= links.limits(way);
            // Of an end that nobody holds yet, nothing is known.
            stream.shut_at = match (links.is_shut(way), &self.ends[1 - side]) {
                (true, Some(_)) => Some(stream.shut_at.unwrap_or(stream.arrived)),
                _ => None,
            };
        }
    }

    /// All faults have ended.
    pub(super) fn lifted(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.shut_at = None);
    }

    /// Everything has arrived.
    pub(super) fn is_whole(&self) {
        if self.may_reset || self.may_time_out {
            return;
        }
        for (side, stream) in self.streams.iter().enumerate() {
            if self.ends[1 - side].is_some() {
                assert_eq!(stream.read, stream.written, "bytes of side {side} did not arrive");
                assert!(stream.found || !stream.ended, "the end of the stream of side {side} did not arrive");
            }
        }
    }
}
