//! Dial, listen, accept: connections reach the right peer, in order, and invalid ones are refused.

use core::time::Duration;
use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::setup::Setup;
use super::step::{PATIENCE, accept, server, text, until};
use super::task::{Task, Waiting};
use crate::error::kind::ErrorKind;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;

pub(super) fn dial_and_accept_connect<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":7").expect("a free port");
    let (dialled, accepted) = net.connect(&b, &listener);
    assert_eq!(dialled.local_addr().to_string(), "b:1");
    assert_eq!(accepted.local_addr().host(), "a");
    assert_eq!(dialled.peer_addr(), accepted.local_addr());
    assert_eq!(accepted.peer_addr(), dialled.local_addr());
    assert_eq!((listener.local_addr().to_string(), listener.host() == a), ("a:7".into(), true));
}

pub(super) fn a_host_dials_itself<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = a.listen(":9").expect("a free port");
    let (dialled, accepted) = net.connect(&a, &listener);
    assert_eq!((dialled.local_addr().to_string(), dialled.peer_addr()), ("a:1".into(), accepted.local_addr()));
    let (sent, got) = net.both(super::step::write(&dialled, b"me"), super::step::read(&accepted, 9));
    assert_eq!((sent, got), (Ok(2), Ok(b"me".into())));
}

pub(super) fn dial_without_a_listener_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (n, b) = (net.name(), &pair.b);
    let other = net.host("c");
    for (addr, want) in [("a:9", "a:9"), ("a:0", "a:0"), ("c:1", "c:1"), (":5", "b:5"), ("a:-0", "a:0")] {
        assert_eq!(text(net.wait(b.dial(addr))), format!("dial {n} b:2->{want}: connection refused"));
    }
    // The port of a dialled connection cannot be dialled.
    assert_eq!(text(net.wait(other.dial("b:1"))), format!("dial {n} c:1->b:1: connection refused"));
}

pub(super) fn dial_to_closed_listener_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let refused = format!("dial {n} b:1->a:1: connection refused");
    let closed = a.listen(":1").expect("a free port");
    closed.close();
    assert_eq!(text(net.wait(b.dial("a:1"))), refused);
    drop(a.listen(":1").expect("a free port"));
    assert_eq!(text(net.wait(b.dial("a:1"))), refused);
}

pub(super) fn dial_to_port_of_accepted_connection_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    assert_eq!(pair.accepted.local_addr().to_string(), "a:2");
    let refused = format!("dial {} b:2->a:2: connection refused", net.name());
    assert_eq!(text(net.wait(pair.b.dial("a:2"))), refused);
}

pub(super) fn dial_to_port_of_connections_without_listener_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    pair.listener.close();
    assert_eq!(pair.accepted.local_addr().to_string(), "a:1");
    let refused = format!("dial {} b:2->a:1: connection refused", net.name());
    assert_eq!(text(net.wait(pair.b.dial("a:1"))), refused);
}

pub(super) fn dial_to_closed_host_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let _listener = a.listen(":1").expect("a free port");
    net.wait(a.close()).expect("closing goes well");
    assert_eq!(text(net.wait(b.dial("a:1"))), format!("dial {n} b:1->a:1: connection refused"));
}

pub(super) fn dial_to_unknown_host_names_both_ends<N: NetRef + 'static>(net: &Setup<N>) {
    let b = net.host("b");
    let error = net.wait(b.dial("γ:1")).expect_err("no host has that name");
    assert_eq!(error.kind(), ErrorKind::NoSuchHost);
    assert_eq!((error.network_name(), error.operation()), (net.name().into(), crate::error::Operation::Dial));
    assert_eq!((error.source_addr(), error.addr()), (Some(("b".into(), 1)), Some(("γ".into(), 1))));
}

pub(super) fn dial_takes_its_port_then_parses_then_checks_host_and_network<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let _listener = a.listen(":3").expect("a free port");
    for (addr, want) in MALFORMED {
        assert_eq!(text(net.wait(a.dial(addr))), format!("dial {n} a:1: {want}"));
    }
    assert_eq!(text(net.wait(a.dial(""))), format!("dial {n} a:1: missing port in address"));
    net.wait(a.close()).expect("closing goes well");
    assert_eq!(text(net.wait(a.dial("a:b"))), format!("dial {n} a:1: address a:b: invalid port"));
    // This is checked before the registry is asked.
    assert_eq!(text(net.wait(a.dial("γ:1"))), format!("dial {n} a:1->γ:1: host is down"));
    net.wait(net.net.close()).expect("closing goes well");
    assert_eq!(text(net.wait(b.dial("a:b"))), format!("dial {n} b:1: address a:b: invalid port"));
    assert_eq!(text(net.wait(b.dial("γ:1"))), format!("dial {n} b:1->γ:1: network is down"));
}

