//! Buffered and rendezvous transfer of bytes.

use core::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::setup::Setup;
use super::step::{failed, read, read_all, text, write, write_all};
use super::task::{Started, Task};
use crate::error::kind::ErrorKind;
use crate::net::net_ref::NetRef;

pub(super) fn write_is_done_before_the_peer_reads<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    assert_eq!(net.wait(write(&pair.dialled, b"abc")), Ok(3));
    assert_eq!(net.wait(read(&pair.accepted, 9)), Ok(b"abc".into()));
}

pub(super) fn write_waits_while_the_buffer_is_full<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let b = &pair.dialled;
    let mut full = net.fill(b);
    assert_eq!(text(b.try_write(b"x")), failed("write", b, "would block"));
    let writing = net.start(write(b, b"x"));
    // One free byte is enough, unless it is a socket's.
    let len = if net.raw { full.len() } else { 1 };
    assert!(net.finish(read_all(pair.accepted.clone(), len), [writing]) == (Ok(full[..len].into()), [Ok(1)]));
    full.push(b'x');
    assert!(net.wait(read_all(pair.accepted.clone(), full.len() - len)) == Ok(full[len..].into()));
}

pub(super) fn a_dropped_write_has_written_nothing<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let full = net.fill(&pair.dialled);
    let writing = net.hold(write(&pair.dialled, b"x"));
    let got = net.wait(read_all(pair.accepted.clone(), full.len()));
    drop(writing);
    assert!(got == Ok(full));
    assert_eq!(pair.accepted.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

pub(super) fn buffered_bytes_are_read_after_the_peer_closed<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    assert_eq!(net.wait(write(b, b"abc")), Ok(3));
    b.close();
    assert_eq!(net.wait(read(a, 2)), Ok(b"ab".into()));
    assert_eq!(net.wait(read(a, 9)), Ok(b"c".into()));
    assert_eq!(net.wait(read(a, 9)), Ok(vec![]));
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    assert_eq!(net.wait(write(&dialled, b"abc")), Ok(3));
    net.wait(pair.b.close()).expect("closing goes well");
    assert_eq!(net.wait(read_all(accepted, 9)), Ok(b"abc".into()));
}

pub(super) fn vectored_reads_and_writes_use_all_buffers<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (mut a, mut b) = (&*pair.accepted, &*pair.dialled);
    let none = IoSlice::new(&[]);
    let written = b.write_vectored(&[none, IoSlice::new(b"ab"), none, IoSlice::new(b"c")]);
    assert_eq!(written.map_err(|error| error.kind()), Ok(3));
    net.wait(poll_fn(|cx| a.poll_read_ready(cx)));
    let (mut first, mut second) = ([0; 1], [0; 9]);
    let mut bufs = [&mut [][..], &mut first, &mut [], &mut second].map(IoSliceMut::new);
    assert_eq!(a.read_vectored(&mut bufs).map_err(|error| error.kind()), Ok(3));
    assert_eq!((first, &second[..2]), (*b"a", &b"bc"[..]));
    assert_eq!(b.write_vectored(&[none]).map_err(|error| error.kind()), Ok(0));
    assert_eq!(a.read_vectored(&mut [IoSliceMut::new(&mut [])]).map_err(|error| error.kind()), Ok(0));
    pair.accepted.close();
    net.closed_at_peer(b);
    let error = b.write_vectored(&[none, IoSlice::new(b"x")]).expect_err("the peer does not read");
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::BrokenPipe, failed("write", b, "broken pipe")));
}

pub(super) fn a_write_timeout_has_written_nothing<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let b = &pair.dialled;
    let full = net.fill(b);
    b.set_write_timeout(Some(super::step::SHORT)).expect("more than zero");
    let error = (&**b).write(b"x").expect_err("the peer does not read");
    assert_eq!((error.kind(), error.to_string()), (super::step::timed_out(), failed("write", b, "timed out")));
    assert!(net.wait(read_all(pair.accepted.clone(), full.len())) == Ok(full));
    assert_eq!(pair.accepted.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

pub(super) fn a_buffer_holds_its_size<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let size = net.buffer.expect("a behaviour of the group `sized_buffer` has it");
    let bytes: Vec<u8> = (0..size + 2).map(|i| i as u8).collect();
    if net.is_rendezvous() {
        let writing = net.start(write(&pair.dialled, &bytes));
        let (got, sent) = net.finish(read_all(pair.accepted.clone(), size), [writing]);
        assert_eq!(sent, [Ok(size)]);
        assert!(got == Ok(bytes[..size].into()));
    } else {
        assert_eq!(net.wait(write(&pair.dialled, &bytes)), Ok(size));
        assert_eq!(pair.dialled.try_write(b"x").map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
        assert!(net.wait(read(&pair.accepted, size + 9)) == Ok(bytes[..size].into()));
        assert_eq!(pair.dialled.try_write(&bytes), Ok(size));
    }
    assert_eq!(pair.accepted.local_addr(), pair.dialled.peer_addr());
}

pub(super) fn write_is_done_when_the_peer_has_read<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let mut writing = Task::start(write(&pair.dialled, b"abc"));
    assert_eq!(net.wait(read(&pair.accepted, 2)), Ok(b"ab".into()));
    assert!(!writing.turn());
    assert_eq!(net.wait(read(&pair.accepted, 2)), Ok(b"c".into()));
    assert_eq!(writing.outcome(), Ok(3));
}

