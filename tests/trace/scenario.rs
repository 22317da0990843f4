//! What a traced network records, line by line, in cases that the conformance suite does not have.

use std::pin::pin;

use virtnet::trace::Trace;
use virtnet::{Bare, pipenet};

type Layers = (Trace, Bare);
type Network = pipenet::Network<Layers>;
type Conn = pipenet::Conn<Layers>;

fn traced() -> (Trace, Network) {
    let trace = Trace::new();
    let net = pipenet::Network::builder("t").layer(trace.clone()).build().expect("valid options");
    (trace, net)
}

/// The hosts a and b, a listener at a:10 and the two ends of a connection from b.
fn connected(net: &Network) -> (pipenet::Listener<Layers>, Conn, Conn) {
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let (accepted, dialled) = connect(&listener, &b);
    (listener, accepted, dialled)
}

fn connect(listener: &pipenet::Listener<Layers>, from: &pipenet::Host<Layers>) -> (Conn, Conn) {
    let mut dialling = pin!(from.dial(listener.local_addr()));
    assert!(dialling.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().unwrap();
    (accepted, dialling.try_wait().expect("it is accepted").unwrap())
}

fn lines(trace: &Trace) -> String {
    assert_eq!(trace.open_tickets(), 0);
    trace.view().reads(true).to_string()
}

/// What a trace has beyond what it had.
fn new_lines(trace: &Trace, before: &str) -> String {
    lines(trace).strip_prefix(before).expect("what was seen stays").to_owned()
}

#[test]
fn a_dial_without_a_port_never_began() {
    let (trace, net) = traced();
    let b = net.host("b").unwrap();
    let held: Vec<_> = (0..u16::MAX).map(|_| b.listen("").unwrap()).collect();
    trace.pause();
    trace.resume();
    let before = lines(&trace);
    pin!(b.dial("a:1")).try_wait().expect("it fails at once").unwrap_err();
    assert_eq!(new_lines(&trace, &before), "dial: port table is full (65535)\n");
    drop(held);
}

#[test]
fn a_dial_by_ip_address_that_changes_its_port_says_so() {
    let trace = Trace::new();
    let net = pipenet::Network::builder("t").share_port(true).layer(trace.clone()).build().unwrap();
    let (listener, accepted, dialled) = connected(&net);
    // The port b:1 is free again, but the pair b:1 and a:10 is held.
    drop(dialled);
    let before = lines(&trace);
    let (ip, b) = (net.host("a").unwrap().ip_addr(), net.host("b").unwrap());
    let mut dialling = pin!(b.dial((ip, 10)));
    assert!(dialling.as_mut().try_wait().is_none());
    let second = listener.try_accept().unwrap();
    let dialled = dialling.try_wait().expect("it is accepted").unwrap();
    assert_eq!(
        new_lines(&trace, &before),
        "\
dial b:1->a:10
dial b:1->a:10: withdrawn
dial b:2->a:10
accept a:10: a:10<-b:2
connect b:2->a:10: a:10
"
    );
    drop((accepted, second, dialled));
}
