//! Addresses that programs written for TCP use, in networks whose tables grow.

use core::net::{Ipv4Addr, SocketAddr};
use std::format;
use std::string::ToString;

use super::setup::Setup;
use super::step::{server, text};
use crate::error::hint::Hint;
use crate::net::net_ref::NetRef;
use crate::table::Tables;

/// The IP address of the host with this number.
fn ip(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

pub(super) fn each_host_made_has_the_next_ip_address<N: NetRef + 'static>(net: &Setup<N>) {
    let (c, a) = (net.host("c"), net.host("a"));
    assert!(net.wait(a.dial("γ:1")).is_err(), "no host has that name");
    let b = net.host("b");
    assert_eq!([c.ip_addr(), a.ip_addr(), b.ip_addr()], [ip(1), ip(2), ip(3)]);
    let listener = server(&c, ":7");
    let (dialled, accepted) = net.connect(&a, &listener);
    let at = |number, port| SocketAddr::new(ip(number).into(), port);
    let port = accepted.local_addr().port();
    assert_eq!(listener.local_socket_addr(), at(1, 7));
    assert_eq!((dialled.local_socket_addr(), dialled.peer_socket_addr()), (at(2, 1), at(1, port)));
    assert_eq!((accepted.local_socket_addr(), accepted.peer_socket_addr()), (at(1, port), at(2, 1)));
}

pub(super) fn a_host_is_dialled_by_its_ip_address<N: NetRef + 'static>(net: &Setup<N>) {
    if !N::Tables::GROWS {
        return;
    }
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = server(&a, "10.0.0.1:7");
    assert_eq!(listener.local_addr().to_string(), "a:7");
    for addr in ["10.0.0.1:7", "[::ffff:10.0.0.1]:7"] {
        let (dialled, accepted) = net.both(b.dial(addr), listener.accept());
        let (dialled, accepted) = (dialled.expect("dialled"), accepted.expect("accepted"));
        assert_eq!((dialled.local_addr().to_string(), dialled.peer_addr()), ("b:1".into(), accepted.local_addr()));
        assert_eq!(accepted.peer_addr().to_string(), "b:1");
    }
    assert_eq!(text(net.wait(b.dial((ip(1), 8)))), format!("dial {n} b:1->a:8: connection refused"));
    assert_eq!(text(a.listen((ip(2), 8))), format!("listen {n} b:8: cannot listen on requested address"));
    assert_eq!(text(a.listen((ip(3), 8))), format!("listen {n} 10.0.0.3:8: cannot listen on requested address"));
    let unknown = text(net.wait(b.dial((ip(3), 8))));
    assert!(unknown.starts_with(&format!("dial {n} b:1->10.0.0.3:8: ")), "{unknown}");
    assert!(unknown.ends_with(": no such host"), "{unknown}");
}

pub(super) fn wildcard_loopback_and_localhost_are_the_own_host<N: NetRef + 'static>(net: &Setup<N>) {
    if !N::Tables::GROWS {
        return;
    }
    let (n, a) = (net.name(), net.host("a"));
    for host in ["0.0.0.0", "[::]", "127.0.0.1", "[::1]", "localhost"] {
        let listener = server(&a, &format!("{host}:7"));
        assert_eq!(listener.local_addr().to_string(), "a:7", "{host}");
        let (dialled, accepted) = net.both(a.dial(format!("{host}:7")), listener.accept());
        assert_eq!(dialled.expect("dialled").peer_addr(), accepted.expect("accepted").local_addr());
        assert_eq!(text(net.wait(a.dial(format!("{host}:8")))), format!("dial {n} a:1->a:8: connection refused"));
    }
    net.wait(a.close()).expect("closing goes well");
    assert_eq!(text(a.listen("0.0.0.0:7")), format!("listen {n} a:7: host is down"));
    assert_eq!(text(net.wait(a.dial("localhost:7"))), format!("dial {n} a:1->a:7: host is down"));
}

