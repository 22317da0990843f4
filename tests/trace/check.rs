//! Events that are expected one after the other.

use std::fmt::{Display, Formatter};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use virtnet::Observer as _;
use virtnet::trace::{Event, Failure, How, Kind, Trace};

use crate::feed::*;

/// A network as it prints.
struct Picture;

impl Display for Picture {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("network pipet: up\nhost a: open")
    }
}

#[test]
fn streams_are_expected_in_any_order_of_each_other() -> Result<(), Failure> {
    let feed = Feed::new();
    let mut check = feed.trace.check();
    feed.pair();
    check.expect("b", "host b").wait()?;
    check.expect("b", "dial *").wait()?;
    check.expect("a", "host a").wait()?;
    check.expect("a", "listen a:10").wait()?;
    assert_eq!(check.next("a").wait()?.to_string(), "accept a:10: a:1<-b:1");
    let connected = check.expect("b", |event: &Event| matches!(event.kind, Kind::Connected { .. })).wait()?;
    assert_eq!(connected.to_string(), "connect b:1->a:10: a:1");
    check.end()
}

#[test]
fn an_unexpected_event_shows_everything() -> Result<(), Failure> {
    let feed = Feed::new();
    let picture: Arc<dyn Display + Send + Sync> = Arc::new(Picture);
    feed.observer().attach("pipet", Arc::downgrade(&picture));
    ["a", "b", "c"].into_iter().for_each(|host| feed.host(host));
    feed.listen("a:10");
    let mut check = feed.trace.check();
    let conn = feed.dial("b:1", "a:10");
    feed.dial("c:1", "a:10");
    feed.accept(conn, "a:10", "a:1", "b:1");
    feed.connect(conn, "a:10", "a:1");
    check.expect("b", "dial b:1->a:10").wait()?;
    let line = line!() + 1;
    let failed = check.expect("a", "accept a:10: a:1<-c:1").wait().unwrap_err();
    let text = format!(
        "stream a: not as expected at tests/trace/check.rs:{line}\n\
         \x20 want: accept a:10: a:1<-c:1\n\
         \x20 have: accept a:10: a:1<-b:1"
    );
    assert_eq!(failed.to_string(), text);
    let picture = format!(
        "{text}\n\
         streams: a 0 more | b 1 more: connect b:1->a:10: a:1 | c 1 more: dial c:1->a:10\n\
         held: none\n\
         network pipet: up\n\
         host a: open\n\
         1 #1 pipet host a\n\
         2 #1 pipet host b\n\
         3 #1 pipet host c\n\
         4 #1 pipet listen a:10\n\
         5 #1 pipet dial b:1->a:10\n\
         6 #1 pipet dial c:1->a:10\n\
         7 #1 pipet accept a:10: a:1<-b:1\n\
         8 #1 pipet connect b:1->a:10: a:1\n"
    );
    assert_eq!(format!("{failed:?}"), picture);
    Ok(())
}

#[test]
fn races_that_touch_the_stream_are_in_the_picture() {
    let (feed, act) = Feed::acting();
    let mut check = feed.trace.check();
    feed.dial("b:1", "a:10");
    act(2);
    feed.dial("b:2", "a:10");
    let failed = check.expect("b", "dial b:2->a:10").wait().unwrap_err();
    assert!(format!("{failed:?}").contains("\nrace: dial b:1->a:10 (#1) and dial b:2->a:10 (#2) are not ordered: "));
}

#[test]
fn an_event_that_was_not_expected_fails_the_end() -> Result<(), Failure> {
    let feed = Feed::new();
    ["a", "b"].into_iter().for_each(|host| feed.host(host));
    let mut check = feed.trace.check();
    feed.listen("a:10");
    feed.dial("b:1", "a:10");
    check.expect("a", "listen a:10").wait()?;
    assert_eq!(check.end().unwrap_err().to_string(), "stream b: 1 unexpected event: dial b:1->a:10");

    let check = feed.trace.check();
    (0..5).for_each(|number| feed.trace.note(number));
    let text = "stream network: 5 unexpected events: note: 0, note: 1, note: 2, …";
    assert_eq!(check.end().unwrap_err().to_string(), text);
    Ok(())
}

#[test]
fn silence_is_told() {
    let feed = Feed::new();
    let mut check = feed.trace.check().limit(Duration::from_millis(20));
    let failed = check.expect("b", "connect *").wait().unwrap_err();
    assert_eq!(failed.to_string(), "stream b: no event for 20 ms; want: connect *");
    let failed = check.expect("b", "connect *").wait_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(failed.to_string(), "stream b: no event in time; want: connect *");
    assert!(check.try_expect("b", "connect *").is_none());
}

#[test]
fn a_thread_waits_for_events_of_others() -> Result<(), Failure> {
    let feed = Feed::new();
    let mut check = feed.trace.check().limit(Duration::from_secs(60));
    for round in 0..1000 {
        let feed = feed.clone();
        let other = thread::spawn(move || feed.trace.note(round));
        check.expect("network", format!("note: {round}")).wait()?;
        other.join().expect("no panic");
    }
    check.end()
}

