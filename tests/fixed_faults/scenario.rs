//! Faults of a network of a fixed size, exact to the nanosecond, without a heap: on the chips, too.

use core::pin::pin;
use core::time::Duration;

use virtnet::clock::{ManualClock, Time};
use virtnet::pipenet::fixed::{self, Faulty, Network};
use virtnet::sim::{FixedFaults, FixedRoute};
use virtnet::{Error, ErrorKind, Op};

type Conn = fixed::Conn<Faulty>;

const L: Duration = Duration::from_millis(50);

/// What a scenario is run on: a network with room for hosts `a` and `b`, the host `a`'s listener, and 2 connections
/// with 64 bytes, and its faults. One after the other can be run on the same.
#[derive(Clone, Copy)]
pub(crate) struct Bed {
    pub(crate) clock: &'static ManualClock,
    pub(crate) faults: &'static FixedFaults<2>,
    pub(crate) net: &'static Network<'static, Faulty>,
}

/// Hosts, a listener at `a:10`, and when it began.
struct Stage {
    bed: Bed,
    start: Time,
    b: fixed::Host<Faulty>,
    listener: fixed::Listener<Faulty>,
}

impl Stage {
    fn new(bed: Bed) -> Self {
        let (a, b) = (bed.net.host("a").unwrap(), bed.net.host("b").unwrap());
        Self { bed, start: bed.clock.now(), b, listener: a.listen(":10").unwrap() }
    }

    fn route(&self) -> FixedRoute {
        self.bed.faults.route("a", "b").unwrap()
    }

    fn oneway(&self, from: &str, to: &str) -> FixedRoute {
        self.bed.faults.oneway(from, to).unwrap()
    }

    /// Moves the time to a number of milliseconds after the start.
    fn at(&self, millis: u64) {
        self.to(self.start + Duration::from_millis(millis));
    }

    /// Moves the time to just before a number of milliseconds after the start.
    fn before(&self, millis: u64) {
        self.to(self.start + (Duration::from_millis(millis) - Duration::from_nanos(1)));
    }

    fn to(&self, time: Time) {
        assert!(time >= self.bed.clock.now(), "{time} has passed");
        self.bed.clock.advance(time - self.bed.clock.now());
    }

