//! Death and return: a host that crashes is down for ever, its peers are reset, and a restart makes it anew.

use std::format;
use std::string::ToString;
use std::sync::Arc;

use super::close::{Blocked, is_down};
use super::setup::Setup;
use super::step::{accept, failed, read, read_all, server, text, until, write};
use super::task::Task;
use crate::error::kind::ErrorKind;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;

pub(super) fn a_crash_resets_peers_and_a_restart_is_new<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let (dialled, _accepted) = net.connect(&pair.b, &pair.listener);
    // What the host has written is unread at its peer.
    let (own, peers) = (Blocked::on(net, &pair.accepted), Blocked::on(net, &dialled));
    let accepting = net.start(accept(&pair.listener));
    net.crash("a");
    own.fails(&pair.accepted, "host is down");
    assert_eq!(text(accepting.outcome()), format!("accept {n} a:1: host is down"));
    peers.fails(&dialled, "connection reset");
    if net.raw {
        // What had arrived at a socket comes first.
        assert!(net.wait(read_all(pair.dialled.clone(), usize::MAX)).is_err());
    }
    assert_eq!(text(net.wait(read(&pair.dialled, 9))), failed("read", &pair.dialled, "connection reset"));
    assert_eq!(text(net.wait(write(&pair.dialled, b"x"))), failed("write", &pair.dialled, "connection reset"));
    assert_eq!(text(net.wait(pair.b.dial("a:1"))), format!("dial {n} b:3->a:1: connection refused"));

    let a = net.restart("a");
    assert_eq!(text(net.wait(pair.b.dial("a:1"))), format!("dial {n} b:3->a:1: connection refused"));
    let listener = server(&a, "");
    assert_eq!(listener.local_addr(), "a:1");
    let (new, its_peer) = net.connect(&pair.b, &listener);
    for _ in 0..2 {
        is_down(net, &pair.accepted, "host is down");
        assert_eq!(text(pair.a.listen(":7")), format!("listen {n} a:7: host is down"));
        assert_eq!(text(net.wait(accept(&pair.listener))), format!("accept {n} a:1: host is down"));
        assert_eq!(text(pair.listener.try_accept()), format!("accept {n} a:1: host is down"));
        let error = net.wait(pair.a.dial("b:1")).expect_err("the host is down");
        assert_eq!((error.kind(), error.addr()), (ErrorKind::HostDown, Some(("b".into(), 1))));
        net.wait(pair.a.close()).expect("a dead host is closed");
    }
    assert_eq!(net.both(write(&new, b"ab"), read(&its_peer, 9)), (Ok(2), Ok(b"ab".into())));
}

pub(super) fn what_a_dead_host_drops_is_not_seen<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    let a = net.bounce("a");
    let listener = server(&a, ":1");
    let (new, its_peer) = net.connect(&pair.b, &listener);
    // The new connections have the ports of the old ones.
    assert_eq!((a.sockets(), pair.a.sockets()), (2, 3));
    accepted.close();
    pair.accepted.abort();
    drop((accepted, pair.accepted, pair.listener));
    assert_eq!((a.sockets(), pair.a.sockets()), (2, 0));
    for old in [&dialled, &pair.dialled] {
        for _ in 0..2 {
            assert_eq!(text(net.wait(read(old, 9))), failed("read", old, "connection reset"));
            assert_eq!(text(net.wait(write(old, b"x"))), failed("write", old, "connection reset"));
        }
    }
    assert_eq!(net.both(write(&its_peer, b"ab"), read(&new, 9)), (Ok(2), Ok(b"ab".into())));
    assert_eq!(text(listener.try_accept()), format!("accept {n} a:1: would block"));
    let again = net.connect(&pair.b, &listener);
    assert_eq!(net.both(write(&again.0, b"cd"), read(&again.1, 9)), (Ok(2), Ok(b"cd".into())));
}

pub(super) fn a_crash_refuses_queued_dials<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let _listeners = [server(&a, ":1"), server(&a, ":2")];
    let dials = [net.start_dial(&b, "a:1", &a), net.start_dial(&b, "a:2", &a), net.start_dial(&b, "a:2", &a)];
    net.crash("a");
    let want = [(1, 1), (2, 2), (3, 2)].map(|(from, to)| format!("dial {n} b:{from}->a:{to}: connection refused"));
    assert_eq!(dials.map(|dial| text(dial.outcome())), want);
    assert_eq!(b.sockets(), 0);
}

pub(super) fn a_crash_withdraws_the_hosts_dials<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let listener = server(&pair.b, ":9");
    let dial = net.start_dial(&pair.a, "b:9", &pair.b);
    net.crash("a");
    let error = dial.outcome().expect_err("the host is down");
    assert_eq!((error.kind(), error.addr()), (ErrorKind::HostDown, Some(("b".into(), 9))));
    assert_eq!(text(listener.try_accept()), format!("accept {n} b:9: would block"));
}

pub(super) fn an_accepted_dial_that_a_dead_host_drops_is_reset<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let listener = server(&pair.b, ":9");
    let before = pair.b.sockets();
    let dial = net.hold_dial(&pair.a, "b:9", &pair.b);
    let mut accepting = Task::new(accept(&listener));
    accepting.turn();
    net.crash("a");
    drop(dial);
    // It is withdrawn where the engine acknowledges an accept only when the dial is polled.
    until(|| accepting.turn() || pair.b.sockets() == before);
    if !accepting.turn() {
        return;
    }
    let accepted = Arc::new(accepting.outcome().expect("a dial waits"));
    if net.raw {
        net.closed_at_peer(&accepted);
    }
    assert_eq!(text(net.wait(read(&accepted, 9))), failed("read", &accepted, "connection reset"));
    assert_eq!(text(net.wait(write(&accepted, b"x"))), failed("write", &accepted, "connection reset"));
}

