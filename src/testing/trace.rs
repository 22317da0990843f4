//! What a traced network records, line by line.

use core::pin::pin;
use core::time::Duration;
use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use super::setup::Setup;
use super::step::{accept, server};
use super::task::Task;
use crate::error::Error;
use crate::error::kind::ErrorKind;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;

/// A traced network with the hosts a and b, a listener at a:10 and a connection from b:1.
struct Connected<N: NetRef> {
    a: Host<N>,
    b: Host<N>,
    listener: Arc<Listener<N>>,
    accepted: Conn<N>,
    dialled: Conn<N>,
}

const CONNECTED: &str = "\
host a
host b
listen a:10
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
";

fn connected<N: NetRef + 'static>(net: &Setup<N>) -> Connected<N> {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":10");
    // All on this thread, in turns: some engines acknowledge an accept when the dial is polled again.
    let (mut dialling, mut accepting) = (Task::new(b.dial("a:10")), Task::new(accept(&listener)));
    let mut turn = || (dialling.turn(), accepting.turn());
    while turn() != (true, true) {}
    let (dialled, accepted) = (dialling.outcome().expect("accepted"), accepting.outcome().expect("a dial waits"));
    Connected { a, b, listener, accepted, dialled }
}

/// What was recorded so far.
fn seen<N: NetRef + 'static>(net: &Setup<N>) -> String {
    (net.lines.as_ref().expect("a behaviour of the group `trace` has them").print)()
}

/// Asserts that this was recorded since.
#[track_caller]
fn check<N: NetRef + 'static>(net: &Setup<N>, before: &str, expected: &str) {
    let bytes = net.lines.as_ref().is_some_and(|lines| lines.bytes);
    let kept = |line: &str| if bytes { line.to_owned() } else { line.split(" \"").next().unwrap_or(line).to_owned() };
    let expected: String = expected.lines().map(|line| format!("{}\n", kept(line))).collect();
    let all = seen(net);
    assert_eq!(all.strip_prefix(before).expect("the lines that were seen stay"), expected);
}

#[track_caller]
fn read<N: NetRef>(conn: &Conn<N>) -> Vec<u8> {
    let mut buf = [0; 64];
    let count = conn.try_read(&mut buf).expect("bytes, or the end");
    buf[..count].to_vec()
}

/// The error of a dial that fails at its first poll.
#[track_caller]
fn refused<N: NetRef + 'static>(from: &Host<N>, to: &str) -> Error {
    let outcome = pin!(from.dial(to)).try_wait();
    outcome.expect("it fails at once").map(drop).expect_err("it fails")
}

/// The line of an error: as it prints, without the network.
fn line<N: NetRef + 'static>(net: &Setup<N>, error: &Error) -> String {
    error.to_string().replacen(&format!(" {}", net.name()), "", 1)
}

pub(super) fn the_quick_start_is_fourteen_lines<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { b, listener, accepted, dialled, .. } = connected(net);
    accepted.try_write(b"hi").expect("room");
    drop(accepted);
    assert_eq!((read(&dialled), read(&dialled)), (b"hi".to_vec(), Vec::new()));
    drop(listener);
    assert_eq!(refused(&b, "a:10").kind(), ErrorKind::ConnectionRefused);
    drop(dialled);
    let expected = "\
write a:1->b:1: 2 \"hi\"
drop a:1->b:1
read a:1->b:1: 2 \"hi\"
read a:1->b:1: end
drop a:10
dial b:2->a:10
dial b:2->a:10: connection refused
drop b:1->a:1
";
    check(net, CONNECTED, expected);
    check(net, "", &format!("{CONNECTED}{expected}"));
}

