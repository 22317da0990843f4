//! Which events come before which.

use virtnet::trace::{CoreEvent, How, Reason};
use virtnet::{Cause, Error, Operation};

use crate::feed::*;

/// Whether the first event comes before the second, by an edge of this reason.
fn is_edge(feed: &Feed, first: &str, second: &str, reason: Reason) -> bool {
    let order = feed.trace.order();
    let (first, second) = (feed.one(first), feed.one(second));
    assert!(!order.before(&second, &first), "a cause does not come after its consequence");
    order.path(&first, &second).is_some_and(|path| path.steps.len() == 1 && path.steps[0].0 == reason)
}

#[test]
fn a_fault_comes_before_the_failures_that_name_it() {
    let (feed, act) = Feed::acting();
    act(2);
    let (a, b) = feed.pair();
    feed.trace.fault("reset b:2->a:1");
    act(3);
    feed.trace.fault("reset b:1->a:1");
    feed.trace.fault("the cable is cut");
    feed.trace.fault("partition a | b");
    act(4);
    let fail = |operation, src: &str, dst: &str, cause, end| {
        feed.fail(Error::new(operation, "pipet", Some(addr(src)), Some(addr(dst)), cause), end);
    };
    fail(Operation::Read, "b:1", "a:1", Cause::ConnectionReset, Some(a));
    act(5);
    fail(Operation::Write, "b:1", "a:1", Cause::ConnectionReset, Some(b));
    act(6);
    fail(Operation::Dial, "b:3", "a:10", Cause::backend(&"the cable is cut"), None);
    let order = feed.trace.order();
    for (fault, failure, before) in [
        ("fault reset b:1->a:1", "read b:1->a:1: connection reset", true),
        ("fault reset b:1->a:1", "write b:1->a:1: connection reset", true),
        ("fault the cable is cut", "dial b:3->a:10: the cable is cut", true),
        ("fault partition a | b", "read b:1->a:1: connection reset", false),
        ("fault partition a | b", "dial b:3->a:10: the cable is cut", false),
    ] {
        assert_eq!(order.before(feed.one(fault), feed.one(failure)), before, "{fault} {failure}");
    }
    let path = order.path(feed.one("fault the cable is cut"), feed.one("dial b:3->a:10: the cable is cut"));
    let steps: Vec<_> = path.expect("the fault").steps.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(steps, [Reason::Fault]);
}

#[test]
fn events_of_one_actor_are_in_order_and_those_of_two_are_concurrent() {
    let (feed, act) = Feed::acting();
    feed.trace.note(1);
    act(2);
    feed.trace.note(2);
    act(1);
    feed.trace.note(3);
    assert!(is_edge(&feed, "note: 1", "note: 3", Reason::Program));
    let [first, second, third] = ["note: 1", "note: 2", "note: 3"].map(|line| feed.one(line));
    assert!(feed.trace.concurrent(&first, &second) && feed.trace.concurrent(&second, &third));
    assert!(!feed.trace.concurrent(&first, &first) && !feed.trace.before(&first, &first));
}

#[test]
fn a_host_comes_before_its_listeners_and_dials() {
    let (feed, act) = Feed::acting();
    feed.host("a");
    feed.host("b");
    act(2);
    feed.listen("a:10");
    act(3);
    feed.dial("b:1", "a:10");
    assert!(is_edge(&feed, "host a", "listen a:10", Reason::Made));
    assert!(is_edge(&feed, "host b", "dial b:1->a:10", Reason::Made));
    assert!(feed.trace.concurrent(feed.one("listen a:10"), feed.one("dial b:1->a:10")));
}

/// A pair whose ends are made and used by actors 1 (a) and 2 (b); returns the ends.
fn two_actors(feed: &Feed, act: &impl Fn(u64)) -> (u32, u32) {
    act(1);
    feed.listen("a:10");
    act(2);
    let conn = feed.dial("b:1", "a:10");
    act(1);
    feed.accept(conn, "a:10", "a:1", "b:1");
    act(2);
    feed.connect(conn, "a:10", "a:1");
    (2 * conn + 1, 2 * conn)
}

#[test]
fn a_dial_comes_before_its_accept_and_that_before_its_connect() {
    let (feed, act) = Feed::acting();
    two_actors(&feed, &act);
    assert!(is_edge(&feed, "dial b:1->a:10", "accept *", Reason::Accepted));
    assert!(is_edge(&feed, "accept *", "connect *", Reason::Accepted));
}

