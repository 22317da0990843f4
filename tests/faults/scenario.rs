//! Partitions, latency and closes, exact to the nanosecond. More of them are behaviours of the conformance suite.

use virtnet::pipenet;

use crate::bed::{Bed, L, ms, read, waits, write};

fn ok(text: &str) -> Result<String, String> {
    Ok(text.into())
}

#[test]
fn latency_is_paid_by_syn_answer_and_bytes() {
    let bed = Bed::slow();
    let mut dial = bed.dial();
    bed.before(50);
    assert!(bed.listener.try_accept().is_err());
    bed.at(50);
    let a = bed.listener.try_accept().expect("the request has arrived");
    assert_eq!(write(&a, "hi"), Ok(2));
    bed.before(100);
    assert!(dial.as_mut().try_wait().is_none());
    bed.at(100);
    let b = dial.as_mut().try_wait().expect("the answer has arrived").expect("it was accepted");
    assert_eq!(read(&b), ok("hi"));
    assert_eq!(write(&b, "there"), Ok(5));
    bed.before(150);
    assert!(waits(&a));
    bed.at(150);
    assert_eq!(read(&a), ok("there"));
    drop((dial, a, b));
    bed.finish();
}

#[test]
fn repair_delays_what_was_in_flight_by_the_cut() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    assert_eq!(write(&b, "one"), Ok(3));
    bed.at(20);
    bed.route().partition();
    bed.at(100);
    assert_eq!(write(&b, "two"), Ok(3));
    bed.at(220);
    bed.route().repair();
    bed.before(250);
    assert!(waits(&a));
    bed.at(250);
    assert_eq!(read(&a), ok("one"));
    bed.before(270);
    assert!(waits(&a));
    bed.at(270);
    assert_eq!(read(&a), ok("two"));
    drop((a, b));
    bed.finish();
}

#[test]
fn what_is_not_due_at_a_release_arrives_when_it_is() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().latency(L).hold();
    assert_eq!(write(&b, "early"), Ok(5));
    bed.at(30);
    bed.route().release();
    bed.before(50);
    assert!(waits(&a));
    bed.at(50);
    assert_eq!(read(&a), ok("early"));
    drop((a, b));
    bed.finish();
}

#[test]
fn release_does_not_repair_and_repair_does_not_release() {
    for release_first in [true, false] {
        let bed = Bed::new();
        let [b, a] = bed.pair();
        bed.route().latency(L).partition().hold();
        assert_eq!(write(&b, "x"), Ok(1));
        let end = |release| if release { bed.route().release().clone() } else { bed.route().repair().clone() };
        bed.at(100);
        end(release_first);
        bed.at(300);
        assert!(waits(&a));
        end(!release_first);
        if release_first {
            // After 50 ms of the time that was not cut.
            bed.before(350);
            assert!(waits(&a));
            bed.at(350);
        }
        assert_eq!(read(&a), ok("x"));
        drop((a, b));
        bed.finish();
    }
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().hold();
    bed.faults.oneway("b", "a").partition();
    assert_eq!(write(&b, "x"), Ok(1));
    bed.faults.of("a").clear();
    assert_eq!(read(&a), ok("x"));
    drop((a, b));
    bed.finish();
}

#[test]
fn close_arrives_after_the_bytes() {
    for unread in [false, true] {
        let bed = Bed::new();
        let [b, a] = bed.pair();
        if unread {
            assert_eq!(write(&a, "u"), Ok(1));
        }
        bed.route().latency(L);
        assert_eq!(write(&b, "0123456789"), Ok(10));
        drop(b);
        assert_eq!(bed.b.sockets(), 0);
        bed.at(20);
        assert_eq!(write(&a, "void"), Ok(4));
        bed.before(50);
        assert!(waits(&a));
        bed.at(50);
        assert_eq!(read(&a), ok("0123456789"));
        let end = if unread { Err("read pipet b:1->a:1: connection reset".into()) } else { ok("") };
        assert_eq!(read(&a), end);
        bed.at(60);
        let cause = if unread { "connection reset" } else { "broken pipe" };
        assert_eq!(write(&a, "x"), Err(format!("write pipet a:1->b:1: {cause}")));
        drop(a);
        bed.finish();
    }
}

#[test]
fn half_close_arrives_after_the_bytes() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    assert_eq!(write(&b, "x"), Ok(1));
    b.close_write().expect("it is open");
    assert_eq!(write(&b, "y"), Err("write pipet b:1->a:1: broken pipe".into()));
    bed.at(30);
    assert_eq!(write(&a, "answer"), Ok(6));
    bed.before(50);
    assert!(waits(&a));
    bed.at(50);
    assert_eq!([read(&a), read(&a)], [ok("x"), ok("")]);
    bed.at(80);
    assert_eq!(read(&b), ok("answer"));
    drop((a, b));
    bed.finish();
}

#[test]
fn a_dial_that_is_dropped_after_its_accept_sends_the_end() {
    let bed = Bed::slow();
    let dial = bed.dial();
    bed.at(50);
    let a = bed.listener.try_accept().expect("the request has arrived");
    bed.at(60);
    drop(dial);
    assert_eq!(bed.b.sockets(), 0);
    bed.before(110);
    assert!(waits(&a));
    assert_eq!(write(&a, "void"), Ok(4));
    bed.at(110);
    assert_eq!(read(&a), ok(""));
    assert_eq!(write(&a, "x"), Err("write pipet a:1->b:1: broken pipe".into()));
    drop(a);
    bed.finish();
}

#[test]
fn a_dial_that_is_dropped_after_its_accept_sends_the_end_where_no_close_resets() {
    let builder = || pipenet::Network::builder("t");
    for builder in [builder().reset_unread(false), builder().rendezvous(true)] {
        let bed = Bed::over(builder, 0);
        let dial = bed.dial();
        let a = bed.listener.try_accept().expect("the request has arrived");
        bed.route().partition();
        drop(dial);
        assert!(waits(&a));
        bed.route().repair();
        assert_eq!(read(&a), ok(""));
        drop(a);
        bed.finish();
    }
}

#[test]
fn an_end_that_is_closed_after_its_stream_is_down_before_its_peer_knows() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    a.close_write().expect("it is open");
    bed.route().partition();
    a.close();
    assert_eq!(write(&a, "x"), Err("write pipet a:1->b:1: socket is down".into()));
    drop((a, b));
    bed.finish();
}

#[test]
fn a_dial_to_itself_is_exempt_unless_named() {
    let bed = Bed::new();
    bed.faults.all().partition();
    let mut dial = Box::pin(bed.a.dial(":10"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = bed.listener.try_accept().expect("a host reaches itself");
    let dialled = dial.as_mut().try_wait().expect("it is accepted").expect("it is not refused");
    bed.faults.route("a", "a").latency(ms(5));
    assert_eq!(write(&dialled, "x"), Ok(1));
    assert!(waits(&accepted));
    bed.at(5);
    assert_eq!(read(&accepted), ok("x"));
    drop((dial, dialled, accepted));
    bed.finish();
}
