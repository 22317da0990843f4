//! Bytes: reading, writing, and the end of the stream.

use core::future::poll_fn;
use core::time::Duration;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::setup::Setup;
use super::step::{PATIENCE, SHORT, failed, read, read_all, text, write, write_all};
use crate::error::kind::ErrorKind;
use crate::net::net_ref::NetRef;

pub(super) fn bytes_arrive_in_order_in_both_directions<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    // More bytes than any buffer under test holds, and no byte equals its neighbours.
    let all: Vec<_> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
    for (from, to) in [(&pair.dialled, &pair.accepted), (&pair.accepted, &pair.dialled)] {
        let (sent, got) = net.both(write_all(from.clone(), all.clone()), read_all(to.clone(), all.len()));
        assert_eq!(sent, Ok(()));
        assert!(got == Ok(all.clone()), "the bytes that were read are not those that were written");
    }
}

pub(super) fn reading_does_not_hinder_writing<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    let reading = [net.start(read(a, 9)), net.start(read(b, 9))];
    let [from_b, from_a] = reading;
    assert_eq!(net.finish(write(b, b"abc"), [from_b]), (Ok(3), [Ok(b"abc".into())]));
    assert_eq!(net.finish(write(a, b"de"), [from_a]), (Ok(2), [Ok(b"de".into())]));
}

pub(super) fn writing_does_not_hinder_reading<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    let mut full = net.fill(a);
    let writing = net.start(write(a, b"x"));
    assert_eq!(net.both(write(b, b"abc"), read(a, 9)), (Ok(3), Ok(b"abc".into())));
    full.push(b'x');
    assert_eq!(net.finish(read_all(b.clone(), full.len()), [writing]), (Ok(full), [Ok(1)]));
}

pub(super) fn read_returns_the_available_bytes<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    let writing = net.offer(&pair.dialled, b"abc");
    assert_eq!(net.wait(read(a, 2)), Ok(b"ab".into()));
    assert_eq!(net.finish(read(a, 100), [writing]), (Ok(b"c".into()), [Ok(3)]));
    let nothing = a.try_read(&mut [0; 9]).expect_err("nothing is there");
    assert_eq!((nothing.to_string(), nothing.kind()), (failed("read", a, "would block"), ErrorKind::WouldBlock));
}

pub(super) fn read_waits_for_the_first_byte<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let reading = net.start(read(&pair.accepted, 100));
    assert_eq!(net.finish(write(&pair.dialled, b"x"), [reading]), (Ok(1), [Ok(b"x".into())]));
}

pub(super) fn a_dropped_read_takes_nothing<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let reading = net.hold(read(&pair.accepted, 100));
    let writing = net.offer(&pair.dialled, b"abc");
    drop(reading);
    assert_eq!(net.finish(read(&pair.accepted, 100), [writing]), (Ok(b"abc".into()), [Ok(3)]));
}

pub(super) fn an_empty_buffer_completes_at_once<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    assert_eq!((a.try_read(&mut []), a.peek(&mut []).wait_timeout(NOW), a.try_write(&[])), (Ok(0), Ok(0), Ok(0)));
    b.close_write().expect("the connection is up");
    assert_eq!((b.try_write(&[]), a.try_read(&mut [])), (Ok(0), Ok(0)));
    b.close();
    assert_eq!((a.try_read(&mut []), a.try_write(&[])), (Ok(0), Ok(0)));
    assert_eq!(text(b.try_read(&mut [])), failed("read", b, "socket is down"));
    assert_eq!(text(b.peek(&mut []).wait_timeout(NOW)), failed("read", b, "socket is down"));
    assert_eq!(text(b.try_write(&[])), failed("write", b, "socket is down"));
    net.wait(pair.a.close()).expect("closing goes well");
    assert_eq!(text(a.try_read(&mut [])), failed("read", a, "host is down"));
    assert_eq!(text(a.try_write(&[])), failed("write", a, "host is down"));
}

