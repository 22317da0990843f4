//! The errors of every operation after a close.

use core::pin::pin;

use virtnet::pipenet::fixed::{Memory, Network};

use crate::check::{connect, dial_fails, fails, pair, prints, waits};

pub fn network() {
    static NET: Network<'static> = virtnet::fixed!("t", 3, 6, 2, 8);
    let (listener, dialled, accepted) = pair(&NET);
    let b = NET.host("b").unwrap();
    let mut dial = pin!(b.dial("a:9"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_eq!(dialled.try_write(b"lost").unwrap(), 4);
    NET.close().unwrap();
    NET.close().unwrap();

    fails(dial.try_wait().expect("it is over"), "dial pipet b:2->a:9: network is down");
    fails(NET.new_host("c"), r#"virtnet "pipet": new host "c": network is down"#);
    assert_eq!(NET.host("b").unwrap(), b);
    dial_fails(&b, "a:9", "dial pipet b:2->a:9: network is down");
    dial_fails(&b, "a:b", "dial pipet b:2: address a:b: invalid port");
    fails(b.listen(""), "listen pipet b:0: network is down");
    fails(b.listen("a:1"), "listen pipet a:1: cannot listen on requested address");
    fails(listener.try_accept(), "accept pipet a:9: network is down");
    fails(accepted.try_read(&mut [0; 8]), "read pipet b:1->a:1: network is down");
    fails(dialled.try_write(b"x"), "write pipet b:1->a:1: network is down");
    fails(dialled.close_write(), "shutdown pipet b:1->a:1: network is down");
    fails(NET.auto_close(), r#"virtnet "pipet": auto close: network is down"#);
    b.close().wait_with(|| ()).unwrap();
}

pub fn host() {
    let memory = Memory::<3, 8, 3, 8>::new();
    let net = Network::new("t", &memory);
    let (listener, dialled, accepted) = pair(&net);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let theirs = b.listen(":7").unwrap();
    let mut to_b = pin!(a.dial("b:7"));
    let mut from_b = pin!(b.dial("a:9"));
    assert!(to_b.as_mut().try_wait().is_none() && from_b.as_mut().try_wait().is_none());
    assert_eq!(dialled.try_write(b"left").unwrap(), 4);
    b.close().wait_with(|| ()).unwrap();
    b.close().wait_with(|| ()).unwrap();

    // The local host.
    fails(from_b.try_wait().expect("it is over"), "dial pipet b:2->a:9: host is down");
    dial_fails(&b, "a:9", "dial pipet b:2->a:9: host is down");
    fails(b.listen(":8"), "listen pipet b:8: host is down");
    fails(theirs.try_accept(), "accept pipet b:7: host is down");
    fails(dialled.try_read(&mut [0]), "read pipet a:1->b:1: host is down");
    fails(dialled.try_write(b"x"), "write pipet b:1->a:1: host is down");
    fails(
        net.new_host("b"),
        r#"virtnet "pipet": new host "b": ram(pipet): announce ["b" ""]: host already registered"#,
    );

    // The peer's host.
    fails(to_b.try_wait().expect("it is over"), "dial pipet a:2->b:7: connection refused");
    dial_fails(&a, "b:7", "dial pipet a:2->b:7: connection refused");
    let mut buf = [0; 8];
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 4);
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 0);
    fails(accepted.try_write(b"x"), "write pipet a:1->b:1: broken pipe");

    // Everything else continues.
    waits(listener.try_accept());
    connect(&net.host("c").unwrap(), &listener).unwrap();
}

pub fn listener() {
    let memory = Memory::<2, 6, 2, 8>::new();
    let net = Network::new("t", &memory);
    let (listener, dialled, accepted) = pair(&net);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let mut dial = pin!(b.dial("a:9"));
    assert!(dial.as_mut().try_wait().is_none());
    listener.close();
    fails(dial.try_wait().expect("it is over"), "dial pipet b:2->a:9: connection refused");
    fails(listener.try_accept(), "accept pipet a:9: socket is down");
    dial_fails(&b, "a:9", "dial pipet b:2->a:9: connection refused");
    assert_eq!(dialled.try_write(b"on").unwrap(), 2);
    assert_eq!(accepted.try_read(&mut [0; 4]).unwrap(), 2);

    // The port is free, and the old listener's second close does not disturb its new owner.
    let again = a.listen(":9").unwrap();
    listener.close();
    drop(listener);
    connect(&b, &again).unwrap();
    // A connection's port has no listener.
    dial_fails(&b, "a:1", "dial pipet b:2->a:1: connection refused");
}

pub fn connection() {
    let memory = Memory::<2, 4, 1, 8>::new();
    let net = Network::new("t", &memory);
    let (listener, dialled, accepted) = pair(&net);
    assert_eq!(dialled.try_write(b"left").unwrap(), 4);
    assert_eq!(accepted.try_write(b"lost").unwrap(), 4);
    dialled.close();
    dialled.close();
    fails(dialled.try_read(&mut [0; 8]), "read pipet a:1->b:1: socket is down");
    fails(dialled.try_write(b"x"), "write pipet b:1->a:1: socket is down");
    fails(dialled.try_read(&mut []), "read pipet a:1->b:1: socket is down");
    fails(dialled.close_write(), "shutdown pipet b:1->a:1: socket is down");
    let mut buf = [0; 8];
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 4);
    // The other four bytes were not read.
    fails(accepted.try_read(&mut buf), "read pipet b:1->a:1: connection reset");
    fails(accepted.try_write(b"x"), "write pipet a:1->b:1: connection reset");
    drop((dialled, accepted));
    assert_eq!((listener.host().sockets(), net.pipes()), (1, 0));
}

pub fn abort() {
    let memory = Memory::<2, 4, 1, 8>::new();
    let net = Network::new("t", &memory);
    let (_listener, dialled, accepted) = pair(&net);
    assert_eq!(dialled.try_write(b"lost").unwrap(), 4);
    dialled.abort();
    fails(accepted.try_read(&mut [0; 8]), "read pipet b:1->a:1: connection reset");
    fails(accepted.try_write(b"x"), "write pipet a:1->b:1: connection reset");
    fails(dialled.try_read(&mut [0; 8]), "read pipet a:1->b:1: socket is down");
}

pub fn auto_close() {
    let memory = Memory::<2, 2, 1, 8>::new();
    let net = Network::new("t", &memory);
    fails(net.auto_close(), r#"virtnet "pipet": auto close: no open host"#);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    net.auto_close().unwrap();
    a.close().wait_with(|| ()).unwrap();
    fails(a.listen(""), "listen pipet a:0: host is down");
    b.close().wait_with(|| ()).unwrap();
    fails(a.listen(""), "listen pipet a:0: network is down");

    // A backend may report that the network failed; every close then reports the cause.
    let memory = Memory::<1, 1, 1, 8>::new();
    let net = Network::new("x", &memory);
    failed(&net, "out of order");
    prints(net.close().unwrap_err(), r#"virtnet "pipex": close: out of order"#);
    prints(net.close().unwrap_err(), r#"virtnet "pipex": close: out of order"#);
}

fn failed(net: &Network<'_>, why: &'static str) {
    use virtnet::Notifier as _;
    let notifier = net.subnetwork().notifier();
    virtnet::Op::new(notifier.down(virtnet::Cause::backend(&why))).wait_with(|| ());
}
