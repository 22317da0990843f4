//! The core's interface to a backend: incoming connections, and the failure of the network.

use core::future::{Future, poll_fn};
use core::task::{Context, Waker};
use std::format;
use std::string::ToString;
use std::vec;

use super::setup::{SMALL_BACKLOG, Setup};
use super::step::{accept, read, server, text, until};
use super::task::{Started, Task};
use crate::addr::Addr;
use crate::contract::engine::Engine;
use crate::contract::notifier::{Accept, Notifier};
use crate::error::cause::Cause;
use crate::error::kind::ErrorKind;
use crate::net::net_ref::{LinkOf, NetRef};
use crate::net::network::NetRefExt as _;
use crate::net::notifier::SubNetworkNotifier;
use crate::net::request::ClaimedRequest;
use crate::table::{Hosts, Tables};

/// Hands in a connection from `from` to `to`, as a backend does.
fn announce<N: NetRef + 'static>(
    net: &Setup<N>,
    from: &str,
    to: &str,
    link: &LinkOf<N>,
) -> impl Future<Output = Result<ClaimedRequest<N>, Cause>> + Send + 'static {
    let addr = |text: &str| text.parse::<Addr>().expect("a valid address");
    let (net, from, to, link) = (net.net.clone(), addr(from), addr(to), link.clone());
    async move { SubNetworkNotifier(net).accept(&from, &to, link).await }
}

/// As [`announce`] to `a:1`, for a pending accept to claim.
fn claim<N: NetRef + 'static, T>(
    net: &Setup<N>,
    accepting: &mut Started<T>,
    from: &str,
    link: &LinkOf<N>,
) -> ClaimedRequest<N> {
    let mut announced = Task::new(announce(net, from, "a:1", link));
    until(|| {
        accepting.turn();
        announced.turn()
    });
    announced.outcome().expect("claimed")
}

/// Whether the other end of a handed-over connection is closed.
fn is_closed<N: NetRef + 'static>(net: &Setup<N>, near: &LinkOf<N>) -> bool {
    net.net.engine().poll_read(near, &mut Context::from_waker(Waker::noop()), &mut [0]).is_ready()
}

/// Reports a failure of the network.
async fn fail<N: NetRef>(net: N, cause: &str) {
    net.notifier().down(Cause::backend(&cause)).await;
}

pub(super) fn an_incoming_connection_is_claimed_and_then_acknowledged<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let (near, far) = net.link_pair();
    let announced = net.start(announce(net, "x:7", "a:1", &far));
    let accepting = net.start(accept(&listener));
    let claim = announced.outcome().expect("claimed");
    let local = claim.local_addr();
    assert_eq!((local.network_name(), local.host()), (net.name(), "a"));
    assert_eq!(text(a.listen(local.port())), format!("listen {} {local}: address already in use", net.name()));
    assert_eq!(listener.try_accept().map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
    claim.acknowledge().expect("the port has a listener");
    let conn = std::sync::Arc::new(accepting.outcome().expect("accepted"));
    assert_eq!((conn.local_addr(), conn.peer_addr().to_string()), (local, "x:7".into()));
    let handle = &net.net;
    let sent = poll_fn(|cx| handle.engine().poll_write(&near, cx, b"hi"));
    assert_eq!(net.both(sent, read(&conn, 9)), (Ok(2), Ok(b"hi".into())));
    net.shut(&near);
    assert_eq!(net.wait(read(&conn, 9)), Ok(vec![]));
}

pub(super) fn a_claim_reserves_its_port<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let (near, far) = net.link_pair();
    let mut accepting = net.start(accept(&listener));
    let claim = claim(net, &mut accepting, "x:7", &far);
    // The connection's own port, or the listener's.
    let ports = if net.shares_ports() { ["a:1", "a:2"] } else { ["a:2", "a:3"] };
    let next = a.listen("").expect("a free port").local_addr();
    assert_eq!([claim.local_addr().to_string(), next.to_string()], ports);
    claim.refuse();
    assert_eq!(a.listen("").expect("a free port").local_addr().to_string(), "a:2");
    listener.close();
    assert_eq!(text(accepting.outcome()), format!("accept {} a:1: socket is down", net.name()));
    net.shut(&near);
}

pub(super) fn a_refused_or_dropped_claim_lets_accept_wait_on<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let mut accepting = net.start(accept(&listener));
    for drops in [false, true] {
        let (near, far) = net.link_pair();
        let claim = claim(net, &mut accepting, "x:7", &far);
        if drops {
            drop(claim)
        } else {
            claim.refuse()
        }
        assert!(is_closed(net, &near));
        assert_eq!(a.sockets(), 1);
        net.shut(&near);
    }
    let (near, far) = net.link_pair();
    claim(net, &mut accepting, "x:8", &far).acknowledge().expect("the port has a listener");
    assert_eq!(accepting.outcome().expect("accepted").peer_addr().to_string(), "x:8");
    net.shut(&near);
}

