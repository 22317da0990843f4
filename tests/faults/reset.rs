//! Resets, refusals, limits and timeouts.

use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use virtnet::pipenet;
use virtnet::sim::{Cut, Limit, Traffic, Verdict};

use crate::bed::{Bed, Conn, L, ms, read, waits, write};

const READ_RESET: &str = "read pipet b:1->a:1: connection reset";

#[track_caller]
fn is_reset([b, a]: &[Conn; 2]) {
    for end in [b, a] {
        assert!(read(end).unwrap_err().ends_with(": connection reset"));
        assert!(write(end, "x").unwrap_err().ends_with(": connection reset"));
    }
}

#[test]
fn reset_cut_fails_both_ends_and_refuses() {
    let bed = Bed::over(pipenet::Network::builder("t").buffer(4), 0);
    let pair = bed.pair();
    assert_eq!(write(&pair[0], "1234"), Ok(4));
    let mut dial = bed.dial();
    bed.route().latency(L);
    let mut travelling = bed.dial();
    bed.route().cut(Cut::Reset);
    // What had arrived is lost, too.
    is_reset(&pair);
    let refused = |error: virtnet::Error| error.to_string().ends_with(": connection refused");
    assert!(refused(dial.as_mut().try_wait().expect("it is refused at once").unwrap_err()));
    assert!(refused(travelling.as_mut().try_wait().expect("it is refused at once").unwrap_err()));
    assert!(bed.listener.try_accept().is_err());
    let mut new = bed.dial();
    bed.before(50);
    assert!(new.as_mut().try_wait().is_none());
    bed.at(50);
    assert!(refused(new.as_mut().try_wait().expect("it is refused").unwrap_err()));
    bed.route().clear();
    is_reset(&pair);
    let next = bed.pair();
    assert_eq!(write(&next[0], "new"), Ok(3));
    assert_eq!(read(&next[1]), Ok("new".into()));
    drop((pair, next, dial, travelling, new));
    bed.finish();
}

#[test]
fn waiting_tasks_are_woken_by_a_reset() {
    let bed = Bed::over(pipenet::Network::builder("t").buffer(4), 0);
    let [b, a] = bed.pair();
    assert_eq!(write(&b, "1234"), Ok(4));
    let route = bed.route();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| std::io::Read::read(&mut &b, &mut [0; 9]));
        let writer = scope.spawn(|| std::io::Write::write(&mut &b, b"5"));
        // Whether they wait already does not matter to the outcome.
        route.reset_peer();
        for outcome in [reader.join(), writer.join()] {
            assert_eq!(outcome.expect("no panic").unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        }
    });
    drop((a, b));
    bed.finish();
}

#[test]
fn a_reset_is_for_the_connections_that_there_are() {
    let bed = Bed::new();
    let pair = bed.pair();
    bed.faults.oneway("a", "b").reset_after(ms(10));
    bed.before(10);
    assert_eq!(write(&pair[0], "x"), Ok(1));
    bed.at(10);
    is_reset(&pair);
    let next = bed.pair();
    assert_eq!(write(&next[0], "x"), Ok(1));
    bed.faults.all().reset_peer();
    is_reset(&next);
    // Closed ends say so.
    let [b, a] = next;
    b.close();
    assert_eq!(read(&b), Err("read pipet a:2->b:2: socket is down".into()));
    assert_eq!(read(&a), Err("read pipet b:2->a:2: connection reset".into()));
    drop((pair, a, b));
    bed.finish();
}

#[test]
fn refuse_takes_a_round_trip_and_leaves_connections() {
    let bed = Bed::slow();
    bed.faults.to("a").refuse(true);
    let mut dial = bed.dial();
    bed.before(100);
    assert!(dial.as_mut().try_wait().is_none() && bed.listener.try_accept().is_err());
    bed.at(100);
    let error = dial.as_mut().try_wait().expect("the answer has arrived").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: connection refused");
    bed.faults.to("a").refuse(false);
    bed.route().clear();
    let pair = bed.pair();
    bed.faults.to("a").refuse(true);
    assert_eq!(write(&pair[0], "x"), Ok(1));
    assert_eq!(read(&pair[1]), Ok("x".into()));
    drop((dial, pair));
    bed.finish();
}

