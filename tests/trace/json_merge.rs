//! JSON lines of several processes become one trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use virtnet::trace::{CoreEvent, How, Trace};
use virtnet::{Cause, Error, Operation};

use crate::feed::*;

/// The lines of the first scenario: one process would record them in this order.
const QUICK_START: &str = r#"host a
host b
listen a:10
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
write a:1->b:1: 2 "hi"
drop a:1->b:1
read a:1->b:1: 2 "hi"
read a:1->b:1: end
drop a:10
dial b:2->a:10
dial b:2->a:10: connection refused
drop b:1->a:1
"#;

/// Processes with clocks of their own, each of which ticks with each event of any of them.
struct Processes(Vec<Feed>);

impl Processes {
    /// One for each clock, which is ahead by so many seconds.
    fn new(ahead: &[u64]) -> Self {
        let ticks = Arc::new(AtomicU64::new(0));
        let feed = |&ahead| {
            let ticks = ticks.clone();
            let clock = move || Duration::from_secs(ahead + ticks.fetch_add(1, Ordering::Relaxed));
            Feed::of(&Trace::builder().clock(clock).build())
        };
        Self(ahead.iter().map(feed).collect())
    }

    /// Those without clocks.
    fn timeless(count: usize) -> Self {
        Self((0..count).map(|_| Feed::new()).collect())
    }

    fn texts(&self) -> Vec<String> {
        let json = |feed: &Feed| {
            let mut text = String::new();
            feed.trace.view().reads(true).write_json(&mut text).expect("a string takes all");
            text
        };
        self.0.iter().map(json).collect()
    }

    fn merge(&self) -> Result<Trace, String> {
        const NAMES: [&str; 3] = ["a.jsonl", "b.jsonl", "c.jsonl"];
        let texts = self.texts();
        let files: Vec<_> = NAMES.into_iter().zip(texts.iter().map(String::as_str)).collect();
        Trace::merge_json(&files).map_err(|error| error.to_string())
    }

    fn merged(&self) -> Trace {
        self.merge().unwrap_or_else(|error| panic!("{error}\n{}", self.texts().join("\n")))
    }
}

fn refused(src: &str, dst: &str) -> Error {
    Error::new(Operation::Dial, "pipet", Some(addr(src)), Some(addr(dst)), Cause::ConnectionRefused)
}

/// The first scenario, of which each host is in a process of its own. Their connection has another number in each.
fn quick_start(processes: &Processes) {
    let [a, b] = &processes.0[..] else { panic!("two processes") };
    a.host("a");
    b.host("b");
    a.listen("a:10");
    let conn = b.dial("b:1", "a:10");
    a.accept(conn + 7, "a:10", "a:1", "b:1");
    b.connect(conn, "a:10", "a:1");
    a.write(2 * (conn + 7) + 1, "hi");
    a.shut(2 * (conn + 7) + 1, How::Drop);
    b.read(2 * conn, "hi");
    b.end(2 * conn);
    a.drop_listener("a:10");
    b.dial("b:2", "a:10");
    b.fail(refused("b:2", "a:10"), None);
    b.shut(2 * conn, How::Drop);
}

#[test]
fn two_processes_with_clocks_apart_merge_to_the_order_of_one() {
    for ahead in [[0, 0], [3600, 0], [0, 3600]] {
        let processes = Processes::new(&ahead);
        quick_start(&processes);
        let merged = processes.merged();
        assert_eq!(merged.view().reads(true).to_string(), QUICK_START, "{ahead:?}");
        // The file of the whole is that of one process.
        let of_one = Processes(vec![Feed::of(&merged)]).merged();
        assert_eq!(of_one.view().reads(true).to_string(), QUICK_START);
    }
}

#[test]
fn without_clocks_causes_come_first() {
    let processes = Processes::timeless(2);
    quick_start(&processes);
    let merged = processes.merged();
    merged.view().reads(true).same(QUICK_START).expect("the same up to causality");
    for (x, y) in [
        ("dial b:1->a:10", "accept *"),
        ("accept *", "connect *"),
        ("write *", "read *: 2 *"),
        ("drop a:1->b:1", "read *: end"),
        ("drop a:10", "*: connection refused"),
    ] {
        let order = merged.order();
        assert!(order.before(merged.one(x).expect("one"), merged.one(y).expect("one")), "{x} {y}");
    }
    let [first, last] = ["host b", "dial b:2->a:10"].map(|line| merged.one(line).expect("one"));
    assert!(merged.before(&first, &last), "the order within a file is kept");
    assert!(merged.concurrent(first, merged.one("host a").expect("one")), "actors of two processes are two");
}

