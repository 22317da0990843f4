//! An independent backend with a trace: its engine accepts connections in the background, so that its links are wrapped
//! by the notifier that it was started with.
#![cfg(all(feature = "testing", feature = "trace"))]

mod counting;
mod outsider;

use counting::Calls;
use outsider::{Handle, Lab, connect};
use virtnet::testing::{Setup, Waiting};
use virtnet::trace::Trace;
use virtnet::{Bare, NetRefExt as _};

type Outside = (Trace, (Calls, Bare));
type Inside = (Calls, (Trace, Bare));

fn one_outside() -> Setup<Handle<Outside>> {
    let (lab, trace) = (Lab::with_buffer(16), Trace::new());
    let setup = lab.setup(lab.layered("only", (trace.clone(), (Calls::default(), Bare))), 16);
    setup.traced(move || trace.view().reads(true).to_string())
}

fn two_inside() -> Setup<Handle<Inside>> {
    let lab = Lab::with_buffer(16);
    let layered = |label| lab.layered(label, (Calls::default(), (Trace::new(), Bare)));
    lab.setup(layered("left"), 16).second(layered("right")).waiting(Waiting::Futures)
}

virtnet::conformance!(
    traced_outside_on_threads,
    one_outside,
    [buffered, unread_resets, fresh_port, sized_buffer, trace]
);
virtnet::conformance!(
    traced_inside_as_futures,
    two_inside,
    [buffered, unread_resets, fresh_port, sized_buffer, two_subnetworks]
);

#[test]
fn a_dial_and_the_accept_in_the_background_are_one_connection() {
    let (lab, trace) = (Lab::with_buffer(16), Trace::new());
    let (outer, inner) = (Calls::default(), Calls::default());
    let net = lab.layered("only", (outer.clone(), (trace.clone(), (inner.clone(), Bare))));
    let host = |name| std::pin::pin!(net.new_host(name)).try_wait().expect("at once").expect("a new name");
    let (a, b) = (host("a"), host("b"));
    let listener = a.listen(":10").unwrap();
    for _ in 0..2 {
        let (dialled, accepted) = connect(&b, &listener).unwrap();
        dialled.try_write(b"x").unwrap();
        // Only the byte itself orders these two.
        std::thread::spawn(move || assert_eq!(accepted.try_read(&mut [0]).unwrap(), 1)).join().unwrap();
    }
    let of = |pattern: &'static str| trace.view().reads(true).only(pattern).events().collect::<Vec<_>>();
    let (writes, reads) = (of("write *"), of("read *: 1 *"));
    assert_eq!((writes.len(), reads.len()), (2, 2));
    assert!(trace.before(&writes[0], &reads[0]) && trace.before(&writes[1], &reads[1]));
    drop(listener);
    assert_eq!(trace.open_tickets(), 0);
    assert_eq!((outer.of(["start", "dial"]), inner.of(["start", "dial"])), ([1, 2], [1, 2]));
}

#[test]
fn a_connection_from_elsewhere_has_its_addresses() {
    let lab = Lab::with_buffer(16);
    let (left, right) = (Trace::new(), Trace::new());
    let (to, from) = (lab.layered("left", (left.clone(), Bare)), lab.layered("right", (right.clone(), Bare)));
    let a = std::pin::pin!(to.new_host("a")).try_wait().expect("at once").unwrap();
    let b = std::pin::pin!(from.new_host("b")).try_wait().expect("at once").unwrap();
    let listener = a.listen(":10").unwrap();
    let (dialled, accepted) = connect(&b, &listener).unwrap();
    dialled.try_write(b"x").unwrap();
    assert_eq!(accepted.try_read(&mut [0]).unwrap(), 1);
    drop((dialled, accepted));
    assert_eq!(
        left.view().reads(true).to_string(),
        "\
host a
listen a:10
accept a:10: a:1<-b:1
read b:1->a:1: 1 \"x\"
drop a:1->b:1
"
    );
    assert_eq!(
        right.view().to_string(),
        "\
host b
dial b:1->a:10
connect b:1->a:10: a:1
write b:1->a:1: 1 \"x\"
drop b:1->a:1
"
    );
}
