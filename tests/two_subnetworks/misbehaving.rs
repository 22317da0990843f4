//! Backends that break the contract or fail: errors are reported, nothing leaks, and the network continues.

use std::pin::pin;
use std::sync::Arc;
use std::thread;

use virtnet::{Cause, ErrorKind, NetRefExt as _, RegistryError, RegistryReason};

use super::outsider::rigged::{Dial, Net, Rig};
use super::outsider::{connect, ends_of, within};
use super::{addr, text};

/// Hosts `a` and `b`.
fn hosts(net: &Arc<Net>) -> [virtnet::Host<Arc<Net>>; 2] {
    ["a", "b"].map(|name| net.new_host(name).wait().expect("the name is free"))
}

/// The number of calls when hosts `a` and `b` are made.
const MADE: usize = 4;

#[test]
fn a_registry_that_takes_a_name_twice_makes_no_second_host() {
    within(|| {
        let (net, rig) = Rig::default().build();
        let [a, _] = hosts(&net);
        let listener = a.listen(":1").unwrap();
        assert_eq!(text(net.new_host("a").wait()), r#"virtnet "x": new host "a": host already registered"#);
        assert_eq!(rig.calls()[MADE..], ["engine: new host a", "registry: announce a"]);
        assert_eq!(net.get_host("a"), Some(a));
        assert_eq!(listener.local_addr().to_string(), "a:1");
        // The second host did not count as an open host.
        net.auto_close().unwrap();
        assert_eq!(net.get_host("b").unwrap().close().wait(), Ok(()));
        assert_eq!(listener.host().close().wait(), Ok(()));
        assert_eq!(rig.calls()[MADE + 2..], ["engine: close", "registry: close"]);
    });
}

#[test]
fn an_engine_that_connects_to_another_host_fails_the_dial() {
    within(|| {
        for (elsewhere, shown) in [("b:1", "b:1"), ("c:7", "c:7"), ("a:0", "a:0"), (":2", ":2"), ("[a:b]:2", "[a:b]:2")]
        {
            let (net, rig) = Rig { dial: Dial::Elsewhere(addr(elsewhere)), ..Rig::default() }.build();
            let [a, b] = hosts(&net);
            let listener = a.listen(":1").unwrap();
            let mut dial = pin!(b.dial("a:1"));
            assert!(dial.as_mut().try_wait().is_none());
            assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
            let failed = dial.try_wait().unwrap();
            assert_eq!(text(failed), format!("dial x b:1->a:1: engine connected to {shown} instead"));
            let accepted = listener.try_accept().unwrap();
            assert_eq!(accepted.try_read(&mut [0]).unwrap(), 0);
            drop((accepted, listener));
            assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (0, 0, 0));
        }
    });
}

#[test]
fn the_port_reported_by_an_engine_is_used() {
    within(|| {
        let (net, _) = Rig { dial: Dial::Elsewhere(addr("a:77")), ..Rig::default() }.build();
        let [a, b] = hosts(&net);
        let listener = a.listen(":1").unwrap();
        let (dialled, accepted) = connect(&b, &listener).unwrap();
        assert_eq!(ends_of(&dialled), ("b:1".into(), "a:77".into()));
        assert_eq!(ends_of(&accepted), ("a:2".into(), "b:1".into()));
    });
}

#[test]
fn an_engines_dial_error_is_passed_on() {
    within(|| {
        let long = "this text is longer than what an error of this crate keeps of it";
        let (kept, _) = long.split_at(63);
        let causes = [
            (Cause::backend(&"cable unplugged"), "cable unplugged".to_string()),
            (Cause::backend(&long), format!("{kept}…")),
            (Cause::backend(&""), String::new()),
            (Cause::ConnectionRefused, "connection refused".into()),
            // The local network is up, so this cause concerns the peer's network.
            (Cause::NetworkDown, "connection refused".into()),
            (RegistryError::other("y", &"lost").into(), "y: lost".into()),
            (RegistryError::other("y", &"a\0b").into(), "y: a\0b".into()),
        ];
        for (cause, told) in causes {
            let (net, rig) = Rig { dial: Dial::Fail(cause), ..Rig::default() }.build();
            let [_, b] = hosts(&net);
            assert_eq!(text(b.dial("a:1").wait()), format!("dial x b:1->a:1: {told}"));
            assert_eq!(rig.calls()[MADE..], ["registry: query a"]);
            assert_eq!((b.sockets(), rig.wires.ends()), (0, 0));
        }
    });
}