#[test]
fn a_black_hole_stalls_dials_until_it_ends() {
    let bed = Bed::new();
    let pair = bed.pair();
    bed.route().latency(L).blackhole(true);
    let mut dial = bed.dial();
    assert_eq!(write(&pair[0], "x"), Ok(1));
    bed.at(1000);
    assert_eq!(read(&pair[1]), Ok("x".into()));
    assert!(bed.listener.try_accept().is_err());
    bed.route().blackhole(false);
    bed.before(1050);
    assert!(bed.listener.try_accept().is_err());
    bed.at(1050);
    let accepted = bed.listener.try_accept().expect("it has arrived");
    bed.at(1100);
    assert!(dial.as_mut().try_wait().expect("the answer has arrived").is_ok());
    drop((dial, accepted, pair));
    bed.finish();
}

#[test]
fn an_accept_delay_keeps_the_order_of_dials() {
    let bed = Bed::new();
    bed.faults.to("a").accept_delay(ms(30));
    let mut first = bed.dial();
    bed.at(10);
    bed.faults.to("a").accept_delay(ms(5));
    let second = bed.dial();
    bed.before(30);
    assert!(bed.listener.try_accept().is_err());
    bed.at(30);
    let accepted = [(); 2].map(|()| bed.listener.try_accept().expect("both have arrived"));
    assert_eq!(accepted.each_ref().map(|conn| conn.peer_addr().port()), [1, 2]);
    assert!(first.as_mut().try_wait().expect("an answer is not delayed").is_ok());
    drop((first, second, accepted));
    bed.finish();
}

#[test]
fn a_limit_of_data_closes_resets_or_stalls() {
    let limited = |limit| {
        let bed = Bed::new();
        let pair = bed.pair();
        bed.faults.oneway("b", "a").limit_data(Some((3, limit)));
        assert_eq!(write(&pair[0], "12345"), Ok(3));
        (bed, pair)
    };
    let (bed, [b, a]) = limited(Limit::Close);
    assert_eq!(write(&b, "45"), Err("write pipet b:1->a:1: broken pipe".into()));
    assert_eq!([read(&a), read(&a)], [Ok("123".into()), Ok(String::new())]);
    assert_eq!(write(&a, "back"), Ok(4));
    assert_eq!(read(&b), Ok("back".into()));
    drop((a, b));
    bed.finish();

    let (bed, pair) = limited(Limit::Reset);
    is_reset(&pair);
    drop(pair);
    bed.finish();

    let (bed, [b, a]) = limited(Limit::Stall);
    assert_eq!(write(&b, "45"), Err("write pipet b:1->a:1: would block".into()));
    let route = bed.faults.all();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| std::io::Write::write(&mut &b, b"45"));
        route.limit_data(None);
        assert_eq!(writer.join().expect("no panic").expect("the limit is lifted"), 2);
    });
    assert_eq!(read(&a), Ok("12345".into()));
    drop((a, b));
    bed.finish();
}

#[test]
fn slices_are_short_and_lose_nothing() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().slicer(4, 2).short_reads(true);
    let (mut sent, mut got, mut sizes) = (0u8, 0u8, [0; 7]);
    while sent < 250 {
        let bytes: Vec<u8> = (sent..=255).collect();
        let count = b.try_write(&bytes).expect("there is room");
        sizes[count] += 1;
        sent = sent.saturating_add(count as u8);
        let mut buf = [0; 64];
        let (available, count) = (sent - got, a.try_read(&mut buf).expect("some has arrived"));
        assert!(count >= 1 && count <= usize::from(available));
        for byte in &buf[..count] {
            assert_eq!(*byte, got);
            got += 1;
        }
    }
    assert!(sizes[..2] == [0; 2] && sizes[2..].iter().all(|times| *times > 0), "{sizes:?}");
    bed.route().clear();
    assert_eq!(b.try_write(&[7; 100]), Ok(100));
    assert_eq!(a.try_read(&mut [0; 400]), Ok(100 + usize::from(sent - got)));
    drop((a, b));
    bed.finish();
}