pub(super) fn recorded_failures_have_the_text_of_their_errors<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let held = server(&a, ":5");
    let before = seen(net);
    for addr in ["a:5", "b:1", "a:b:1"] {
        assert!(a.listen(addr).is_err());
    }
    let unknown = refused(&b, "γ:1");
    refused(&b, "a");
    let unknown = line(net, &unknown);
    let expected = if net.lines.as_ref().is_some_and(|lines| lines.bytes) {
        format!(
            "\
listen a:5: address already in use
listen b:1: cannot listen on requested address
listen: address a:b:1: too many colons in address
dial b:1->γ:1
{unknown}
dial b:1: address a: missing port in address
"
        )
    } else {
        // Without the texts of what was asked for, and the name of a host that there is not.
        String::from(
            "\
listen a:5: address already in use
listen b:1: cannot listen on requested address
listen: too many colons in address
dial b:1->?:1
dial b:1->?:1: no such host
dial b:1: missing port in address
",
        )
    };
    check(net, &before, &expected);
    drop(held);
}

pub(super) fn a_dial_without_a_port_never_began_where_the_capacity_is_known<N: NetRef + 'static>(net: &Setup<N>) {
    let Some(capacity) = net.capacity else { return };
    let b = net.host("b");
    let held: Vec<_> = (0..capacity.ports).map(|_| server(&b, "")).collect();
    let before = seen(net);
    refused(&b, "b:1");
    check(net, &before, &format!("dial: port table is full ({})\n", capacity.ports));
    drop(held);
}

pub(super) fn a_dial_that_is_dropped_or_times_out_is_told<N: NetRef + 'static>(net: &Setup<N>) {
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = server(&a, ":10");
    let before = seen(net);
    drop(net.hold_dial(&b, "a:10", &a));
    assert_eq!(
        b.dial("a:10").wait_timeout(Duration::from_millis(10)).map(drop).map_err(|error| error.kind()),
        Err(ErrorKind::TimedOut)
    );
    assert_eq!(listener.try_accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    drop(net.hold_dial(&b, "a:10", &a));
    let expected = "\
dial b:1->a:10
dial b:1->a:10: withdrawn
dial b:1->a:10
dial b:1->a:10: timed out
dial b:1->a:10
dial b:1->a:10: withdrawn
";
    check(net, &before, expected);
}

pub(super) fn half_close_then_drop_is_told<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { listener: _listener, accepted, dialled, .. } = connected(net);
    let (reading, writing) = dialled.into_split();
    writing.try_write(b"bye").expect("room");
    drop(writing);
    assert_eq!((read(&accepted), read(&accepted)), (b"bye".to_vec(), Vec::new()));
    accepted.try_write(b"ok").expect("room");
    drop(accepted);
    let mut buf = [0; 8];
    let mut next = || reading.try_read(&mut buf).expect("bytes, or the end");
    assert_eq!((next(), next()), (2, 0));
    drop(reading);
    let expected = "\
write b:1->a:1: 3 \"bye\"
shutdown b:1->a:1
read b:1->a:1: 3 \"bye\"
read b:1->a:1: end
write a:1->b:1: 2 \"ok\"
drop a:1->b:1
read a:1->b:1: 2 \"ok\"
read a:1->b:1: end
drop b:1->a:1
";
    check(net, CONNECTED, expected);
}

pub(super) fn an_abort_is_told_once<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { listener: _listener, accepted, dialled, .. } = connected(net);
    dialled.try_write(b"xyz").expect("room");
    dialled.abort();
    let failed = |outcome: Result<usize, Error>| outcome.map_err(|error| error.kind());
    for _ in 0..5 {
        assert_eq!(failed(accepted.try_read(&mut [0])), Err(ErrorKind::ConnectionReset));
    }
    assert_eq!(failed(accepted.try_write(b"x")), Err(ErrorKind::ConnectionReset));
    drop(accepted);
    let expected = "\
write b:1->a:1: 3 \"xyz\"
abort b:1->a:1
read b:1->a:1: connection reset
write a:1->b:1: connection reset
drop a:1->b:1
";
    check(net, CONNECTED, expected);
}

