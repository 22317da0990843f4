//! What a traced network records, line by line.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use virtnet::pipenet;
use virtnet::trace::Trace;
use virtnet::{Bare, ErrorKind, OnTimeout, Op};

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

const CONNECTED: &str = "\
host a
host b
listen a:10
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
";

fn check(trace: &Trace, expected: &str) {
    assert_eq!(new_lines(trace, CONNECTED), expected);
}

fn read(conn: &Conn) -> Vec<u8> {
    let mut buf = [0; 64];
    let count = conn.try_read(&mut buf).unwrap();
    buf[..count].to_vec()
}

fn begin<F: OnTimeout>(op: Op<F>) -> Pin<Box<Op<F>>>
where
    Op<F>: Future,
{
    let mut op = Box::pin(op);
    assert!(op.as_mut().try_wait().is_none());
    op
}

#[test]
fn the_quick_start_is_fourteen_lines() {
    let (trace, net) = traced();
    let (listener, accepted, dialled) = connected(&net);
    accepted.try_write(b"hi").unwrap();
    drop(accepted);
    assert_eq!(read(&dialled), b"hi");
    assert_eq!(read(&dialled), b"");
    drop(listener);
    let b = net.host("b").unwrap();
    let refused = pin!(b.dial("a:10")).try_wait().expect("nobody listens").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(dialled);
    check(
        &trace,
        "\
write a:1->b:1: 2 \"hi\"
drop a:1->b:1
read a:1->b:1: 2 \"hi\"
read a:1->b:1: end
drop a:10
dial b:2->a:10
dial b:2->a:10: connection refused
drop b:1->a:1
",
    );
}