#[test]
fn a_dial_fails_at_its_connect_timeout() {
    let bed = Bed::new();
    bed.faults.from("b").connect_timeout(Some(ms(70)));
    bed.faults.to("a").partition();
    let mut dial = bed.dial();
    bed.before(70);
    assert!(dial.as_mut().try_wait().is_none());
    bed.at(70);
    let error = dial.as_mut().try_wait().expect("it took too long").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: timed out");
    bed.faults.all().repair();
    assert!(bed.listener.try_accept().is_err());
    let pair = bed.pair();
    bed.at(500);
    assert_eq!(write(&pair[0], "x"), Ok(1));
    drop((dial, pair));
    bed.finish();
}

/// The task of the end with this number notes that it is woken.
struct Watcher(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Watcher {
    fn wake(self: Arc<Self>) {
        self.1.lock().expect("no test panics with it").push(self.0);
    }
}

#[test]
fn connections_are_reset_in_the_order_of_their_dials() {
    let bed = Bed::new();
    let mut pairs = Vec::from([(); 4].map(|()| bed.pair()));
    // Others come after them, whatever becomes of their places.
    drop(pairs.remove(1));
    drop(pairs.pop());
    pairs.extend([(); 2].map(|()| bed.pair()));
    let woken = Arc::default();
    for (at, [_, a]) in pairs.iter().enumerate().rev() {
        let waker = Waker::from(Arc::new(Watcher(at, Arc::clone(&woken))));
        assert!(a.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());
    }
    bed.route().reset_peer();
    assert_eq!(*woken.lock().expect("no test panics with it"), [0, 1, 2, 3]);
    drop(pairs);
    bed.finish();
}

#[test]
fn a_user_timeout_leaves_the_peer_half_open() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    bed.faults.oneway("b", "a").user_timeout(Some(ms(200)));
    assert_eq!(write(&b, "seen"), Ok(4));
    bed.at(100);
    assert_eq!(read(&a), Ok("seen".into()));
    bed.faults.oneway("b", "a").partition();
    assert_eq!(write(&b, "unseen"), Ok(6));
    bed.before(300);
    assert!(waits(&b) && bed.snapshot().contains("(6 in flight"), "{}", bed.snapshot());
    bed.at(300);
    assert!(!bed.snapshot().contains("(6 in flight"), "{}", bed.snapshot());
    assert_eq!(read(&b), Err("read pipet a:1->b:1: timed out".into()));
    assert_eq!(write(&b, "x"), Err("write pipet b:1->a:1: timed out".into()));
    // The peer does not know it.
    assert!(waits(&a));
    bed.faults.all().repair();
    assert_eq!(write(&a, "anyone"), Ok(6));
    bed.at(350);
    assert_eq!(write(&a, "there"), Ok(5));
    bed.before(400);
    assert!(!read(&a).is_err_and(|error| error.ends_with("reset")));
    bed.at(400);
    assert_eq!(read(&a), Err(READ_RESET.into()));
    drop((a, b));
    bed.finish();
}

/// A connection whose first end has timed out, and no fault any more; with faults in both directions before, or in one.
fn each_timed_out(test: impl Fn(&Bed, [Conn; 2])) {
    for both in [false, true] {
        let bed = Bed::new();
        let [b, a] = bed.pair();
        let route = if both { bed.route() } else { bed.faults.oneway("b", "a") };
        route.user_timeout(Some(ms(200))).partition();
        assert_eq!(write(&b, "unseen"), Ok(6));
        bed.at(200);
        assert_eq!(read(&b), Err("read pipet a:1->b:1: timed out".into()));
        assert!(waits(&a));
        bed.faults.all().clear();
        assert!(waits(&a), "what it sent is dropped");
        test(&bed, [b, a]);
        bed.finish();
    }
}

