//! The texts of events.

use std::time::Duration;

use virtnet::trace::{CoreEvent, How, Trace};
use virtnet::{Cause, pipenet};

use crate::feed::*;

#[test]
fn the_quick_start_is_fourteen_lines() {
    let feed = Feed::new();
    let (_, b) = feed.answered();
    feed.drop_listener("a:10");
    feed.dial("b:2", "a:10");
    let errors = Errors::new();
    let held = errors.host("b").listen(":1").expect("a free port");
    feed.fail(errors.dial("a:10"), None);
    drop(held);
    feed.shut(b, How::Drop);
    assert_eq!(
        feed.lines(),
        [
            "host a",
            "host b",
            "listen a:10",
            "dial b:1->a:10",
            "accept a:10: a:1<-b:1",
            "connect b:1->a:10: a:1",
            r#"write a:1->b:1: 2 "hi""#,
            "drop a:1->b:1",
            r#"read a:1->b:1: 2 "hi""#,
            "read a:1->b:1: end",
            "drop a:10",
            "dial b:2->a:10",
            "dial b:2->a:10: connection refused",
            "drop b:1->a:1",
        ]
    );
    assert_eq!(feed.trace.open_tickets(), 0);
}

#[test]
fn failures_have_the_text_of_their_errors() {
    let (feed, errors) = (Feed::new(), Errors::new());
    let a = errors.host("a");
    let _held = a.listen(":5").expect("a free port");
    feed.fail(a.listen(":5").unwrap_err(), None);
    feed.fail(a.listen("b:1").unwrap_err(), None);
    feed.dial("b:1", "γ:1");
    feed.fail(errors.dial("γ:1"), None);
    feed.fail(errors.dial("a"), None);
    static NET: pipenet::fixed::Network<'static> = virtnet::fixed!("t", 2, 1, 1, 4);
    let full = NET.host("a").expect("a host");
    let _listener = full.listen(":1").expect("a free port");
    feed.fail(full.dial("a:1").wait().map(drop).unwrap_err(), None);
    assert_eq!(
        feed.lines(),
        [
            "listen a:5: address already in use",
            "listen b:1: cannot listen on requested address",
            "dial b:1->γ:1",
            r#"dial b:1->γ:1: ram(pipet): query ["γ"]: no such host"#,
            "dial b:1: address a: missing port in address",
            "dial: port table is full (1)",
        ]
    );
}

#[test]
fn a_given_up_dial_is_withdrawn() {
    let (feed, errors) = (Feed::new(), Errors::new());
    feed.dial("b:1", "a:10");
    feed.withdraw("b:1", "a:10");
    feed.dial("b:1", "a:10");
    let _listener = errors.host("a").listen(":10").expect("a free port");
    feed.fail(errors.host("b").dial("a:10").wait_timeout(Duration::ZERO).map(drop).unwrap_err(), None);
    let withdrawn = ["dial b:1->a:10", "dial b:1->a:10: withdrawn", "dial b:1->a:10", "dial b:1->a:10: timed out"];
    assert_eq!(feed.lines(), withdrawn);
}

#[test]
fn half_close_then_drop() {
    let feed = Feed::new();
    let (a, b) = feed.pair();
    feed.write(b, "the end");
    feed.shut(b, How::Shutdown);
    feed.read(a, "the end");
    feed.end(a);
    feed.write(a, "ok");
    feed.shut(a, How::Drop);
    feed.read(b, "ok");
    feed.end(b);
    feed.shut(b, How::Drop);
    assert_eq!(
        feed.lines_of_pair(),
        [
            r#"write b:1->a:1: 7 "the end""#,
            "shutdown b:1->a:1",
            r#"read b:1->a:1: 7 "the end""#,
            "read b:1->a:1: end",
            r#"write a:1->b:1: 2 "ok""#,
            "drop a:1->b:1",
            r#"read a:1->b:1: 2 "ok""#,
            "read a:1->b:1: end",
            "drop b:1->a:1",
        ]
    );
}

#[test]
fn an_abort_is_seen_once() {
    let (feed, errors) = (Feed::new(), Errors::new());
    let (dialled, accepted) = errors.pair();
    dialled.abort();
    let (a, b) = feed.pair();
    feed.write(b, "unread");
    feed.shut(b, How::Abort);
    (0..5).for_each(|_| feed.fail(accepted.try_read(&mut [0]).unwrap_err(), Some(a)));
    (0..5).for_each(|_| feed.fail(accepted.try_write(b"x").unwrap_err(), Some(a)));
    feed.shut(a, How::Drop);
    assert_eq!(
        feed.lines_of_pair(),
        [
            r#"write b:1->a:1: 6 "unread""#,
            "abort b:1->a:1",
            "read b:1->a:1: connection reset",
            "write a:1->b:1: connection reset",
            "drop a:1->b:1",
        ]
    );
}

