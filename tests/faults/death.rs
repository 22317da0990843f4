//! Hosts that crash, lose their power, and come back, exact to the nanosecond.

use std::pin::pin;

use virtnet::pipenet;

use crate::bed::{Bed, Conn, L, ms, read, waits, write};

const READ_RESET: &str = "read pipet a:1->b:1: connection reset";

fn is_down(conn: &Conn) {
    for outcome in [read(conn).map(drop), write(conn, "x").map(drop)] {
        assert!(outcome.is_err_and(|error| error.ends_with("host is down")));
    }
}

/// The error of a dial that fails at once.
fn refused(bed: &Bed) -> String {
    let outcome = pin!(bed.b.dial("a:10")).try_wait();
    outcome.expect("it fails at once").map(drop).unwrap_err().to_string()
}

#[test]
fn a_crash_resets_peers_and_a_restart_is_new() {
    let mut bed = Bed::slow();
    let [b, a] = bed.connect();
    let from = bed.now();
    assert_eq!(write(&a, "unread"), Ok(6));
    bed.net.crash("a").expect("there is such a host");
    is_down(&a);
    assert!(bed.listener.try_accept().is_err_and(|error| error.to_string().ends_with("host is down")));
    bed.before(from + 50);
    assert!(waits(&b));
    bed.at(from + 50);
    // The bytes that it had written have arrived with the reset, unread.
    assert_eq!(read(&b), Err(READ_RESET.into()));
    assert_eq!(write(&b, "x"), Err("write pipet b:1->a:1: connection reset".into()));
    for restarted in [false, true] {
        if restarted {
            bed.restart_a();
        }
        let mut dial = bed.dial();
        let sent = bed.now();
        bed.before(sent + 100);
        assert!(dial.as_mut().try_wait().is_none());
        bed.at(sent + 100);
        let error = dial.as_mut().try_wait().expect("the answer has arrived").unwrap_err();
        assert_eq!(error.to_string(), "dial pipet b:2->a:10: connection refused");
    }
    bed.listen();
    assert_eq!(bed.a.listen("").expect("a free port").local_addr(), "a:1");
    let [new, its_peer] = bed.connect();
    // A handle of the dead host that is dropped tells its peers nothing.
    is_down(&a);
    drop(a);
    let sent = bed.now();
    assert_eq!(write(&new, "hi"), Ok(2));
    bed.at(sent + 500);
    assert_eq!([read(&its_peer), read(&b)], [Ok("hi".into()), Err(READ_RESET.into())]);
    drop((new, its_peer, b));
    bed.finish();
}

#[test]
fn a_crash_while_cut_arrives_after_the_repair() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().latency(L).partition();
    bed.net.crash("a").expect("there is such a host");
    bed.at(1000);
    assert!(waits(&b));
    bed.route().repair();
    bed.before(1050);
    assert!(waits(&b));
    bed.at(1050);
    assert_eq!(read(&b), Err(READ_RESET.into()));
    drop((a, b, bed));
}

#[test]
fn power_off_leaves_peers_half_open() {
    const HOUR: u64 = 3_600_000;
    let mut bed = Bed::over(pipenet::Network::builder("t").buffer(64), 0);
    let [b, a] = bed.pair();
    let idle = bed.pair();
    bed.route().latency(L);
    assert_eq!(write(&a, "last words"), Ok(10));
    bed.net.power_off("a").expect("there is such a host");
    is_down(&a);
    drop(a);
    bed.at(50);
    assert_eq!(read(&b), Ok("last words".into()));
    let text = "0123456789abcdef".repeat(4);
    assert_eq!(write(&b, &text), Ok(64));
    bed.at(HOUR);
    assert!(waits(&b) && waits(&idle[0]));
    assert_eq!(write(&b, "x"), Err("write pipet b:1->a:1: would block".into()));
    bed.restart_a();
    bed.listen();
    // The bytes are sent again, and answered by a reset.
    bed.before(HOUR + 100);
    assert!(waits(&b));
    bed.at(HOUR + 100);
    assert_eq!(read(&b), Err(READ_RESET.into()));
    assert_eq!(write(&b, "x"), Err("write pipet b:1->a:1: connection reset".into()));
    // A new connection with the same addresses has none of the old bytes.
    drop(b);
    let [new, its_peer] = bed.connect();
    assert_eq!([new.local_addr(), its_peer.local_addr()].map(|addr| addr.to_string()), ["b:1", "a:1"]);
    assert!(waits(&its_peer) && waits(&new));
    // A peer that only reads knows nothing until it sends something, were it the end of its stream.
    assert!(waits(&idle[0]));
    let sent = bed.now();
    idle[0].close_write().expect("an open end");
    bed.before(sent + 100);
    assert!(waits(&idle[0]));
    bed.at(sent + 100);
    assert!(read(&idle[0]).is_err_and(|error| error.ends_with("connection reset")));
    drop((new, its_peer, idle));
    bed.finish();
}

