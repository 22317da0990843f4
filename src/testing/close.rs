//! Close: later operations fail with the documented cause, and pending operations are woken.

use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use super::setup::{Pair, Setup};
use super::step::{accept, failed, read, read_all, server, text, write};
use super::task::Started;
use crate::error::kind::ErrorKind;
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;

/// A pending read and a pending write.
pub(super) struct Blocked {
    reading: Started<Result<Vec<u8>, crate::error::Error>>,
    writing: Started<Result<usize, crate::error::Error>>,
}

impl Blocked {
    pub(super) fn on<N: NetRef + 'static>(net: &Setup<N>, conn: &Arc<Conn<N>>) -> Self {
        net.fill(conn);
        Self { reading: net.start(read(conn, 9)), writing: net.start(write(conn, b"x")) }
    }

    /// Asserts that both failed for the same cause.
    #[track_caller]
    pub(super) fn fails<N: NetRef>(self, conn: &Conn<N>, cause: &str) {
        let reading = self.reading.outcome().map_err(|error| error.to_string());
        let writing = self.writing.outcome().map_err(|error| error.to_string());
        assert_eq!((reading, writing), (Err(failed("read", conn, cause)), Err(failed("write", conn, cause))));
    }

    /// Asserts the outcomes after the peer was closed while written bytes were unread.
    #[track_caller]
    fn ends<N: NetRef>(self, net: &Setup<N>, conn: &Conn<N>) {
        if net.resets_unread {
            return self.fails(conn, "connection reset");
        }
        assert_eq!(self.reading.outcome(), Ok(vec![]));
        assert_eq!(text(self.writing.outcome()), failed("write", conn, "broken pipe"));
    }
}

/// Asserts that reading and writing fail for the same cause.
#[track_caller]
pub(super) fn is_down<N: NetRef + 'static>(net: &Setup<N>, conn: &Arc<Conn<N>>, cause: &str) {
    for _ in 0..2 {
        assert_eq!(text(net.wait(read(conn, 9))), failed("read", conn, cause));
        assert_eq!(text(net.wait(write(conn, b"x"))), failed("write", conn, cause));
        assert_eq!(text(conn.close_write()), failed("shutdown", conn, cause));
    }
}

/// Asserts that the peer is closed.
#[track_caller]
fn is_over<N: NetRef + 'static>(net: &Setup<N>, conn: &Arc<Conn<N>>) {
    // Bytes in flight come first.
    assert!(net.wait(read_all(conn.clone(), usize::MAX)).is_ok());
    net.closed_at_peer(conn);
    for _ in 0..2 {
        assert_eq!(net.wait(read(conn, 9)), Ok(vec![]));
        assert_eq!(text(net.wait(write(conn, b"x"))), failed("write", conn, "broken pipe"));
    }
}

fn close_network<N: NetRef + 'static>(net: &Setup<N>) {
    net.wait(net.net.close()).expect("closing goes well");
}

pub(super) fn after_network_close_everything_fails<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    close_network(net);
    for _ in 0..2 {
        assert_eq!(text(net.wait(net.net.new_host("c"))), format!("virtnet {n:?}: new host \"c\": network is down"));
        assert_eq!(text(net.wait(pair.b.dial("a:1"))), format!("dial {n} b:2->a:1: network is down"));
        assert_eq!(text(net.wait(pair.b.dial("γ:1"))), format!("dial {n} b:2->γ:1: network is down"));
        assert_eq!(text(pair.b.listen(":7")), format!("listen {n} b:7: network is down"));
        assert_eq!(text(net.wait(accept(&pair.listener))), format!("accept {n} a:1: network is down"));
        assert_eq!(text(pair.listener.try_accept()), format!("accept {n} a:1: network is down"));
        is_down(net, &pair.dialled, "network is down");
        is_down(net, &pair.accepted, "network is down");
        close_network(net);
    }
}