pub(super) fn a_read_does_not_cross_the_end_of_a_write<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let writing = [net.start(write(&pair.dialled, b"ab")), net.start(write(&pair.dialled, b"cd"))];
    let (got, sent) = net.finish(
        async {
            let first = read(&pair.accepted, 9).await;
            (first, read(&pair.accepted, 9).await)
        },
        writing,
    );
    assert_eq!((got, sent), ((Ok(b"ab".into()), Ok(b"cd".into())), [Ok(2), Ok(2)]));
}

/// Starts a write of `abcde`. The peer reads 2 bytes of it.
fn two_of_five<N: NetRef + 'static>(
    net: &Setup<N>,
    from: &std::sync::Arc<crate::net::conn::Conn<N>>,
    to: &std::sync::Arc<crate::net::conn::Conn<N>>,
) -> Started<Result<usize, crate::error::Error>> {
    let writing = net.start(write(from, b"abcde"));
    assert_eq!(net.wait(read(to, 2)), Ok(b"ab".into()));
    writing
}

pub(super) fn a_close_withdraws_unread_bytes<N: NetRef + 'static>(net: &Setup<N>) {
    for (name, closed) in [("c", true), ("d", false)] {
        let host = net.host(name);
        let listener = super::step::server(&host, "");
        let (dialled, accepted) = net.connect(&host, &listener);
        let writing = two_of_five(net, &dialled, &accepted);
        if closed {
            dialled.close()
        } else {
            accepted.close()
        }
        assert_eq!(writing.outcome(), Ok(2));
        let cause = if closed { "socket is down" } else { "broken pipe" };
        assert_eq!(text(net.wait(write(&dialled, b"cde"))), failed("write", &dialled, cause));
        if closed {
            assert_eq!(net.wait(read(&accepted, 9)), Ok(vec![]));
        }
    }
}

pub(super) fn an_abort_reports_the_bytes_read<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let writing = two_of_five(net, &pair.dialled, &pair.accepted);
    pair.accepted.abort();
    assert_eq!(writing.outcome(), Ok(2));
    let reset = failed("write", &pair.dialled, "connection reset");
    assert_eq!(text(net.wait(write(&pair.dialled, b"cde"))), reset);
}

pub(super) fn a_close_of_network_or_host_reports_the_bytes_read<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    let writing = two_of_five(net, &pair.accepted, &pair.dialled);
    net.wait(pair.a.close()).expect("closing goes well");
    assert_eq!(writing.outcome(), Ok(2));
    assert_eq!(text(net.wait(write(&pair.accepted, b"c"))), failed("write", &pair.accepted, "host is down"));
    assert_eq!(text(net.wait(write(&dialled, b"c"))), failed("write", &dialled, "broken pipe"));
    drop(accepted);
}

pub(super) fn a_write_timeout_withdraws_unread_bytes<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    b.set_write_timeout(Some(super::step::SHORT)).expect("more than zero");
    let error = (&**b).write(b"abcde").expect_err("the peer does not read");
    assert_eq!((error.kind(), error.to_string()), (super::step::timed_out(), failed("write", b, "timed out")));
    assert_eq!(a.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    // The timeout is longer than reading the available bytes takes.
    b.set_write_timeout(Some(super::step::LONG)).expect("more than zero");
    let (got, sent) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| (&**b).write(b"abcde"));
        let got = net.wait(read(a, 2));
        (got, writing.join().expect("no panic"))
    });
    assert_eq!((got, sent.map_err(|error| error.kind())), (Ok(b"ab".into()), Ok(2)));
    assert_eq!(a.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!(net.both(write(b, b"fg"), read(a, 9)), (Ok(2), Ok(b"fg".into())));
}

pub(super) fn a_dropped_write_leaves_a_stream_that_works<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    // The bytes may or may not have been delivered.
    drop(net.hold(write(&pair.dialled, b"abc")));
    let next = write_all(pair.dialled.clone(), b"xyz".to_vec());
    let reads = async {
        let mut got = read(&pair.accepted, 9).await?;
        while !got.ends_with(b"xyz") {
            got.extend(read(&pair.accepted, 9).await?);
        }
        Ok::<_, crate::error::Error>(got)
    };
    let (sent, got) = net.both(next, reads);
    assert_eq!(sent, Ok(()));
    assert!(got == Ok(b"xyz".into()) || got == Ok(b"abcxyz".into()), "{got:?}");
}

pub(super) fn a_writer_polled_late_gets_its_own_count<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let mut writing = [b"a", b"b", b"c"].map(|byte| net.hold(write(&pair.dialled, byte)));
    let mut got = Vec::new();
    for next in [1, 2, 0] {
        got.extend(net.wait(read(&pair.accepted, 9)).expect("a write is under way"));
        // The writer whose bytes were read is woken, but is polled later than the next writer.
        writing[next].turn();
    }
    assert_eq!(got, b"abc");
    assert_eq!(writing.map(Started::outcome), [Ok(1), Ok(1), Ok(1)]);
}
