//! Networks that tell their events to a ring.

use core::pin::pin;

use virtnet::ErrorKind;
use virtnet::pipenet::fixed::{Conn, Listener, Network, Traced};
use virtnet::trace::{EventRing, HostNames};

use crate::check::{prints, waits};

/// The ends of a connection from b:1 to a:10, accepted first.
fn connected(net: &'static Network<'static, Traced>) -> (Listener<Traced>, Conn<Traced>, Conn<Traced>) {
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let mut dial = pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().unwrap();
    (listener, accepted, dial.try_wait().expect("the dial is accepted").unwrap())
}

/// Asserts that these are the next events of a ring.
#[track_caller]
fn has<const N: usize>(ring: &EventRing<N>, hosts: &impl HostNames, lines: &[&str]) {
    for line in lines {
        prints(ring.next(hosts).expect("an event"), line);
    }
}

const CONNECTED: [&str; 6] =
    ["host a", "host b", "listen a:10", "dial b:1->a:10", "accept a:10: a:1<-b:1", "connect b:1->a:10: a:1"];

pub fn lines() {
    static RING: EventRing<64> = EventRing::new();
    static NET: Network<'static, Traced> = virtnet::fixed!("t", 2, 4, 2, 4; trace = &RING);
    let (listener, accepted, dialled) = connected(&NET);
    has(&RING, &NET, &CONNECTED);
    assert_eq!(dialled.try_write(b"hello").unwrap(), 4);
    waits(dialled.try_write(b"o"));
    drop((listener, accepted));
    assert_eq!(dialled.try_write(b"o").unwrap_err().kind(), ErrorKind::ConnectionReset);
    let b = NET.host("b").unwrap();
    let mut dial = pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().expect("no listener is there").is_err());
    drop(dialled);
    let lines = [
        "write b:1->a:1: 4 of 5",
        "drop a:10",
        "drop a:1->b:1: reset",
        "write b:1->a:1: connection reset",
        "dial b:2->a:10",
        "dial b:2->a:10: connection refused",
        "drop b:1->a:1",
    ];
    // Shown, they stay.
    prints(
        RING.show(&NET),
        "\
write b:1->a:1: 4 of 5
drop a:10
drop a:1->b:1: reset
write b:1->a:1: connection reset
dial b:2->a:10
dial b:2->a:10: connection refused
drop b:1->a:1
",
    );
    assert!(RING.next(&NET).is_some_and(|event| event.is("write b:1->*: 4 of 5")));
    has(&RING, &NET, &lines[1..]);
    assert!(RING.next(&NET).is_none());
    assert_eq!(RING.dropped(), 0);
}

pub fn rendezvous() {
    static RING: EventRing<16> = EventRing::new();
    static NET: Network<'static, Traced> = virtnet::fixed!("t", 2, 4, 1, 8; trace = &RING).rendezvous(true);
    let (_listener, accepted, dialled) = connected(&NET);
    has(&RING, &NET, &CONNECTED);
    waits(dialled.try_write(b"hello"));
    assert_eq!(accepted.try_read(&mut [0; 2]).unwrap(), 2);
    waits(dialled.try_write(b"hello"));
    assert_eq!(accepted.try_read(&mut [0; 8]).unwrap(), 3);
    assert_eq!(dialled.try_write(b"hello").unwrap(), 5);
    has(&RING, &NET, &["write b:1->a:1: 5", "read b:1->a:1: 2", "read b:1->a:1: 3", "written b:1->a:1: 5"]);
    assert!(RING.next(&NET).is_none());
}
