//! What lies in the buffer of its connection while it is on its way: bytes, and the ends behind them.

use core::time::Duration;
use std::io::Write as _;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use super::super::setup::Setup;
use super::super::step::timed_out;
use super::bed::{Bed, L, ms, ok, on_each_clock};
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;
use crate::wait::clock::{Clock, Time};

pub(in super::super) fn a_stalled_writer_feels_backpressure<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let [b, a] = bed.pair();
        bed.route().partition();
        let text = "0123456789abcdef".repeat(8 << 10);
        let room = bed.write(&b, &text).expect("there is room");
        assert_eq!(room, setup.buffer.unwrap_or(room));
        assert_eq!(bed.write(&b, "x"), bed.unwritten(&b, "would block"));
        if bed.is_auto() {
            b.set_write_timeout(Some(Duration::from_secs(1))).expect("more than zero");
            assert_eq!((&*b).write(b"x").unwrap_err().kind(), timed_out());
            assert_eq!(bed.now(), 1000);
        }
        assert!(bed.waits(&a));
        bed.at(1000);
        bed.route().repair();
        let mut all = Vec::new();
        for written in [Ok(room), bed.write(&b, "x")] {
            let mut buf = vec![0; written.unwrap_or(0)];
            while all.len() < room && !buf.is_empty() {
                let count = a.try_read(&mut buf).expect("bytes");
                all.extend_from_slice(&buf[..count]);
            }
        }
        assert_eq!(all, text.as_bytes()[..room]);
        assert_eq!(bed.write(&b, "y"), Ok(1));
        assert_eq!(bed.read(&a), ok("y"));
        drop((a, b));
        bed.finish();
    });
}

pub(in super::super) fn close_arrives_after_the_bytes<N: NetRef + 'static>(setup: &Setup<N>) {
    for unread in [false, true] {
        on_each_clock(setup, |bed| {
            let [b, a] = bed.pair();
            if unread {
                assert_eq!(bed.write(&a, "u"), Ok(1));
            }
            bed.route().latency(L);
            assert_eq!(bed.write(&b, "012"), Ok(3));
            drop(b);
            assert_eq!(bed.b.sockets(), 0);
            bed.at(20);
            // It is lost, and takes its room.
            assert_eq!(bed.write(&a, "v"), Ok(1));
            bed.before(50);
            assert!(bed.waits(&a));
            bed.at(50);
            assert_eq!(bed.read(&a), ok("012"));
            let resets = unread && setup.resets_unread;
            assert_eq!(bed.read(&a), if resets { bed.unread(&a, "connection reset") } else { ok("") });
            bed.at(60);
            assert_eq!(bed.write(&a, "x"), bed.unwritten(&a, if resets { "connection reset" } else { "broken pipe" }));
            drop(a);
            bed.finish();
        });
    }
}

pub(in super::super) fn abort_arrives_in_its_turn<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let [b, a] = bed.pair();
        bed.route().latency(L);
        assert_eq!(bed.write(&b, "x"), Ok(1));
        bed.at(10);
        assert_eq!(bed.write(&b, "y"), Ok(1));
        b.abort();
        bed.at(55);
        let mut peeked = [0; 9];
        assert_eq!((a.peek(&mut peeked).wait(), peeked[0]), (Ok(1), b'x'));
        bed.before(60);
        assert_eq!(a.peek(&mut peeked).wait(), Ok(1));
        bed.at(60);
        assert_eq!(bed.read(&a), bed.unread(&a, "connection reset"));
        drop((a, b));
        bed.finish();
    });
}

pub(in super::super) fn bytes_of_an_end_that_timed_out_never_arrive<N: NetRef + 'static>(setup: &Setup<N>) {
    for ended in [false, true] {
        on_each_clock(setup, |bed| {
            let [b, a] = bed.pair();
            bed.route().latency(L);
            bed.faults.oneway("b", "a").user_timeout(Some(ms(200)));
            assert_eq!(bed.write(&b, "x"), Ok(1));
            bed.at(50);
            bed.route().partition();
            assert_eq!(bed.write(&b, "y"), Ok(1));
            if ended {
                b.close_write().expect("it is open");
            }
            bed.at(250);
            assert_eq!(bed.read(&b), bed.unread(&b, "timed out"));
            bed.faults.all().clear();
            // The bytes that had arrived before are read.
            assert_eq!(bed.read(&a), ok("x"));
            bed.at(1000);
            assert!(bed.waits(&a));
            assert_eq!(bed.write(&a, "z"), Ok(1));
            assert_eq!(bed.read(&a), bed.unread(&a, "connection reset"));
            drop((a, b));
            bed.finish();
        });
    }
}

pub(in super::super) fn bandwidth_is_shared_by_a_direction<N: NetRef + 'static>(setup: &Setup<N>) {
    // A connection carries at most a buffer in each latency, which must not be what limits it.
    if setup.buffer.is_some_and(|bytes| bytes < 64 << 10) {
        return;
    }
    for clock in [Clock::manual, Clock::auto] {
        let bed = Bed::new(setup, clock(), 0);
        let done = transfer(&bed, &[bed.pair()]);
        assert!(is_at(done[0], 1010), "{done:?}");
        bed.finish();

        let bed = Bed::new(setup, clock(), 0);
        let two = [bed.pair(), bed.pair()];
        let done = transfer(&bed, &two);
        let (later, other) = (done[0].max(done[1]), done[0].min(done[1]));
        assert!(is_at(later, 2010) && later - other <= ms(66), "{done:?}");
        drop(two);
        bed.finish();
    }
}

/// Sends 1 MB on each connection with 10 ms latency and 1 MB/s for all, which is read at once. Returns when the last
/// byte of each arrived.
fn transfer<N: NetRef + 'static>(bed: &Bed<'_, N>, pairs: &[[Arc<Conn<N>>; 2]]) -> Vec<Time> {
    bed.faults.oneway("b", "a").latency(ms(10)).bandwidth(1_000_000);
    // The other direction is as fast as ever.
    for [near, far] in pairs {
        assert_eq!((bed.write(far, "back"), bed.read(near)), (Ok(4), ok("back")));
    }
    let mut left = vec![(1_000_000, 1_000_000); pairs.len()];
    let mut done = vec![Time::ZERO; pairs.len()];
    let (bytes, mut buf) = (vec![7; 16 << 10], vec![0; 64 << 10]);
    loop {
        for (at, [near, far]) in pairs.iter().enumerate() {
            let (to_write, to_read) = &mut left[at];
            while *to_read > 0
                && let Ok(count) = far.try_read(&mut buf)
            {
                *to_read -= count;
                done[at] = bed.clock.now();
            }
            while *to_write > 0
                && let Ok(count) = near.try_write(&bytes[..bytes.len().min(*to_write)])
            {
                *to_write -= count;
            }
        }
        if left.iter().all(|&(_, to_read)| to_read == 0) {
            return done;
        }
        assert!(bed.to_next(), "something is on its way");
    }
}

/// Whether a time is so many milliseconds after the start, give or take one.
fn is_at(time: Time, millis: u64) -> bool {
    let wanted = Time::ZERO + ms(millis);
    time + ms(1) >= wanted && time <= wanted + ms(1)
}
