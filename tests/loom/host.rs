//! Lookups of hosts while other threads make hosts, in a growable network: a lookup takes no lock.
//!
//! The lookup runs on a thread of its own, which starts after the makers are done unless loom starts it earlier.
//! Starting with the lookup would be useless: of the threads that have read a value written now, loom records only the
//! last, and that is the maker itself.

use std::pin::pin;

use virtnet::NetRefExt as _;
use virtnet::pipenet::{Host, NetHandle, Network};

use crate::act::*;
use crate::explore::*;

/// The address of a new listener at the lowest free port.
fn listening(host: &Host) -> String {
    told(host.listen("").map(|listener| listener.local_addr()))
}

#[test]
fn a_host_that_is_found_can_be_used() {
    let model = |net: NetHandle| {
        let other = spawn({
            let net = net.clone();
            move || {
                let Some(found) = net.get_host("c") else { return "none".into() };
                let listener = found.listen("").expect("a free port");
                let addr = listener.local_addr();
                let mut dial = pin!(host(&net, "b").dial(&addr));
                assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
                let accepted = listener.try_accept();
                format!("{}, {}", ends(&dial.try_wait().expect("it was accepted")), ends(&accepted))
            }
        });
        let listener = made(&net, "c").listen(":9").expect("a free port");
        let found = join(other);
        assert_eq!(host(&net, "c").sockets(), 1, "it is the same host");
        drop(listener);
        found
    };
    let outcomes = set(["none", "b:1-c:2, c:2-b:1"]);
    assert_eq!(explore_heap(Preemptions(4), Buffered, model), outcomes);
}

#[test]
fn a_dial_to_a_host_that_is_being_made() {
    let model = |net: NetHandle| {
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("c:1").wait_timeout(SOON))
        });
        let listener = made(&net, "c").listen(":1").expect("a free port");
        let accepted = listener.try_accept();
        format!("{}; {}", join(client), ends(&accepted))
    };
    let outcomes = set([
        "dial pipet b:1->c:1: ram(pipet): query [\"c\"]: no such host; accept pipet c:1: would block",
        "dial pipet b:1->c:1: address c:1: no such host; accept pipet c:1: would block",
        "dial pipet b:1->c:1: connection refused; accept pipet c:1: would block",
        "dial pipet b:1->c:1: timed out; accept pipet c:1: would block",
        "dial pipet b:1->c:1: timed out; c:2-b:1",
        "b:1-c:2; c:2-b:1",
    ]);
    assert_eq!(explore_heap(Preemptions(4), Buffered, model), outcomes);
}

#[test]
fn two_hosts_that_are_made_at_once() {
    let model = || {
        let net = Network::new("t");
        let other = spawn({
            let net = net.clone();
            move || listening(&net.new_host("b").expect("it is new"))
        });
        let looking = spawn({
            let net = net.clone();
            move || {
                let found = ["a", "b", "a", "b"].map(|name| net.get_host(name));
                let [a, b, a_again, b_again] = &found;
                assert!(a.is_none() || a == a_again, "it stays");
                assert!(b.is_none() || b == b_again, "it stays");
                found.map(|host| host.map_or("-".into(), |host| host.name().to_string())).concat()
            }
        });
        let made = [listening(&net.new_host("a").expect("it is new")), join(other)];
        let found = join(looking);
        let last = ["a", "b"].map(|name| listening(&net.get_host(name).expect("it was made")));
        assert_eq!(made, last);
        found
    };
    let outcomes = set(["----", "---b", "--a-", "--ab", "-b-b", "-bab", "a-a-", "a-ab", "abab"]);
    assert_eq!(explore(Preemptions(3), model), outcomes);
}

#[test]
fn a_host_is_found_while_other_hosts_are_made() {
    let model = || {
        let net = Network::new("t");
        // As many hosts as the first index holds.
        let names = Vec::from_iter((0..12).map(|number| format!("h{number}")));
        let hosts = Vec::from_iter(names.iter().map(|name| net.new_host(name).expect("it is new")));
        let looking = spawn({
            let net = net.clone();
            move || {
                for at in [0, 11] {
                    assert_eq!(net.get_host(&names[at]).as_ref(), Some(&hosts[at]), "it is found at any time");
                }
                net.get_host("new").map_or("none".into(), |host| listening(&host))
            }
        });
        let made = listening(&net.new_host("new").expect("it is new"));
        let found = join(looking);
        let last = net.get_host("new").expect("it was made");
        format!("{found}; {made}; {}", listening(&last))
    };
    let outcomes = set(["none; new:1; new:1", "new:1; new:1; new:1", "new:1; new:2; new:1", "new:2; new:1; new:1"]);
    assert_eq!(explore(Preemptions(3), model), outcomes);
}