#[test]
fn dials_to_a_host_without_power_wait_for_its_restart() {
    let mut bed = Bed::slow();
    let mut queued = bed.dial();
    bed.at(40);
    let mut on_its_way = bed.dial();
    bed.at(60);
    bed.net.power_off("a").expect("there is such a host");
    let mut later = bed.dial();
    let withdrawn = bed.dial();
    bed.at(1000);
    for dial in [&mut queued, &mut on_its_way, &mut later] {
        assert!(dial.as_mut().try_wait().is_none());
    }
    drop(withdrawn);
    bed.restart_a();
    bed.before(1050);
    bed.listen();
    assert!(bed.listener.try_accept().is_err());
    bed.at(1050);
    let accepted = [(); 3].map(|()| bed.listener.try_accept().expect("it was sent again"));
    assert!(bed.listener.try_accept().is_err());
    bed.before(1100);
    assert!(later.as_mut().try_wait().is_none());
    bed.at(1100);
    for dial in [&mut queued, &mut on_its_way, &mut later] {
        dial.as_mut().try_wait().expect("the answer has arrived").expect("it was accepted");
    }
    // Nothing listens at another one's return.
    bed.net.power_off("a").expect("there is such a host");
    let mut dial = bed.dial();
    bed.restart_a();
    bed.before(1200);
    assert!(dial.as_mut().try_wait().is_none());
    bed.at(1200);
    let error = dial.as_mut().try_wait().expect("the answer has arrived").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: connection refused");
    drop((queued, on_its_way, later, dial, accepted));
    bed.listen();
    bed.finish();
}

#[test]
fn what_is_in_flight_as_the_power_returns_arrives_when_due() {
    let mut bed = Bed::new();
    let [b, a] = bed.pair();
    let other = bed.pair();
    bed.route().latency(L);
    bed.net.power_off("a").expect("there is such a host");
    assert_eq!(write(&other[0], "early"), Ok(5));
    bed.at(80);
    assert_eq!([write(&b, "late"), write(&other[0], "too")], [Ok(4), Ok(3)]);
    bed.at(100);
    bed.restart_a();
    bed.listen();
    bed.before(180);
    assert!(waits(&b));
    bed.at(180);
    assert_eq!(read(&b), Err(READ_RESET.into()));
    bed.before(200);
    assert!(waits(&other[0]));
    bed.at(200);
    assert!(read(&other[0]).is_err_and(|error| error.ends_with("connection reset")));
    drop((a, b, other));
    bed.finish();
}

#[test]
fn a_connection_whose_ends_have_both_gone_is_forgotten() {
    for peer_closes in [true, false] {
        let mut bed = Bed::new();
        let [b, a] = bed.pair();
        assert_eq!(write(&b, "unread"), Ok(6));
        bed.net.power_off("a").expect("there is such a host");
        if peer_closes {
            drop(b);
            assert_eq!(bed.b.sockets(), 0);
        } else {
            bed.net.power_off("b").expect("there is such a host");
            is_down(&b);
            drop(b);
        }
        drop(a);
        bed.restart_a();
        bed.listen();
        bed.finish();
    }
}

