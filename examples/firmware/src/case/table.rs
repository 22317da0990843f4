//! Full tables, and how they get room again.

use core::pin::pin;

use virtnet::ErrorKind;
use virtnet::pipenet::fixed::{Memory, Network};

use crate::check::{connect, dial_fails, fails, prints};

pub fn full() {
    static NET: Network<'static> = virtnet::fixed!("t", 2, 3, 2, 8);
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    let error = NET.host("c").unwrap_err();
    prints(error, r#"virtnet "pipet": new host "c": host table is full (2)"#);
    assert_eq!(error.kind(), ErrorKind::Full);

    for _ in 0..3 {
        let sockets = [a.listen("").unwrap(), b.listen("").unwrap(), b.listen(":77").unwrap()];
        fails(a.listen(""), "listen pipet a:0: port table is full (3)");
        dial_fails(&a, "b:1", "dial pipet: port table is full (3)");
        drop(sockets);
        assert_eq!((a.sockets(), b.sockets()), (0, 0));
    }

    // A dial finds no room at its listener.
    let (listener, _other) = (a.listen(":1").unwrap(), a.listen(":2").unwrap());
    dial_fails(&b, "a:1", "dial pipet b:1->a:1: port table is full (3)");
    assert_eq!((b.sockets(), NET.pipes()), (0, 0));
    drop(_other);
    let (dialled, accepted) = connect(&b, &listener).unwrap();
    drop((dialled, accepted));
    assert_eq!((a.sockets(), b.sockets(), NET.pipes()), (1, 0, 0));
}

pub fn pipes() {
    let memory = Memory::<2, 8, 2, 4>::new();
    let net = Network::new("t", &memory);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":9").unwrap();
    for _ in 0..10 {
        let first = connect(&b, &listener).unwrap();
        let (dialled, accepted) = connect(&b, &listener).unwrap();
        dial_fails(&b, "a:9", "dial pipet b:3->a:9: pipe pool is full (2)");
        assert_eq!(dialled.try_write(b"full and over").unwrap(), 4);
        fails(dialled.try_write(b"x"), "write pipet b:2->a:2: would block");
        // Both ends have to be dropped.
        drop(dialled);
        dial_fails(&b, "a:9", "dial pipet b:2->a:9: pipe pool is full (2)");
        assert_eq!(accepted.try_read(&mut [0; 8]).unwrap(), 4);
        drop(accepted);
        let second = connect(&b, &listener).unwrap();
        prints(second.0.local_addr(), "b:2");
        // A reused pipe has no bytes of its previous connection.
        fails(second.1.try_read(&mut [0; 8]), "read pipet b:2->a:2: would block");
        drop((first, second));
    }
    assert_eq!((a.sockets(), b.sockets(), net.pipes()), (1, 0, 0));
}

pub fn backlog() {
    let memory = Memory::<2, 8, 4, 4>::new();
    let net = Network::new("t", &memory).backlog(2);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":9").unwrap();
    let (mut first, mut second) = (pin!(b.dial("a:9")), pin!(b.dial("a:9")));
    assert!(first.as_mut().try_wait().is_none() && second.as_mut().try_wait().is_none());
    dial_fails(&b, "a:9", "dial pipet b:3->a:9: backlog is full (2)");
    let accepted = listener.try_accept().unwrap();
    let mut third = pin!(b.dial("a:9"));
    assert!(third.as_mut().try_wait().is_none());
    prints(accepted.peer_addr(), "b:1");
    prints(listener.try_accept().unwrap().peer_addr(), "b:2");
    prints(listener.try_accept().unwrap().peer_addr(), "b:3");
    for dial in [first, second, third] {
        dial.try_wait().expect("it is accepted").unwrap();
    }
}

pub fn shared_port() {
    let memory = Memory::<2, 6, 2, 4>::new();
    let net = Network::new("t", &memory).share_port(true);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    let (dialled, accepted) = connect(&b, &listener).unwrap();
    prints(accepted.local_addr(), "a:1");
    prints(dialled.peer_addr(), "a:1");
    listener.close();
    prints(a.listen("").unwrap().local_addr(), "a:2");
    prints(a.listen(":1").unwrap().local_addr(), "a:1");
}
