//! One network made of two subnetworks that share a registry.

use std::format;
use std::string::ToString;
use std::vec;

use super::setup::Setup;
use super::step::{accept, read, server, text, until, write};
use super::task::Task;
use crate::error::kind::ErrorKind;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;
use crate::table::{Hosts, Tables};

/// A host `a` of the first subnetwork and a host `b` of the second.
fn hosts<N: NetRef + 'static>(net: &Setup<N>) -> (Host<N>, Host<N>) {
    (net.host("a"), net.host_on(second(net), "b"))
}

fn second<N: NetRef + 'static>(net: &Setup<N>) -> &N {
    net.second.as_ref().expect("a behaviour of the group `two_subnetworks` has it")
}

pub(super) fn hosts_of_two_subnetworks_dial_each_other<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = hosts(net);
    for (from, to) in [(&a, &b), (&b, &a)] {
        let listener = server(to, ":1");
        let (dialled, accepted) = net.connect(from, &listener);
        assert_eq!(dialled.local_addr().to_string(), format!("{}:1", from.name()));
        assert_eq!((dialled.peer_addr(), accepted.peer_addr()), (accepted.local_addr(), dialled.local_addr()));
        assert_eq!(net.both(write(&dialled, b"hi"), read(&accepted, 9)), (Ok(2), Ok(b"hi".into())));
        assert_eq!(net.both(write(&accepted, b"ho"), read(&dialled, 9)), (Ok(2), Ok(b"ho".into())));
    }
}

pub(super) fn a_name_of_the_other_subnetwork_is_taken<N: NetRef + 'static>(net: &Setup<N>) {
    let (_a, _b) = hosts(net);
    for (net_of_the_other, name) in [(&net.net, "b"), (second(net), "a")] {
        let error = net.wait(net_of_the_other.new_host(name)).expect_err("the name is taken");
        assert_eq!(error.kind(), ErrorKind::HostExists);
        assert!(net_of_the_other.get_host(name).is_none());
    }
}

pub(super) fn a_dial_across_without_a_listener_is_refused<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, (a, b)) = (net.name(), hosts(net));
    let refused = format!("dial {n} a:1->b:1: connection refused");
    assert_eq!(text(net.wait(a.dial("b:1"))), refused);
    let listener = server(&b, ":1");
    let dial = net.start_dial(&a, "b:1", &b);
    listener.close();
    assert_eq!(text(dial.outcome()), refused);
    net.wait(b.close()).expect("closing goes well");
    assert_eq!(text(net.wait(a.dial("b:1"))), refused);
}

pub(super) fn a_pair_in_use_is_refused_across<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, (a, b)) = (net.name(), hosts(net));
    let listener = server(&a, ":1");
    let (dialled, accepted) = net.connect(&b, &listener);
    drop(dialled);
    if net.shares_ports() {
        assert_eq!(text(net.wait(b.dial("a:1"))), format!("dial {n} b:1->a:1: address already in use"));
        drop(accepted);
    }
    let (dialled, _accepted) = net.connect(&b, &listener);
    assert_eq!(dialled.local_addr().to_string(), "b:1");
}

pub(super) fn a_dial_across_is_withdrawn_when_it_is_dropped<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = hosts(net);
    let listener = server(&b, ":1");
    drop(net.hold_dial(&a, "b:1", &b));
    until(|| (a.sockets(), b.sockets()) == (0, 1));
    assert_eq!(text(listener.try_accept()), format!("accept {} b:1: would block", net.name()));
}

pub(super) fn a_dial_across_that_fails_leaves_no_name<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, (a, b)) = (net.name(), hosts(net));
    let names = || second(net).tables.hosts(|hosts| hosts.count());
    let before = names();
    assert!(net.wait(b.dial("a:1")).is_err());
    let listener = server(&a, ":1");
    let mut dial = Task::start(b.dial("a:1"));
    let mut accepting = Task::new(accept(&listener));
    until(|| {
        accepting.turn();
        a.sockets() == 2
    });
    // The dial is about to be connected, and its host is closed.
    net.wait(b.close()).expect("closing goes well");
    assert!(dial.turn());
    assert_eq!(text(dial.outcome()), format!("dial {n} b:1->a:1: host is down"));
    assert_eq!(names(), before);
}

pub(super) fn the_end_of_one_subnetwork_is_the_end_of_the_stream_for_the_other<N: NetRef + 'static>(net: &Setup<N>) {
    let (n, (a, b)) = (net.name(), hosts(net));
    let listener = server(&a, ":1");
    let (dialled, accepted) = net.connect(&b, &listener);
    let mut reading = Task::start(read(&dialled, 9));
    assert!(!reading.turn());
    net.wait(net.net.close()).expect("closing goes well");
    assert_eq!(reading.outcome(), Ok(vec![]));
    let failed = format!("write {n} {}->{}: broken pipe", dialled.local_addr(), dialled.peer_addr());
    net.closed_at_peer(&dialled);
    assert_eq!(text(net.wait(write(&dialled, b"x"))), failed);
    assert_eq!(text(net.wait(read(&accepted, 9))).split(": ").last(), Some("network is down"));
    // The other subnetwork continues.
    let own = server(&b, ":5");
    let (_dialled, _accepted) = net.connect(&b, &own);
    assert!(net.wait(b.dial("a:1")).is_err());
}

pub(super) fn closing_one_end_ends_the_stream_across<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = hosts(net);
    let listener = server(&a, ":1");
    let (dialled, accepted) = net.connect(&b, &listener);
    dialled.close();
    assert_eq!(net.wait(read(&accepted, 9)), Ok(vec![]));
    drop(accepted);
    let (dialled, accepted) = net.connect(&b, &listener);
    accepted.abort();
    assert_eq!(net.wait(read(&dialled, 9)).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}
