//! Closing with bytes unread, and closing a connection's read direction.

use std::sync::Arc;
use std::vec;

use super::half::own;
use super::setup::{Pair, Setup};
use super::step::{failed, read, text, write};
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;

/// Asserts that the peer of `conn` was closed with bytes unread: the bytes that reached `conn` come first, here `ab`.
#[track_caller]
fn is_reset<N: NetRef + 'static>(net: &Setup<N>, conn: &Arc<Conn<N>>) {
    net.closed_at_peer(conn);
    assert_eq!(text(net.wait(write(conn, b"x"))), failed("write", conn, "connection reset"));
    assert_eq!(net.wait(read(conn, 9)), Ok(b"ab".into()));
    for _ in 0..2 {
        assert_eq!(text(net.wait(read(conn, 9))), failed("read", conn, "connection reset"));
        assert_eq!(text(net.wait(write(conn, b"x"))), failed("write", conn, "connection reset"));
    }
    conn.close_write().expect("it is not closed itself");
}

pub(super) fn an_end_closed_with_bytes_unread_resets<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { b, listener, dialled, accepted, .. } = net.pair();
    let c = net.host("c");
    let ways: [&dyn Fn(Arc<Conn<N>>); 5] = [
        &|conn| {
            let (read_half, write_half) = own(conn).into_split();
            drop(read_half);
            drop(write_half);
        },
        &|conn| {
            let (read_half, write_half) = own(conn).into_split();
            drop(write_half);
            drop(read_half);
        },
        &|conn| conn.close(),
        &drop,
        &|conn| {
            net.wait(c.close()).expect("closing goes well");
            drop(conn);
        },
    ];
    // A socket that writes no more does not reset any more.
    for close in ways.into_iter().skip(if net.raw { 2 } else { 0 }) {
        let (dialled, accepted) = net.connect(&c, &listener);
        assert_eq!(net.wait(write(&dialled, b"ab")), Ok(2));
        assert_eq!(net.wait(write(&accepted, b"cde")), Ok(3));
        // Bytes that were read or peeked make no difference.
        assert_eq!(net.wait(read(&dialled, 2)), Ok(b"cd".into()));
        assert_eq!(dialled.peek(&mut [0; 9]).wait(), Ok(1));
        close(dialled);
        is_reset(net, &accepted);
    }
    // A close after everything was read resets nothing; bytes that arrive later do not change that.
    assert_eq!(net.wait(write(&accepted, b"ab")), Ok(2));
    assert_eq!(net.wait(read(&dialled, 9)), Ok(b"ab".into()));
    drop(dialled);
    net.closed_at_peer(&accepted);
    for _ in 0..2 {
        assert_eq!(text(net.wait(write(&accepted, b"x"))), failed("write", &accepted, "broken pipe"));
        assert_eq!(net.wait(read(&accepted, 9)), Ok(vec![]));
    }
    assert_eq!(b.sockets(), 0);
}

pub(super) fn a_dropped_half_resets_nothing<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { b, listener, dialled, accepted, .. } = net.pair();
    assert_eq!(net.wait(write(&accepted, b"ab")), Ok(2));
    let (read_half, write_half) = own(dialled).into_split();
    drop(read_half);
    assert_eq!(net.both(async { write_half.try_write(b"c") }, read(&accepted, 9)), (Ok(1), Ok(b"c".into())));
    drop(write_half);
    let (dialled, accepted) = net.connect(&b, &listener);
    assert_eq!(net.wait(write(&accepted, b"ab")), Ok(2));
    let (read_half, write_half) = own(dialled).into_split();
    drop(write_half);
    assert_eq!(net.wait(read(&accepted, 9)), Ok(vec![]));
    assert_eq!(net.wait(write(&accepted, b"c")), Ok(1));
    assert_eq!(read_half.try_read(&mut [0; 9]), Ok(3));
}

pub(super) fn a_reset_wakes_waiting_tasks<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { dialled, accepted, .. } = net.pair();
    net.fill(&accepted);
    let reading = [(); 3].map(|()| net.start(read(&accepted, 9)));
    let writing = net.start(write(&accepted, b"x"));
    drop(dialled);
    let reset = failed("read", &accepted, "connection reset");
    assert_eq!(reading.map(|reading| text(reading.outcome())), [reset.as_str(); 3]);
    assert_eq!(text(writing.outcome()), failed("write", &accepted, "connection reset"));
}

pub(super) fn bytes_dropped_by_close_read_are_not_unread<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { dialled, accepted, .. } = net.pair();
    assert_eq!(net.wait(write(&accepted, b"ab")), Ok(2));
    dialled.close_read().expect("the connection is up");
    assert_eq!(net.wait(write(&accepted, b"cd")), Ok(2));
    drop(dialled);
    assert_eq!(net.wait(read(&accepted, 9)), Ok(vec![]));
    net.closed_at_peer(&accepted);
    assert_eq!(text(net.wait(write(&accepted, b"x"))), failed("write", &accepted, "broken pipe"));
}

pub(super) fn close_read_ends_own_reads_and_lets_the_peer_write<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { dialled: a, accepted: b, .. } = net.pair();
    let offered = net.offer(&b, b"abc");
    a.close_read().expect("the connection is up");
    assert_eq!(offered.outcome(), Ok(3));
    for _ in 0..2 {
        assert_eq!(net.wait(read(&a, 9)), Ok(vec![]));
        assert_eq!((a.peek(&mut [0; 9]).wait(), a.try_read(&mut [0; 9])), (Ok(0), Ok(0)));
        assert_eq!(net.wait(write(&b, b"dropped")), Ok(7));
        a.close_read().expect("again");
    }
    // The other direction continues until it is closed, too.
    assert_eq!(net.both(write(&a, b"hi"), read(&b, 9)), (Ok(2), Ok(b"hi".into())));
    a.close_write().expect("the connection is up");
    assert_eq!((net.wait(read(&b, 9)), net.wait(write(&b, b"x"))), (Ok(vec![]), Ok(1)));
    a.close();
    assert_eq!(text(a.close_read()), failed("shutdown", &a, "socket is down"));
    assert_eq!(text(net.wait(read(&a, 9))), failed("read", &a, "socket is down"));
    net.closed_at_peer(&b);
    assert_eq!(text(net.wait(write(&b, b"x"))), failed("write", &b, "broken pipe"));
    // A reset by the peer goes unnoticed, too.
    b.close();
}

pub(super) fn close_read_wakes_waiting_tasks<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { b: host, listener, dialled, accepted: _accepted, .. } = net.pair();
    let reading = [(); 3].map(|()| net.start(read(&dialled, 9)));
    dialled.close_read().expect("the connection is up");
    assert_eq!(reading.map(|reading| reading.outcome()), [const { Ok(vec![]) }; 3]);
    let (a, b) = net.connect(&host, &listener);
    net.fill(&b);
    let writing = [(); 2].map(|()| net.start(write(&b, b"xy")));
    a.close_read().expect("the connection is up");
    assert_eq!(writing.map(|writing| writing.outcome()), [Ok(2), Ok(2)]);
}

pub(super) fn an_abort_is_reported_after_close_read<N: NetRef + 'static>(net: &Setup<N>) {
    let Pair { dialled: a, accepted: b, .. } = net.pair();
    a.close_read().expect("the connection is up");
    b.abort();
    assert_eq!(text(net.wait(read(&a, 9))), failed("read", &a, "connection reset"));
    assert_eq!(text(net.wait(write(&a, b"x"))), failed("write", &a, "connection reset"));
}
