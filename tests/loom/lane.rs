//! Connections with faults: what is hidden is shown, and what waits is woken, however a switch falls between.

use std::pin::pin;
use std::time::Duration;

use virtnet::sim::Faults;
use virtnet::{Bare, Clock, pipenet};

use crate::act::*;
use crate::explore::*;

type Faulty = pipenet::NetHandle<(Faults, Bare)>;

/// Runs a model on a network with faults, whose time is advanced by the model.
fn explore_faulty(model: impl Fn(&Faulty, &Faults, &Clock) -> String + Send + Sync + 'static) -> Seen {
    explore_named(std::any::type_name_of_val(&model), Preemptions(2), move || {
        let (clock, faults) = (Clock::manual(), Faults::new());
        let faults = faults.clock(clock.clone());
        let net = pipenet::Network::builder("t").buffer(1).layer(faults.clone()).build().expect("valid options");
        let net = net.subnetwork();
        let hosts = ["a", "b"].map(|name| made(net, name));
        let outcome = model(net, &faults, &clock);
        assert_eq!(hosts.map(|host| host.sockets()), [0; 2], "no socket is left");
        assert_eq!(clock.timers(), Ok(0), "no timer is left");
        outcome
    })
}

#[test]
fn a_write_beside_the_switch_of_a_fault_arrives() {
    let seen = explore_faulty(|net, faults, _| {
        let (a, b) = pair(net);
        let writer = spawn(move || (write(&a, b"x"), a));
        let route = faults.route("a", "b");
        route.lanes(true);
        let read = read(&b);
        format!("wrote {}, read {read}", join(writer).0)
    });
    assert_eq!(seen, set(["wrote 1, read 1"]));
}

#[test]
fn a_reader_is_woken_by_what_arrives_and_by_the_end() {
    let seen = explore_faulty(|net, faults, clock| {
        let (a, b) = pair(net);
        faults.route("a", "b").latency(Duration::from_nanos(1));
        let writer = spawn({
            let clock = clock.clone();
            move || {
                write(&a, b"x");
                drop(a);
                clock.advance(Duration::from_nanos(1)).expect("a manual clock");
            }
        });
        let told = format!("{}, {}", read(&b), read(&b));
        join(writer);
        told
    });
    assert_eq!(seen, set(["1, 0"]));
}

#[test]
fn a_repair_beside_a_write_shows_it() {
    let seen = explore_faulty(|net, faults, _| {
        let (a, b) = pair(net);
        faults.route("a", "b").partition();
        let writer = spawn(move || (write(&a, b"x"), a));
        faults.route("a", "b").clear();
        let read = read(&b);
        format!("wrote {}, read {read}", join(writer).0)
    });
    assert_eq!(seen, set(["wrote 1, read 1"]));
}

#[test]
fn a_dial_on_its_way_against_its_withdrawal() {
    let seen = explore_faulty(|net, faults, clock| {
        faults.route("a", "b").latency(Duration::from_nanos(1));
        let listener = listen(net);
        let b = host(net, "b");
        let arrival = spawn({
            let clock = clock.clone();
            move || clock.advance(Duration::from_nanos(1)).expect("a manual clock")
        });
        {
            let mut dial = pin!(b.dial("a:1"));
            assert!(dial.as_mut().try_wait().is_none());
        }
        join(arrival);
        let accepted = listener.try_accept();
        format!("free {}, accepted {}", b.sockets() == 0, accepted.is_ok())
    });
    assert_eq!(seen, set(["free true, accepted false"]));
}

#[test]
fn a_dial_is_answered_beside_the_switch_of_a_fault() {
    let seen = explore_faulty(|net, faults, _| {
        let listener = listen(net);
        let dial = spawn({
            let b = host(net, "b");
            move || b.dial("a:1").wait().is_ok()
        });
        let switch = spawn({
            let faults = faults.clone();
            move || {
                faults.route("a", "b").partition();
                faults.route("a", "b").clear();
            }
        });
        let accepted = listener.accept().wait().is_ok();
        join(switch);
        format!("dialled {}, accepted {accepted}", join(dial))
    });
    assert_eq!(seen, set(["dialled true, accepted true"]));
}
