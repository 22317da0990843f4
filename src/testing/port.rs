//! The ports of listeners and connections, and when they become free again.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::setup::Setup;
use super::step::{server, text, until};
use crate::addr::Addr;
use crate::error::cause::{Cause, Resource};
use crate::error::kind::ErrorKind;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;

/// Listens, and returns the listener with its address.
#[track_caller]
fn listen<N: NetRef>(host: &Host<N>, addr: &str) -> (Listener<N>, String) {
    let listener = host.listen(addr).expect("listening");
    let local = listener.local_addr().to_string();
    (listener, local)
}

pub(super) fn listen_takes_the_lowest_free_port<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a) = (net.name(), net.host("a"));
    let mut listeners = Vec::new();
    for (addr, want) in [("", "a:1"), (":0", "a:2"), (":5", "a:5"), ("a:0", "a:3"), ("", "a:4"), ("", "a:6")] {
        let (listener, local) = listen(&a, addr);
        assert_eq!(local, want, "{addr:?}");
        listeners.push(listener);
    }
    assert_eq!(text(a.listen("a:5")), format!("listen {n} a:5: address already in use"));
    assert_eq!(text(a.listen("b:1")), format!("listen {n} b:1: cannot listen on requested address"));
    listeners.remove(1).close();
    assert_eq!(listen(&a, "").1, "a:2");
}

pub(super) fn connections_take_the_lowest_free_ports<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    let pairs = [net.connect(&b, &listener), net.connect(&b, &listener)];
    let shown = pairs.each_ref().map(|(dialled, accepted)| {
        let ends = [dialled.local_addr(), dialled.peer_addr(), accepted.local_addr(), accepted.peer_addr()];
        ends.map(|addr| addr.to_string())
    });
    assert_eq!(shown, [["b:1", "a:2", "a:2", "b:1"], ["b:2", "a:3", "a:3", "b:2"]]);
    assert_eq!(pairs[0].0.local_addr().network_name(), net.name());
}

pub(super) fn dials_and_listeners_share_one_space_of_ports<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    let (_first, at_b) = listen(&b, "");
    let (dialled, _accepted) = net.connect(&b, &listener);
    let (_second, next) = listen(&b, "");
    assert_eq!([at_b, dialled.local_addr().to_string(), next], ["b:1", "b:2", "b:3"]);
    assert_eq!(text(b.listen(":2")), format!("listen {} b:2: address already in use", net.name()));
}

pub(super) fn a_queued_dial_reserves_no_port_at_its_listener<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    let mut dials = [net.start_dial(&b, "a:1", &a), net.start_dial(&b, "a:1", &a)];
    let (_other, at_a) = listen(&a, "");
    assert_eq!(at_a, "a:2");
    let accepted = [net.accept_along(&listener, &mut dials), net.accept_along(&listener, &mut dials)];
    assert_eq!(accepted.each_ref().map(|conn| conn.local_addr().to_string()), ["a:3", "a:4"]);
    let dialled = dials.map(|dial| dial.outcome().expect("dialled").local_addr().to_string());
    assert_eq!(dialled, ["b:1", "b:2"]);
}

pub(super) fn a_closed_listeners_port_is_free<N: NetRef + 'static>(net: &Setup<N>) {
    let a = net.host("a");
    let closed = a.listen(":5").expect("a free port");
    closed.close();
    assert_eq!(listen(&a, ":5").1, "a:5");
    let (dropped, _) = listen(&a, ":5");
    drop(dropped);
    assert_eq!(listen(&a, ":5").1, "a:5");
    assert_eq!(closed.local_addr().to_string(), "a:5");
}

pub(super) fn closing_one_end_frees_only_that_ends_port<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":3").expect("a free port");
    let (dialled, accepted) = net.connect(&b, &listener);
    let port = accepted.local_addr().port();
    dialled.close();
    assert_eq!(listen(&b, "").1, "b:1");
    assert_eq!(text(a.listen(port)), format!("listen {} a:{port}: address already in use", net.name()));
    listener.close();
    drop(accepted);
    assert_eq!(a.listen(port).expect("a free port").local_addr().port(), port);
}

