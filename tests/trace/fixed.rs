//! Traced networks of a fixed size.

use std::pin::pin;

use virtnet::ErrorKind;
use virtnet::pipenet::fixed::{self, Traced};
use virtnet::trace::{EventRing, HostNames};

type Network = fixed::Network<'static, Traced>;

/// The ends of a connection from b:1 to a:10, accepted first.
fn connected(net: &'static Network) -> (fixed::Listener<Traced>, fixed::Conn<Traced>, fixed::Conn<Traced>) {
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let mut dialling = pin!(b.dial("a:10"));
    assert!(dialling.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().unwrap();
    (listener, accepted, dialling.try_wait().expect("it is accepted").unwrap())
}

/// Takes the lines of a ring.
fn lines<const N: usize>(ring: &EventRing<N>, hosts: &impl HostNames) -> String {
    core::iter::from_fn(|| ring.next(hosts)).map(|event| format!("{event}\n")).collect()
}

const CONNECTED: &str = "\
host a
host b
listen a:10
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
";

#[test]
fn a_fixed_network_tells_a_ring_its_events() {
    static RING: EventRing<64> = EventRing::new();
    static NET: Network = virtnet::fixed!("t", 2, 4, 2, 64; trace = &RING);
    let (listener, accepted, dialled) = connected(&NET);
    assert_eq!(lines(&RING, &NET), CONNECTED);
    assert_eq!(NET.pipes(), 1);
    accepted.try_write(b"hi").unwrap();
    drop((accepted, listener));
    let mut buf = [0; 8];
    assert_eq!((dialled.try_read(&mut buf).unwrap(), dialled.try_read(&mut buf).unwrap()), (2, 0));
    drop(dialled);
    assert_eq!(NET.pipes(), 0);
    NET.close().unwrap();
    assert_eq!(
        lines(&RING, &NET),
        "\
write a:1->b:1: 2
drop a:1->b:1
drop a:10
read a:1->b:1: 2
read a:1->b:1: end
drop b:1->a:1
close network
"
    );
}

#[test]
fn a_write_takes_one_place_in_a_ring() {
    static RING: EventRing<4> = EventRing::new();
    static NET: Network = virtnet::fixed!("t", 2, 4, 2, 64; trace = &RING);
    let (_listener, accepted, _dialled) = connected(&NET);
    lines(&RING, &NET);
    (0..4).for_each(|_| assert_eq!(accepted.try_write(b"hi").unwrap(), 2));
    assert_eq!(lines(&RING, &NET), "write a:1->b:1: 2\n".repeat(4));
}

#[test]
fn options_of_a_traced_fixed_network_count() {
    static RING: EventRing<16> = EventRing::new();
    static NET: Network =
        virtnet::fixed!("t", 2, 4, 2, 4; trace = &RING).rendezvous(true).share_port(true).backlog(1).relax(|| {});
    let (listener, accepted, dialled) = connected(&NET);
    assert_eq!(accepted.local_addr(), "a:10");
    assert_eq!(dialled.try_write(b"hello").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(accepted.try_read(&mut [0; 8]).unwrap(), 4);
    assert_eq!(dialled.try_write(b"hello").unwrap(), 4);
    assert_eq!(
        lines(&RING, &NET).strip_prefix("host a\nhost b\nlisten a:10\ndial b:1->a:10\n"),
        Some(
            "\
accept a:10: a:10<-b:1
connect b:1->a:10: a:10
write b:1->a:10: 5
read b:1->a:10: 4
written b:1->a:10: 4 of 5
"
        )
    );
    drop(listener);
}

#[test]
fn a_traced_fixed_network_may_close_politely() {
    static RING: EventRing<16> = EventRing::new();
    static NET: Network = virtnet::fixed!("t", 2, 4, 2, 4; trace = &RING).reset_unread(false);
    let (_listener, accepted, dialled) = connected(&NET);
    dialled.try_write(b"x").unwrap();
    accepted.close();
    assert_eq!(dialled.try_read(&mut [0]).unwrap(), 0);
    assert_eq!(
        lines(&RING, &NET).strip_prefix(CONNECTED),
        Some("write b:1->a:1: 1\nclose a:1->b:1\nread a:1->b:1: end\n")
    );
}
