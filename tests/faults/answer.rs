//! A dial is answered when its listener accepts or refuses it, not when its own task runs.

use crate::bed::{Bed, L, ms};

#[test]
fn a_dial_is_answered_as_its_listener_accepts() {
    let bed = Bed::new();
    let mut dial = bed.dial();
    let accepted = bed.listener.try_accept().expect("a dial waits");
    bed.route().partition();
    let dialled = dial.as_mut().try_wait().expect("the answer came before the partition").expect("it was accepted");
    drop((dial, dialled, accepted));
    bed.finish();
}

#[test]
fn a_dial_is_answered_as_its_listener_closes() {
    let mut bed = Bed::new();
    let mut dial = bed.dial();
    bed.listener.close();
    bed.route().partition();
    let error = dial.as_mut().try_wait().expect("the answer came before the partition").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: connection refused");
    drop(dial);
    bed.listen();
    bed.finish();
}

#[test]
fn a_dial_is_answered_as_its_host_crashes() {
    let mut bed = Bed::new();
    let mut dial = bed.dial();
    bed.net.crash("a").expect("there is such a host");
    bed.route().partition();
    let error = dial.as_mut().try_wait().expect("the answer came before the partition").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: connection refused");
    drop(dial);
    bed.restart_a();
    bed.listen();
    bed.finish();
}

#[test]
fn a_dial_is_answered_as_no_port_is_left() {
    let bed = Bed::new();
    let taken: Vec<_> = (1..u16::MAX).map(|_| bed.a.listen("").expect("a free port")).collect();
    let mut dial = bed.dial();
    assert!(bed.listener.try_accept().is_err());
    bed.route().partition();
    let error = dial.as_mut().try_wait().expect("the answer came before the partition").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: port table of \"a\" is full (65535)");
    drop((dial, taken));
    bed.finish();
}

#[test]
fn an_answer_takes_its_time_from_the_accept_on() {
    let bed = Bed::new();
    bed.faults.oneway("a", "b").latency(L);
    let mut dial = bed.dial();
    bed.at(10);
    let accepted = bed.listener.try_accept().expect("a dial waits");
    bed.at(40);
    assert!(dial.as_mut().try_wait().is_none());
    bed.before(60);
    assert!(dial.as_mut().try_wait().is_none());
    bed.at(60);
    let dialled = dial.as_mut().try_wait().expect("the answer has arrived").expect("it was accepted");
    drop((dial, dialled, accepted));
    bed.finish();
}

#[test]
fn a_dial_that_was_answered_in_time_does_not_fail() {
    let bed = Bed::slow();
    bed.faults.from("b").connect_timeout(Some(ms(120)));
    let mut dial = bed.dial();
    bed.at(50);
    let accepted = bed.listener.try_accept().expect("the request has arrived");
    // The answer arrives at 100 ms.
    bed.at(200);
    let dialled = dial.as_mut().try_wait().expect("it is done").expect("the answer arrived in time");
    drop((dial, dialled, accepted));
    bed.at(500);
    bed.finish();
}

#[test]
fn a_dial_that_was_answered_too_late_fails() {
    let bed = Bed::slow();
    bed.faults.from("b").connect_timeout(Some(ms(90)));
    let mut dial = bed.dial();
    bed.at(50);
    let accepted = bed.listener.try_accept().expect("the request has arrived");
    bed.at(200);
    let error = dial.as_mut().try_wait().expect("it is done").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: timed out");
    drop((dial, accepted));
    bed.at(500);
    bed.finish();
}

#[test]
fn a_dial_that_is_dropped_with_its_answer_on_its_way_leaves_nothing_there() {
    let bed = Bed::new();
    bed.faults.oneway("a", "b").hold();
    let dial = bed.dial();
    let accepted = bed.listener.try_accept().expect("a dial waits");
    bed.faults.oneway("a", "b").partition();
    bed.at(10);
    // It is due again, behind the partition.
    bed.faults.oneway("a", "b").release();
    drop((dial, accepted));
    bed.faults.all().repair();
    bed.finish();
}