pub(super) fn a_dropped_connections_port_is_free<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    let mut ports = Vec::new();
    for _ in 0..3 {
        let (dialled, accepted) = net.connect(&b, &listener);
        ports.push((dialled.local_addr(), accepted.local_addr()));
    }
    assert!(ports.iter().all(|pair| *pair == ports[0]), "{ports:?}");
    assert_eq!(ports[0].0.to_string(), "b:1");
}

pub(super) fn a_second_close_does_not_disturb_the_new_owner<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let old = a.listen(":1").expect("a free port");
    old.close();
    let new = a.listen(":1").expect("a free port");
    old.close();
    drop(old);
    let (old, accepted) = net.connect(&b, &new);
    old.close();
    drop(accepted);
    let (dialled, _accepted) = net.connect(&b, &new);
    assert_eq!(dialled.local_addr(), old.local_addr());
    old.close();
    old.abort();
    drop(old);
    let n = net.name();
    assert_eq!(text(b.listen(":1")), format!("listen {n} b:1: address already in use"));
    assert_eq!(dialled.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

pub(super) fn a_closed_hosts_sockets_stay_until_each_is_dropped<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = a.listen(":1").expect("a free port");
    let (dialled, accepted) = net.connect(&b, &listener);
    assert_eq!((a.sockets(), b.sockets()), (2, 1));
    net.wait(a.close()).expect("closing goes well");
    assert_eq!((a.sockets(), b.sockets()), (2, 1));
    drop(accepted);
    assert_eq!((a.sockets(), b.sockets()), (1, 1));
    drop((listener, dialled));
    assert_eq!((a.sockets(), b.sockets()), (0, 0));
}

pub(super) fn any_port_can_be_listened_on<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    for port in [1, 2, 63, 64, 4095, 4096, 40_000, 65_534, u16::MAX] {
        let listener = a.listen(port).expect("a free port");
        assert_eq!(listener.local_addr().port(), port);
        let (dialled, _accepted) = net.connect(&b, &listener);
        assert_eq!(dialled.local_addr().to_string(), "b:1");
    }
    assert_eq!(text(a.listen(":65536")), format!("listen {}: address :65536: invalid port", net.name()));
}

pub(super) fn an_address_is_accepted_in_any_type<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let addr: Addr = "a:4".parse().expect("a valid address");
    let listeners = [
        a.listen("a:1").expect("by text"),
        a.listen(String::from(":2")).expect("by an owned text"),
        a.listen(("a", 3)).expect("by a pair"),
        a.listen(addr).expect("by an address"),
        a.listen(5).expect("by a port"),
    ];
    let ports: Vec<_> = listeners.iter().map(|listener| listener.local_addr().port()).collect();
    assert_eq!(ports, [1, 2, 3, 4, 5]);
    let n = net.name();
    for (error, want) in [
        (text(net.wait(b.dial("b:1"))), "b:1"),
        (text(net.wait(b.dial(":1"))), "b:1"),
        (text(net.wait(b.dial(("", 1)))), "b:1"),
        (text(net.wait(b.dial(1))), "b:1"),
        (text(net.wait(b.dial(("a", 9)))), "a:9"),
        (text(net.wait(b.dial(addr.to_string().replace('4', "8")))), "a:8"),
    ] {
        assert_eq!(error, format!("dial {n} b:1->{want}: connection refused"));
    }
    let (dialled, accepted) = net.both(b.dial(addr), listeners[3].accept());
    assert_eq!(dialled.expect("dialled").peer_addr(), accepted.expect("accepted").local_addr());
}

