//! A ring of events without a heap.

use virtnet::trace::{CoreEvent, EventRing, How, Observer, RawEvent};

use crate::feed::{Errors, addr};

const HOSTS: [&str; 2] = ["a", "b"];

fn core<const N: usize>(ring: &EventRing<N>, event: CoreEvent<'_>, end: Option<u32>) {
    ring.now(&RawEvent::Core(&event, end));
}

fn lines<const N: usize>(ring: &EventRing<N>) -> Vec<String> {
    ring.show(&HOSTS).to_string().lines().map(str::to_owned).collect()
}

#[test]
fn a_ring_has_the_lines_of_a_trace_without_bytes() {
    static RING: EventRing<64> = EventRing::new();
    let ring = &RING;
    let (src, dst, local) = (addr("b:1"), addr("a:10"), addr("a:1"));
    HOSTS.into_iter().for_each(|host| core(ring, CoreEvent::HostMade { host }, None));
    core(ring, CoreEvent::Listened { addr: &dst }, None);
    core(ring, CoreEvent::Dialled { src: &src, dst: &dst }, None);
    ring.now(&RawEvent::Opened { conn: 0, src: &src, dst: &dst });
    core(ring, CoreEvent::Accepted { listener: &dst, local: &local, peer: &src }, Some(1));
    core(ring, CoreEvent::Connected { dialled: &dst, peer: &local }, Some(0));
    ring.now(&RawEvent::Wrote { end: 1, bytes: b"hell", of: 5 });
    core(ring, CoreEvent::Shut(How::Drop, true), Some(1));
    ring.now(&RawEvent::Read { end: 0, bytes: b"hell" });
    core(ring, CoreEvent::Ended, Some(0));
    core(ring, CoreEvent::ListenerClosed { addr: &dst, dropped: true }, None);
    let refused = Errors::new().dial("a:10");
    (0..2).for_each(|_| core(ring, CoreEvent::Failed(&refused), None));
    core(ring, CoreEvent::NetworkClosed, None);
    let expected = [
        "host a",
        "host b",
        "listen a:10",
        "dial b:1->a:10",
        "accept a:10: a:1<-b:1",
        "connect b:1->a:10: a:1",
        "write a:1->b:1: 4 of 5",
        "drop a:1->b:1: reset",
        "read a:1->b:1: 4",
        "read a:1->b:1: end",
        "drop a:10",
        "dial b:1->a:10: connection refused",
        "dial b:1->a:10: connection refused",
        "close network",
    ];
    assert_eq!(lines(ring), expected);
    for line in expected {
        assert!(ring.next(&HOSTS).is_some_and(|event| event.is(line)), "{line}");
    }
    assert!(ring.next(&HOSTS).is_none());
    assert_eq!(ring.dropped(), 0);
}

#[test]
fn the_newest_events_of_a_full_ring_are_kept() {
    let ring = EventRing::<2>::new();
    for host in ["a", "b", "a"] {
        core(&ring, CoreEvent::HostMade { host }, None);
    }
    assert!(ring.next(&HOSTS).is_some_and(|event| event.is("host b")));
    assert_eq!(ring.dropped(), 1);
    assert!(ring.next(&HOSTS).is_some_and(|event| event.is("host a")));
    let none = EventRing::<0>::new();
    core(&none, CoreEvent::HostMade { host: "a" }, None);
    assert!(none.next(&HOSTS).is_none());
}

#[test]
fn an_open_ticket_of_a_ring_holds_later_events_back() {
    let ring = EventRing::<4>::new();
    let (first, second) = (ring.ticket(), ring.ticket());
    core(&ring, CoreEvent::HostMade { host: "b" }, None);
    assert_eq!(lines(&ring), [""; 0]);
    ring.record(first, &RawEvent::Core(&CoreEvent::HostMade { host: "a" }, None));
    assert_eq!(lines(&ring), ["host a"]);
    ring.void(second);
    assert_eq!(lines(&ring), ["host a", "host b"]);
}

#[test]
fn a_ring_tells_a_failure_of_an_end_once() {
    let ring = EventRing::<8>::new();
    let (dialled, accepted) = Errors::new().pair();
    dialled.abort();
    for _ in 0..3 {
        let reset = accepted.try_read(&mut [0]).unwrap_err();
        core(&ring, CoreEvent::Failed(&reset), Some(1));
    }
    assert_eq!(lines(&ring), ["read b:1->a:1: connection reset"]);
}

#[test]
fn an_unknown_name_is_a_question_mark() {
    let ring = EventRing::<8>::new();
    ring.now(&RawEvent::Read { end: 1, bytes: b"x" });
    core(&ring, CoreEvent::Listened { addr: &addr("c:7") }, None);
    assert_eq!(lines(&ring), ["read ?:0->?:0: 1", "listen ?:7"]);
}
