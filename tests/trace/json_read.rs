//! Traces that are read from JSON lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use virtnet::trace::{CoreEvent, Event, How, Trace};
use virtnet::{Addr, Cause, Error, Operation};

use crate::feed::*;

fn json(trace: &Trace) -> String {
    let mut text = String::new();
    trace.view().reads(true).write_json(&mut text).expect("a string takes all");
    text
}

fn events(trace: &Trace) -> Vec<Event> {
    trace.view().reads(true).events().collect()
}

fn read(text: &str) -> Trace {
    Trace::from_json(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Reads what was written: all is the same.
fn check(trace: &Trace) {
    let text = json(trace);
    let read = read(&text);
    assert_eq!(events(&read), events(trace));
    assert_eq!(json(&read), text);
    assert_eq!(read.races(), trace.races());
    let (order, expected) = (read.order(), trace.order());
    for x in &events(trace) {
        for y in &events(trace) {
            assert_eq!(order.before(x, y), expected.before(x, y), "{x} {y}");
        }
    }
}

#[test]
fn each_event_is_read_as_it_was_written() {
    let ticks = AtomicU64::new(0);
    let clock = move || Duration::from_nanos(1_000_000_007 * ticks.fetch_add(1, Ordering::Relaxed));
    let feed = Feed::of(&Trace::builder().clock(clock).bytes(4).build());
    let (a, b) = feed.pair();
    feed.write_of(a, "hell", 5);
    feed.write(a, "");
    feed.write(b, "more than is kept");
    feed.read(a, "more");
    feed.shut(b, How::Shutdown);
    feed.shut(b, How::ShutdownRead);
    feed.end(a);
    feed.core(CoreEvent::Shut(How::Drop, true), Some(b));
    feed.shut(a, How::Abort);
    feed.drop_listener("a:10");
    feed.core(CoreEvent::ListenerClosed { addr: &addr("[f:g]:10"), dropped: false }, None);
    feed.dial("b:3", "a:10");
    feed.withdraw("b:3", "a:10");
    feed.core(CoreEvent::HostClosed { host: "a" }, None);
    feed.core(CoreEvent::HostDied { host: "b", power_off: true }, None);
    feed.core(CoreEvent::HostDied { host: "b", power_off: false }, None);
    feed.core(CoreEvent::HostBack { host: "é\"\\" }, None);
    feed.trace.note("\"\\\n\u{2028}</script>é");
    feed.trace.fault("partition a | b");
    feed.trace.fault_ended("partition a | b");
    feed.core(CoreEvent::NetworkDown(Cause::backend(&"eng err")), None);
    feed.core(CoreEvent::NetworkClosed, None);
    check(&feed.trace);
}

#[test]
fn each_failure_is_read_as_it_was_written() {
    let feed = Feed::new();
    let (long, short) = ("h".repeat(60), Addr::new("pipet", "a", 7).expect("valid"));
    let long = Addr::new("pipet", &long, 65535).expect("valid");
    for operation in Operation::ALL {
        for addrs in [[Some(short), Some(long)], [Some(long), Some(long)], [None, Some(addr("[b:c]:1"))], [None; 2]] {
            for cause in
                [Cause::ConnectionRefused, Cause::backend(&"the cable is gone"), Cause::PeerFull("a".into(), 7)]
            {
                feed.fail(Error::new(operation, "pipet", addrs[0], addrs[1], cause), None);
            }
        }
    }
    check(&feed.trace);
}

#[test]
fn the_order_of_threads_is_read() {
    let (feed, act) = Feed::acting();
    ["a", "b"].into_iter().for_each(|host| feed.host(host));
    act(2);
    feed.listen("a:10");
    let token = feed.trace.token();
    act(3);
    feed.dial("b:1", "a:10");
    act(4);
    feed.dial("b:2", "a:10");
    feed.trace.join(token);
    feed.trace.note("joined");
    check(&feed.trace);
    let read = read(&json(&feed.trace));
    assert!(read.before(feed.one("listen a:10"), feed.one("note: joined")));
    assert_eq!(read.races().len(), 1);
}

#[test]
fn joined_writes_are_read() {
    let feed = Feed::of(&Trace::builder().bytes(4).build());
    let (a, _) = feed.pair();
    ["one", "three", "x"].into_iter().for_each(|text| feed.write(a, text));
    let mut text = String::new();
    feed.trace.view().merged().write_json(&mut text).expect("a string takes all");
    assert_eq!(json(&read(&text)), text);
}

#[test]
fn a_gap_is_read() {
    for (head, events) in [(0, 2), (2, 4), (3, 3)] {
        let trace = Trace::builder().head(head).events(events).build();
        (1..=7).for_each(|number| {
            trace.note(number);
            trace.join(trace.token());
        });
        let read = read(&json(&trace));
        assert_eq!(json(&read), json(&trace));
        read.note("more");
        assert_eq!(read.view().to_string(), format!("{}note: more\n", trace.view()));
        let failure = read.view().same("…").expect_err("events were dropped").to_string();
        assert_eq!(failure, format!("{} events were dropped: enlarge the trace", 7 - events));
    }
}

#[test]
fn two_networks_of_one_name_stay_two() {
    let feed = Feed::new();
    let other = Feed::of(&feed.trace);
    for feed in [&feed, &other] {
        ["a", "b"].into_iter().for_each(|host| feed.host(host));
        feed.listen("a:10");
        feed.dial("b:1", "a:10");
        feed.accept(1_000_000, "a:10", "a:1", "b:1");
        feed.write(2_000_001, "x");
    }
    check(&feed.trace);
}

#[test]
fn lines_that_are_no_trace_are_named() {
    const HEAD: &str = r#"{"virtnet_trace":1,"dropped":0}"#;
    let long = "x".repeat(1 << 16);
    let longest = format!("expected \"kind\", a kind of event, found \"{}…", "x".repeat(62));
    for (line, error) in [
        ("{", "expected a JSON object: EOF while parsing an object at column 1"),
        ("[1]", "expected a JSON object, found [1]"),
        ("{}\0", "expected a JSON object: trailing characters at column 3"),
        (r#"{"kind":"\ud800"}"#, "expected a JSON object: unexpected end of hex escape at column 16"),
        (r#"{"kind":"note"}"#, r#"expected "text", a text, found nothing"#),
        (r#"{"seq":0,"kind":"note","text":"note: x"}"#, r#"expected "seq", a number from 1 on, found 0"#),
        (r#"{"seq":1e999,"kind":"note","text":"note: x"}"#, "expected a JSON object: number out of range at column 12"),
        (
            r#"{"seq":-1,"kind":"note","text":"note: x"}"#,
            r#"expected "seq", a number up to 9007199254740991, found -1"#,
        ),
        (
            r#"{"seq":9007199254740992,"kind":"note","text":"note: x"}"#,
            r#"expected "seq", a number up to 9007199254740991, found 9007199254740992"#,
        ),
        (&format!(r#"{{"seq":1,"kind":"{long}"}}"#), &longest),
        (r#"{"seq":1,"kind":"listen","addr":"a"}"#, r#"expected "addr", an address such as a:10, found "a""#),
        (r#"{"seq":1,"kind":"host","host":""}"#, r#"expected "host", the name of a host, found """#),
        (r#"{"seq":1,"net":"[","kind":"close_network"}"#, r#"expected "net", the name of a network, found "[""#),
        (
            r#"{"seq":1,"kind":"read","src":"a:1","dst":"b:1","len":1,"bytes":"aGk="}"#,
            r#"expected "bytes", up to 1 bytes in base64, found "aGk=""#,
        ),
        (
            r#"{"seq":1,"kind":"write","src":"a:1","dst":"b:1","len":2,"of":1}"#,
            r#"expected "of", a number from 2 on, found 1"#,
        ),
        (
            r#"{"seq":1,"kind":"end","src":"a:1","dst":"b:1","conn":2147483647,"end":"accepted"}"#,
            r#"expected "conn", a number up to 2147483646, found 2147483647"#,
        ),
        (r#"{"seq":1,"kind":"end","src":"a:1","dst":"b:1","conn":1}"#, r#"expected "end", a text, found nothing"#),
        (r#"{"virtnet_trace":1}"#, "expected an event, found the header of another trace"),
        (
            r#"{"seq":1,"kind":"gap","dropped":null}"#,
            r#"expected "dropped", a number up to 9007199254740991, found null"#,
        ),
    ] {
        let found = Trace::from_json(&format!("{HEAD}\n\n{line}")).expect_err(line);
        assert_eq!((found.to_string(), found.line()), (format!("line 3: {error}"), 3));
    }
    for (text, error) in [
        ("", "line 1: expected the header of a trace, an object with \"virtnet_trace\""),
        ("null", "line 1: expected a JSON object, found null"),
        (r#"{"virtnet_trace":2}"#, "line 1: expected version 1 of the format, found 2"),
    ] {
        assert_eq!(Trace::from_json(text).expect_err(text).to_string(), error);
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = format!("{{\"virtnet_trace\":1}}\n{}", "[".repeat(1 << 16));
    let error = Trace::from_json(&deep).expect_err("too deep").to_string();
    assert_eq!(error, "line 2: expected a JSON object: recursion limit exceeded at column 128");
}

#[test]
fn an_actor_of_any_number_takes_no_memory() {
    let line = |seq, actor: u32| format!(r#"{{"seq":{seq},"actor":{actor},"kind":"note","text":"note: {seq}"}}"#);
    let mark = |seq, actor: u32, kind| format!(r#"{{"seq":{seq},"actor":{actor},"kind":"{kind}","token":7}}"#);
    let [x, y] = [u32::MAX, u32::MAX - 1];
    let lines = [line(1, x), line(2, y), mark(2, y, "token"), mark(2, x, "join"), line(3, x)];
    let read = read(&format!("{{\"virtnet_trace\":1}}\n{}", lines.join("\n")));
    let [first, second, third] = ["note: 1", "note: 2", "note: 3"].map(|line| read.one(line).expect("it is there"));
    let order = read.order();
    assert!(order.concurrent(&first, &second) && order.before(&second, &third) && order.before(&first, &third));
}