    /// A connection from `b` to `a`, made while no fault delays it: the dialled and the accepted end.
    fn pair(&self) -> [Conn; 2] {
        let mut dial = pin!(self.b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = self.listener.try_accept().unwrap();
        [dial.try_wait().expect("it is accepted").unwrap(), accepted]
    }

    /// Ends all faults, and checks that nothing stays behind.
    fn finish(self) {
        self.route().clear();
        assert_eq!([self.b.sockets(), self.bed.net.pipes(), self.bed.clock.timers()], [0; 3]);
    }
}

/// Asserts what a read returns at once.
#[track_caller]
fn reads(conn: &Conn, want: &str) {
    let mut buf = [0; 64];
    let count = conn.try_read(&mut buf).unwrap();
    assert_eq!(core::str::from_utf8(&buf[..count]), Ok(want));
}

/// Asserts that nothing can be read yet.
#[track_caller]
fn waits(conn: &Conn) {
    assert_eq!(conn.try_read(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[track_caller]
fn writes(conn: &Conn, text: &str) {
    assert_eq!(conn.try_write(text.as_bytes()).unwrap(), text.len());
}

/// Asserts that a poll of a dial changes nothing for its caller.
#[track_caller]
fn travels<F: Future<Output = Result<Conn, Error>>>(dial: core::pin::Pin<&mut Op<F>>) {
    if let Some(outcome) = dial.try_wait() {
        panic!("done on its way: {outcome:?}");
    }
}

fn latency_is_paid_by_syn_answer_and_bytes(bed: Bed) {
    let stage = Stage::new(bed);
    stage.route().latency(L);
    {
        let mut dial = pin!(stage.b.dial("a:10"));
        travels(dial.as_mut());
        stage.before(50);
        travels(dial.as_mut());
        assert!(stage.listener.try_accept().is_err());
        stage.at(50);
        travels(dial.as_mut());
        let a = stage.listener.try_accept().expect("the request has arrived");
        writes(&a, "hi");
        travels(dial.as_mut());
        stage.before(100);
        travels(dial.as_mut());
        stage.at(100);
        let b = dial.as_mut().try_wait().expect("the answer has arrived").unwrap();
        reads(&b, "hi");
        writes(&b, "there");
        stage.before(150);
        waits(&a);
        stage.at(150);
        reads(&a, "there");
    }
    stage.finish();
}

fn refusal_takes_a_round_trip(bed: Bed) {
    let stage = Stage::new(bed);
    stage.route().latency(L);
    {
        let mut dial = pin!(stage.b.dial("a:11"));
        travels(dial.as_mut());
        stage.at(50);
        travels(dial.as_mut());
        stage.before(100);
        travels(dial.as_mut());
        stage.at(100);
        let error = dial.as_mut().try_wait().expect("the answer has arrived").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let mut unknown = pin!(stage.b.dial("c:1"));
        let error = unknown.as_mut().try_wait().expect("no host is asked").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchHost);
    }
    stage.finish();
}

fn repair_delays_what_was_in_flight_by_the_cut(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().latency(L);
    writes(&b, "one");
    stage.at(20);
    stage.route().partition();
    stage.at(100);
    writes(&b, "two");
    stage.at(220);
    stage.route().repair();
    stage.before(250);
    waits(&a);
    stage.at(250);
    reads(&a, "one");
    stage.before(270);
    waits(&a);
    stage.at(270);
    reads(&a, "two");
    drop((a, b));
    stage.finish();
}

fn a_stalled_writer_feels_backpressure(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().partition();
    let text = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    writes(&b, text);
    assert_eq!(b.try_write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
    waits(&a);
    stage.at(1000);
    stage.route().repair();
    reads(&a, text);
    writes(&b, text);
    reads(&a, text);
    drop((a, b));
    stage.finish();
}

fn one_way_cut_lets_the_other_way_flow(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().latency(L);
    stage.oneway("a", "b").partition();
    writes(&a, "from a");
    writes(&b, "from b");
    {
        let mut dial = pin!(stage.b.dial("a:10"));
        travels(dial.as_mut());
        stage.at(50);
        reads(&a, "from b");
        travels(dial.as_mut());
        let _accepted = stage.listener.try_accept().expect("a request is not cut");
        travels(dial.as_mut());
        stage.at(1000);
        travels(dial.as_mut());
        waits(&b);
        stage.oneway("a", "b").repair();
        stage.before(1050);
        travels(dial.as_mut());
        waits(&b);
        stage.at(1050);
        dial.as_mut().try_wait().expect("the answer has arrived").unwrap();
        reads(&b, "from a");
    }
    drop((a, b));
    stage.finish();
}

fn a_partition_freezes_a_syn(bed: Bed) {
    let stage = Stage::new(bed);
    stage.route().latency(L);
    {
        let mut dial = pin!(stage.b.dial("a:10"));
        travels(dial.as_mut());
        stage.at(20);
        stage.route().partition();
        {
            let mut withdrawn = pin!(stage.b.dial("a:10"));
            travels(withdrawn.as_mut());
            stage.at(500);
        }
        stage.at(1020);
        stage.route().repair();
        stage.before(1050);
        travels(dial.as_mut());
        assert!(stage.listener.try_accept().is_err());
        stage.at(1050);
        travels(dial.as_mut());
        let _accepted = stage.listener.try_accept().expect("the request has arrived");
        assert!(stage.listener.try_accept().is_err(), "the dial that was dropped is never seen");
        travels(dial.as_mut());
        stage.before(1100);
        travels(dial.as_mut());
        stage.at(1100);
        dial.as_mut().try_wait().expect("the answer has arrived").unwrap();
    }
    stage.finish();
}

fn release_gives_all_at_once(bed: Bed) {
    let stage = Stage::new(bed);
    let pairs = [stage.pair(), stage.pair()];
    stage.route().latency(L).hold();
    for (at, [b, _]) in [10, 20].into_iter().zip(&pairs) {
        stage.at(at);
        writes(b, "x");
    }
    stage.at(100);
    pairs.iter().for_each(|[_, a]| waits(a));
    writes(&pairs[0][0], "late");
    stage.route().release();
    pairs.iter().for_each(|[_, a]| reads(a, "x"));
    stage.before(150);
    waits(&pairs[0][1]);
    stage.at(150);
    reads(&pairs[0][1], "late");
    drop(pairs);
    stage.finish();
}

fn release_does_not_repair_and_repair_does_not_release(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().partition().hold();
    writes(&b, "x");
    stage.route().release();
    waits(&a);
    stage.route().repair();
    reads(&a, "x");
    stage.route().partition().hold();
    writes(&b, "y");
    stage.route().repair();
    waits(&a);
    stage.route().release();
    reads(&a, "y");
    stage.route().hold();
    stage.oneway("b", "a").partition();
    writes(&b, "z");
    stage.route().clear();
    reads(&a, "z");
    drop((a, b));
    stage.finish();
}

fn close_arrives_after_the_bytes(bed: Bed) {
    for unread in [false, true] {
        let stage = Stage::new(bed);
        let [b, a] = stage.pair();
        if unread {
            writes(&a, "u");
        }
        stage.route().latency(L);
        writes(&b, "0123456789");
        drop(b);
        assert_eq!(stage.b.sockets(), 0);
        stage.at(20);
        writes(&a, "void");
        stage.before(50);
        waits(&a);
        stage.at(50);
        reads(&a, "0123456789");
        let cause = if unread {
            assert_eq!(a.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
            ErrorKind::ConnectionReset
        } else {
            reads(&a, "");
            ErrorKind::BrokenPipe
        };
        stage.at(60);
        assert_eq!(a.try_write(b"x").unwrap_err().kind(), cause);
        drop(a);
        stage.finish();
    }
}

fn half_close_arrives_after_the_bytes(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().latency(L);
    writes(&b, "x");
    b.close_write().unwrap();
    assert_eq!(b.try_write(b"y").unwrap_err().kind(), ErrorKind::BrokenPipe);
    stage.at(30);
    writes(&a, "answer");
    stage.before(50);
    waits(&a);
    stage.at(50);
    reads(&a, "x");
    reads(&a, "");
    stage.at(80);
    reads(&b, "answer");
    drop((a, b));
    stage.finish();
}

fn a_closed_end_is_down_before_its_peer_knows(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    b.close_write().unwrap();
    stage.route().partition();
    assert_eq!(b.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    b.close();
    assert_eq!(b.try_write(b"x").unwrap_err().kind(), ErrorKind::SocketDown);
    reads(&a, "");
    stage.route().repair();
    drop((a, b));
    stage.finish();
}

fn abort_arrives_in_its_turn(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().latency(L);
    writes(&b, "x");
    stage.at(10);
    writes(&b, "y");
    b.abort();
    stage.before(60);
    let mut peeked = [0; 9];
    assert_eq!(pin!(a.peek(&mut peeked)).try_wait().expect("a byte has arrived").unwrap(), 1);
    stage.at(60);
    assert_eq!(a.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop((a, b));
    stage.finish();
}

fn a_partition_leaves_what_has_arrived(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().latency(L);
    writes(&b, "before");
    {
        let mut dial = pin!(stage.b.dial("a:10"));
        travels(dial.as_mut());
        stage.at(50);
        stage.route().partition();
        writes(&b, "after");
        reads(&a, "before");
        waits(&a);
        travels(dial.as_mut());
        let _accepted = stage.listener.try_accept().expect("the request had arrived");
    }
    stage.at(70);
    stage.route().clear();
    stage.before(120);
    waits(&a);
    stage.at(120);
    reads(&a, "after");
    drop((a, b));
    stage.finish();
}

fn a_dial_is_answered_as_its_listener_answers(bed: Bed) {
    let stage = Stage::new(bed);
    {
        let (mut first, mut second) = (pin!(stage.b.dial("a:10")), pin!(stage.b.dial("a:10")));
        travels(first.as_mut());
        travels(second.as_mut());
        let accepted = stage.listener.try_accept().unwrap();
        stage.listener.close();
        stage.route().partition();
        drop((first.try_wait().expect("it was accepted before the partition").unwrap(), accepted));
        let error = second.try_wait().expect("it was refused before the partition").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    stage.finish();
}

fn a_dial_that_is_dropped_after_its_accept_sends_the_end(bed: Bed) {
    let stage = Stage::new(bed);
    stage.route().latency(L);
    let a = {
        let mut dial = pin!(stage.b.dial("a:10"));
        travels(dial.as_mut());
        stage.at(50);
        travels(dial.as_mut());
        let a = stage.listener.try_accept().expect("the request has arrived");
        stage.at(60);
        a
    };
    assert_eq!(stage.b.sockets(), 0);
    stage.before(110);
    waits(&a);
    stage.at(110);
    reads(&a, "");
    assert_eq!(a.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(a);
    stage.finish();
}

fn many_items_are_merged_and_none_arrives_early(bed: Bed) {
    let stage = Stage::new(bed);
    let [b, a] = stage.pair();
    stage.route().latency(L);
    for at in 0..20 {
        stage.at(at);
        writes(&b, "x");
    }
    b.close_write().unwrap();
    drop(b);
    let mut seen = 0;
    for at in 50..69 {
        stage.at(at);
        seen += a.try_read(&mut [0; 64]).unwrap_or(0);
        assert!(seen <= at as usize - 49, "{seen} bytes at {at}");
    }
    assert!(seen > 0);
    stage.at(69);
    let mut buf = [0; 64];
    while let Ok(count @ 1..) = a.try_read(&mut buf) {
        seen += count;
    }
    assert_eq!(seen, 20);
    drop(a);
    stage.finish();
}

/// A scenario and its name.
type Scenario = (&'static str, fn(Bed));

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 16] = [
    ("latency is paid by requests, answers and bytes", latency_is_paid_by_syn_answer_and_bytes),
    ("a refusal takes a round trip", refusal_takes_a_round_trip),
    ("a repair delays what was in flight by the cut", repair_delays_what_was_in_flight_by_the_cut),
    ("a stalled writer feels backpressure", a_stalled_writer_feels_backpressure),
    ("a one-way cut lets the other way flow", one_way_cut_lets_the_other_way_flow),
    ("a partition freezes a dial", a_partition_freezes_a_syn),
    ("a release gives all at once", release_gives_all_at_once),
    ("a release does not repair, nor a repair release", release_does_not_repair_and_repair_does_not_release),
    ("a close arrives after the bytes", close_arrives_after_the_bytes),
    ("a half close arrives after the bytes", half_close_arrives_after_the_bytes),
    ("a closed end is down before its peer knows", a_closed_end_is_down_before_its_peer_knows),
    ("an abort arrives in its turn", abort_arrives_in_its_turn),
    ("a partition leaves what has arrived", a_partition_leaves_what_has_arrived),
    ("a dial is answered as its listener answers", a_dial_is_answered_as_its_listener_answers),
    ("a dial dropped after its accept sends the end", a_dial_that_is_dropped_after_its_accept_sends_the_end),
    ("many items are merged, and none arrives early", many_items_are_merged_and_none_arrives_early),
];