pub(super) fn an_accepted_connection_keeps_the_listeners_port<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let pairs = [net.connect(&b, &listener), net.connect(&b, &listener)];
    let ends = pairs.each_ref().map(|(dialled, accepted)| {
        assert_eq!((dialled.peer_addr(), accepted.peer_addr()), (accepted.local_addr(), dialled.local_addr()));
        [accepted.local_addr().to_string(), accepted.peer_addr().to_string()]
    });
    assert_eq!(ends, [["a:1", "b:1"], ["a:1", "b:2"]]);
    // Each end reads the bytes of its peer.
    for (byte, (dialled, accepted)) in pairs.iter().enumerate() {
        let sent = net.both(super::step::write(dialled, &[byte as u8]), super::step::read(accepted, 9));
        assert_eq!(sent, (Ok(1), Ok([byte as u8].into())));
    }
    assert_eq!(text(a.listen(":1")), format!("listen {} a:1: address already in use", net.name()));
}

pub(super) fn a_shared_port_is_in_use_while_any_connection_lives<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let pairs = [net.connect(&b, &listener), net.connect(&b, &listener)];
    listener.close();
    assert_eq!(listen(&a, "").1, "a:2");
    // An explicit listen to the port works again, now and while the port has accepted connections.
    let again = server(&a, ":1");
    let (_dialled, accepted) = net.connect(&b, &again);
    assert_eq!(accepted.local_addr().to_string(), "a:1");
    drop((pairs, listener, again));
    assert_eq!(listen(&a, "").1, "a:2");
    accepted.close();
    assert_eq!(listen(&a, "").1, "a:1");
}

pub(super) fn a_pair_in_use_is_not_dialled_again<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let connect = |host: &Host<N>| {
        let (dialled, accepted) = net.connect(host, &listener);
        assert_eq!((dialled.peer_addr(), accepted.peer_addr()), (accepted.local_addr(), dialled.local_addr()));
        let from = dialled.local_addr().to_string();
        drop(dialled);
        (accepted, from)
    };
    let (first, port) = connect(&b);
    assert_eq!(port, "b:1");
    let (second, port) = connect(&b);
    assert_eq!(port, "b:2");
    // The dial exchanges its port for the next one that is free at both ends.
    let (at_b, _) = listen(&b, ":3");
    let (third, port) = connect(&b);
    assert_eq!(port, "b:4");
    // Other listeners and other hosts have separate pairs.
    let other = server(&a, ":5");
    let (to_other, accepted) = net.connect(&b, &other);
    assert_eq!(to_other.local_addr().to_string(), "b:1");
    drop((to_other, accepted, other, at_b, third));
    let (own, port) = connect(&a);
    assert_eq!(port, "a:2");
    let (own_2, port) = connect(&a);
    assert_eq!(port, "a:3");
    drop((own, own_2));
    // A pair is free again when the accepted end is dropped or closed.
    drop(second);
    let (_second, port) = connect(&b);
    assert_eq!(port, "b:2");
    first.close();
    let (_first, port) = connect(&b);
    assert_eq!(port, "b:1");
    // Errors name the exchanged port, and a failed dial returns it.
    listener.close();
    for _ in 0..2 {
        assert_eq!(text(net.wait(b.dial("a:1"))), format!("dial {n} b:3->a:1: connection refused"));
    }
    assert_eq!(text(net.wait(b.dial("c:1"))).split("->").next(), Some(&*format!("dial {n} b:1")));
    assert_eq!(listen(&b, "").1, "b:1");
}

pub(super) fn a_pair_is_free_when_a_dial_for_it_was_withdrawn<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let (dialled, accepted) = net.connect(&b, &listener);
    drop(dialled);
    drop(net.hold_dial(&b, "a:1", &a));
    until(|| a.sockets() == 2);
    let (dialled, _accepted) = net.connect(&b, &listener);
    assert_eq!(dialled.local_addr().to_string(), "b:2");
    drop((dialled, accepted));
}