pub(super) fn listen_parses_then_checks_the_host_name_then_host_and_network<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    let _listener = a.listen(":3").expect("a free port");
    for (addr, want) in MALFORMED {
        assert_eq!(text(a.listen(addr)), format!("listen {n}: {want}"));
    }
    for (close, down) in
        [(None, "address already in use"), (Some(true), "host is down"), (Some(false), "network is down")]
    {
        match close {
            None => {}
            Some(true) => net.wait(a.close()).expect("closing goes well"),
            Some(false) => net.wait(net.net.close()).expect("closing goes well"),
        }
        assert_eq!(text(a.listen("a:b")), format!("listen {n}: address a:b: invalid port"));
        assert_eq!(text(a.listen("b:3")), format!("listen {n} b:3: cannot listen on requested address"));
        assert_eq!(text(a.listen("a:3")), format!("listen {n} a:3: {down}"));
    }
    assert_eq!(text(a.listen("")), format!("listen {n} a:0: network is down"));
}

pub(super) fn a_failed_dial_returns_its_port<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, b) = (net.name(), net.host("b"));
    for _ in 0..2 {
        assert_eq!(text(net.wait(b.dial("b:7"))), format!("dial {n} b:1->b:7: connection refused"));
        assert_eq!(text(net.wait(b.dial("b"))), format!("dial {n} b:1: address b: missing port in address"));
        assert_eq!(net.wait(b.dial("γ:1")).expect_err("no host has that name").source_addr(), Some(("b".into(), 1)));
    }
    assert_eq!(b.sockets(), 0);
}

pub(super) fn dial_takes_no_port_before_it_is_polled<N: NetRef + 'static>(net: &Setup<N>) {
    let b = net.host("b");
    let (first, second) = (b.dial(":9"), b.dial(":9"));
    assert_eq!(b.sockets(), 0);
    assert_eq!(net.wait(second).expect_err("the port has no listener").source_addr(), Some(("b".into(), 1)));
    drop(first);
}

pub(super) fn dials_are_accepted_in_arrival_order<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b, c) = (net.host("a"), net.host("b"), net.host("c"));
    let listener = a.listen(":1").expect("a free port");
    // The order differs from that of the names and of the ports.
    let mut dials = [net.start_dial(&c, "a:1", &a), net.start_dial(&b, "a:1", &a)];
    let accepted = [net.accept_along(&listener, &mut dials), net.accept_along(&listener, &mut dials)];
    let dialled = dials.map(|dial| dial.outcome().expect("dialled"));
    assert_eq!(accepted.each_ref().map(|conn| conn.peer_addr()), dialled.each_ref().map(|conn| conn.local_addr()));
    assert_eq!(dialled.each_ref().map(|conn| conn.local_addr().to_string()), ["c:1", "b:1"]);
}

pub(super) fn a_dropped_dial_is_withdrawn<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b, c) = (net.host("a"), net.host("b"), net.host("c"));
    let listener = server(&a, ":1");
    let dropped = net.hold_dial(&b, "a:1", &a);
    let mut kept = [net.start_dial(&c, "a:1", &a)];
    drop(dropped);
    until(|| (a.sockets(), b.sockets()) == (2, 0));
    let accepted = net.accept_along(&listener, &mut kept);
    let [kept] = kept;
    assert_eq!(accepted.peer_addr(), kept.outcome().expect("dialled").local_addr());
    assert_eq!(accepted.peer_addr().to_string(), "c:1");
    assert_eq!(text(listener.try_accept()), format!("accept {} a:1: would block", net.name()));
}

pub(super) fn a_dropped_accept_loses_no_connection<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let idle = net.hold(accept(&listener));
    let woken = net.hold(accept(&listener));
    let mut dial = [net.start_dial(&b, "a:1", &a)];
    // Both accepts were woken for the dial, and neither is polled.
    drop((idle, woken));
    let accepted = net.accept_along(&listener, &mut dial);
    let [dial] = dial;
    assert_eq!(accepted.peer_addr(), dial.outcome().expect("dialled").local_addr());
}

pub(super) fn a_dropped_accept_passes_its_wake_up_on<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let dropped = net.hold(accept(&listener));
    let mut kept = net.start(accept(&listener));
    // The dial may be accepted at once.
    let mut dial = Task::new(b.dial("a:1"));
    let _ = dial.turn();
    drop(dropped);
    until(|| kept.turn() | dial.turn());
    let accepted = kept.outcome().expect("accepted");
    assert_eq!(accepted.peer_addr(), dial.outcome().expect("dialled").local_addr());
}

pub(super) fn a_dial_that_timed_out_leaves_no_trace<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    for _ in 0..2 {
        let error = b.dial("a:1").wait_timeout(SHORT).expect_err("the dial is not accepted");
        assert_eq!(error.to_string(), format!("dial {n} b:1->a:1: timed out"));
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // A listener hears a moment later that a socket was closed. With shared ports, the pair is in use until then.
        if net.raw {
            until(|| a.sockets() == 1);
        }
    }
    until(|| (a.sockets(), b.sockets()) == (1, 0));
    assert_eq!(text(listener.try_accept()), format!("accept {n} a:1: would block"));
    assert_eq!(net.connect(&b, &listener).0.local_addr().to_string(), "b:1");
}