pub(super) fn a_name_wins_over_an_ip_address<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    for name in ["10.0.0.1", "localhost"] {
        let listener = server(&net.host(name), ":7");
        let (dialled, accepted) = net.both(a.dial((name, 7)), listener.accept());
        assert_eq!(accepted.expect("accepted").local_addr().host(), name);
        assert_eq!(dialled.expect("dialled").peer_addr().host(), name);
        assert_eq!(text(a.listen((name, 7))), format!("listen {n} {name}:7: cannot listen on requested address"));
    }
}

pub(super) fn a_pair_in_use_is_not_dialled_again_by_an_ip_address<N: NetRef + 'static>(net: &Setup<N>) {
    if !N::Tables::GROWS {
        return;
    }
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":7");
    let (dialled, accepted) = net.connect(&b, &listener);
    drop(dialled);
    let (again, _accepted) = net.both(b.dial("10.0.0.1:7"), listener.accept());
    assert_eq!(again.expect("dialled").local_addr().to_string(), "b:2");
    assert_eq!(accepted.peer_addr().to_string(), "b:1");
}

pub(super) fn a_hint_tells_where_to_listen_and_of_a_name_in_another_case<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, _db) = (net.host("a"), net.host("db"));
    let foreign = a.listen("db:7").map(drop).expect_err("the address of another host");
    assert_eq!(foreign.hint(), Some(Hint::ListenThere("db".into())));
    assert_eq!(format!("{foreign:#}"), format!("{foreign} (listen there from host db instead)"));
    assert_eq!(format!("{foreign:?}"), format!("Error(AddrNotAvailable: {foreign:#})"));
    if N::Tables::GROWS {
        let listened = a.listen("DB:7").map(drop).expect_err("no host has that name");
        let dialled = net.wait(a.dial("Db:7")).map(drop).expect_err("no host has that name");
        for error in [listened, dialled] {
            assert_eq!(error.hint(), Some(Hint::OtherCase("db".into())));
            assert_eq!(format!("{error:#}"), format!("{error} (there is a host \"db\")"));
        }
    }
    assert_eq!(net.wait(a.dial("xx:7")).map(drop).expect_err("no host has that name").hint(), None);
}

/// A host of another subnetwork has an IP address once it was heard of.
pub(super) fn a_host_across_is_dialled_by_its_ip_address<N: NetRef + 'static>(net: &Setup<N>) {
    let second = net.second.as_ref().expect("a behaviour of the group `two_subnetworks` has it");
    let (n, a, b) = (net.name(), net.host("a"), net.host_on(second, "b"));
    assert_eq!([a.ip_addr(), b.ip_addr()], [ip(1); 2], "each subnetwork numbers its own hosts");
    let listener = server(&b, ":7");
    let (dialled, accepted) = net.connect(&a, &listener);
    assert_eq!(dialled.local_socket_addr(), SocketAddr::new(ip(1).into(), 1));
    if !N::Tables::GROWS {
        return;
    }
    let heard = Ipv4Addr::new(10, 128, 0, 1);
    for conn in [&dialled, &accepted] {
        assert_eq!(conn.peer_socket_addr(), SocketAddr::new(heard.into(), conn.peer_addr().port()));
    }
    let (again, _accepted) = net.both(a.dial((heard, 7)), listener.accept());
    assert_eq!(again.expect("dialled").peer_addr().host(), "b");
    assert_eq!(text(net.wait(a.dial((heard, 8)))), format!("dial {n} a:2->b:8: connection refused"));
    assert_eq!(text(a.listen((heard, 8))), format!("listen {n} b:8: cannot listen on requested address"));
}

/// To listen, only names of the subnetwork's own hosts count.
pub(super) fn a_name_across_wins_for_dials_only<N: NetRef + 'static>(net: &Setup<N>) {
    if !N::Tables::GROWS {
        return;
    }
    let second = net.second.as_ref().expect("a behaviour of the group `two_subnetworks` has it");
    let (a, localhost) = (net.host("a"), net.host_on(second, "localhost"));
    let listeners = [server(&a, "localhost:7"), server(&localhost, "localhost:7")];
    assert_eq!(listeners.each_ref().map(|listener| listener.local_addr().to_string()), ["a:7", "localhost:7"]);
    let (dialled, _accepted) = net.both(a.dial("localhost:7"), listeners[1].accept());
    assert_eq!(dialled.expect("dialled").peer_addr().host(), "localhost");
}
