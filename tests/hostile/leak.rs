//! Forgotten operations, which are never dropped: they keep their resources, and take nothing from other operations.

use std::mem;
use std::task::{Context, Poll, Waker};

use virtnet::{NetRef, NetRefExt as _, pipenet};

use super::bed::*;

#[test]
fn a_forgotten_dial_keeps_its_port_and_its_place_at_the_other_host() {
    forgotten_dial(heap());
    forgotten_dial(heap_rendezvous());
    forgotten_dial(fixed().subnetwork());
    forgotten_dial(fixed_rendezvous().subnetwork());
}

fn forgotten_dial<N: NetRef>(net: N) {
    let all = pair(net);
    forget_pending(all.b.dial("a:1"));
    forget_pending(all.b.dial("a:1"));
    assert_eq!((all.a.sockets(), all.b.sockets()), (4, 3));

    // One dial is accepted: its peer is silent.
    let accepted = all.listener.try_accept().expect("a dial waits");
    assert_eq!((accepted.local_addr().to_string(), accepted.peer_addr().to_string()), ("a:3".into(), "b:2".into()));
    assert_eq!(text(accepted.try_read(&mut [0])), "read pipet b:2->a:3: would block");
    drop(accepted);

    // The other dial is refused, but never polled again. Like the first, it keeps its place on the listener's host, and
    // no port.
    all.listener.close();
    assert_eq!((all.a.sockets(), all.b.sockets()), (4, 3));
    assert_eq!([(); 2].map(|()| all.a.listen("").expect("a free port").local_addr().port()), [1, 1]);
    assert_unharmed(&all.a, &all.b);

    // Ports b:2 and b:3 stay in use, even after everything is closed.
    let next = all.b.listen("").expect("a free port");
    assert_eq!(next.local_addr(), "b:4");
    all.b.close().wait().expect("nothing fails to close");
    all.net.close().wait().expect("nothing fails to close");
    drop((all.listener, all.dialled, all.accepted, next));
    assert_eq!((all.a.sockets(), all.b.sockets()), (2, 2));
}

#[test]
fn a_forgotten_dial_keeps_its_pipe_and_its_network_alive() {
    let net = fixed();
    let all = pair(net.subnetwork());
    forget_pending(all.b.dial("a:1"));
    drop((all.dialled, all.accepted, all.listener));
    net.close().expect("nothing fails to close");
    assert_eq!(net.pipes(), 1);

    let all = pair(heap());
    forget_pending(all.b.dial("a:1"));
    let net = all.net.downgrade();
    drop(all);
    assert_ne!(net.strong_count(), 0);
}

#[test]
fn a_forgotten_accept_takes_nothing() {
    forgotten_accept(heap());
    forgotten_accept(fixed().subnetwork());
}

fn forgotten_accept<N: NetRef>(net: N) {
    let all = pair(net);
    forget_pending(all.listener.accept());
    assert_unharmed(&all.a, &all.b);
    let (dialled, accepted) = connect(&all.b, &all.listener);
    assert_carries(&dialled, &accepted);
    drop((all.listener, all.dialled, all.accepted, dialled, accepted));
    assert_eq!((all.a.sockets(), all.b.sockets()), (0, 0));
}

#[test]
fn a_forgotten_read_takes_no_byte_and_a_forgotten_write_gives_none_twice() {
    forgotten_read_and_write(heap());
    forgotten_read_and_write(heap_rendezvous());
    forgotten_read_and_write(fixed().subnetwork());
    forgotten_read_and_write(fixed_rendezvous().subnetwork());
}

fn forgotten_read_and_write<N: NetRef>(net: N) {
    let all = pair(net);
    forget_pending(std::future::poll_fn(|cx| all.accepted.poll_read(cx, &mut [0; 8])));
    assert_carries(&all.dialled, &all.accepted);

    // Write until the buffer is full, and forget a write that waits with more bytes.
    let mut sent = 0;
    while let Ok(count) = all.dialled.try_write(&[1; 10]) {
        sent += count;
    }
    forget_pending(std::future::poll_fn(|cx| all.dialled.poll_write(cx, &[2; 10])));
    let (mut got, mut buf) = (Vec::new(), [0; 1000]);
    while let Ok(count) = all.accepted.try_read(&mut buf) {
        got.extend_from_slice(&buf[..count]);
    }
    // In a rendezvous network, the write that was pending before is read, and nothing else: the forgotten write waits
    // for its turn, for which it is never polled.
    let expected = if sent == 0 { 10 } else { sent };
    assert_eq!(got, vec![1; expected]);
    drop((all.dialled, all.accepted, all.listener));
    assert_eq!((all.a.sockets(), all.b.sockets()), (0, 0));
}

#[test]
fn a_forgotten_connection_is_closed_with_its_host() {
    forgotten_connection(heap());
    forgotten_connection(fixed().subnetwork());
}

fn forgotten_connection<N: NetRef>(net: N) {
    let all = pair(net);
    mem::forget(all.dialled);
    assert_eq!(text(all.accepted.try_read(&mut [0])), "read pipet b:1->a:2: would block");
    assert_unharmed(&all.a, &all.b);
    all.b.close().wait().expect("nothing fails to close");
    assert_eq!(all.accepted.try_read(&mut [0]), Ok(0));
    drop((all.accepted, all.listener));
    assert_eq!((all.a.sockets(), all.b.sockets()), (0, 1));
}

#[test]
fn a_forgotten_listener_refuses_when_its_host_is_closed() {
    forgotten_listener(heap());
    forgotten_listener(fixed().subnetwork());
}

fn forgotten_listener<N: NetRef>(net: N) {
    let all = pair(net);
    mem::forget(all.listener);
    let mut dial = Box::pin(all.b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_unharmed(&all.a, &all.b);
    assert_eq!(text(all.a.listen(":1")), "listen pipet a:1: address already in use");
    all.a.close().wait().expect("nothing fails to close");
    let refused = dial.as_mut().try_wait().expect("nobody will accept it");
    assert_eq!(text(refused), "dial pipet b:2->a:1: connection refused");
    drop((all.dialled, all.accepted));
    assert_eq!((all.a.sockets(), all.b.sockets()), (1, 0));
}

#[test]
fn a_forgotten_operation_that_was_never_polled_has_done_nothing() {
    let net = pipenet::Network::new("t");
    let all = pair(net.subnetwork().clone());
    mem::forget(all.b.dial("a:1"));
    mem::forget(all.listener.accept());
    mem::forget(all.a.close());
    assert_eq!((all.a.sockets(), all.b.sockets()), (2, 1));
    assert_unharmed(&all.a, &all.b);
}

/// Polls an operation once, and forgets it and its waker.
#[track_caller]
fn forget_pending<F: Future>(future: F) {
    let mut future = Box::pin(future);
    let (_, waker) = counting();
    match future.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Pending => mem::forget((future, Waker::clone(&waker))),
        Poll::Ready(_) => panic!("it does not have to wait"),
    }
}
