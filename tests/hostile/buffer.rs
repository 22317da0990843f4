//! Reads and writes with buffers of all sizes, in all states of a connection.

use std::io::{Read, Write};
use std::sync::{Arc, Barrier};
use std::task::Context;
use std::thread;

use virtnet::{Conn, NetRef, NetRefExt as _, Op, pipenet};

use super::bed::*;

/// Larger than any buffer of a network.
const HUGE: usize = 64 << 20;

/// As large as the buffer of a network: such a buffer is copied outside of the lock.
const LARGE: usize = 65_536;

#[test]
fn huge_buffers_move_as_much_as_there_is_room_for() {
    let huge = pattern(HUGE);
    let mut buf = vec![0; HUGE];

    let all = pair(heap());
    assert_eq!(all.dialled.try_write(&huge), Ok(65_536));
    assert_eq!(all.accepted.try_read(&mut buf), Ok(65_536));
    assert!(buf[..65_536] == huge[..65_536]);

    let all = pair(fixed().subnetwork());
    assert_eq!(all.dialled.try_write(&huge), Ok(64));
    assert_eq!(all.accepted.try_read(&mut buf), Ok(64));
    assert!(buf[..64] == huge[..64]);

    // A rendezvous write is done when its first bytes are read; a read takes as many as fit.
    let all = pair(heap_rendezvous());
    assert_eq!(text(all.dialled.try_write(&huge)), "write pipet b:1->a:2: would block");
    assert_eq!(all.accepted.try_read(&mut buf), Ok(65_536));
    assert_eq!(all.dialled.try_write(&huge), Ok(65_536));
}

#[test]
fn a_network_with_huge_buffers_takes_huge_writes_whole() {
    for bound in [HUGE, usize::MAX] {
        let net = pipenet::Network::builder("t").buffer(bound).build().expect("any size but 0 is one");
        let all = pair(net.subnetwork().clone());
        let huge = pattern(HUGE);
        let mut buf = vec![0; HUGE];
        assert_eq!(all.dialled.try_write(&huge), Ok(HUGE));
        // The bytes wrap around the end of the buffer, in two pieces.
        assert_eq!(all.accepted.try_read(&mut buf[..HUGE / 2]), Ok(HUGE / 2));
        let (first, second) = (&huge[..HUGE / 4], HUGE / 2 + HUGE / 4);
        assert_eq!(all.dialled.try_write(first), Ok(HUGE / 4));
        assert_eq!(all.accepted.try_read(&mut buf[HUGE / 2..]), Ok(HUGE / 2));
        assert!(buf == huge);
        assert_eq!(all.accepted.try_read(&mut buf), Ok(second - HUGE / 2));
        assert!(buf[..HUGE / 4] == *first);
    }
}

#[test]
fn huge_amounts_pass_through_small_buffers() {
    let net = pipenet::Network::builder("t").buffer(4096).build().expect("valid options");
    let all = pair(net.subnetwork().clone());
    let (mut dialled, mut accepted) = (all.dialled, all.accepted);
    let writing = thread::spawn(move || dialled.write_all(&pattern(HUGE)));
    let mut got = Vec::new();
    accepted.read_to_end(&mut got).expect("the peer ends the stream");
    assert!(got == pattern(HUGE));
    writing.join().expect("no panic").expect("the peer reads it all");
}

#[test]
fn a_large_write_wakes_all_waiting_readers() {
    for readers in [1, 5] {
        let all = pair(heap());
        let waiting: Vec<_> = (0..readers).map(|_| counting()).collect();
        for (_, waker) in &waiting {
            assert!(all.accepted.poll_read(&mut Context::from_waker(waker), &mut [0; LARGE]).is_pending());
        }
        assert_eq!(all.dialled.try_write(&[7; LARGE]), Ok(LARGE));
        assert!(waiting.iter().all(|(count, _)| count.count() == 1), "{readers} wait");
    }
}

#[test]
fn a_large_read_wakes_all_waiting_writers() {
    for writers in [1, 5] {
        let all = pair(heap());
        assert_eq!(all.dialled.try_write(&[7; LARGE]), Ok(LARGE));
        let waiting: Vec<_> = (0..writers).map(|_| counting()).collect();
        for (_, waker) in &waiting {
            assert!(all.dialled.poll_write(&mut Context::from_waker(waker), &[7; LARGE]).is_pending());
        }
        assert_eq!(all.accepted.try_read(&mut [0; LARGE]), Ok(LARGE));
        assert!(waiting.iter().all(|(count, _)| count.count() == 1), "{writers} wait");
    }
}