#[test]
fn a_closed_local_side_wins_over_an_engines_error() {
    within(|| {
        let (net, _) = Rig { dial: Dial::Fail(Cause::BrokenPipe), ..Rig::default() }.build();
        let [_, b] = hosts(&net);
        b.close().wait().unwrap();
        assert_eq!(text(b.dial("a:1").wait()), "dial x b:1->a:1: host is down");
        net.close().wait().unwrap();
        assert_eq!(text(b.dial("a:1").wait()), "dial x b:1->a:1: network is down");
    });
}

#[test]
fn an_engine_that_fails_to_make_a_host_makes_none() {
    within(|| {
        let long = "é".repeat(40);
        let (net, rig) = Rig { new_host: Some(Cause::backend(&long)), ..Rig::default() }.build();
        let kept = "é".repeat(31);
        assert_eq!(text(net.new_host("a").wait()), format!(r#"virtnet "x": new host "a": {kept}…"#));
        assert_eq!(net.get_host("a"), None);
        assert_eq!(text(net.auto_close()), r#"virtnet "x": auto close: no open host"#);
        assert_eq!(text(net.new_host("a").wait()), format!(r#"virtnet "x": new host "a": {kept}…"#));
        assert_eq!(rig.calls().len(), 4);

        let taken = RegistryError::announce("y", "a", &(), RegistryReason::HostExists);
        let (net, _) = Rig { new_host: Some(taken.into()), ..Rig::default() }.build();
        let told = text(net.new_host("a").wait());
        assert_eq!(told, r#"virtnet "x": new host "a": y: announce ["a" ()]: host already registered"#);
    });
}

#[test]
fn bad_names_do_not_reach_the_engine() {
    within(|| {
        let (net, rig) = Rig::default().build();
        let long = "n".repeat(64);
        assert_eq!(text(net.new_host("").wait()), r#"virtnet "x": new host "": invalid host name"#);
        assert_eq!(text(net.new_host("a]").wait()), r#"virtnet "x": new host "a]": invalid host name"#);
        assert_eq!(net.new_host(&long).wait().unwrap_err().kind(), ErrorKind::InvalidInput);
        let [_, b] = hosts(&net);
        assert_eq!(text(b.dial("a:b:c").wait()), "dial x b:1: address a:b:c: too many colons in address");
        assert_eq!(rig.calls().len(), MADE);
    });
}

#[test]
fn a_closed_network_refuses_new_hosts_without_asking() {
    within(|| {
        let (net, rig) = Rig::default().build();
        net.close().wait().unwrap();
        assert_eq!(text(net.new_host("a").wait()), r#"virtnet "x": new host "a": network is down"#);
        assert_eq!(rig.calls(), ["engine: close", "registry: close"]);
        assert_eq!(net.get_host("a"), None);
    });
}

#[test]
fn a_network_closed_meanwhile_refuses_a_new_host_in_any_case() {
    within(|| {
        for new_host in [None, Some(Cause::backend(&"no wire left"))] {
            let (net, rig) = Rig { new_host, ..Rig::default() }.build();
            rig.gate.shut();
            let mut making = pin!(net.new_host("a"));
            assert!(making.as_mut().try_wait().is_none());
            let mut closing = pin!(net.close());
            assert!(closing.as_mut().try_wait().is_none());
            rig.gate.open();
            assert_eq!(text(making.try_wait().unwrap()), r#"virtnet "x": new host "a": network is down"#);
            assert_eq!(closing.try_wait().unwrap(), Ok(()));
            assert_eq!(net.get_host("a"), None);
        }
    });
}

#[test]
fn a_new_host_that_is_dropped_can_be_made_again() {
    within(|| {
        let (net, rig) = Rig::default().build();
        rig.gate.shut();
        assert!(Box::pin(net.new_host("a")).as_mut().try_wait().is_none());
        let timed_out = net.new_host("a").wait_timeout(std::time::Duration::ZERO);
        assert_eq!(text(timed_out), r#"virtnet "x": new host "a": timed out"#);
        assert_eq!(net.get_host("a"), None);
        rig.gate.open();
        assert_eq!(net.new_host("a").wait().unwrap().name(), "a");
        assert_eq!(rig.calls()[2..], ["engine: new host a", "registry: announce a"]);
    });
}

#[test]
fn only_one_of_two_concurrent_hosts_of_one_name_is_made() {
    within(|| {
        let (net, rig) = Rig::default().build();
        rig.gate.shut();
        let (mut first, mut second) = (pin!(net.new_host("a")), pin!(net.new_host("a")));
        assert!(first.as_mut().try_wait().is_none());
        assert!(second.as_mut().try_wait().is_none());
        rig.gate.open();
        assert!(second.try_wait().unwrap().is_ok());
        assert_eq!(text(first.try_wait().unwrap()), r#"virtnet "x": new host "a": host already registered"#);
    });
}

#[test]
fn an_engine_that_has_two_connections_accepted_for_one_dial_leaks_none() {
    within(|| {
        let (net, rig) = Rig { dial: Dial::Twice, ..Rig::default() }.build();
        let [a, b] = hosts(&net);
        let listener = a.listen(":1").unwrap();
        let dialled = thread::scope(|scope| {
            let dialling = scope.spawn(|| b.dial("a:1").wait().unwrap());
            let accepted = [(); 2].map(|()| listener.accept().wait().unwrap());
            let dialled = dialling.join().unwrap();
            let addrs = accepted.each_ref().map(ends_of);
            assert_eq!(addrs, ["a:2", "a:3"].map(|local| (local.into(), "b:1".into())));
            // The far end of one of them was dropped.
            assert_eq!(accepted[1].try_read(&mut [0]).unwrap(), 0);
            assert_eq!(text(accepted[0].try_read(&mut [0])), "read x b:1->a:2: would block");
            dialled
        });
        assert_eq!(ends_of(&dialled), ("b:1".into(), "a:2".into()));
        drop((dialled, listener));
        assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (0, 0, 0));
    });
}

#[test]
fn an_engine_that_refuses_an_accepted_dial_fails_it() {
    within(|| {
        let (net, rig) = Rig { dial: Dial::Refuse, ..Rig::default() }.build();
        let [a, b] = hosts(&net);
        let listener = a.listen(":1").unwrap();
        let mut accept = pin!(listener.accept());
        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        assert!(accept.as_mut().try_wait().is_none());
        assert_eq!(text(dial.try_wait().unwrap()), "dial x b:1->a:1: changed my mind");
        assert!(accept.as_mut().try_wait().is_none());
        assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (1, 0, 0));
    });
}

#[test]
fn a_dropped_dial_leaves_nothing_if_the_engine_never_acknowledges() {
    within(|| {
        let (net, rig) = Rig { dial: Dial::Mute, ..Rig::default() }.build();
        let [a, b] = hosts(&net);
        let listener = a.listen(":1").unwrap();
        let mut accept = pin!(listener.accept());
        {
            let mut dial = pin!(b.dial("a:1"));
            assert!(dial.as_mut().try_wait().is_none());
            assert!(accept.as_mut().try_wait().is_none());
            assert!(dial.as_mut().try_wait().is_none());
            assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (2, 1, 2));
        }
        assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (1, 0, 0));

        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        assert!(accept.as_mut().try_wait().is_none());
        assert!(dial.as_mut().try_wait().is_none());
        b.close().wait().unwrap();
        assert_eq!(text(dial.try_wait().unwrap()), "dial x b:1->a:1: host is down");
        assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (1, 0, 0));
    });
}

#[test]
fn a_network_closes_over_a_dial_that_is_never_acknowledged() {
    within(|| {
        let (net, rig) = Rig { dial: Dial::Mute, ..Rig::default() }.build();
        let [a, b] = hosts(&net);
        let listener = a.listen(":1").unwrap();
        let dialling = thread::spawn({
            let b = b.clone();
            move || text(b.dial("a:1").wait())
        });
        // Once the connection has a port, it was claimed.
        while a.listen(":2").is_ok() {
            assert_eq!(text(listener.try_accept()), "accept x a:1: would block");
            thread::yield_now();
        }
        net.close().wait().unwrap();
        assert_eq!(dialling.join().unwrap(), "dial x b:1->a:1: network is down");
        assert_eq!(text(listener.try_accept()), "accept x a:1: network is down");
        drop(listener);
        assert_eq!((a.sockets(), b.sockets(), rig.wires.ends()), (0, 0, 0));
    });
}