pub(super) fn a_full_port_table_refuses<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, ports) = (net.name(), net.capacity.map_or(0, |capacity| capacity.ports));
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let mut others: Vec<_> = (2..ports).map(|_| a.listen("").expect("a free port")).collect();
    // One entry is left: enough for a dial, but not for both ends of a connection.
    assert_eq!(text(net.wait(b.dial("a:1"))), format!("dial {n} b:1->a:1: port table is full ({ports})"));
    others.push(b.listen("").expect("a free port"));
    assert_eq!(text(a.listen("")), format!("listen {n} a:0: port table is full ({ports})"));
    assert_eq!(text(a.listen(":60000")), format!("listen {n} a:60000: port table is full ({ports})"));
    assert_eq!(text(a.listen(":1")), format!("listen {n} a:1: address already in use"));
    assert_eq!(text(net.wait(b.dial("a:1"))), format!("dial {n}: port table is full ({ports})"));
    assert_eq!(text(net.wait(b.dial("a:b"))), format!("dial {n}: port table is full ({ports})"));
    let error = b.listen("").expect_err("there is no room");
    assert_eq!(error.cause(), Cause::Full(Resource::Ports, ports as u32));
    others.truncate(ports - 3);
    others.pop();
    let (_dialled, _accepted) = net.connect(&b, &listener);
}

pub(super) fn a_full_port_table_of_a_growing_network_is_named_in_the_error<N: NetRef + 'static>(net: &Setup<N>) {
    if net.capacity.is_some() {
        // All hosts share one table.
        return;
    }
    let (n, a, b) = (net.name(), net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let mut dials = [super::task::Task::new(b.dial("a:1")), super::task::Task::new(a.dial("a:1"))];
    dials.iter_mut().for_each(|dial| assert!(!dial.turn(), "it waits to be accepted"));
    let others: Vec<_> = core::iter::from_fn(|| a.listen("").ok()).collect();
    assert_eq!(others.len(), 65_533, "all but the listener's port and that of the dial");
    let [across, own] = dials.map(|mut dial| {
        until(|| {
            assert!(listener.try_accept().is_err(), "there is no port for a connection");
            dial.turn()
        });
        dial.outcome().expect_err("no port is left for it")
    });
    assert_eq!(across.to_string(), format!("dial {n} b:1->a:1: port table of \"a\" is full (65535)"));
    assert_eq!((across.kind(), across.cause()), (ErrorKind::Full, Cause::PeerFull("a".into(), 65_535)));
    assert_eq!(own.to_string(), format!("dial {n} a:2->a:1: port table is full (65535)"));
    assert_eq!(own.cause(), Cause::Full(Resource::Ports, 65_535));
}

pub(super) fn a_full_host_table_refuses<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, hosts) = (net.name(), net.capacity.map_or(0, |capacity| capacity.hosts));
    let made: Vec<_> = (0..hosts).map(|i| net.host(&format!("h{i}"))).collect();
    let refused = format!("virtnet {n:?}: new host \"i\": host table is full ({hosts})");
    assert_eq!(text(net.wait(net.net.new_host("i"))), refused);
    assert_eq!(text(net.wait(net.net.new_host("i"))), refused);
    let known = net.wait(net.net.new_host("h0")).expect_err("the name is taken");
    assert_eq!(known.kind(), ErrorKind::HostExists);
    let listener = made[0].listen("").expect("a free port");
    let (_dialled, _accepted) = net.connect(&made[1], &listener);
}

pub(super) fn a_full_pool_of_connections_refuses<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, capacity) = (net.name(), net.capacity.expect("a fixed network has it"));
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":1");
    let fill = || {
        let mut held = Vec::new();
        let refused = loop {
            let mut dial = super::task::Task::new(b.dial("a:1"));
            if dial.turn() { break text(dial.outcome()) } else { held.push(dial) }
        };
        (held.len(), refused)
    };
    // Each dial takes a connection and two sockets; the listener takes one more socket.
    let rooms =
        [(capacity.pipes, "pipe pool", capacity.pipes), ((capacity.ports - 1) / 2, "port table", capacity.ports)];
    let (fit, table, size) = rooms.into_iter().min().expect("two of them");
    let fit = fit.min(net.backlog() as usize);
    for _ in 0..2 {
        let (held, refused) = fill();
        assert_eq!(held, fit);
        if fit < net.backlog() as usize {
            let end = format!(": {table} is full ({size})");
            assert!(refused.starts_with(&format!("dial {n}")) && refused.ends_with(&end), "{refused}");
        }
    }
    let (_dialled, _accepted) = net.connect(&b, &listener);
}
