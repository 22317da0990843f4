//! Whole sequences, up to causality.

use virtnet::trace::{How, Trace};

use crate::feed::*;

/// The text of the failure of `same`.
fn failure(feed: &Feed, expected: &str) -> String {
    feed.trace.view().same(expected).expect_err("it differs").to_string()
}

const PAIR: &str = "host a\nhost b\nlisten a:10\ndial b:1->a:10\naccept a:10: a:1<-b:1\nconnect b:1->a:10: a:1\n";

#[test]
fn a_sequence_is_the_same_as_its_own_lines() {
    let feed = Feed::new();
    feed.answered();
    let view = feed.trace.view().reads(true);
    view.same(&view.to_string()).expect("it is the same");
    let indented = view.to_string().replace('\n', "\n\n    ");
    view.same(&indented).expect("spaces around lines do not count");
    feed.trace.view().same(&format!("{PAIR}…")).expect("anything may follow");
    feed.trace.view().same(&format!("{PAIR}write a:1->b:1: *\ndrop *\nread *: end")).expect("patterns fit");
}

#[test]
fn concurrent_events_may_stand_in_either_order() {
    let (feed, act) = Feed::acting();
    feed.host("a");
    act(2);
    feed.listen("a:1");
    feed.listen("a:2");
    act(3);
    feed.listen("a:3");
    for expected in [
        "host a\nlisten a:1\nlisten a:2\nlisten a:3",
        "host a\nlisten a:1\nlisten a:3\nlisten a:2",
        "host a\nlisten a:3\nlisten a:1\nlisten a:2",
    ] {
        feed.trace.view().same(expected).expect("each order is one of the network");
    }
    let wrong = failure(&feed, "host a\nlisten a:2\nlisten a:1\nlisten a:3");
    assert_eq!(wrong, "line 2 comes too early: listen a:2; before it comes: listen a:1");
    let wrong = failure(&feed, "listen a:3\nhost a\nlisten a:1\nlisten a:2");
    assert_eq!(wrong, "line 1 comes too early: listen a:3; before it comes: host a");
}

#[test]
fn order_through_hidden_events_counts() {
    let (feed, act) = Feed::acting();
    let (a, b) = feed.pair();
    feed.write(b, "x");
    act(2);
    feed.read(a, "x");
    feed.trace.note("has read");
    let note = "note: has read";
    let write = r#"write b:1->a:1: 1 "x""#;
    feed.trace.view().same(&format!("{PAIR}{write}\n{note}")).expect("it is the order");
    let wrong = failure(&feed, &format!("{PAIR}{note}\n{write}"));
    assert_eq!(wrong, format!("line 7 comes too early: {note}; before it comes: {write}"));
}

#[test]
fn a_missing_line_is_named() {
    let feed = Feed::new();
    feed.pair();
    let without = |line: &str| failure(&feed, &PAIR.replace(line, ""));
    assert_eq!(without("dial b:1->a:10\n"), "missing in the expected lines: dial b:1->a:10 (after line 3)");
    assert_eq!(without("host a\n"), "missing in the expected lines: host a (after line 0)");
    let last = "connect b:1->a:10: a:1";
    assert_eq!(without(last), format!("missing in the expected lines: {last} (after line 5)"));
}

#[test]
fn a_line_without_an_event_is_named() {
    let feed = Feed::new();
    feed.pair();
    assert_eq!(failure(&feed, &PAIR.replace("host b", "host c")), "line 2: no such event: host c; next: host b");
    assert_eq!(failure(&feed, &format!("{PAIR}host b")), "line 7: no such event: host b; next: no more events");
}

#[test]
fn repeated_lines_are_counted() {
    let feed = Feed::new();
    (0..3).for_each(|_| feed.trace.note("x"));
    feed.trace.view().same("note: x\nnote: x\nnote: x").expect("three times");
    assert_eq!(failure(&feed, "note: x\nnote: x"), "missing in the expected lines: note: x (after line 2)");
}

#[test]
fn joined_writes_are_one_line() {
    let feed = Feed::new();
    let (_, b) = feed.pair();
    ["he", "llo"].into_iter().for_each(|text| feed.write(b, text));
    feed.shut(b, How::Close);
    let expected = format!("{PAIR}write b:1->a:1: 5 \"hello\"\nclose b:1->a:1");
    feed.trace.view().merged().same(&expected).expect("it is the same");
}

#[test]
fn a_gap_fails_with_its_size() {
    let trace = Trace::builder().head(2).events(4).build();
    (1..=6).for_each(|number| trace.note(number));
    let failed = trace.view().same("note: 1\nnote: 2\n…").unwrap_err();
    assert_eq!(failed.to_string(), "2 events were dropped: enlarge the trace");
}

#[test]
fn the_picture_shows_where_the_lines_differ() {
    let feed = Feed::new();
    feed.pair();
    let line = line!() + 1;
    let failed = feed.trace.view().same(&PAIR.replace("connect", "connects")).unwrap_err();
    let picture = format!("{failed:?}");
    let head = format!(
        "line 6: no such event: connects b:1->a:10: a:1; next: connect b:1->a:10: a:1\n\
         at tests/trace/same.rs:{line}\n\
         \x20       host a\n\
         \x20       host b\n\
         \x20       listen a:10\n\
         \x20       dial b:1->a:10\n\
         \x20       accept a:10: a:1<-b:1\n\
         \x20 want: connects b:1->a:10: a:1\n\
         \x20 have: connect b:1->a:10: a:1\n\
         1 #1 pipet host a\n"
    );
    assert!(picture.starts_with(&head), "{picture}");
    assert!(picture.ends_with("6 #1 pipet connect b:1->a:10: a:1\n"), "{picture}");
}
