//! Threads that panic while they hold sockets: their sockets are closed, and other threads see nothing but that.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Context;
use std::thread;

use virtnet::{Conn, Listener, NetRef, Op};

use super::bed::*;

#[test]
fn a_panicking_thread_closes_its_handles() {
    panicking_thread(heap());
    panicking_thread(heap_rendezvous());
    panicking_thread(fixed().subnetwork());
    panicking_thread(fixed_rendezvous().subnetwork());
}

fn panicking_thread<N: NetRef + 'static>(net: N) {
    let all = pair(net);
    let (a, b) = (all.a.clone(), all.b.clone());
    let peer = all.accepted;
    let (listener, dialled) = (all.listener, all.dialled);
    let held = thread::spawn(move || {
        let own = b.listen(":9").expect("a free port");
        let mut dial = std::pin::pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        let (_, waker) = counting();
        let mut accept = std::pin::pin!(own.accept());
        assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let _held = (dialled, listener);
        panic!("with hands full");
    });
    assert!(held.join().is_err());
    assert_eq!(peer.try_read(&mut [0]), Ok(0));
    assert_eq!(text(peer.try_write(b"x")), "write pipet a:2->b:1: broken pipe");
    drop(peer);
    assert_eq!((a.sockets(), all.b.sockets()), (0, 0));
    assert_unharmed(&a, &all.b);
}

#[test]
fn a_panic_during_a_wait_withdraws_its_operation() {
    let all = pair(heap());
    let (a, b) = (all.a.clone(), all.b.clone());
    let waiting = thread::spawn(move || {
        let both = Op::new(async {
            let mut dial = Box::pin(b.dial("a:1"));
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(dial.as_mut().poll(cx).is_pending())).await);
            panic!("in the midst of a wait");
        });
        both.wait()
    });
    assert!(waiting.join().is_err());
    assert_eq!(text(all.listener.try_accept()), "accept pipet a:1: would block");
    assert_unharmed(&a, &all.b);
}

#[test]
fn a_panic_in_a_half_does_not_hurt_the_other() {
    let all = pair(heap());
    let (mut read, mut write) = all.dialled.into_split();
    let writing = thread::spawn(move || {
        write.write_all(b"to the end").expect("the peer is there");
        panic!("with a half in hand");
    });
    assert!(writing.join().is_err());
    let mut peer = all.accepted;
    let mut got = String::new();
    peer.read_to_string(&mut got).expect("the other half has shut down");
    assert_eq!(got, "to the end");
    peer.write_all(b"answer").expect("this half is there");
    drop(peer);
    got.clear();
    read.read_to_string(&mut got).expect("nothing was reset");
    assert_eq!(got, "answer");
}

#[test]
fn a_waker_that_panics_while_its_thread_unwinds_does_not_abort() {
    unwinding_wakes(heap());
    unwinding_wakes(fixed().subnetwork());
}

/// A panicking thread drops a socket, which calls a waker that panics, too.
fn unwinding_wakes<N: NetRef + 'static>(net: N) {
    let all = pair(net);
    let (waker, armed) = panicking(Event::Wake);
    let mut cx = Context::from_waker(&waker);
    assert!(all.accepted.poll_read(&mut cx, &mut [0]).is_pending());
    let mut dial = std::pin::pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().poll(&mut cx).is_pending());
    let (listener, dialled) = (all.listener, all.dialled);
    let held = thread::spawn(move || {
        let _held: (Listener<N>, Conn<N>) = (listener, dialled);
        panic!("with hands full");
    });
    assert!(held.join().is_err());
    assert_eq!(all.accepted.try_read(&mut [0]), Ok(0));
    let refused = dial.as_mut().try_wait().expect("the listener is gone");
    assert_eq!(text(refused), "dial pipet b:2->a:1: connection refused");
    armed.store(false, SeqCst);
}

#[test]
fn a_waiting_thread_continues_when_another_panics() {
    let all = pair(heap());
    let accepted = Arc::new(all.accepted);
    let reading = thread::spawn({
        let accepted = accepted.clone();
        move || (&*accepted).read(&mut [0; 8])
    });
    let dialled = all.dialled;
    let writing = thread::spawn(move || {
        let _held = dialled;
        panic!("instead of writing");
    });
    assert!(writing.join().is_err());
    assert_eq!(reading.join().expect("no panic").expect("the end of the stream"), 0);
}