#[test]
fn a_refusal_comes_after_the_close_of_its_listener() {
    let mut processes = Processes::timeless(2);
    quick_start(&processes);
    processes.0.reverse();
    let merged = processes.merged();
    let [close, refusal] = ["drop a:10", "*: connection refused"].map(|line| merged.one(line).expect("one"));
    assert!(merged.before(close, refusal));
}

#[test]
fn resets_and_broken_pipes_come_after_the_close() {
    let processes = Processes::timeless(2);
    let [a, b] = &processes.0[..] else { panic!("two processes") };
    a.host("a");
    b.host("b");
    let fail = |operation, src: &str, dst: &str, cause| {
        Error::new(operation, "pipet", Some(addr(src)), Some(addr(dst)), cause)
    };
    for number in 1..=3 {
        let (local, peer) = (format!("a:{number}"), format!("b:{number}"));
        let conn = b.dial(&peer, "a:10");
        a.accept(conn, "a:10", &local, &peer);
        b.connect(conn, "a:10", &local);
        match number {
            1 => {
                b.shut(2 * conn, How::Abort);
                a.fail(fail(Operation::Read, &peer, &local, Cause::ConnectionReset), Some(2 * conn + 1));
            }
            2 => {
                b.shut(2 * conn, How::Drop);
                a.fail(fail(Operation::Write, &local, &peer, Cause::BrokenPipe), Some(2 * conn + 1));
            }
            _ => {
                b.core(CoreEvent::HostDied { host: "b", power_off: false }, None);
                a.end(2 * conn + 1);
            }
        }
    }
    let merged = processes.merged();
    for (x, y) in [
        ("abort b:1->a:1", "read b:1->a:1: connection reset"),
        ("drop b:2->a:2", "write a:2->b:2: broken pipe"),
        ("crash b", "read b:3->a:3: end"),
    ] {
        assert!(merged.before(merged.one(x).expect("one"), merged.one(y).expect("one")), "{x} {y}");
    }
}

/// A dial of b:1 is dropped, though a accepts it; the next one of b:1 connects.
fn dropped_dial(processes: &Processes) {
    let [a, b] = &processes.0[..] else { panic!("two processes") };
    a.host("a");
    b.host("b");
    a.listen("a:10");
    b.dial("b:1", "a:10");
    a.accept(1_000_000, "a:10", "a:1", "b:1");
    b.withdraw("b:1", "a:10");
    a.end(2_000_001);
    a.shut(2_000_001, How::Drop);
    let conn = b.dial("b:1", "a:10");
    a.accept(1_000_001, "a:10", "a:1", "b:1");
    b.connect(conn, "a:10", "a:1");
    a.write(2_000_003, "hi");
    b.read(2 * conn, "hi");
}

#[test]
fn an_accept_of_a_dropped_dial_is_guessed() {
    for processes in [Processes::new(&[0, 0]), Processes::new(&[3600, 0]), Processes::timeless(2)] {
        dropped_dial(&processes);
        let merged = processes.merged();
        assert_eq!(merged.count("accept a:10: a:1<-b:1 ?"), 2);
        let ends: Vec<_> = merged.view().reads(true).events().filter_map(|event| event.end).collect();
        let (first, second) = ends.split_at(3);
        assert!(first.iter().all(|end| end.conn == first[0].conn && end.accepted), "{ends:?}");
        assert!(second.iter().all(|end| end.conn == second[0].conn && end.conn != first[0].conn), "{ends:?}");
        assert_eq!(second.iter().filter(|end| end.accepted).count(), 2, "{ends:?}");
        let [withdrawn, end] = ["*: withdrawn", "read *: end"].map(|line| merged.one(line).expect("one"));
        assert!(merged.before(withdrawn, end));
        let text = &Processes(vec![Feed::of(&merged)]).texts()[0];
        assert_eq!(Trace::from_json(text).expect("a trace").view().to_string(), merged.view().to_string());
    }
}