pub(super) fn a_close_tells_that_it_resets_where_it_does<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { listener: _listener, accepted, dialled, .. } = connected(net);
    dialled.try_write(b"xyz").expect("room");
    accepted.close();
    accepted.close();
    drop(accepted);
    let outcome = dialled.try_read(&mut [0]).map_err(|error| error.kind());
    if net.resets_unread {
        assert_eq!(outcome, Err(ErrorKind::ConnectionReset));
        let expected = "\
write b:1->a:1: 3 \"xyz\"
close a:1->b:1: reset
read a:1->b:1: connection reset
";
        check(net, CONNECTED, expected);
    } else {
        assert_eq!(outcome, Ok(0));
        let expected = "\
write b:1->a:1: 3 \"xyz\"
close a:1->b:1
read a:1->b:1: end
";
        check(net, CONNECTED, expected);
    }
}

pub(super) fn a_full_buffer_cuts_a_write_where_its_size_is_known<N: NetRef + 'static>(net: &Setup<N>) {
    let Some(size) = net.buffer.filter(|size| *size <= 16) else { return };
    let Connected { listener: _listener, accepted, dialled, .. } = connected(net);
    let text = &b"0123456789abcdefg"[..=size];
    assert_eq!(dialled.try_write(text), Ok(size));
    assert_eq!(dialled.try_write(b"o").map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert_eq!(read(&accepted), text[..size]);
    assert_eq!(dialled.try_write(b"o"), Ok(1));
    let (of, bytes) = (size + 1, text[..size].escape_ascii());
    let expected = format!(
        "\
write b:1->a:1: {size} of {of} \"{bytes}\"
read b:1->a:1: {size} \"{bytes}\"
write b:1->a:1: 1 \"o\"
"
    );
    check(net, CONNECTED, &expected);
}

pub(super) fn a_closed_host_is_one_line<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { a, b, listener, accepted, dialled } = connected(net);
    let queued = net.hold_dial(&b, "a:10", &a);
    net.wait(a.close()).expect("closing goes well");
    assert!(queued.outcome().is_err());
    assert_eq!(read(&dialled), b"");
    assert!(listener.try_accept().is_err());
    drop((listener, accepted));
    net.wait(net.net.close()).expect("closing goes well");
    assert!(b.listen("").is_err());
    drop(dialled);
    let expected = "\
dial b:2->a:10
close host a
dial b:2->a:10: connection refused
read a:1->b:1: end
accept a:10: host is down
close network
listen b:0: network is down
";
    check(net, CONNECTED, expected);
}

pub(super) fn a_second_close_is_not_told<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { a, listener, accepted, dialled, .. } = connected(net);
    for _ in 0..2 {
        dialled.close_write().expect("it is open");
    }
    for _ in 0..2 {
        dialled.close_read().expect("it is open");
    }
    dialled.close();
    dialled.abort();
    drop(dialled);
    listener.close();
    drop(listener);
    for _ in 0..2 {
        net.wait(a.close()).expect("closing goes well");
    }
    drop(accepted);
    for _ in 0..2 {
        net.wait(net.net.close()).expect("closing goes well");
    }
    let expected = "\
shutdown b:1->a:1
shutdown read b:1->a:1
close b:1->a:1
close a:10
close host a
close network
";
    check(net, CONNECTED, expected);
}

pub(super) fn a_rendezvous_is_told_at_both_ends<N: NetRef + 'static>(net: &Setup<N>) {
    let Connected { listener: _listener, accepted, dialled, .. } = connected(net);
    let waits =
        |outcome: Result<usize, Error>| assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    waits(dialled.try_write(b"bye"));
    assert_eq!(accepted.try_read(&mut [0; 2]), Ok(2));
    waits(dialled.try_write(b"bye"));
    assert_eq!(accepted.try_read(&mut [0; 8]), Ok(1));
    assert_eq!(dialled.try_write(b"bye"), Ok(3));
    let expected = "\
write b:1->a:1: 3 \"bye\"
read b:1->a:1: 2 \"by\"
read b:1->a:1: 1 \"e\"
written b:1->a:1: 3
";
    check(net, CONNECTED, expected);
}