#[test]
fn the_peer_of_an_end_that_timed_out_is_reset_once_it_sends_though_no_fault_is_left() {
    each_timed_out(|_, [b, a]| {
        assert_eq!(write(&a, "anyone"), Ok(6));
        assert_eq!(read(&a), Err(READ_RESET.into()));
        drop(b);
    });
}

#[test]
fn an_end_that_timed_out_is_dropped_unseen() {
    each_timed_out(|bed, [b, a]| {
        drop(b);
        assert!(waits(&a));
        bed.route().latency(L);
        a.close_write().expect("it is open");
        bed.before(300);
        assert!(waits(&a));
        bed.at(300);
        assert_eq!(read(&a), Err(READ_RESET.into()));
    });
}

#[test]
fn nothing_is_on_its_way_once_both_ends_of_a_connection_that_timed_out_are_dropped() {
    each_timed_out(|bed, [b, a]| {
        bed.route().latency(L);
        assert_eq!(write(&a, "anyone"), Ok(6));
        bed.at(250);
        drop((b, a));
    });
    each_timed_out(|_, [b, a]| drop((a, b)));
}

#[test]
fn a_rule_sees_each_dial_and_each_write() {
    let bed = Bed::new();
    bed.faults.rule(|traffic| match traffic {
        Traffic::Dial { from: "b", to: "a", port: 10, .. } => Verdict::Delay(ms(5)),
        Traffic::Dial { port: 12, .. } => Verdict::Refuse,
        Traffic::Write { from: "b", to: "a", bytes, .. } if bytes.starts_with(b"PREPARE") => Verdict::Hold,
        Traffic::Write { bytes: b"late", .. } => Verdict::Delay(ms(20)),
        Traffic::Write { bytes: b"reset", .. } => Verdict::Reset,
        _ => Verdict::Pass,
    });
    let other = bed.a.listen(":12").expect("a free port");
    let error = Box::pin(bed.b.dial("a:12")).as_mut().try_wait().expect("it is refused").unwrap_err();
    assert_eq!(error.to_string(), "dial pipet b:1->a:12: connection refused");
    drop(other);
    let mut dial = bed.dial();
    assert!(bed.listener.try_accept().is_err());
    bed.at(5);
    let a = bed.listener.try_accept().expect("it has arrived");
    let b = dial.as_mut().try_wait().expect("it is accepted").expect("it is not refused");
    assert_eq!([write(&b, "PREPARE"), write(&b, " and more")], [Ok(7), Ok(9)]);
    bed.at(1000);
    assert!(waits(&a));
    bed.faults.oneway("b", "a").release();
    assert_eq!(read(&a), Ok("PREPARE and more".into()));
    assert_eq!([write(&b, "late"), write(&b, "!")], [Ok(4), Ok(1)]);
    bed.before(1020);
    assert!(waits(&a));
    bed.at(1020);
    assert_eq!(read(&a), Ok("late!".into()));
    assert_eq!(write(&a, "reset"), Err("write pipet a:1->b:1: connection reset".into()));
    let pair = [b, a];
    is_reset(&pair);
    bed.faults.end_rule();
    let next = bed.pair();
    assert_eq!(write(&next[0], "PREPARE"), Ok(7));
    assert_eq!(read(&next[1]), Ok("PREPARE".into()));
    drop((pair, next, dial));
    bed.finish();
}

#[test]
fn a_dial_that_is_accepted_as_its_host_dies_is_reset() {
    for polled in [true, false] {
        let bed = Bed::slow();
        let mut dial = bed.dial();
        bed.at(50);
        let a = bed.listener.try_accept().expect("the request has arrived");
        bed.at(60);
        bed.net.crash("b").expect("there is such a host");
        if polled {
            let error = dial.as_mut().try_wait().expect("woken").unwrap_err();
            assert_eq!(error.to_string(), "dial pipet b:1->a:10: host is down");
        }
        drop(dial);
        bed.before(110);
        assert!(waits(&a));
        bed.at(110);
        assert_eq!(read(&a), Err("read pipet b:1->a:1: connection reset".into()));
        drop(a);
        bed.finish();
    }
}