#[test]
fn failures_have_the_text_of_their_errors() {
    let (trace, net) = traced();
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let _held = a.listen(":5").unwrap();
    let before = lines(&trace);
    a.listen(":5").unwrap_err();
    a.listen("b:1").unwrap_err();
    a.listen("a:b:1").unwrap_err();
    pin!(b.dial("γ:1")).try_wait().expect("it fails at once").unwrap_err();
    pin!(b.dial("a")).try_wait().expect("it fails at once").unwrap_err();
    assert_eq!(
        new_lines(&trace, &before),
        "\
listen a:5: address already in use
listen b:1: cannot listen on requested address
listen: address a:b:1: too many colons in address
dial b:1->γ:1
dial b:1->γ:1: ram(pipet): query [\"γ\"]: no such host
dial b:1: address a: missing port in address
"
    );
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
fn a_dropped_dial_is_withdrawn() {
    let (trace, net) = traced();
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let before = lines(&trace);
    drop(begin(b.dial("a:10")));
    assert_eq!(b.dial("a:10").wait_timeout(Duration::from_millis(10)).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(begin(b.dial("a:10")));
    assert_eq!(
        new_lines(&trace, &before),
        "\
dial b:1->a:10
dial b:1->a:10: withdrawn
dial b:1->a:10
dial b:1->a:10: timed out
dial b:1->a:10
dial b:1->a:10: withdrawn
"
    );
}

#[test]
fn half_close_then_drop() {
    let (trace, net) = traced();
    let (_listener, accepted, dialled) = connected(&net);
    let (reading, writing) = dialled.into_split();
    writing.try_write(b"the end").unwrap();
    drop(writing);
    assert_eq!((read(&accepted), read(&accepted)), (b"the end".to_vec(), vec![]));
    accepted.try_write(b"ok").unwrap();
    drop(accepted);
    let mut buf = [0; 8];
    assert_eq!((reading.try_read(&mut buf).unwrap(), reading.try_read(&mut buf).unwrap()), (2, 0));
    drop(reading);
    check(
        &trace,
        "\
write b:1->a:1: 7 \"the end\"
shutdown b:1->a:1
read b:1->a:1: 7 \"the end\"
read b:1->a:1: end
write a:1->b:1: 2 \"ok\"
drop a:1->b:1
read a:1->b:1: 2 \"ok\"
read a:1->b:1: end
drop b:1->a:1
",
    );
}

#[test]
fn an_abort_is_seen_once() {
    let (trace, net) = traced();
    let (_listener, accepted, dialled) = connected(&net);
    dialled.try_write(b"unread").unwrap();
    dialled.abort();
    for _ in 0..5 {
        assert_eq!(accepted.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(accepted.try_write(b"x").unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(accepted);
    check(
        &trace,
        "\
write b:1->a:1: 6 \"unread\"
abort b:1->a:1
read b:1->a:1: connection reset
write a:1->b:1: connection reset
drop a:1->b:1
",
    );
}

#[test]
fn a_close_with_unread_bytes_says_that_it_resets() {
    let (trace, net) = traced();
    let (_listener, accepted, dialled) = connected(&net);
    dialled.try_write(b"unread").unwrap();
    accepted.close();
    accepted.close();
    drop(accepted);
    assert_eq!(dialled.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    check(
        &trace,
        "\
write b:1->a:1: 6 \"unread\"
close a:1->b:1: reset
read a:1->b:1: connection reset
",
    );
}

#[test]
fn a_full_buffer_cuts_a_write() {
    let trace = Trace::new();
    let net = pipenet::Network::builder("t").buffer(4).layer(trace.clone()).build().unwrap();
    let (_listener, accepted, dialled) = connected(&net);
    assert_eq!(dialled.try_write(b"hello").unwrap(), 4);
    assert_eq!(dialled.try_write(b"o").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(read(&accepted), b"hell");
    assert_eq!(dialled.try_write(b"o").unwrap(), 1);
    check(
        &trace,
        "\
write b:1->a:1: 4 of 5 \"hell\"
read b:1->a:1: 4 \"hell\"
write b:1->a:1: 1 \"o\"
",
    );
}

#[test]
fn rendezvous_shows_both_ends_of_a_write() {
    let trace = Trace::new();
    let net = pipenet::Network::builder("t").rendezvous(true).layer(trace.clone()).build().unwrap();
    let (_listener, accepted, dialled) = connected(&net);
    assert_eq!(dialled.try_write(b"hello").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(accepted.try_read(&mut [0; 2]).unwrap(), 2);
    assert_eq!(dialled.try_write(b"hello").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(accepted.try_read(&mut [0; 8]).unwrap(), 3);
    assert_eq!(dialled.try_write(b"hello").unwrap(), 5);
    check(
        &trace,
        "\
write b:1->a:1: 5 \"hello\"
read b:1->a:1: 2 \"he\"
read b:1->a:1: 3 \"llo\"
written b:1->a:1: 5
",
    );
}

#[test]
fn host_close_is_one_line() {
    let (trace, net) = traced();
    let (listener, accepted, dialled) = connected(&net);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let mut queued = begin(b.dial("a:10"));
    a.close().wait().unwrap();
    queued.as_mut().try_wait().expect("it is refused").unwrap_err();
    assert_eq!(read(&dialled), b"");
    listener.try_accept().unwrap_err();
    drop((listener, accepted));
    net.close().unwrap();
    b.listen("").unwrap_err();
    drop(dialled);
    check(
        &trace,
        "\
dial b:2->a:10
close host a
dial b:2->a:10: connection refused
read a:1->b:1: end
accept a:10: host is down
close network
listen b:0: network is down
",
    );
}

#[test]
fn what_is_closed_already_is_no_event() {
    let (trace, net) = traced();
    let (listener, accepted, dialled) = connected(&net);
    dialled.close_write().unwrap();
    dialled.close_write().unwrap();
    dialled.close_read().unwrap();
    dialled.close_read().unwrap();
    drop(dialled.try_clone().unwrap().into_split());
    dialled.close();
    dialled.abort();
    drop(dialled);
    listener.close();
    drop(listener);
    net.host("a").unwrap().close().wait().unwrap();
    net.host("a").unwrap().close().wait().unwrap();
    drop(accepted);
    net.close().unwrap();
    net.close().unwrap();
    check(
        &trace,
        "\
shutdown b:1->a:1
shutdown read b:1->a:1
close b:1->a:1
close a:10
close host a
close network
",
    );
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