pub(super) fn a_restarted_host_connects_from_port_1_again<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&b, ":9");
    let (old, old_peer) = net.connect(&a, &listener);
    let _unread = net.offer(&old_peer, b"old");
    let a = net.bounce("a");
    let (new, new_peer) = net.connect(&a, &listener);
    assert_eq!([old.local_addr(), new.local_addr()].map(|addr| addr.to_string()), ["a:1", "a:1"]);
    assert_eq!([old_peer.peer_addr(), new_peer.peer_addr()].map(|addr| addr.to_string()), ["a:1", "a:1"]);
    assert_eq!(net.both(write(&new_peer, b"new"), read(&new, 9)), (Ok(3), Ok(b"new".into())));
    is_down(net, &old, "host is down");
    assert_eq!(text(net.wait(read(&old_peer, 9))), failed("read", &old_peer, "connection reset"));
}

pub(super) fn the_name_means_the_newest_host<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, old, b) = (net.name(), net.host("a"), net.host("b"));
    net.crash("a");
    assert_eq!(net.net.get_host("a"), Some(old.clone()));
    let new = net.restart("a");
    assert_ne!(new, old);
    assert_eq!(net.net.get_host("a"), Some(new.clone()));
    assert_eq!((new.name(), new.ip_addr()), (old.name(), old.ip_addr()));
    assert_eq!(net.wait(net.net.new_host("a")).unwrap_err().kind(), ErrorKind::HostExists);
    let listener = server(&new, ":1");
    let by_ip = (format!("{}", new.ip_addr()), 1);
    let (dialled, _accepted) = net.both(b.dial((by_ip.0.as_str(), by_ip.1)), listener.accept());
    assert_eq!(dialled.expect("the new host listens").peer_addr().host(), "a");
    // The next host has the next address.
    let c = net.host("c");
    assert_eq!(u32::from(c.ip_addr()), u32::from(b.ip_addr()) + 1);
    assert_eq!(c.network_name(), n);
}

pub(super) fn only_a_host_that_is_down_is_restarted<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    let restart = |name| net.try_restart(name).map(drop);
    assert_eq!(text(restart("a")), format!("virtnet {n:?}: restart \"a\": host already registered"));
    assert_eq!(text(restart("x")), format!("virtnet {n:?}: restart \"x\": no such host"));
    assert_eq!(text(net.try_crash("x")), format!("virtnet {n:?}: crash \"x\": no such host"));
    assert_eq!(text(net.try_restart("")), format!("virtnet {n:?}: restart \"\": no such host"));
    net.crash("a");
    net.crash("a");
    let second = net.restart("a");
    assert_eq!(text(restart("a")), format!("virtnet {n:?}: restart \"a\": host already registered"));
    net.wait(second.close()).expect("closing goes well");
    net.crash("a");
    let third = net.restart("a");
    assert_eq!(server(&third, "").local_addr(), "a:1");
    assert_eq!(
        [&a, &second].map(|old| text(old.listen(""))),
        [(); 2].map(|()| format!("listen {n} a:0: host is down"))
    );
    net.wait(net.net.close()).expect("closing goes well");
    assert_eq!(text(restart("a")), format!("virtnet {n:?}: restart \"a\": network is down"));
    assert_eq!(text(net.try_crash("a")), format!("virtnet {n:?}: crash \"a\": network is down"));
    assert_eq!(text(a.listen("")), format!("listen {n} a:0: network is down"));
}

pub(super) fn a_crash_never_closes_the_network<N: NetRef + 'static>(net: &Setup<N>) {
    let n = net.name();
    net.host("a");
    net.net.auto_close().expect("a host is open");
    net.crash("a");
    let b = net.host("b");
    let a = net.bounce("a");
    net.wait(b.close()).expect("a is open");
    assert_eq!(server(&a, "").local_addr(), "a:1");
    net.wait(a.close()).expect("closing goes well");
    assert_eq!(text(net.try_restart("a")), format!("virtnet {n:?}: restart \"a\": network is down"));
}

pub(super) fn a_host_that_restarts_while_peers_dial_loses_no_dial<N: NetRef + 'static>(net: &Setup<N>) {
    let b = net.host("b");
    net.host("a");
    for accepts in [true, false].repeat(10) {
        let a = net.bounce("a");
        let listener = server(&a, ":1");
        let mut dials = [net.start_dial(&b, "a:1", &a)];
        if accepts {
            let accepted = Arc::new(net.accept_along(&listener, &mut dials));
            let [dialled] = dials.map(|dial| Arc::new(dial.outcome().expect("it was accepted")));
            assert_eq!(net.both(write(&accepted, b"x"), read(&dialled, 9)), (Ok(1), Ok(b"x".into())));
        } else {
            net.crash("a");
            let kinds = dials.map(|dial| dial.outcome().expect_err("the host died").kind());
            assert_eq!(kinds, [ErrorKind::ConnectionRefused]);
        }
    }
    assert_eq!(b.sockets(), 0);
}