#[test]
fn large_writes_at_once_lose_no_byte() {
    // The writes are so large and so many that some start to copy during another's copy, even on one core.
    const SIZE: usize = 8 << 20;
    const WRITERS: usize = 4;
    let net = pipenet::Network::builder("t").buffer(SIZE).build().expect("valid options");
    let all = pair(net.subnetwork().clone());
    let (bytes, mut buf) = (vec![7; SIZE], vec![0; SIZE]);
    for _ in 0..8 {
        let (dialled, mut accepted) = connect(&all.b, &all.listener);
        let (dialled, start) = (Arc::new(dialled), Barrier::new(WRITERS));
        let (bytes, start) = (&bytes, &start);
        thread::scope(|scope| {
            for dialled in vec![dialled; WRITERS] {
                scope.spawn(move || {
                    start.wait();
                    (&*dialled).write_all(bytes).expect("nobody closes it");
                });
            }
            let mut got = 0;
            while let count @ 1.. = accepted.read(&mut buf).expect("nobody closes it") {
                got += count;
            }
            assert_eq!(got, WRITERS * SIZE);
        });
    }
}

/// Bytes that show their position: a piece of prime length, repeated.
fn pattern(len: usize) -> Vec<u8> {
    let piece: Vec<_> = (0..65_521_u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    let mut bytes = piece.repeat(len.div_ceil(piece.len()));
    bytes.truncate(len);
    bytes
}

#[test]
fn empty_buffers_return_at_once_at_each_state_of_a_connection() {
    empty_buffers(heap);
    empty_buffers(heap_rendezvous);
    empty_buffers(|| fixed().subnetwork());
    empty_buffers(|| fixed_rendezvous().subnetwork());
}

fn empty_buffers<N: NetRef>(net: impl Fn() -> N) {
    // The action done first, and then the outcomes of empty reads and writes at the dialled and the accepted end.
    let fine = "Ok(0)";
    let check = |first: fn(&Pair<N>), dialled: &str, accepted: &str| {
        let all = pair(net());
        first(&all);
        for (conn, expected) in [(&all.dialled, dialled), (&all.accepted, accepted)] {
            assert_eq!(read_and_write_nothing(conn), [expected; 5]);
        }
    };
    check(|_| {}, fine, fine);
    check(|all| _ = all.dialled.try_write(b"x"), fine, fine);
    check(|all| while all.dialled.try_write(&[0; 100]).is_ok() {}, fine, fine);
    check(|all| all.dialled.close_write().expect("it is up"), fine, fine);
    check(|all| all.dialled.close(), "socket is down", fine);
    check(|all| all.dialled.abort(), "socket is down", fine);
    check(|all| all.b.close().wait().expect("nothing fails to close"), "host is down", fine);
    check(|all| all.net.close().wait().expect("nothing fails to close"), "network is down", "network is down");
}

/// The outcomes of reading, peeking and writing with an empty buffer: the count, or only the cause of the error.
fn read_and_write_nothing<N: NetRef>(conn: &Conn<N>) -> [String; 5] {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let peeked = conn.poll_peek(&mut cx, &mut []).map_err(|error| error.to_string());
    let std::task::Poll::Ready(peeked) = peeked else { panic!("there is nothing to wait for") };
    let mut stream = conn;
    [
        conn.try_read(&mut []).map_err(|error| error.to_string()),
        conn.try_write(&[]).map_err(|error| error.to_string()),
        peeked,
        stream.read(&mut []).map_err(|error| error.to_string()),
        stream.write(&[]).map_err(|error| error.to_string()),
    ]
    .map(|outcome| match outcome {
        Ok(count) => format!("Ok({count})"),
        Err(error) => error.rsplit_once(": ").map_or_else(|| error.clone(), |(_, cause)| cause.to_owned()),
    })
}

#[test]
fn an_empty_read_neither_takes_nor_waits_while_another_reads() {
    let all = pair(heap());
    let (count, waker) = counting();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(all.accepted.poll_read(&mut cx, &mut [0]).is_pending());
    assert_eq!(all.accepted.try_read(&mut []), Ok(0));
    assert_eq!(all.dialled.try_write(&[]), Ok(0));
    assert_eq!(count.count(), 0);
    assert_carries(&all.dialled, &all.accepted);
    assert_eq!(count.count(), 1);
    let all_at_once = Op::new(async { all.accepted.try_read(&mut []) });
    assert_eq!(all_at_once.wait(), Ok(0));
}