#[test]
fn a_host_without_power_times_out_dials_and_writes() {
    let mut bed = Bed::new();
    let [b, a] = bed.pair();
    bed.faults.oneway("b", "a").connect_timeout(Some(ms(70))).user_timeout(Some(ms(30)));
    let mut queued = bed.dial();
    bed.at(10);
    bed.net.power_off("a").expect("there is such a host");
    assert_eq!(write(&b, "x"), Ok(1));
    // Its task runs, and sends the request again.
    assert!(queued.as_mut().try_wait().is_none());
    bed.before(40);
    assert!(waits(&b));
    bed.at(40);
    assert_eq!(read(&b), Err("read pipet a:1->b:1: timed out".into()));
    bed.before(70);
    assert!(queued.as_mut().try_wait().is_none());
    bed.at(70);
    let error = queued.as_mut().try_wait().expect("it took too long").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:2->a:10: timed out");
    drop((a, b, queued));
    bed.restart_a();
    bed.listen();
    bed.finish();
}

#[test]
fn a_host_is_powered_off_once() {
    let mut bed = Bed::new();
    let error = bed.net.power_off("x").unwrap_err();
    assert_eq!(error.to_string(), "virtnet \"pipet\": power off \"x\": no such host");
    for _ in 0..3 {
        bed.net.power_off("a").expect("there is such a host");
    }
    bed.restart_a();
    bed.listen();
    let [_b, _a] = bed.pair();
    bed.net.crash("a").expect("there is such a host");
    // It is dead, and its machine answers.
    bed.net.power_off("a").expect("there is such a host");
    assert_eq!(refused(&bed), "dial pipet b:2->a:10: connection refused");
}

#[test]
fn without_faults_a_power_off_is_a_crash() {
    let net = pipenet::Network::new("t");
    let [a, b] = ["a", "b"].map(|name| net.host(name).expect("a new host"));
    let listener = a.listen(":10").expect("a free port");
    let mut dial = pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    let _accepted = listener.try_accept().expect("a dial waits");
    let dialled = dial.try_wait().expect("it is accepted").expect("it is not refused");
    net.power_off("a").expect("there is such a host");
    let error = dialled.try_read(&mut [0]).unwrap_err();
    assert_eq!(error.to_string(), READ_RESET);
}

#[test]
fn a_restarted_machine_answers_what_reaches_it_without_latency() {
    for (rendezvous, ends) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut bed = Bed::over(pipenet::Network::builder("t").rendezvous(rendezvous), 0);
        let [b, a] = bed.pair();
        bed.net.power_off("a").expect("there is such a host");
        bed.restart_a();
        assert!(waits(&b));
        if ends {
            b.close_write().expect("an open end");
        } else {
            // In a rendezvous, the write is what finds out.
            let _ = write(&b, "x");
        }
        assert_eq!(read(&b), Err(READ_RESET.into()));
        drop((a, b));
        bed.listen();
        bed.finish();
    }
}

#[test]
fn a_stream_that_has_ended_is_not_ended_again() {
    let mut bed = Bed::new();
    let [b, a] = bed.pair();
    b.close_write().expect("an open end");
    bed.net.power_off("a").expect("there is such a host");
    bed.restart_a();
    // It sends nothing, so nothing answers.
    b.close_write().expect("it does nothing");
    assert!(waits(&b));
    drop((a, b));
    bed.listen();
    bed.finish();
}

#[test]
fn the_end_of_a_stream_arrives_though_its_host_lost_its_power() {
    let mut bed = Bed::slow();
    let [b, a] = bed.connect();
    let from = bed.now();
    assert_eq!(write(&a, "end"), Ok(3));
    a.close_write().expect("an open end");
    bed.at(from + 10);
    bed.net.power_off("a").expect("there is such a host");
    bed.before(from + 50);
    assert!(waits(&b));
    bed.at(from + 50);
    assert_eq!([read(&b), read(&b)], [Ok("end".into()), Ok(String::new())]);
    drop((a, b));
    bed.restart_a();
    bed.listen();
    bed.finish();
}

#[test]
fn a_dial_that_a_dead_host_drops_after_its_restart_is_answered() {
    let mut bed = Bed::new();
    let dial = bed.dial();
    let a = bed.listener.try_accept().expect("a dial waits");
    bed.net.power_off("b").expect("there is such a host");
    bed.net.restart("b").expect("it is dead");
    drop(dial);
    assert!(waits(&a));
    assert_eq!(write(&a, "x"), Ok(1));
    assert_eq!(read(&a), Err("read pipet b:1->a:1: connection reset".into()));
    drop(a);
    bed.b = bed.net.get_host("b").expect("a host");
    bed.finish();
}