pub(super) fn network_close_wakes_all_waiting_tasks<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let (dialled, _accepted) = net.connect(&pair.b, &pair.listener);
    let blocked = [Blocked::on(net, &dialled), Blocked::on(net, &pair.accepted)];
    let other = server(&pair.b, ":9");
    let accepting = [(); 3].map(|()| net.start(accept(&pair.listener)));
    let dial = net.start_dial(&pair.a, "b:9", &pair.b);
    close_network(net);
    let [at_b, at_a] = blocked;
    at_b.fails(&dialled, "network is down");
    at_a.fails(&pair.accepted, "network is down");
    for accepting in accepting {
        assert_eq!(text(accepting.outcome()), format!("accept {n} a:1: network is down"));
    }
    let error = dial.outcome().expect_err("the network is down");
    assert_eq!((error.kind(), error.addr()), (ErrorKind::NetworkDown, Some(("b".into(), 9))));
    drop(other);
}

pub(super) fn after_host_close_the_host_is_down<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let c = net.host("c");
    net.wait(pair.a.close()).expect("closing goes well");
    for _ in 0..2 {
        let error = net.wait(pair.a.dial("b:1")).expect_err("the host is down");
        assert_eq!((error.kind(), error.addr()), (ErrorKind::HostDown, Some(("b".into(), 1))));
        assert_eq!(text(pair.a.listen(":7")), format!("listen {n} a:7: host is down"));
        assert_eq!(text(net.wait(accept(&pair.listener))), format!("accept {n} a:1: host is down"));
        is_down(net, &pair.accepted, "host is down");
        // The peer and the other hosts continue.
        is_over(net, &pair.dialled);
        assert_eq!(text(net.wait(pair.b.dial("a:1"))), format!("dial {n} b:2->a:1: connection refused"));
        let listener = server(&c, "");
        let (_dialled, _accepted) = net.connect(&pair.b, &listener);
        net.wait(pair.a.close()).expect("again");
    }
}

pub(super) fn a_host_can_be_made_while_other_hosts_are_closed<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    net.wait(a.close()).expect("closing goes well");
    net.wait(b.close()).expect("closing goes well");
    let c = net.host("c");
    let listener = server(&c, "");
    let (_dialled, _accepted) = net.connect(&c, &listener);
}

pub(super) fn host_close_wakes_all_waiting_tasks<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let (dialled, _accepted) = net.connect(&pair.b, &pair.listener);
    let (own, peers) = (Blocked::on(net, &pair.accepted), Blocked::on(net, &dialled));
    let other = server(&pair.b, ":9");
    let accepting = net.start(accept(&pair.listener));
    let dial = net.start_dial(&pair.a, "b:9", &pair.b);
    net.wait(pair.a.close()).expect("closing goes well");
    own.fails(&pair.accepted, "host is down");
    assert_eq!(text(accepting.outcome()), format!("accept {n} a:1: host is down"));
    let error = dial.outcome().expect_err("the host is down");
    assert_eq!((error.kind(), error.addr()), (ErrorKind::HostDown, Some(("b".into(), 9))));
    peers.ends(net, &dialled);
    assert_eq!(text(other.try_accept()), format!("accept {n} b:9: would block"));
}

pub(super) fn closing_the_host_of_a_listener_refuses_its_dials<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let _listener = server(&a, ":1");
    let dial = net.start_dial(&b, "a:1", &a);
    net.wait(a.close()).expect("closing goes well");
    assert_eq!(text(dial.outcome()), format!("dial {n} b:1->a:1: connection refused"));
}