pub(super) fn a_withdrawn_claim_leaves_its_accept_to_the_next_connection<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    for drops in [false, true] {
        let mut accepting = net.hold(accept(&listener));
        let (first_near, far) = net.link_pair();
        let first = claim(net, &mut accepting, "x:7", &far);
        // The one accept is woken for the second connection, and must not claim it as well.
        let (near, far) = net.link_pair();
        let mut second = Task::new(announce(net, "x:8", "a:1", &far));
        assert!(!second.turn() && !accepting.turn() && !second.turn());
        if drops {
            drop(first)
        } else {
            first.refuse()
        }
        assert!(!accepting.turn());
        assert!(second.turn(), "the withdrawal has woken the accept, which has claimed the second connection");
        second.outcome().expect("claimed").acknowledge().expect("somebody listens");
        assert_eq!(accepting.outcome().expect("accepted").peer_addr().to_string(), "x:8");
        net.shut(&first_near);
        net.shut(&near);
    }
}

pub(super) fn a_connection_acknowledged_late_goes_to_the_next_accept<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let (near, far) = net.link_pair();
    let mut gave_up = net.hold(accept(&listener));
    let claim = claim(net, &mut gave_up, "x:7", &far);
    drop(gave_up);
    let local = claim.local_addr();
    claim.acknowledge().expect("the port has a listener");
    let conn = net.wait(accept(&listener)).expect("accepted");
    assert_eq!((conn.local_addr(), conn.peer_addr().to_string()), (local, "x:7".into()));
    assert!(!is_closed(net, &near));
    net.shut(&near);
}

pub(super) fn a_connection_acknowledged_without_a_listener_is_closed<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    for drops in [false, true] {
        let listener = server(&a, ":1");
        let (near, far) = net.link_pair();
        let mut accepting = net.hold(accept(&listener));
        let claim = claim(net, &mut accepting, "x:7", &far);
        if drops {
            drop(accepting)
        } else {
            listener.close();
            assert_eq!(text(accepting.outcome()), format!("accept {} a:1: socket is down", net.name()));
        }
        drop(listener);
        assert_eq!(claim.acknowledge(), Err(Cause::ConnectionRefused));
        assert!(is_closed(net, &near));
        net.shut(&near);
        assert_eq!(a.sockets(), 0);
    }
}

pub(super) fn an_acknowledged_connection_left_unaccepted_is_closed_with_its_listener<N: NetRef + 'static>(
    net: &Setup<N>,
) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let (near, far) = net.link_pair();
    let mut gave_up = net.hold(accept(&listener));
    let claim = claim(net, &mut gave_up, "x:7", &far);
    drop(gave_up);
    claim.acknowledge().expect("the port has a listener");
    listener.close();
    assert!(is_closed(net, &near));
    net.shut(&near);
}

pub(super) fn connections_from_outside_are_accepted_in_arrival_order<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let pairs = [net.link_pair(), net.link_pair()];
    let first = net.start(announce(net, "y:9", "a:1", &pairs[0].1));
    let second = net.start(announce(net, "x:1", "a:1", &pairs[1].1));
    let accepts = [net.hold(accept(&listener)), net.hold(accept(&listener))];
    // The connections are acknowledged in reverse order.
    let [first, second] = [first, second].map(|announced| announced.outcome().expect("claimed"));
    let locals = [first.local_addr(), second.local_addr()];
    second.acknowledge().expect("the port has a listener");
    first.acknowledge().expect("the port has a listener");
    let mut accepted = accepts.map(|accepting| accepting.outcome().expect("accepted"));
    accepted.sort_by_key(|conn| core::cmp::Reverse(conn.peer_addr()));
    let ends = accepted.each_ref().map(|conn| (conn.peer_addr().to_string(), conn.local_addr()));
    assert_eq!(ends, [("y:9".into(), locals[0]), ("x:1".into(), locals[1])]);
    pairs.iter().for_each(|(near, _)| net.shut(near));
}

pub(super) fn claims_never_exceed_pending_accepts<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let pairs = [net.link_pair(), net.link_pair()];
    let first = net.start(announce(net, "x:1", "a:1", &pairs[0].1));
    let mut second = Task::start(announce(net, "x:2", "a:1", &pairs[1].1));
    let mut accepting = net.hold(accept(&listener));
    let claim = first.outcome().expect("claimed");
    assert!(!second.turn());
    claim.refuse();
    assert!(!accepting.turn());
    let claim = second.outcome().expect("claimed");
    claim.acknowledge().expect("the port has a listener");
    assert_eq!(accepting.outcome().expect("accepted").peer_addr().to_string(), "x:2");
    pairs.iter().for_each(|(near, _)| net.shut(near));
}

