//! Clocks: the shortest and the longest timeouts, and waits without a clock.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use virtnet::{NetRef, NetRefExt as _, pipenet};

use super::bed::*;

#[test]
fn a_timeout_of_zero_returns_a_ready_outcome_or_times_out() {
    timeout_of_zero(heap());
    timeout_of_zero(fixed().subnetwork());
}

fn timeout_of_zero<N: NetRef>(net: N) {
    let all = pair(net);
    assert_eq!(text(all.listener.accept().wait_timeout(Duration::ZERO)), "accept pipet a:1: timed out");
    assert_eq!(text(all.b.dial("a:1").wait_timeout(Duration::ZERO)), "dial pipet b:2->a:1: timed out");
    assert_eq!(text(all.b.dial("a:7").wait_timeout(Duration::ZERO)), "dial pipet b:2->a:7: connection refused");
    assert_unharmed(&all.a, &all.b);
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = all.listener.accept().wait_timeout(Duration::ZERO).expect("a dial waits");
    assert_eq!(accepted.peer_addr(), "b:2");
    // Reads and writes do not accept a timeout of zero.
    let zero = accepted.set_read_timeout(Some(Duration::ZERO)).expect_err("zero is no timeout");
    assert_eq!((zero.kind(), &*zero.to_string()), (ErrorKind::InvalidInput, "read pipet b:2->a:3: invalid timeout"));
    let zero = accepted.set_write_timeout(Some(Duration::ZERO)).expect_err("zero is no timeout");
    assert_eq!((zero.kind(), &*zero.to_string()), (ErrorKind::InvalidInput, "write pipet a:3->b:2: invalid timeout"));
    all.a.close().wait_timeout(Duration::ZERO).expect("it does not have to wait");
    all.net.close().wait_timeout(Duration::ZERO).expect("it does not have to wait");
}

#[test]
fn a_timeout_longer_than_time_is_none() {
    for forever in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(u64::MAX / 1_000_000_000)] {
        within_limit(move || {
            let all = pair(heap());
            let (b, mut dialled) = (all.b.clone(), all.dialled);
            let peer = thread::spawn(move || {
                let mut buf = [0; 2];
                dialled.set_read_timeout(Some(forever)).expect("it is not zero");
                dialled.set_write_timeout(Some(forever)).expect("it is not zero");
                dialled.read_exact(&mut buf).expect("the peer writes");
                dialled.write_all(&buf).expect("the peer reads");
                b.dial("a:1").wait_timeout(forever).expect("it is accepted");
            });
            let mut accepted = all.accepted;
            accepted.set_read_timeout(Some(forever)).expect("it is not zero");
            assert!(accepted.read_timeout().is_some_and(|limit| limit >= Duration::from_secs(500 * 365 * 86_400)));
            accepted.write_all(b"hi").expect("the peer reads");
            accepted.read_exact(&mut [0; 2]).expect("the peer writes");
            all.listener.accept().wait_timeout(forever).expect("a dial comes");
            peer.join().expect("no panic");
        });
    }
}

#[test]
fn the_shortest_timeout_leaves_nothing_behind() {
    let all = pair(heap());
    let mut accepted = all.accepted;
    accepted.set_read_timeout(Some(Duration::from_nanos(1))).expect("it is not zero");
    accepted.set_write_timeout(Some(Duration::from_nanos(1))).expect("it is not zero");
    for _ in 0..100 {
        let error = accepted.read(&mut [0]).expect_err("nobody writes");
        assert_eq!(error.to_string(), "read pipet b:1->a:2: timed out");
    }
    while accepted.write(&[0; 30_000]).is_ok() {}
    let error = accepted.write(&[0]).expect_err("nobody reads");
    assert_eq!(error.to_string(), "write pipet a:2->b:1: timed out");
    for _ in 0..100 {
        assert_eq!(text(all.b.dial("a:1").wait_timeout(Duration::from_nanos(1))), "dial pipet b:2->a:1: timed out");
        assert_eq!(text(all.listener.accept().wait_timeout(Duration::from_nanos(1))), "accept pipet a:1: timed out");
    }
    assert_unharmed(&all.a, &all.b);
}

#[test]
fn a_wait_without_a_clock_ends_when_its_hook_has_done_the_rest() {
    relaxed(heap());
    relaxed(fixed().subnetwork());
}

/// The hook is the program's main loop: it accepts, and later closes the network.
fn relaxed<N: NetRef>(net: N) {
    let all = pair(net);
    let accepted = RefCell::new(None);
    let dialled = all.b.dial("a:1").wait_with(|| *accepted.borrow_mut() = all.listener.try_accept().ok());
    let accepted = accepted.into_inner().expect("it was accepted");
    assert_carries(&dialled.expect("it was accepted"), &accepted);

    let rounds = Cell::new(0);
    let refused = all.b.dial("a:1").wait_with(|| {
        rounds.set(rounds.get() + 1);
        if rounds.get() == 1000 {
            all.net.close().wait_with(|| panic!("it does not have to wait")).expect("nothing fails to close");
        }
    });
    assert_eq!(text(refused), "dial pipet b:2->a:1: network is down");
    assert_eq!(rounds.get(), 1000);
}

#[test]
fn a_hook_that_panics_withdraws_the_waiting_operation() {
    panicking_hook(heap());
    panicking_hook(fixed().subnetwork());
}

fn panicking_hook<N: NetRef>(net: N) {
    let all = pair(net);
    assert!(panics(|| drop(all.b.dial("a:1").wait_with(|| panic!("a hook that panics")))));
    assert!(panics(|| drop(all.listener.accept().wait_with(|| panic!("a hook that panics")))));
    assert_eq!(text(all.listener.try_accept()), "accept pipet a:1: would block");
    assert_unharmed(&all.a, &all.b);
}

#[test]
fn a_hook_that_does_not_return_blocks_no_other_thread() {
    let net = pipenet::Network::new("t");
    let all = pair(net.subnetwork().clone());
    let (in_hook, is_in_hook) = mpsc::channel();
    let (let_go, go) = mpsc::channel::<()>();
    let b = all.b.clone();
    let waiting = thread::spawn(move || {
        b.dial("a:1").wait_with(|| {
            in_hook.send(()).expect("somebody waits for it");
            // The hook blocks until the rest of the test is done.
            let _ = go.recv();
        })
    });
    is_in_hook.recv().expect("the dial has to wait");
    let accepted = all.listener.try_accept().expect("a dial waits");
    assert_unharmed(&all.a, &all.b);
    assert_eq!(accepted.try_write(b"x"), Ok(1));
    all.net.close().wait().expect("nothing fails to close");
    drop(let_go);
    assert_eq!(text(waiting.join().expect("no panic")), "dial pipet b:2->a:1: network is down");
}