#[test]
fn three_processes_share_what_they_say() {
    let processes = Processes::new(&[0, 50, 100]);
    let [a, b, c] = &processes.0[..] else { panic!("three processes") };
    a.host("a");
    b.host("b");
    c.host("c");
    a.listen("a:10");
    for (feed, src, local) in [(b, "b:1", "a:1"), (c, "c:1", "a:2")] {
        let conn = feed.dial(src, "a:10");
        a.accept(conn, "a:10", local, src);
        feed.connect(conn, "a:10", local);
        feed.write(2 * conn, "x");
        a.read(2 * conn + 1, "x");
    }
    let lines = "host a\nhost b\nhost c\nlisten a:10\ndial b:1->a:10\naccept a:10: a:1<-b:1\nconnect b:1->a:10: a:1\n\
                 write b:1->a:1: 1 \"x\"\nread b:1->a:1: 1 \"x\"\ndial c:1->a:10\naccept a:10: a:2<-c:1\n\
                 connect c:1->a:10: a:2\nwrite c:1->a:2: 1 \"x\"\nread c:1->a:2: 1 \"x\"\n";
    assert_eq!(processes.merged().view().reads(true).to_string(), lines);
}

#[test]
fn a_process_whose_file_is_missing_may_be_named() {
    let processes = Processes::timeless(2);
    let [a, b] = &processes.0[..] else { panic!("two processes") };
    let conn = a.dial("a:1", "z:1");
    a.connect(conn, "z:1", "z:2");
    a.read(2 * conn, "hi");
    b.accept(conn, "b:1", "b:2", "y:1");
    assert_eq!(processes.merged().count("*?"), 0);
}

#[test]
fn tokens_of_processes_are_apart() {
    let processes = Processes::timeless(2);
    for feed in &processes.0 {
        let token = feed.trace.token();
        feed.trace.note("x");
        feed.trace.join(token);
    }
    let text = &Processes(vec![Feed::of(&processes.merged())]).texts()[0];
    let tokens: Vec<_> = text.lines().filter_map(|line| line.split("\"token\":").nth(1)).collect();
    assert_eq!(tokens, ["0}", "0}", "1}", "1}"]);
}

#[test]
fn lines_that_cannot_be_merged_are_named() {
    let processes = Processes::timeless(2);
    let [a, b] = &processes.0[..] else { panic!("two processes") };
    a.listen("a:10");
    let conn = b.dial("b:1", "a:10");
    b.connect(conn, "a:10", "a:1");
    assert_eq!(processes.merge().expect_err("none"), "b.jsonl:3: connect b:1->a:10: a:1: there is no accept of it");
    a.accept(conn, "a:10", "a:1", "b:1");
    b.read(2 * conn, "hi");
    assert_eq!(
        processes.merge().expect_err("none was written"),
        "b.jsonl:4: read a:1->b:1: 2 \"hi\": these bytes were not written: a.jsonl:3 (accept a:10: a:1<-b:1) is the \
         last line that could have"
    );
    a.write(2 * conn + 1, "h");
    assert_eq!(
        processes.merge().expect_err("too little was written"),
        "b.jsonl:4: read a:1->b:1: 2 \"hi\": these bytes were not written: a.jsonl:4 (write a:1->b:1: 1 \"h\") is the \
         last line that could have"
    );
    a.write(2 * conn + 1, "i");
    processes.merged();
}

#[test]
fn lines_that_come_before_each_other_are_named() {
    let processes = Processes::timeless(2);
    let [a, b] = &processes.0[..] else { panic!("two processes") };
    let conn = b.dial("b:1", "a:10");
    b.connect(conn, "a:10", "a:1");
    b.read(2 * conn, "1");
    b.write(2 * conn, "2");
    a.accept(conn, "a:10", "a:1", "b:1");
    a.read(2 * conn + 1, "2");
    a.write(2 * conn + 1, "1");
    assert_eq!(
        processes.merge().expect_err("a circle"),
        "a.jsonl:3: a circle: a.jsonl:3 (read b:1->a:1: 1 \"2\") comes after b.jsonl:5 (write b:1->a:1: 1 \"2\"), and \
         b.jsonl:4 (read a:1->b:1: 1 \"1\") comes after a.jsonl:4 (write a:1->b:1: 1 \"1\")"
    );
}

#[test]
fn bad_lines_are_named_with_their_file() {
    let header = "{\"virtnet_trace\":1}";
    let merge = |text: &str| Trace::merge_json(&[("a", header), ("b\n", text)]).expect_err(text);
    let error = merge(&format!("{header}\nx"));
    assert_eq!(error.to_string(), "b\\n:2: expected a JSON object: expected value at column 1");
    assert_eq!((error.file(), error.line()), ("b\\n", 2));
    let gap = merge(&format!("{header}\n{{\"seq\":1,\"kind\":\"gap\",\"dropped\":3}}"));
    assert_eq!(gap.to_string(), "b\\n:2: … 3 events dropped: a trace with a gap cannot be merged");
}