pub(super) fn a_withdrawn_connection_is_never_seen<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let (near, far) = net.link_pair();
    drop(Task::start(announce(net, "x:7", "a:1", &far)));
    assert!(is_closed(net, &near));
    assert_eq!(text(listener.try_accept()), format!("accept {} a:1: would block", net.name()));
    assert_eq!(a.sockets(), 1);
    net.shut(&near);
}

pub(super) fn a_connection_handed_over_in_one_step_belongs_to_the_listener<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let listener = server(&a, ":1");
    let (near, far) = net.link_pair();
    let (handle, from, to) = (net.net.clone(), Addr::new("", "x", 7), Addr::new("", "a", 1));
    let connecting = Task::start(async move {
        let (from, to) = (from.expect("a valid address"), to.expect("a valid address"));
        handle.notifier().connect(&from, &to, far).await
    });
    let conn = listener.try_accept().expect("a connection waits");
    assert_eq!(conn.peer_addr().to_string(), "x:7");
    assert_eq!(connecting.outcome(), Ok(conn.local_addr()));
    net.shut(&near);
}

pub(super) fn a_connection_without_a_listener_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let refused = |to: &str| {
        let (near, far) = net.link_pair();
        let error = text(net.wait(announce(net, "x:7", to, &far)));
        assert!(is_closed(net, &near));
        net.shut(&near);
        error
    };
    assert_eq!(refused("c:1"), "address c:1: no such host");
    assert_eq!(refused("[c:d]:1"), "address [c:d]:1: no such host");
    assert_eq!(refused("a:1"), "connection refused");
    assert_eq!(refused("a:0"), "connection refused");
    let listener = server(&b, ":1");
    let conn = net.connect(&a, &listener);
    assert_eq!(refused("a:1"), "connection refused");
    drop(conn);
    net.wait(b.close()).expect("closing goes well");
    assert_eq!(refused("b:1"), "connection refused");
}

pub(super) fn a_refused_stranger_leaves_no_name<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&b, ":1");
    let names = || net.net.tables.hosts(|hosts| hosts.count());
    let before = names();
    let refused = |from: &str, to: &str| {
        let (near, far) = net.link_pair();
        let error = text(net.wait(announce(net, from, to, &far)));
        assert!(is_closed(net, &near));
        net.shut(&near);
        error
    };
    for stranger in 0..20 {
        for to in ["a:9", "a:0", "b:2"] {
            assert_eq!(refused(&format!("stranger{stranger}:1"), to), "connection refused");
        }
        assert_eq!(refused(&format!("stranger{stranger}:1"), "c:1"), "address c:1: no such host");
    }
    assert_eq!(names(), before, "names after refusals");
    // A queued stranger is known from then on, and a host of that name may still be made.
    let queue = |port: usize| {
        let (near, far) = net.link_pair();
        let queued = Task::start(announce(net, &format!("x:{port}"), "b:1", &far));
        net.shut(&near);
        queued
    };
    drop(queue(1));
    assert_eq!(names(), before + 1);
    let _x = net.host("x");
    if net.backlog() <= SMALL_BACKLOG {
        let backlog = net.backlog() as usize;
        let queued: vec::Vec<_> = (1..=backlog).map(queue).collect();
        assert_eq!(refused("stranger:1", "b:1"), format!("backlog is full ({backlog})"));
        drop(queued);
        assert_eq!(names(), before + 1);
    }
    net.wait(b.close()).expect("closing goes well");
    assert_eq!(refused("stranger:1", "b:1"), "connection refused");
    let (near, far) = net.link_pair();
    net.wait(net.net.close()).expect("closing goes well");
    assert_eq!(text(net.wait(announce(net, "stranger:1", "a:9", &far))), "network is down");
    net.shut(&near);
    assert_eq!(names(), before + 1);
    drop((a, listener));
}

pub(super) fn a_stranger_refused_by_a_full_table_leaves_nothing<N: NetRef + 'static>(net: &Setup<N>) {
    let Some(super::Capacity { hosts, .. }) = net.capacity else { return };
    let others = (1..hosts).map(|at| format!("h{at}"));
    let made: vec::Vec<_> = core::iter::once("a".into()).chain(others).map(|name| net.host(&name)).collect();
    let listener = server(&made[0], ":1");
    for _ in 0..2 {
        let (near, far) = net.link_pair();
        let error = text(net.wait(announce(net, "x:1", "a:1", &far)));
        assert_eq!(error, format!("host table is full ({hosts})"));
        assert!(is_closed(net, &near));
        net.shut(&near);
        assert_eq!(made[0].sockets(), 1);
        assert_eq!(text(listener.try_accept()), format!("accept {} a:1: would block", net.name()));
    }
    let (_dialled, _accepted) = net.connect(&made[1], &listener);
}

