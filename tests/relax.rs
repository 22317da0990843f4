//! Blocking reads and writes where no thread can sleep, with well-behaved and misbehaving `relax` hooks.
#![cfg(all(feature = "pipenet", not(feature = "std")))]

use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

use embedded_io::{Read, Write};
use virtnet::pipenet::fixed::{Conn, Host, Network};

static NET: Network<'static> = virtnet::fixed!("t", 2, 8, 2, 4).relax(relax);

/// The action of the hook, called with the number of its calls before.
static HOOK: Mutex<fn(usize)> = Mutex::new(|_| {});
static CALLS: AtomicUsize = AtomicUsize::new(0);

fn relax() {
    let hook = *HOOK.lock().expect("nobody panics with it");
    hook(CALLS.fetch_add(1, SeqCst));
}

/// The peer of the connection that the test waits on.
static PEER: Mutex<Option<Conn>> = Mutex::new(None);

fn with_peer<T>(step: impl FnOnce(&Conn) -> T) -> T {
    step(PEER.lock().expect("nobody panics with it").as_ref().expect("a test has set it"))
}

/// Sets the hook and makes a connection whose peer belongs to it, for one test at a time.
fn connect(hook: fn(usize)) -> (MutexGuard<'static, ()>, Conn, [Host; 2]) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (a, b) = (NET.host("a").expect("room for it"), NET.host("b").expect("room for it"));
    let listener = a.listen("").expect("a free port");
    let mut dial = pin!(b.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none());
    *PEER.lock().expect("nobody panics with it") = Some(listener.try_accept().expect("a dial waits"));
    *HOOK.lock().expect("nobody panics with it") = hook;
    CALLS.store(0, SeqCst);
    let conn = dial.try_wait().expect("it was accepted").expect("it was accepted");
    (turn, conn, [a, b])
}

fn assert_all_free(hosts: &[Host; 2]) {
    *PEER.lock().expect("nobody panics with it") = None;
    assert_eq!((hosts[0].sockets(), hosts[1].sockets(), NET.pipes()), (0, 0, 0));
}

#[test]
fn a_relax_hook_may_do_the_peers_part() {
    let (_turn, mut conn, hosts) = connect(|before| {
        if before == 100 {
            with_peer(|peer| assert_eq!(peer.try_write(b"hi"), Ok(2)));
        }
    });
    let mut buf = [0; 4];
    assert_eq!(conn.read(&mut buf), Ok(2));
    assert_eq!((&buf[..2], CALLS.load(SeqCst)), (&b"hi"[..], 101));

    // Eight bytes pass through a buffer of four.
    *HOOK.lock().expect("nobody panics with it") = |_| with_peer(|peer| assert_eq!(peer.try_read(&mut [0; 4]), Ok(4)));
    conn.write_all(b"12345678").expect("the hook reads");
    assert_eq!(CALLS.load(SeqCst), 102);
    drop(conn);
    assert_all_free(&hosts);
}

#[test]
fn a_relax_hook_that_closes_ends_the_wait() {
    let (_turn, mut conn, hosts) = connect(|_| with_peer(Conn::abort));
    let error = conn.read(&mut [0]).expect_err("the peer aborts");
    assert_eq!(error.to_string(), "read pipet a:2->b:1: connection reset");
    drop(conn);
    assert_all_free(&hosts);
}

#[test]
fn a_relax_hook_that_panics_leaves_the_connection_as_it_was() {
    let (_turn, mut conn, hosts) = connect(|_| panic!("a hook that panics"));
    let read = panic::catch_unwind(AssertUnwindSafe(|| conn.read(&mut [0])));
    assert!(read.is_err());
    assert_eq!(conn.write(b"12345678").ok(), Some(4));
    let written = panic::catch_unwind(AssertUnwindSafe(|| conn.write(b"5678")));
    assert!(written.is_err());
    let mut buf = [0; 8];
    with_peer(|peer| {
        assert_eq!(peer.try_read(&mut buf), Ok(4));
        assert_eq!(peer.try_write(b"x"), Ok(1));
    });
    assert_eq!(&buf[..4], b"1234");
    assert_eq!(conn.read(&mut buf), Ok(1));
    drop(conn);
    assert_all_free(&hosts);
}