pub(super) fn peek_leaves_the_bytes<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    let writing = net.offer(&pair.dialled, b"abc");
    let mut buf = [0; 9];
    for _ in 0..2 {
        assert_eq!((a.peek(&mut buf[..2]).wait_timeout(NOW), &buf[..3]), (Ok(2), &b"ab\0"[..]));
    }
    assert_eq!(a.peek(&mut buf).wait_timeout(NOW), Ok(3));
    assert_eq!(net.finish(read(a, 100), [writing]), (Ok(b"abc".into()), [Ok(3)]));
    pair.dialled.close_write().expect("the connection is up");
    assert_eq!(a.peek(&mut buf).wait_timeout(NOW), Ok(0));
}

pub(super) fn half_close_ends_one_direction<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    let send = async {
        write_all(b.clone(), b"last words".to_vec()).await?;
        b.close_write()
    };
    assert_eq!(net.both(send, read_all(a.clone(), 100)), (Ok(()), Ok(b"last words".into())));
    assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
    assert_eq!(text(net.wait(write(b, b"x"))), failed("write", b, "broken pipe"));
    b.close_write().expect("again");
    assert_eq!(net.both(write(a, b"ho"), read(b, 9)), (Ok(2), Ok(b"ho".into())));
    a.close_write().expect("the connection is up");
    assert_eq!(net.wait(read(b, 9)), Ok(vec![]));
    a.close();
    assert_eq!(text(a.close_write()), failed("shutdown", a, "socket is down"));
}

pub(super) fn half_close_wakes_readers<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let reading = [(); 3].map(|()| net.start(read(&pair.accepted, 9)));
    pair.dialled.close_write().expect("the connection is up");
    assert_eq!(reading.map(|reading| reading.outcome()), [const { Ok(Vec::new()) }; 3]);
}

pub(super) fn half_close_wakes_writers<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let b = &pair.dialled;
    let full = net.fill(b);
    let writing = net.start(write(b, b"x"));
    b.close_write().expect("the connection is up");
    if net.is_rendezvous() {
        // Bytes offered before are part of the stream.
        assert_eq!(net.finish(read_all(pair.accepted.clone(), 9), [writing]), (Ok(b"x".into()), [Ok(1)]));
    } else {
        assert_eq!(text(writing.outcome()), failed("write", b, "broken pipe"));
        assert!(net.wait(read_all(pair.accepted.clone(), full.len() + 1)) == Ok(full));
    }
}

pub(super) fn after_the_peer_closed_reads_end_and_writes_fail<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    b.close();
    net.closed_at_peer(a);
    for _ in 0..2 {
        assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
        assert_eq!(text(net.wait(write(a, b"x"))), failed("write", a, "broken pipe"));
    }
    assert_eq!((a.peek(&mut [0]).wait_timeout(NOW), a.try_read(&mut [0])), (Ok(0), Ok(0)));
    // This end is not closed.
    a.close_write().expect("the connection is up");
}

pub(super) fn abort_resets_the_peer<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    // What has arrived at a socket is read.
    let in_flight = (!net.raw).then(|| net.offer(b, b"abc"));
    b.abort();
    drop(in_flight);
    for _ in 0..2 {
        assert_eq!(text(net.wait(read(a, 9))), failed("read", a, "connection reset"));
        assert_eq!(text(net.wait(write(a, b"x"))), failed("write", a, "connection reset"));
        assert_eq!(text(net.wait(read(b, 9))), failed("read", b, "socket is down"));
        assert_eq!(text(net.wait(write(b, b"x"))), failed("write", b, "socket is down"));
    }
    assert_eq!(text(a.peek(&mut [0]).wait_timeout(NOW)), failed("read", a, "connection reset"));
    // An aborted connection is closed, and a closed connection cannot be aborted.
    b.close();
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    dialled.close();
    dialled.abort();
    assert_eq!(net.wait(read(&accepted, 9)), Ok(vec![]));
}

