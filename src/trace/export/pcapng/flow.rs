//! A connection as TCP would have it: which segments an event is.
//!
//! Invariant: a byte has the sequence number that its offset in the stream gives, whatever events are missing, and no
//! segment repeats an earlier one. So an event that would have to repeat one, such as a second close, is no segment.

use std::vec::Vec;

use crate::trace::export::pcapng::frame::{SEGMENT, Segment, Side};

/// The sides of a connection, the client's first. Each number has one value for each side.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) sides: [Side; 2],
    /// The first sequence number.
    first: [u32; 2],
    /// So many bytes were sent, and so many of them received by the peer.
    sent: [u64; 2],
    received: [u64; 2],
    /// Whether it has closed its direction, and the peer has seen that.
    closed: [bool; 2],
    seen: [bool; 2],
    /// Whether it reads no more.
    deaf: [bool; 2],
    pub(super) state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Dialling,
    Open,
    /// Reset, refused or withdrawn.
    Dead,
}

/// A segment of one side, with its payload as a part of the event's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) side: usize,
    pub(super) segment: Segment,
    pub(super) payload: (u64, usize),
}

impl Flow {
    /// The connection number `number` of the file.
    pub(super) fn new(number: u32, sides: [Side; 2]) -> Self {
        let first = number.wrapping_mul((1 << 24) + 1).wrapping_add(1);
        Self {
            sides,
            first: [first, first.wrapping_add(1 << 23)],
            sent: [0; 2],
            received: [0; 2],
            closed: [false; 2],
            seen: [false; 2],
            deaf: [false; 2],
            state: State::Dialling,
        }
    }

    /// The sequence number of the byte at an offset.
    fn seq(&self, side: usize, offset: u64) -> u32 {
        // Sequence numbers wrap.
        self.first[side].wrapping_add(1).wrapping_add(offset as u32)
    }

    /// The next segment of a side, without a flag.
    fn segment(&self, side: usize) -> Segment {
        let peer = 1 - side;
        let seq = self.seq(side, self.sent[side]).wrapping_add(self.closed[side].into());
        let ack = self.seq(peer, self.received[peer]).wrapping_add(self.seen[peer].into());
        Segment { seq, ack: Some(ack), ..Segment::default() }
    }

    pub(super) fn dial(&self) -> Sent {
        let segment = Segment { seq: self.first[0], syn: true, ..Segment::default() };
        Sent { side: 0, segment, payload: (0, 0) }
    }

    pub(super) fn accept(&mut self) -> Sent {
        self.state = State::Open;
        let segment = Segment { seq: self.first[1], ack: Some(self.seq(0, 0)), syn: true, ..Segment::default() };
        Sent { side: 1, segment, payload: (0, 0) }
    }

    /// The server refuses.
    pub(super) fn refuse(&mut self) -> Sent {
        self.state = State::Dead;
        let segment = Segment { seq: 0, ack: Some(self.seq(0, 0)), rst: true, ..Segment::default() };
        Sent { side: 1, segment, payload: (0, 0) }
    }

    /// The client gives up.
    pub(super) fn withdraw(&mut self) -> Sent {
        self.state = State::Dead;
        Sent { side: 0, segment: Segment { seq: self.seq(0, 0), rst: true, ..Segment::default() }, payload: (0, 0) }
    }

    /// A segment without payload that only acknowledges.
    pub(super) fn acknowledge(&self, side: usize) -> Sent {
        Sent { side, segment: self.segment(side), payload: (0, 0) }
    }

    /// Bytes go out.
    pub(super) fn write(&mut self, side: usize, offset: Option<u64>, count: u64) -> Vec<Sent> {
        let start = offset.unwrap_or(self.sent[side]);
        let starts = (0..count).step_by(SEGMENT);
        let part = |from: u64| {
            let len = (count - from).min(SEGMENT as u64);
            let segment = Segment { seq: self.seq(side, start + from), psh: from + len == count, ..self.segment(side) };
            Sent { side, segment, payload: (from, len as usize) }
        };
        let mut parts: Vec<_> = starts.map(part).collect();
        self.sent[side] = self.sent[side].max(start + count);
        // The peer is gone.
        if self.closed[1 - side] && self.deaf[1 - side] {
            parts.push(self.reset(1 - side));
        }
        parts
    }

    /// Bytes of a rendezvous are known to have gone out: those up to the end of these that were not sent yet.
    pub(super) fn deliver(&mut self, side: usize, offset: Option<u64>, count: u64) -> Vec<Sent> {
        let skip = self.sent[side].saturating_sub(offset.unwrap_or(self.sent[side])).min(count);
        let mut sent = self.write(side, offset.map(|offset| offset + skip), count - skip);
        sent.iter_mut().for_each(|sent| sent.payload.0 += skip);
        sent
    }

    /// A side has read bytes.
    pub(super) fn read(&mut self, side: usize, offset: Option<u64>, count: u64) -> Sent {
        let received = &mut self.received[1 - side];
        *received = offset.unwrap_or(*received) + count;
        self.acknowledge(side)
    }

    /// A side reads no more.
    pub(super) fn deafen(&mut self, side: usize) {
        self.deaf[side] = true;
    }

    /// A side closes its direction.
    pub(super) fn close(&mut self, side: usize) -> Option<Sent> {
        let segment = Segment { fin: true, ..self.segment(side) };
        (!core::mem::replace(&mut self.closed[side], true)).then_some(Sent { side, segment, payload: (0, 0) })
    }

    /// A side has read to the end. The close of the peer may have been no event, as its host closed.
    pub(super) fn end(&mut self, side: usize) -> Vec<Sent> {
        let peer = 1 - side;
        if self.seen[peer] || (self.deaf[side] && !self.closed[peer]) {
            return Vec::new();
        }
        let close = self.close(peer);
        self.seen[peer] = true;
        close.into_iter().chain([self.acknowledge(side)]).collect()
    }

    /// A side resets the connection.
    pub(super) fn reset(&mut self, side: usize) -> Sent {
        self.state = State::Dead;
        Sent { side, segment: Segment { rst: true, ..self.segment(side) }, payload: (0, 0) }
    }
}
