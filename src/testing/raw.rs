//! How connections that are sockets of the operating system deviate from the others.

use std::vec;

use super::half::own;
use super::setup::Setup;
use super::step::{failed, read, read_all, text, until, write};
use crate::error::kind::ErrorKind;
use crate::net::net_ref::NetRef;

pub(super) fn writes_succeed_while_a_closed_peer_lingers<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    pair.dialled.close();
    // The end of the stream looks as if the peer only wrote no more.
    assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
    assert_eq!(net.wait(write(a, b"x")), Ok(1));
    net.closed_at_peer(a);
    for _ in 0..2 {
        assert_eq!(text(net.wait(write(a, b"x"))), failed("write", a, "broken pipe"));
        assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
    }
}

pub(super) fn a_full_socket_has_room_again_once_its_bytes_were_read<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let full = net.fill(&pair.dialled);
    // As much as the system likes.
    assert!(full.len() > 1024, "{}", full.len());
    let writing = net.start(write(&pair.dialled, b"x"));
    let (got, sent) = net.finish(read_all(pair.accepted.clone(), full.len()), [writing]);
    assert_eq!(sent, [Ok(1)]);
    assert!(got == Ok(full), "the bytes that were read are not those that were written");
}

pub(super) fn a_socket_does_not_know_what_its_peer_has_read<N: NetRef + 'static>(net: &Setup<N>) {
    use crate::contract::engine::Engine;
    let pair = net.pair();
    assert_eq!(net.wait(write(&pair.dialled, b"abc")), Ok(3));
    let status = |conn: &crate::net::conn::Conn<N>| net.net.engine().status(&conn.end.link);
    until(|| status(&pair.accepted).to_read == 3);
    assert_eq!(status(&pair.dialled).to_write, 0);
}

pub(super) fn bytes_that_arrived_before_an_abort_are_read<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    assert_eq!(net.wait(write(b, b"abc")), Ok(3));
    assert_eq!(a.peek(&mut [0; 9]).wait(), Ok(3));
    b.abort();
    until(|| a.try_write(b"x").is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert_eq!(net.wait(read(a, 9)), Ok(b"abc".into()));
    for _ in 0..2 {
        assert_eq!(text(net.wait(read(a, 9))), failed("read", a, "connection reset"));
        assert_eq!(text(net.wait(write(a, b"x"))), failed("write", a, "connection reset"));
        assert_eq!(text(net.wait(read(b, 9))), failed("read", b, "socket is down"));
    }
}

pub(super) fn a_reset_after_the_end_of_the_stream_is_a_broken_pipe<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let a = &pair.accepted;
    let (read_half, write_half) = own(pair.dialled).into_split();
    drop(write_half);
    assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
    assert_eq!(net.wait(write(a, b"x")), Ok(1));
    // It is closed with a byte unread.
    drop(read_half);
    net.closed_at_peer(a);
    assert_eq!(text(net.wait(write(a, b"x"))), failed("write", a, "broken pipe"));
    assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
}