pub(super) fn abort_wakes_readers<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    let reading = [net.start(read(a, 9)), net.start(read(b, 9))];
    b.abort();
    let want = [failed("read", a, "connection reset"), failed("read", b, "socket is down")];
    assert_eq!(reading.map(|reading| text(reading.outcome())), want);
}

pub(super) fn abort_wakes_writers<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    net.fill(a);
    net.fill(b);
    let writing = [net.start(write(a, b"x")), net.start(write(b, b"x"))];
    b.abort();
    let want = [failed("write", a, "connection reset"), failed("write", b, "socket is down")];
    assert_eq!(writing.map(|writing| text(writing.outcome())), want);
}

pub(super) fn each_of_several_readers_is_woken<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let reading = [(); 4].map(|()| net.start(read(&pair.accepted, 1)));
    let (sent, got) = net.finish(write_all(pair.dialled.clone(), b"abcd".to_vec()), reading);
    let mut got: Vec<u8> = got.into_iter().flat_map(|read| read.expect("a byte for each")).collect();
    got.sort();
    assert_eq!((sent, got), (Ok(()), b"abcd".into()));
}

pub(super) fn each_of_several_writers_is_woken<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let mut full = net.fill(&pair.dialled);
    // At most as many as a fixed-size network can tell apart in a rendezvous.
    let writing = [b"a", b"b", b"c"].map(|byte| net.start(write(&pair.dialled, byte)));
    let (got, sent) = net.finish(read_all(pair.accepted.clone(), full.len() + 3), writing);
    assert_eq!(sent, [const { Ok(1) }; 3]);
    let mut got = got.expect("all bytes");
    let mut last = got.split_off(full.len());
    last.sort();
    full.extend(b"abc");
    got.extend(last);
    assert!(got == full, "{:?}", got.last_chunk::<3>());
}

pub(super) fn readiness_matches_the_next_read_or_write<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (pair.accepted.clone(), pair.dialled.clone());
    let readable = {
        let a = a.clone();
        net.start(poll_fn(move |cx| a.poll_read_ready(cx)))
    };
    net.wait(poll_fn(|cx| b.poll_write_ready(cx)));
    let full = net.fill(&b);
    // A rendezvous network has one write in progress at a time.
    let writing = net.is_rendezvous().then(|| net.offer(&b, b"x"));
    readable.outcome();
    let writable = {
        let b = b.clone();
        net.start(poll_fn(move |cx| b.poll_write_ready(cx)))
    };
    // One free byte is enough, unless it is a socket's.
    let len = if net.raw { full.len() } else { 1 };
    assert!(net.wait(read_all(a.clone(), len)).is_ok());
    drop(writing);
    writable.outcome();
    a.close();
    net.wait(poll_fn(|cx| a.poll_read_ready(cx)));
    net.wait(poll_fn(|cx| b.poll_write_ready(cx)));
}

pub(super) fn waiting_for_readiness_may_time_out<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    assert_eq!(text(a.readable().wait_timeout(SHORT)), failed("read", a, "timed out"));
    assert_eq!(text(a.peek(&mut [0]).wait_timeout(SHORT)), failed("read", a, "timed out"));
    assert_eq!(b.writable().wait_timeout(NOW), Ok(()));
    let mut full = net.fill(b);
    let writing = net.is_rendezvous().then(|| net.offer(b, b"x"));
    assert_eq!(text(b.writable().wait_timeout(SHORT)), failed("write", b, "timed out"));
    assert_eq!(a.readable().wait_timeout(NOW), Ok(()));
    full.extend(writing.iter().map(|_| b'x'));
    assert!(net.wait(read_all(a.clone(), full.len())) == Ok(full));
    assert!(writing.is_none_or(|writing| writing.outcome() == Ok(1)));
    assert_eq!(b.writable().wait_timeout(if net.raw { PATIENCE } else { NOW }), Ok(()));
}

/// For outcomes that must be ready already.
const NOW: Duration = Duration::ZERO;
