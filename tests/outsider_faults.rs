//! An independent backend with faults: its engine accepts connections in the background, and cannot hide bytes, so writes
//! wait until they arrive.
#![cfg(all(feature = "sim", feature = "testing"))]

mod outsider;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use outsider::{Handle, Lab, connect};
use virtnet::sim::Faults;
use virtnet::testing::{Setup, Waiting};
use virtnet::trace::Trace;
use virtnet::{Bare, Clock, ErrorKind, NetRefExt as _};

fn one() -> Setup<Handle<(Faults, Bare)>> {
    let lab = Lab::with_buffer(16);
    let setup = lab.setup(lab.layered("only", (Faults::new(), Bare)), 16).restarts();
    setup.faults(|faults| Lab::with_buffer(4096).layered("only", (faults, Bare)))
}

/// Two subnetworks with the same faults.
fn two() -> Setup<Handle<(Faults, Bare)>> {
    let (lab, faults) = (Lab::with_buffer(16), Faults::new());
    let layered = |label| lab.layered(label, (faults.clone(), Bare));
    lab.setup(layered("left"), 16).second(layered("right")).waiting(Waiting::Futures)
}

/// Faults within a trace.
fn traced() -> Setup<Handle<(Trace, (Faults, Bare))>> {
    let (lab, trace) = (Lab::with_buffer(16), Trace::new());
    let setup = lab.setup(lab.layered("only", (trace.clone(), (Faults::new(), Bare))), 16);
    setup.traced(move || trace.view().reads(true).to_string())
}

virtnet::conformance!(one_on_threads, one, [buffered, unread_resets, fresh_port, sized_buffer, death, faults, time]);
virtnet::conformance!(two_as_futures, two, [buffered, unread_resets, fresh_port, sized_buffer, two_subnetworks]);
virtnet::conformance!(traced_on_threads, traced, [buffered, unread_resets, fresh_port, sized_buffer, trace]);

#[test]
fn a_partition_between_two_subnetworks_stalls_both_ends() {
    let (lab, clock) = (Lab::with_buffer(16), Clock::manual());
    let faults = Faults::new().clock(clock.clone());
    let layered = |label| lab.layered(label, (faults.clone(), Bare));
    let (left, right) = (layered("left"), layered("right"));
    let a = pin!(left.new_host("a")).try_wait().expect("at once").unwrap();
    let b = pin!(right.new_host("b")).try_wait().expect("at once").unwrap();
    let listener = a.listen(":10").unwrap();
    let (dialled, accepted) = connect(&b, &listener).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());

    faults.route("a", "b").partition();
    for (from, to) in [(&dialled, &accepted), (&accepted, &dialled)] {
        assert!(from.poll_write(cx, b"x").is_pending());
        assert_eq!(to.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    clock.advance(Duration::from_secs(1)).unwrap();
    faults.route("a", "b").repair();
    for (from, to) in [(&dialled, &accepted), (&accepted, &dialled)] {
        assert_eq!(from.poll_write(cx, b"x"), Poll::Ready(Ok(1)));
        assert_eq!(to.try_read(&mut [0]), Ok(1));
    }
    drop((dialled, accepted, listener));
    assert_eq!((lab.ends(), clock.timers()), (0, Ok(0)));
}