pub(super) fn an_accept_that_timed_out_leaves_no_trace<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    for timeout in [Duration::ZERO, SHORT] {
        assert_eq!(text(listener.accept().wait_timeout(timeout)), format!("accept {n} a:1: timed out"));
    }
    let (_dialled, _accepted) = net.connect(&b, &listener);
}

pub(super) fn a_ready_outcome_wins_over_an_expired_timeout<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    // Sockets take time.
    let refused = b.dial("a:2").wait_timeout(if net.raw { PATIENCE } else { Duration::ZERO });
    assert_eq!(text(refused), format!("dial {n} b:1->a:2: connection refused"));
    let unknown = b.dial("γ:1").wait_timeout(Duration::ZERO).expect_err("no host has that name");
    assert_eq!(unknown.kind(), ErrorKind::NoSuchHost);
    listener.close();
    let down = listener.accept().wait_timeout(Duration::ZERO);
    assert_eq!(text(down), format!("accept {n} a:1: socket is down"));
}

pub(super) fn try_accept_returns_the_next_connection_or_would_block<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    assert_eq!(text(listener.try_accept()), format!("accept {n} a:1: would block"));
    let mut dial = net.start_dial(&b, "a:1", &a);
    // The backend may have to answer first.
    let mut accepted = listener.try_accept();
    until(|| {
        dial.turn();
        if accepted.is_err() {
            accepted = listener.try_accept();
        }
        accepted.is_ok()
    });
    let accepted = accepted.expect("a dial waits");
    assert_eq!(dial.outcome().expect("dialled").peer_addr(), accepted.local_addr());
    listener.close();
    assert_eq!(text(listener.try_accept()), format!("accept {n} a:1: socket is down"));
}

pub(super) fn each_of_several_accepts_gets_a_connection<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let accepts = [(); 3].map(|()| net.start(accept(&listener)));
    let mut accepts = Vec::from(accepts);
    let dialled = [(); 3].map(|()| {
        let mut dial = Task::new(b.dial("a:1"));
        until(|| {
            accepts.iter_mut().for_each(|accepting| _ = accepting.turn());
            dial.turn()
        });
        dial.outcome().expect("dialled")
    });
    let accepted: Vec<_> = accepts.into_iter().map(|accept| accept.outcome().expect("accepted")).collect();
    let mut peers: Vec<_> = accepted.iter().map(|conn| conn.peer_addr()).collect();
    peers.sort();
    assert_eq!(peers, dialled.each_ref().map(|conn| conn.local_addr()));
}

pub(super) fn incoming_ends_when_the_listener_is_closed<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    let dial = Waiting::Threads.start(b.dial("a:1"));
    let mut incoming = listener.incoming();
    let first = incoming.next().expect("a dial waits").expect("accepted");
    assert_eq!(dial.outcome().expect("dialled").peer_addr(), first.local_addr());
    listener.close();
    assert_eq!(incoming.next().map(text), Some(format!("accept {n} a:1: socket is down")));
    assert!(incoming.next().is_none());
}

pub(super) fn a_full_backlog_refuses<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b, most) = (net.name(), net.host("a"), net.host("b"), net.backlog());
    let listener = server(&a, ":1");
    let mut waiting: Vec<_> = (0..most).map(|_| net.hold_dial(&b, "a:1", &a)).collect();
    let (source, refused) = (most + 1, format!("backlog is full ({most})"));
    let error = net.wait(b.dial("a:1")).expect_err("the backlog is full");
    assert_eq!(error.to_string(), format!("dial {n} b:{source}->a:1: {refused}"));
    assert_eq!(error.kind(), ErrorKind::BacklogFull);
    // A place in the backlog is free again when a dial is accepted or withdrawn.
    let accepted = net.accept_along(&listener, &mut waiting);
    assert_eq!(accepted.peer_addr(), waiting.remove(0).outcome().expect("dialled").local_addr());
    drop(accepted);
    waiting.push(net.hold_dial(&b, "a:1", &a));
    drop(waiting.pop());
    until(|| a.sockets() == most as usize);
    waiting.push(net.hold_dial(&b, "a:1", &a));
    assert_eq!(text(net.wait(b.dial("a:1"))), format!("dial {n} b:{source}->a:1: {refused}"));
    while !waiting.is_empty() {
        let accepted = net.accept_along(&listener, &mut waiting);
        let dial = waiting.remove(0);
        assert_eq!(accepted.peer_addr(), dial.outcome().expect("dialled").local_addr());
    }
}

/// Invalid addresses, and the cause of the error for each.
const MALFORMED: [(&str, &str); 10] = [
    ("a:b:c", "address a:b:c: too many colons in address"),
    ("a", "address a: missing port in address"),
    ("[a]1", "address [a]1: missing port in address"),
    ("[a:1", "address [a:1: missing ']' in address"),
    ("a]:1", "address a]:1: unexpected ']' in address"),
    ("a[:1", "address a[:1: unexpected '[' in address"),
    ("a:b", "address a:b: invalid port"),
    ("a:", "address a:: invalid port"),
    ("a:65536", "address a:65536: invalid port"),
    ("a\n:1", "address a\n:1: invalid host name"),
];

/// Long enough for an operation to start waiting.
const SHORT: Duration = Duration::from_millis(2);