#[test]
fn an_operation_that_would_block_is_no_event() {
    let (feed, errors) = (Feed::new(), Errors::new());
    let (_dialled, accepted) = errors.pair();
    let (a, _) = feed.pair();
    feed.fail(accepted.try_read(&mut [0]).unwrap_err(), Some(a));
    assert_eq!(feed.lines_of_pair(), [""; 0]);
}

#[test]
fn each_timeout_is_an_event() {
    let (feed, errors) = (Feed::new(), Errors::new());
    let (a, _) = feed.pair();
    let (_dialled, accepted) = errors.pair();
    accepted.set_read_timeout(Some(Duration::from_nanos(1))).expect("a timeout");
    for _ in 0..2 {
        let error = std::io::Read::read(&mut &accepted, &mut [0]).unwrap_err();
        feed.fail(error.downcast().expect("an error of the crate"), Some(a));
    }
    assert_eq!(feed.lines_of_pair(), ["read b:1->a:1: timed out"; 2]);
}

#[test]
fn a_full_buffer_cuts_a_write() {
    let feed = Feed::new();
    let (a, b) = feed.pair();
    feed.write_of(b, "hell", 5);
    feed.read(a, "hell");
    feed.write(b, "o");
    let lines = [r#"write b:1->a:1: 4 of 5 "hell""#, r#"read b:1->a:1: 4 "hell""#, r#"write b:1->a:1: 1 "o""#];
    assert_eq!(feed.lines_of_pair(), lines);
    let merged: Vec<_> = feed.trace.view().merged().events().skip(6).map(|event| event.to_string()).collect();
    assert_eq!(merged, [r#"write b:1->a:1: 5 "hello""#]);
}

#[test]
fn only_neighbours_are_merged() {
    let feed = Feed::new();
    let (a, b) = feed.pair();
    feed.write(b, "a");
    feed.trace.note("x");
    feed.write(b, "b");
    feed.write(a, "c");
    feed.write(b, "d");
    feed.write(b, "e");
    let merged: Vec<_> = feed.trace.view().merged().events().skip(6).map(|event| event.to_string()).collect();
    let lines = [
        r#"write b:1->a:1: 1 "a""#,
        "note: x",
        r#"write b:1->a:1: 1 "b""#,
        r#"write a:1->b:1: 1 "c""#,
        r#"write b:1->a:1: 2 "de""#,
    ];
    assert_eq!(merged, lines);
}

#[test]
fn rendezvous_shows_both_ends_of_a_write() {
    let feed = Feed::new();
    let (a, b) = feed.pair();
    feed.write(b, "hello");
    feed.read(a, "he");
    feed.read(a, "llo");
    feed.taken(b, 5, 5);
    feed.write(b, "again");
    feed.read(a, "ag");
    feed.taken(b, 2, 5);
    assert_eq!(
        feed.lines_of_pair(),
        [
            r#"write b:1->a:1: 5 "hello""#,
            r#"read b:1->a:1: 2 "he""#,
            r#"read b:1->a:1: 3 "llo""#,
            "written b:1->a:1: 5",
            r#"write b:1->a:1: 5 "again""#,
            r#"read b:1->a:1: 2 "ag""#,
            "written b:1->a:1: 2 of 5",
        ]
    );
}

#[test]
fn host_close_is_one_line() {
    let (feed, errors) = (Feed::new(), Errors::new());
    let (_, b) = feed.pair();
    feed.core(CoreEvent::HostClosed { host: "a" }, None);
    feed.end(b);
    let listener = errors.host("a").listen(":10").expect("a free port");
    errors.host("a").close().wait().expect("a host's close alone cannot fail");
    (0..3).for_each(|_| feed.fail(listener.try_accept().map(drop).unwrap_err(), None));
    feed.core(CoreEvent::NetworkClosed, None);
    let expected = ["close host a", "read a:1->b:1: end", "accept a:10: host is down", "close network"];
    assert_eq!(feed.lines_of_pair(), expected);
}

#[test]
fn each_way_to_end_has_its_text() {
    let feed = Feed::new();
    let (a, b) = feed.pair();
    feed.shut(b, How::ShutdownRead);
    feed.core(CoreEvent::Shut(How::Close, true), Some(b));
    feed.core(CoreEvent::Shut(How::Drop, true), Some(a));
    feed.core(CoreEvent::ListenerClosed { addr: &addr("a:10"), dropped: false }, None);
    feed.core(CoreEvent::HostDied { host: "a", power_off: false }, None);
    feed.core(CoreEvent::HostDied { host: "b", power_off: true }, None);
    feed.core(CoreEvent::HostBack { host: "b" }, None);
    feed.trace.fault("partition a | b");
    feed.trace.fault_ended("partition a | b");
    feed.core(CoreEvent::NetworkDown(Cause::backend(&"eng err")), None);
    assert_eq!(
        feed.lines_of_pair(),
        [
            "shutdown read b:1->a:1",
            "close b:1->a:1: reset",
            "drop a:1->b:1: reset",
            "close a:10",
            "crash a",
            "power off b",
            "restart b",
            "fault partition a | b",
            "fault end partition a | b",
            "network down: eng err",
        ]
    );
}

#[test]
fn bytes_are_escaped_and_cut() {
    let feed = Feed::new();
    let (_, b) = feed.pair();
    feed.write(b, "\"\n\u{202e}\\");
    feed.observer().pause();
    feed.write(b, "unseen");
    feed.observer().resume();
    feed.write(b, &"x".repeat(33));
    let shown = "x".repeat(32);
    let expected = [r#"write b:1->a:1: 6 "\"\n\xe2\x80\xae\\""#.to_owned(), format!("write b:1->a:1: 33 \"{shown}\"…")];
    assert_eq!(feed.lines_of_pair(), expected);

    let feed = Feed::of(&Trace::builder().bytes(0).build());
    let (_, b) = feed.pair();
    feed.write(b, "hi");
    assert_eq!(feed.lines_of_pair(), ["write b:1->a:1: 2"]);

    let feed = Feed::of(&Trace::builder().bytes(u32::MAX).build());
    let (_, b) = feed.pair();
    feed.write(b, &"y".repeat(64 << 10));
    let shown = "y".repeat(32);
    assert_eq!(feed.lines_of_pair(), [format!("write b:1->a:1: 65536 \"{shown}\"…")]);
}

#[test]
fn a_note_is_one_line() {
    let trace = Trace::new();
    trace.note("a\nb\u{202e}c");
    assert_eq!(trace.view().to_string(), "note: a\\nb\\u{202e}c\n");
}

#[test]
fn number_time_actor_and_network_stand_in_front_if_asked_for() {
    let times = std::sync::atomic::AtomicU64::new(0);
    let clock = move || Duration::from_millis(10 * times.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let feed = Feed::of(&Trace::builder().clock(clock).build());
    feed.listen("a:10");
    let other = feed.clone();
    std::thread::spawn(move || other.listen("a:11")).join().expect("no panic");
    feed.trace.note("x");
    let lines: Vec<_> = feed.trace.view().events().map(|event| format!("{event:#}")).collect();
    assert_eq!(lines, ["1 @0.000s #1 pipet listen a:10", "2 @0.010s #2 pipet listen a:11", "3 @0.020s #1 note: x"]);
}

#[test]
fn a_pause_keeps_the_addresses_of_new_connections() {
    let feed = Feed::new();
    feed.trace.pause();
    let (a, b) = feed.pair();
    feed.write(b, "unseen");
    feed.trace.resume();
    feed.write(a, "hi");
    feed.shut(b, How::Close);
    assert_eq!(feed.lines(), [r#"write a:1->b:1: 2 "hi""#, "close b:1->a:1"]);
}

#[test]
fn two_networks_in_one_trace_are_told_apart() {
    let trace = Trace::new();
    let feeds = [Feed::of(&trace), Feed::of(&trace)];
    let ends = feeds.each_ref().map(Feed::pair);
    feeds[0].write(ends[0].0, "1");
    feeds[1].write(ends[1].0, "2");
    let events: Vec<_> = trace.view().events().skip(12).collect();
    let ends: Vec<_> = events.iter().map(|event| event.end.expect("an end")).collect();
    assert_ne!(ends[0].network, ends[1].network);
    assert_eq!(events[0].to_string(), r#"write a:1->b:1: 1 "1""#);
}

#[test]
fn questions_about_single_events() -> Result<(), virtnet::trace::Failure> {
    let feed = Feed::new();
    feed.pair();
    assert_eq!(feed.trace.one("dial *")?.to_string(), "dial b:1->a:10");
    assert_eq!(feed.trace.count("host *"), 2);
    feed.trace.never("*: connection reset")?;
    assert_eq!(feed.trace.one("host *").unwrap_err().to_string(), "2 events are: host *");
    assert_eq!(feed.trace.one("host c").unwrap_err().to_string(), "no event is: host c");
    assert_eq!(feed.trace.never("dial *").unwrap_err().to_string(), "unexpected: dial b:1->a:10");
    assert_eq!(feed.trace.view().of("b").to_string(), "host b\ndial b:1->a:10\nconnect b:1->a:10: a:1\n");
    Ok(())
}
