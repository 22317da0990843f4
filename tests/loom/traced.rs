//! Events of a traced network: none is recorded, or seen, before its cause. A ticket that is drawn too late adds an
//! outcome to a model, or shows an event without its cause to a thread that looks meanwhile.

use std::any::type_name_of_val;

use virtnet::Bare;
use virtnet::pipenet::{NetHandle, Network};
use virtnet::trace::Trace;

use crate::act::*;
use crate::explore::*;

type Traced = NetHandle<(Trace, Bare)>;

/// Runs a model in each order on a network that records, with the hosts `a` and `b`.
fn explore_traced(model: impl Fn(Traced, &Trace) -> String + Send + Sync + 'static) -> Seen {
    explore_named(type_name_of_val(&model), Preemptions(2), move || {
        let trace = Trace::new();
        let net = Network::builder("t").buffer(1).layer(trace.clone()).build().expect("valid options");
        let net = net.subnetwork();
        let _hosts = ["a", "b"].map(|name| made(net, name));
        let outcome = model(net.clone(), &trace);
        assert_eq!(trace.open_tickets(), 0);
        outcome
    })
}

/// The lines so far, but for so many at the beginning.
fn lines(trace: &Trace, passed: usize) -> String {
    let lines: Vec<_> = trace.view().reads(true).events().skip(passed).map(|event| event.to_string()).collect();
    lines.join("; ")
}

fn count(trace: &Trace) -> usize {
    trace.count("*")
}

/// The lines in the end, which begin with those that were seen before.
fn checked(trace: &Trace, passed: usize, seen: &str) -> String {
    let all = lines(trace, passed);
    assert!(all.starts_with(seen), "{seen:?} was seen, and then {all:?}");
    all
}

#[test]
fn a_write_comes_before_the_read_of_its_bytes() {
    let seen = explore_traced(|net, trace| {
        let (a, b) = pair(&net);
        let passed = count(trace);
        let writer = spawn(move || (write(&b, b"x"), b));
        assert_eq!(read(&a), "1");
        let seen = lines(trace, passed);
        let (_, _b) = join(writer);
        checked(trace, passed, &seen)
    });
    assert_eq!(seen, set([r#"write b:1->a:1: 1 "x"; read b:1->a:1: 1 "x""#]));
}

#[test]
fn a_close_comes_before_the_end() {
    let seen = explore_traced(|net, trace| {
        let (a, b) = pair(&net);
        let passed = count(trace);
        let closer = spawn(move || drop(b));
        assert_eq!(read(&a), "0");
        let seen = lines(trace, passed);
        join(closer);
        checked(trace, passed, &seen)
    });
    assert_eq!(seen, set(["drop b:1->a:1; read b:1->a:1: end"]));
}

#[test]
fn a_shutdown_comes_before_the_end() {
    let seen = explore_traced(|net, trace| {
        let (a, b) = pair(&net);
        let passed = count(trace);
        let closer = spawn(move || end(b, End::CloseWrite));
        assert_eq!(read(&a), "0");
        let seen = lines(trace, passed);
        let _b = join(closer);
        checked(trace, passed, &seen)
    });
    assert_eq!(seen, set(["shutdown b:1->a:1; read b:1->a:1: end"]));
}

#[test]
fn a_dial_comes_before_its_accept_and_that_before_the_connect() {
    let seen = explore_traced(|net, trace| {
        let listener = listen(&net);
        let passed = count(trace);
        let client = spawn({
            let host = host(&net, "b");
            move || host.dial("a:1").wait()
        });
        let accepted = listener.accept().wait().expect("it is dialled");
        let seen = lines(trace, passed);
        let _ends = (join(client).expect("it is accepted"), accepted);
        checked(trace, passed, &seen)
    });
    assert_eq!(seen, set(["dial b:1->a:1; accept a:1: a:2<-b:1; connect b:1->a:1: a:2"]));
}

#[test]
fn a_close_comes_before_the_refusal() {
    let seen = explore_traced(|net, trace| {
        let listener = listen(&net);
        let passed = count(trace);
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        drop(listener);
        let seen = lines(trace, passed);
        join(client);
        checked(trace, passed, &seen)
    });
    let refused = "dial b:1->a:1: connection refused";
    let outcomes = [format!("dial b:1->a:1; drop a:1; {refused}"), format!("drop a:1; dial b:1->a:1; {refused}")];
    assert_eq!(seen, Seen::from(outcomes));
}