pub(super) fn listener_close_fails_accepts_and_refuses_dials<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let listener = server(&pair.a, ":7");
    let accepting = [(); 3].map(|()| net.start(accept(&listener)));
    listener.close();
    let down = format!("accept {n} a:7: socket is down");
    assert_eq!(accepting.map(|accepting| text(accepting.outcome())), [down.as_str(); 3]);
    assert_eq!([text(net.wait(accept(&listener))), text(listener.try_accept())], [down.clone(), down]);
    listener.close();
    drop(listener);
    for drops in [false, true] {
        let listener = server(&pair.a, ":7");
        let dials = [net.start_dial(&pair.b, "a:7", &pair.a), net.start_dial(&pair.b, "a:7", &pair.a)];
        if drops {
            drop(listener)
        } else {
            listener.close()
        }
        let want = [2, 3].map(|port| format!("dial {n} b:{port}->a:7: connection refused"));
        assert_eq!(dials.map(|dial| text(dial.outcome())), want);
    }
}

pub(super) fn listener_close_leaves_accepted_connections<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    pair.listener.close();
    let Pair { dialled, accepted, .. } = pair;
    assert_eq!(net.both(write(&dialled, b"ab"), read(&accepted, 9)), (Ok(2), Ok(b"ab".into())));
    assert_eq!(net.both(write(&accepted, b"cd"), read(&dialled, 9)), (Ok(2), Ok(b"cd".into())));
}

pub(super) fn connection_close_fails_both_ends<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    pair.dialled.close();
    is_down(net, &pair.dialled, "socket is down");
    is_over(net, &pair.accepted);
    pair.dialled.close();
    pair.accepted.close();
    is_down(net, &pair.accepted, "socket is down");
    is_down(net, &pair.dialled, "socket is down");
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    drop(accepted);
    is_over(net, &dialled);
}

pub(super) fn connection_close_wakes_all_waiting_tasks<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let own = Blocked::on(net, &pair.dialled);
    pair.dialled.close();
    own.fails(&pair.dialled, "socket is down");
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    let peers = Blocked::on(net, &accepted);
    dialled.close();
    peers.ends(net, &accepted);
    // A connection without any remaining handle.
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    let peers = Blocked::on(net, &accepted);
    drop(dialled);
    peers.ends(net, &accepted);
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    let reading = [(); 3].map(|()| net.start(read(&dialled, 9)));
    drop(accepted);
    assert_eq!(reading.map(|reading| reading.outcome()), [const { Ok(Vec::new()) }; 3]);
}

pub(super) fn the_outermost_cause_is_reported_even_for_sockets_closed_before<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, pair) = (net.name(), net.pair());
    let (second, _peer) = net.connect(&pair.b, &pair.listener);
    pair.listener.close();
    pair.accepted.close();
    let check = |cause: &str| {
        is_down(net, &pair.accepted, cause);
        assert_eq!(text(net.wait(accept(&pair.listener))), format!("accept {n} a:1: {cause}"));
    };
    check("socket is down");
    net.wait(pair.a.close()).expect("closing goes well");
    check("host is down");
    // The cause of the local side comes before that of the peer's side.
    is_over(net, &second);
    second.close();
    is_down(net, &second, "socket is down");
    net.wait(pair.b.close()).expect("closing goes well");
    is_down(net, &second, "host is down");
    close_network(net);
    check("network is down");
    is_down(net, &second, "network is down");
}

pub(super) fn a_reset_is_reported_only_if_nothing_is_down<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    pair.dialled.abort();
    assert_eq!(text(net.wait(read(&pair.accepted, 9))), failed("read", &pair.accepted, "connection reset"));
    pair.accepted.close();
    is_down(net, &pair.accepted, "socket is down");
    net.wait(pair.a.close()).expect("closing goes well");
    is_down(net, &pair.accepted, "host is down");
}

pub(super) fn malformed_addresses_are_reported_before_a_closed_host_or_network<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    close_network(net);
    assert_eq!(text(a.listen("a")), format!("listen {n}: address a: missing port in address"));
    assert_eq!(text(a.listen("b:1")), format!("listen {n} b:1: cannot listen on requested address"));
    assert_eq!(text(net.wait(a.dial("a"))), format!("dial {n} a:1: address a: missing port in address"));
    let invalid = format!("virtnet {n:?}: new host \"b[\": invalid host name");
    assert_eq!(text(net.wait(net.net.new_host("b["))), invalid);
}