pub(super) fn a_pair_from_outside_is_refused_twice_where_ports_are_shared<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let again = |from: &'static str| {
        let (near, far) = net.link_pair();
        let mut announced = Task::new(announce(net, from, "a:1", &far));
        assert_eq!(announced.turn(), net.shares_ports(), "{from}");
        if net.shares_ports() {
            assert_eq!(text(announced.outcome()), "address already in use", "{from}");
            assert!(is_closed(net, &near));
        }
        net.shut(&near);
    };
    // A stranger may have the name and a port of a host of this subnetwork.
    for from in ["x:1", "b:1"] {
        let (near, far) = net.link_pair();
        let queued = Task::start(announce(net, from, "a:1", &far));
        again(from);
        let dial = net.hold_dial(&b, "a:1", &a);
        let port = if from == "b:1" && net.shares_ports() { 2 } else { 1 };
        assert_eq!(b.listen(port).map(drop).map_err(|error| error.kind()), Err(ErrorKind::AddrInUse));
        drop(dial);
        until(|| a.sockets() == 2);
        drop(queued);
        net.shut(&near);
        // A withdrawn connection holds no pair; an accepted connection holds its pair until it is closed.
        let (near, far) = net.link_pair();
        let mut accepting = net.start(accept(&listener));
        claim(net, &mut accepting, from, &far).acknowledge().expect("the port has a listener");
        let conn = accepting.outcome().expect("accepted");
        assert_eq!(conn.peer_addr().to_string(), from);
        again(from);
        conn.close();
        let (near_2, far) = net.link_pair();
        drop(Task::start(announce(net, from, "a:1", &far)));
        [near, near_2].iter().for_each(|near| net.shut(near));
    }
}

pub(super) fn a_connection_is_refused_when_its_listener_closes_meanwhile<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    for (to, host, drops) in [("a:1", &a, false), ("a:1", &a, true), ("b:1", &b, false)] {
        let (near, far) = net.link_pair();
        let listener = server(host, ":1");
        let announced = net.start(announce(net, "x:7", to, &far));
        match (to, drops) {
            ("b:1", _) => net.wait(b.close()).expect("closing goes well"),
            (_, false) => listener.close(),
            (_, true) => drop(listener),
        }
        assert_eq!(text(announced.outcome()), "connection refused");
        assert!(is_closed(net, &near));
        net.shut(&near);
    }
}

pub(super) fn a_connection_to_a_network_that_is_down_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let _listener = server(&a, ":1");
    let pairs = [net.link_pair(), net.link_pair(), net.link_pair()];
    let waiting = net.start(announce(net, "x:7", "a:1", &pairs[0].1));
    net.wait(net.net.close()).expect("closing goes well");
    assert!(waiting.outcome().is_err());
    assert_eq!(text(net.wait(announce(net, "x:7", "a:1", &pairs[1].1))), "network is down");
    assert_eq!(text(net.wait(announce(net, "x:7", "c:1", &pairs[2].1))), "network is down");
    pairs.iter().for_each(|(near, _)| net.shut(near));
}

pub(super) fn a_failed_network_is_down_and_every_close_reports_the_cause<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    let listener = server(&a, ":1");
    let accepting = net.start(accept(&listener));
    net.wait(fail(net.net.clone(), "cable unplugged"));
    net.wait(fail(net.net.clone(), "too late"));
    assert_eq!(text(accepting.outcome()), format!("accept {n} a:1: network is down"));
    assert_eq!(text(net.wait(net.net.new_host("b"))), format!("virtnet {n:?}: new host \"b\": network is down"));
    for _ in 0..2 {
        let error = net.wait(net.net.close()).expect_err("the network failed");
        assert_eq!(error.to_string(), format!("virtnet {n:?}: close: cable unplugged"));
        assert_eq!(error.causes().collect::<vec::Vec<_>>(), [Cause::backend(&"cable unplugged")]);
    }
    assert!(net.wait(a.close()).is_ok());
}

pub(super) fn a_failure_after_the_close_is_ignored<N: NetRef + 'static>(net: &Setup<N>) {
    let _a = net.host("a");
    net.wait(net.net.close()).expect("closing goes well");
    net.wait(fail(net.net.clone(), "too late"));
    net.wait(net.net.close()).expect("closing goes well");
}

pub(super) fn a_network_is_down_before_its_failure_is_awaited<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    drop(net.net.notifier().down(Cause::backend(&"cable unplugged")));
    assert_eq!(text(a.listen("")), format!("listen {n} a:0: network is down"));
    assert_eq!(text(net.wait(net.net.close())), format!("virtnet {n:?}: close: cable unplugged"));
}