#[test]
fn a_ticket_that_is_given_back_shows_what_it_held_back() -> Result<(), Failure> {
    use virtnet::trace::Observer;
    let feed = Feed::new();
    for _ in 0..200 {
        let mut check = feed.trace.check().limit(Duration::from_secs(60));
        let ticket = feed.observer().ticket();
        feed.trace.note("x");
        let other = thread::spawn({
            let feed = feed.clone();
            move || feed.observer().void(ticket)
        });
        check.expect("network", "note: x").wait()?;
        other.join().expect("no panic");
    }
    Ok(())
}

#[test]
fn a_task_is_woken_by_the_next_event() {
    struct Woken(std::sync::atomic::AtomicU32);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let feed = Feed::new();
    let mut check = feed.trace.check().limit(Duration::from_secs(60));
    let woken = Arc::new(Woken(0.into()));
    let waker = Waker::from(woken.clone());
    let mut expecting = pin!(check.expect("a", "listen a:10"));
    let mut poll = || expecting.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    feed.host("b");
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(poll().is_pending());
    feed.listen("a:10");
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert!(matches!(poll(), Poll::Ready(Ok(_))));
}

#[test]
fn a_dropped_expectation_takes_nothing() -> Result<(), Failure> {
    let feed = Feed::new();
    let mut check = feed.trace.check();
    assert!(pin!(check.expect("a", "listen a:10")).try_wait().is_none());
    feed.listen("a:10");
    drop(check.expect("a", "listen a:11"));
    check.expect("a", "listen a:10").wait()?;
    check.end()
}

#[test]
fn skipped_events_are_not_expected() -> Result<(), Failure> {
    let feed = Feed::new();
    let mut check = feed.trace.check();
    let (a, b) = feed.pair();
    check.skip("a", "*");
    check.skip("b", "write *");
    feed.write(b, "x");
    feed.shut(a, How::Close);
    ["host b", "dial *", "connect *"].into_iter().try_for_each(|line| check.expect("b", line).wait().map(drop))?;
    check.quiet(Duration::from_millis(1)).wait()?;
    check.end()
}

#[test]
fn quiet_fails_by_an_event_that_comes() {
    let feed = Feed::new();
    let mut check = feed.trace.check();
    feed.trace.note("before");
    let other = thread::scope(|scope| {
        let waiting = scope.spawn(|| check.quiet(Duration::from_secs(60)).wait());
        // Notes are repeated until one comes after the wait has begun.
        while !waiting.is_finished() {
            feed.trace.note("noise");
            thread::yield_now();
        }
        waiting.join().expect("no panic")
    });
    assert_eq!(other.unwrap_err().to_string(), "not quiet for 60 s: note: noise");
}

#[test]
fn streams_by_connection_actor_and_function() -> Result<(), Failure> {
    let feed = Feed::new();
    let mut check = feed.trace.check().by_conn().reads(true);
    let (a, b) = feed.pair();
    feed.write(a, "x");
    feed.read(b, "x");
    feed.shut(b, How::Drop);
    for line in ["accept *", "connect *", "write *", "read *", "drop *"] {
        check.expect("b:1->a:1", line).wait()?;
    }
    let (feed, act) = Feed::acting();
    let mut check = feed.trace.check().by_actor();
    feed.trace.note("x");
    act(2);
    feed.trace.note("y");
    check.expect("#2", "note: y").wait()?;
    check.expect("#1", "note: x").wait()?;
    check.end()?;
    let mut check = feed.trace.check().by(|event| event.to_string());
    feed.host("a");
    check.expect("host a", "*").wait()?;
    check.end()
}

#[test]
fn dropped_events_fail_a_check() {
    let trace = Trace::builder().head(0).events(2).build();
    let mut check = trace.check();
    (0..5).for_each(|number| trace.note(number));
    let text = "3 events were dropped: enlarge the trace";
    assert_eq!(check.expect("network", "note: 0").wait().unwrap_err().to_string(), text);
    assert_eq!(check.end().unwrap_err().to_string(), text);
}

#[test]
fn a_gap_behind_the_head_fails_the_end() {
    let trace = Trace::builder().head(2).events(4).build();
    let mut check = trace.check();
    check.skip("network", "*");
    (0..6).for_each(|number| trace.note(number));
    assert_eq!(check.end().unwrap_err().to_string(), "2 events were dropped: enlarge the trace");
}

#[test]
fn a_check_reads_on_from_the_head_into_the_window() -> Result<(), Failure> {
    let trace = Trace::builder().head(2).events(1_000_000).build();
    let mut check = trace.check();
    (0..5000).for_each(|number| trace.note(number));
    (0..5000).try_for_each(|number| check.expect("network", format!("note: {number}")).wait().map(drop))?;
    check.end()
}

#[test]
fn a_trace_outlives_its_networks_and_pictures() {
    let feed = Feed::new();
    let picture: Arc<dyn Display + Send + Sync> = Arc::new(Picture);
    feed.observer().attach("pipet", Arc::downgrade(&picture));
    feed.host("a");
    drop(picture);
    let failed = feed.trace.one("host b").unwrap_err();
    assert_eq!(format!("{failed:?}"), "no event is: host b\n1 #1 pipet host a\n");
}