pub(super) fn a_closed_host_keeps_its_name<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    for name in ["a", "a"] {
        let error = net.wait(net.net.new_host(name)).expect_err("the name is taken");
        assert_eq!(error.kind(), ErrorKind::HostExists);
        net.wait(a.close()).expect("closing goes well");
    }
    assert!(net.net.get_host("a") == Some(a.clone()));
    assert!(net.net.get_host("b").is_none());
    close_network(net);
    assert!(net.net.get_host("a") == Some(a.clone()));
    assert_eq!((a.name().to_string(), a.network_name()), ("a".into(), net.name()));
}

pub(super) fn an_invalid_name_makes_no_host<N: NetRef + 'static>(net: &Setup<N>) {
    let n = net.name();
    let long = "h".repeat(64);
    for name in ["", "a[", "]", "a\n", "a\u{7f}", "a\u{85}"] {
        let invalid = format!("virtnet {n:?}: new host {name:?}: invalid host name");
        assert_eq!(text(net.wait(net.net.new_host(name))), invalid);
    }
    let error = net.wait(net.net.new_host(&long)).expect_err("the name is too long");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let longest: String = long.chars().skip(1).collect();
    let host = net.host(&longest);
    let listener = server(&host, ":1");
    assert_eq!(listener.local_addr().to_string(), format!("{longest}:1"));
    let (dialled, accepted) = net.connect(&host, &listener);
    assert_eq!(accepted.peer_addr(), dialled.local_addr());
    assert_eq!(net.host("a:b").listen(":1").expect("a free port").local_addr().to_string(), "[a:b]:1");
}

pub(super) fn closing_the_last_host_closes_the_network_if_configured<N: NetRef + 'static>(net: &Setup<N>) {
    let n = net.name();
    assert_eq!(text(net.net.auto_close()), format!("virtnet {n:?}: auto close: no open host"));
    let (a, b) = (net.host("a"), net.host("b"));
    net.net.auto_close().expect("a host is open");
    net.net.auto_close().expect("again");
    net.wait(a.close()).expect("closing goes well");
    net.wait(a.close()).expect("again");
    let c = net.host("c");
    net.wait(b.close()).expect("closing goes well");
    assert!(c.listen("").is_ok());
    net.wait(c.close()).expect("closing goes well");
    assert_eq!(text(c.listen("")), format!("listen {n} c:0: network is down"));
    net.wait(c.close()).expect("again");
    close_network(net);
    assert_eq!(text(net.net.auto_close()), format!("virtnet {n:?}: auto close: network is down"));
}

pub(super) fn the_network_outlives_its_hosts_by_default<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    net.wait(a.close()).expect("closing goes well");
    assert_eq!(text(net.net.auto_close()), format!("virtnet {n:?}: auto close: no open host"));
    assert_eq!(text(a.listen("")), format!("listen {n} a:0: host is down"));
    let _b = net.host("b");
}

pub(super) fn concurrent_closes_all_return<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let accepting = net.start(accept(&pair.listener));
    let (network, host) = net.both(net.net.close(), pair.a.close());
    assert!(network.is_ok() && host.is_ok());
    // The host may have been closed first.
    let error = accepting.outcome().expect_err("one of them is down");
    assert!(matches!(error.kind(), ErrorKind::NetworkDown | ErrorKind::HostDown), "{error}");
    let (first, second) = net.both(net.net.close(), net.net.close());
    assert!(first.is_ok() && second.is_ok());
}

pub(super) fn a_blocking_close_is_done_before_its_timeout<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    a.close().wait_timeout(super::step::LONG).expect("closing goes well");
    net.net.close().wait_timeout(super::step::LONG).expect("closing goes well");
    close_network(net);
}
