//! Hosts, ports, addresses, dials.

use core::pin::pin;

use virtnet::pipenet::fixed::{Memory, Network};
use virtnet::{ErrorKind, Operation};

use crate::check::{connect, dial_fails, fails, prints};

pub fn hosts_and_ports() {
    static NET: Network<'static> = virtnet::fixed!("t", 3, 8, 2, 16);
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    assert_eq!((NET.network_name(), a.network_name(), &*a.name()), ("pipet", "pipet", "a"));
    assert_eq!(NET.host("a").unwrap(), a);
    assert_ne!(NET.host("c").unwrap(), a);
    fails(
        NET.new_host("a"),
        r#"virtnet "pipet": new host "a": ram(pipet): announce ["a" ""]: host already registered"#,
    );
    assert!(NET.get_host("d").is_none());

    let autobind = if cfg!(feature = "broken") { "a:4" } else { "a:3" };
    let first = a.listen("").unwrap();
    let second = a.listen(":0").unwrap();
    let fifth = a.listen(":5").unwrap();
    let third = a.listen("a:0").unwrap();
    prints(first.local_addr(), "a:1");
    prints(second.local_addr(), "a:2");
    prints(fifth.local_addr(), "a:5");
    prints(third.local_addr(), autobind);
    prints(a.listen("").unwrap().local_addr(), "a:4");
    fails(a.listen("a:5"), "listen pipet a:5: address already in use");
    fails(a.listen("b:1"), "listen pipet b:1: cannot listen on requested address");
    second.close();
    prints(a.listen("").unwrap().local_addr(), "a:2");
    prints(b.listen(65535).unwrap().local_addr(), "b:65535");
    drop((first, second, third, fifth));
    assert_eq!((a.sockets(), b.sockets(), NET.pipes()), (0, 0, 0));
}

pub fn addresses() {
    let memory = Memory::<1, 2, 1, 8>::new();
    let net = Network::new("t", &memory);
    let a = net.host("a").unwrap();
    for (addr, error) in [
        ("a:b", "listen pipet: address a:b: invalid port"),
        ("a:65536", "listen pipet: address a:65536: invalid port"),
        ("a", "listen pipet: address a: missing port in address"),
        ("a:b:c", "listen pipet: address a:b:c: too many colons in address"),
        ("[a:1", "listen pipet: address [a:1: missing ']' in address"),
        ("a]:1", "listen pipet: address a]:1: unexpected ']' in address"),
        ("a[:1", "listen pipet: address a[:1: unexpected '[' in address"),
        ("[a]1", "listen pipet: address [a]1: missing port in address"),
    ] {
        fails(a.listen(addr), error);
    }
    dial_fails(&a, "", "dial pipet a:1: missing port in address");
    dial_fails(&a, "a:b", "dial pipet a:1: address a:b: invalid port");
    dial_fails(&a, "γ:1", r#"dial pipet a:1->γ:1: ram(pipet): query ["γ"]: no such host"#);
    dial_fails(&a, ":7", "dial pipet a:1->a:7: connection refused");
    dial_fails(&a, "a:0", "dial pipet a:1->a:0: connection refused");
    fails(net.host("a[b"), r#"virtnet "pipet": new host "a[b": invalid host name"#);

    let nameless = Memory::<1, 1, 1, 1>::new();
    let nameless = Network::new("a name that is far too long for a network", &nameless);
    fails(nameless.host("a"), r#"virtnet "pipea name that is far too long"…: new host "a": invalid network name"#);
}

pub fn dial_and_accept() {
    let memory = Memory::<3, 8, 3, 8>::new();
    let net = Network::new("t", &memory);
    let (a, b, c) = (net.host("a").unwrap(), net.host("b").unwrap(), net.host("c").unwrap());
    let listener = a.listen(":1").unwrap();
    let (mut first, mut second) = (pin!(b.dial("a:1")), pin!(c.dial(("a", 1))));
    assert!(first.as_mut().try_wait().is_none());
    assert!(second.as_mut().try_wait().is_none());

    let (to_b, to_c) = (listener.try_accept().unwrap(), listener.try_accept().unwrap());
    prints(to_b.peer_addr(), "b:1");
    prints(to_b.local_addr(), "a:2");
    prints(to_c.peer_addr(), "c:1");
    prints(to_c.local_addr(), "a:3");
    let (second, first) = (second.try_wait().unwrap().unwrap(), first.try_wait().unwrap().unwrap());
    prints(first.local_addr(), "b:1");
    prints(first.peer_addr(), "a:2");
    prints(second.peer_addr(), "a:3");

    // A host may dial itself.
    let (near, far) = connect(&a, &listener).unwrap();
    prints(near.local_addr(), "a:4");
    prints(far.local_addr(), "a:5");
    assert_eq!((a.sockets(), net.pipes()), (5, 3));

    let error = listener.try_accept().unwrap_err();
    prints(error, "accept pipet a:1: would block");
    assert_eq!((error.kind(), error.operation()), (ErrorKind::WouldBlock, Operation::Accept));
}

pub fn dropped_dial() {
    let memory = Memory::<2, 4, 1, 8>::new();
    let net = Network::new("t", &memory);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    {
        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        assert_eq!((a.sockets(), b.sockets(), net.pipes()), (2, 1, 1));
    }
    assert_eq!((a.sockets(), b.sockets(), net.pipes()), (1, 0, 0));
    fails(listener.try_accept(), "accept pipet a:1: would block");
    connect(&b, &listener).unwrap();
}