#[test]
fn a_connection_that_moves_to_a_thread_brings_its_past() {
    let (feed, act) = Feed::acting();
    let (a, _) = two_actors(&feed, &act);
    act(3);
    feed.write(a, "hi");
    assert!(is_edge(&feed, "accept *", "write *", Reason::Made));
}

#[test]
fn writes_come_before_the_reads_of_their_bytes() {
    let (feed, act) = Feed::acting();
    let (a, b) = two_actors(&feed, &act);
    ["he", "llo", "!"].into_iter().for_each(|text| feed.write(b, text));
    act(1);
    ["hel", "lo", "!"].into_iter().for_each(|text| feed.read(a, text));
    let texts = [r#"write *"he""#, r#"write *"llo""#, r#"write *"!""#].map(|line| feed.one(line));
    let reads = [r#"read *"hel""#, r#"read *"lo""#, r#"read *"!""#].map(|line| feed.one(line));
    let order = feed.trace.order();
    let before = reads.each_ref().map(|read| texts.each_ref().map(|write| order.before(write, read)));
    assert_eq!(before, [[true, true, false], [true, true, false], [true; 3]]);
    assert!(is_edge(&feed, r#"write *"he""#, r#"read *"hel""#, Reason::Bytes));
}

#[test]
fn offsets_are_not_trusted_after_a_pause() {
    let (feed, act) = Feed::acting();
    let (a, b) = two_actors(&feed, &act);
    feed.trace.pause();
    act(3);
    feed.write(b, "unseen");
    feed.trace.resume();
    act(2);
    feed.write(b, "later");
    act(1);
    feed.read(a, "unseen");
    assert!(feed.trace.concurrent(feed.one("write *"), feed.one("read *")));
}

#[test]
fn closing_comes_before_the_end_and_the_failures_of_the_peer() {
    let errors = Errors::new();
    let (dialled, accepted) = errors.pair();
    drop(dialled);
    let broken = accepted.try_write(b"x").unwrap_err();
    for how in [How::Shutdown, How::Close, How::Drop, How::Abort] {
        let (feed, act) = Feed::acting();
        let (a, b) = two_actors(&feed, &act);
        feed.shut(b, how);
        act(1);
        feed.end(a);
        feed.fail(broken, Some(a));
        let line =
            format!("{}*", feed.trace.view().events().nth(4).expect("it").to_string().split(' ').next().unwrap());
        assert!(is_edge(&feed, &line, "read *: end", Reason::Closed), "{line}");
    }
}

#[test]
fn an_abort_comes_before_the_reset_and_a_polite_close_does_not() {
    let errors = Errors::new();
    let (dialled, accepted) = errors.pair();
    dialled.abort();
    let reset = accepted.try_read(&mut [0]).unwrap_err();
    let (feed, act) = Feed::acting();
    let (a, b) = two_actors(&feed, &act);
    feed.shut(b, How::Shutdown);
    feed.shut(b, How::Abort);
    act(1);
    feed.fail(reset, Some(a));
    assert!(is_edge(&feed, "abort *", "*: connection reset", Reason::Closed));
}

#[test]
fn closing_a_host_comes_before_the_errors_that_name_it() {
    let errors = Errors::new();
    let listener = errors.host("a").listen(":10").expect("a free port");
    errors.host("a").close().wait().expect("a host's close alone cannot fail");
    let down = listener.try_accept().map(drop).unwrap_err();
    let refused = errors.dial("a:10");
    let (feed, act) = Feed::acting();
    let (_, b) = two_actors(&feed, &act);
    act(3);
    feed.core(CoreEvent::HostClosed { host: "a" }, None);
    act(1);
    feed.fail(down, None);
    act(2);
    feed.end(b);
    feed.fail(refused, None);
    for line in ["accept a:10: host is down", "read a:1->b:1: end", "*: connection refused"] {
        assert!(feed.trace.before(feed.one("close host a"), feed.one(line)), "{line}");
    }
    assert!(is_edge(&feed, "close host a", "accept a:10: host is down", Reason::Closed));
}

#[test]
fn a_closed_listener_comes_before_the_refusal() {
    let refused = Errors::new().dial("a:10");
    let (feed, act) = Feed::acting();
    feed.listen("a:10");
    feed.drop_listener("a:10");
    act(2);
    feed.dial("b:1", "a:10");
    feed.fail(refused, None);
    assert!(is_edge(&feed, "drop a:10", "*: connection refused", Reason::Closed));
}

#[test]
fn giving_a_port_back_comes_before_taking_it_again() {
    let (feed, act) = Feed::acting();
    let (_, b) = two_actors(&feed, &act);
    feed.shut(b, How::Drop);
    act(3);
    feed.listen("b:1");
    assert!(is_edge(&feed, "drop b:1->a:1", "listen b:1", Reason::Port));
    act(4);
    feed.listen("b:2");
    assert!(feed.trace.concurrent(feed.one("listen b:1"), feed.one("listen b:2")));
}

#[test]
fn the_reads_of_a_rendezvous_come_before_the_end_of_its_write() {
    let (feed, act) = Feed::acting();
    let (a, b) = two_actors(&feed, &act);
    feed.write(b, "hello");
    act(1);
    feed.read(a, "he");
    feed.read(a, "llo");
    act(2);
    feed.taken(b, 5, 5);
    assert!(is_edge(&feed, r#"read *"llo""#, "written *", Reason::Bytes));
    assert!(feed.trace.before(feed.one(r#"read *"he""#), feed.one("written *")));
    // The rest of an offer that was withdrawn is not counted.
    feed.write(b, "abc");
    act(1);
    feed.read(a, "a");
    act(2);
    feed.taken(b, 1, 3);
    act(3);
    feed.write(b, "n");
    act(4);
    feed.read(a, "n");
    assert!(is_edge(&feed, r#"write *"n""#, r#"read *"n""#, Reason::Bytes));
    assert!(feed.trace.concurrent(feed.one(r#"write *"abc""#), feed.one(r#"read *"n""#)));
}

#[test]
fn a_withdrawn_dial_comes_before_the_end_of_a_connection_that_was_accepted_meanwhile() {
    let (feed, act) = Feed::acting();
    feed.listen("a:10");
    act(2);
    let conn = feed.dial("b:1", "a:10");
    feed.withdraw("b:1", "a:10");
    act(1);
    feed.accept(conn, "a:10", "a:1", "b:1");
    feed.end(2 * conn + 1);
    assert!(is_edge(&feed, "dial b:1->a:10: withdrawn", "read b:1->a:1: end", Reason::Closed));
}

#[test]
fn a_token_orders_what_the_network_does_not() {
    let (feed, act) = Feed::acting();
    feed.trace.note(1);
    let token = feed.trace.token();
    feed.trace.note(2);
    act(2);
    feed.trace.note(3);
    feed.trace.join(token);
    feed.trace.note(4);
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|number| feed.one(&format!("note: {number}")));
    let order = feed.trace.order();
    assert!(order.before(&first, &fourth) && !order.before(&first, &third) && !order.before(&second, &fourth));
    assert_eq!(
        order.path(&first, &fourth).expect("they are ordered").to_string(),
        "note: 1 (#1)\nnote: 4 (#2): a token"
    );
    assert_eq!(feed.lines().len(), 4, "a token is no line");
}

#[test]
fn past_future_and_questions_about_them() {
    let (feed, act) = Feed::acting();
    let (a, _) = two_actors(&feed, &act);
    act(3);
    feed.trace.note("aside");
    act(1);
    feed.write(a, "hi");
    let lines = |events: Vec<virtnet::trace::Event>| -> Vec<_> { events.iter().map(ToString::to_string).collect() };
    let order = feed.trace.order();
    let accept = feed.one("accept *");
    assert_eq!(lines(order.past(&accept)), ["listen a:10", "dial b:1->a:10"]);
    assert_eq!(lines(order.future(&accept)), ["connect b:1->a:10: a:1", r#"write a:1->b:1: 2 "hi""#]);
    assert!(order.preceded_by(&accept, "dial *") && !order.preceded_by(&accept, "note: *"));
    assert!(order.followed_by(&accept, "connect *") && order.not_followed_by(&accept, "note: *"));
    let path = order.path(feed.one("dial *"), feed.one("write *")).expect("they are ordered").to_string();
    let expected =
        "dial b:1->a:10 (#2)\naccept a:10: a:1<-b:1 (#1): accepts it\nwrite a:1->b:1: 2 \"hi\" (#1): the same actor";
    assert_eq!(path, expected);
    assert_eq!(order.path(feed.one("note: aside"), &accept), None);
}

/// Two actors dial from one host.
fn racing_dials(token: bool) -> String {
    let (feed, act) = Feed::acting();
    feed.host("a");
    feed.host("b");
    feed.listen("a:10");
    act(2);
    let first = feed.dial("b:1", "a:10");
    let passed = token.then(|| feed.trace.token());
    act(3);
    passed.into_iter().for_each(|token| feed.trace.join(token));
    let second = feed.dial("b:2", "a:10");
    act(1);
    feed.accept(first, "a:10", "a:1", "b:1");
    feed.accept(second, "a:10", "a:2", "b:2");
    act(2);
    feed.connect(first, "a:10", "a:1");
    act(3);
    feed.connect(second, "a:10", "a:2");
    feed.trace.races().to_string()
}

#[test]
fn racing_dials_are_named() {
    let race = "race: dial b:1->a:10 (#2) and dial b:2->a:10 (#3) are not ordered: they take ports of host b, and places in \
                the queue of a:10";
    assert_eq!(racing_dials(false), race);
    assert_eq!(racing_dials(true), "");
}

#[test]
fn a_refused_dial_races_with_the_listener() {
    let refused = Errors::new().dial("a:10");
    let (feed, act) = Feed::acting();
    feed.host("a");
    feed.host("b");
    feed.dial("b:1", "a:10");
    feed.fail(refused, None);
    act(2);
    feed.listen("a:10");
    let race = "race: dial b:1->a:10: connection refused (#1) and listen a:10 (#2) are not ordered: the dial may find a \
                listener at a:10";
    assert_eq!(feed.trace.races().to_string(), race);
}

#[test]
fn a_dial_races_with_a_close_that_gives_a_lower_port_back() {
    let (feed, act) = Feed::acting();
    let (_, b) = two_actors(&feed, &act);
    act(3);
    feed.dial("b:2", "c:1");
    act(2);
    feed.shut(b, How::Drop);
    let races = feed.trace.races().to_string();
    let both_take = "race: dial b:1->a:10 (#2) and dial b:2->c:1 (#3) are not ordered: they take ports of host b";
    let gives = "race: dial b:2->c:1 (#3) and drop b:1->a:1 (#2) are not ordered: one may take the port that the other gives \
                 back, of host b";
    assert_eq!(races, format!("{both_take}\n{gives}"));
}

#[test]
fn neighbours_of_a_view_that_are_not_ordered_are_named() {
    let (feed, act) = Feed::acting();
    let (a, b) = two_actors(&feed, &act);
    feed.write(b, "x");
    act(1);
    feed.write(a, "y");
    let races = [
        "race: listen a:10 (#1) and dial b:1->a:10 (#2) are not ordered: they may stand the other way round",
        r#"race: connect b:1->a:10: a:1 (#2) and write a:1->b:1: 1 "y" (#1) are not ordered: they may stand the other way round"#,
    ];
    assert_eq!(feed.trace.view().without("write b*").races().to_string(), races.join("\n"));
    assert!(feed.trace.view().of("a").races().is_empty());
}

#[test]
fn clocks_agree_with_paths() {
    // A storm of events by five actors, with tokens between them.
    let (feed, act) = Feed::acting();
    let (mut state, mut tokens) = (7_u64, Vec::new());
    for number in 0..200 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        act(1 + (state >> 33) % 5);
        match (state >> 40) % 4 {
            0 => tokens.push(feed.trace.token()),
            1 if !tokens.is_empty() => feed.trace.join(tokens[(state >> 45) as usize % tokens.len()]),
            _ => feed.trace.note(number),
        }
    }
    let order = feed.trace.order();
    let events: Vec<_> = feed.trace.view().events().collect();
    let mut ordered = 0;
    for x in &events {
        for y in &events {
            assert_eq!(order.before(x, y), order.path(x, y).is_some(), "{x} {y}");
            ordered += u32::from(order.before(x, y) && x.actor != y.actor);
        }
    }
    assert!(ordered > 100, "{ordered}");
}
