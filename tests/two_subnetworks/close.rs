//! The effects of a close on the other side.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use virtnet::{Error, NetRefExt as _, Op};

use super::outsider::{Conn, Lab, connect, ends_of, within};
use super::{Two, text};

/// The unread bytes, and the error of a write after them.
fn drained(conn: &mut Conn) -> (String, String) {
    let mut left = String::new();
    conn.read_to_string(&mut left).expect("the stream ends");
    (left, text(conn.try_write(b"x")))
}

/// Runs `action` while `waiting` runs on another thread, and returns the outcome of `waiting`. The test cannot tell
/// when the thread waits; both orders have the same outcome.
fn meanwhile<T: Send>(waiting: impl FnOnce() -> T + Send, action: impl FnOnce()) -> T {
    thread::scope(|scope| {
        let waiting = scope.spawn(waiting);
        action();
        waiting.join().expect("it does not panic")
    })
}

#[test]
fn closing_a_subnetwork_ends_the_streams_of_the_other() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut dialled, mut accepted) = connect(&two.b, &listener).unwrap();
        accepted.write_all(b"left over").unwrap();
        two.left.close().wait().unwrap();

        assert_eq!(drained(&mut dialled), ("left over".into(), "write lab b:1->a:2: broken pipe".into()));
        assert_eq!(text(accepted.read(&mut [0])), "read lab b:1->a:2: network is down");
        assert_eq!(text(accepted.write(&[0])), "write lab a:2->b:1: network is down");
        assert_eq!(text(listener.accept().wait()), "accept lab a:1: network is down");
        assert_eq!(text(two.a.listen("")), "listen lab a:0: network is down");
        assert_eq!(text(two.a.dial("b:1").wait()), "dial lab a:3->b:1: network is down");
        assert_eq!(text(two.left.new_host("c").wait()), r#"virtnet "lab": new host "c": network is down"#);
        drop((listener, dialled, accepted));
        assert_eq!(two.in_use(), (0, 0, 0));
    });
}

#[test]
fn closing_a_subnetwork_refuses_dials_from_the_other() {
    within(|| {
        let two = Two::new();
        let _listener = two.a.listen(":1").unwrap();
        let mut pending = pin!(two.b.dial("a:1"));
        assert!(pending.as_mut().try_wait().is_none());
        two.left.close().wait().unwrap();
        assert_eq!(text(pending.try_wait().unwrap()), "dial lab b:1->a:1: connection refused");
        assert_eq!(text(two.b.dial("a:1").wait()), "dial lab b:1->a:1: connection refused");
    });
}

#[test]
fn closing_a_subnetwork_leaves_the_other_as_it_is() {
    within(|| {
        let two = Two::new();
        two.left.close().wait().unwrap();
        assert_eq!(two.lab.closed(), ["engine left", "registry left"]);
        let taken = r#"virtnet "lab": new host "a": map(lab): announce ["a" right]: host already registered"#;
        assert_eq!(text(two.right.new_host("a").wait()), taken);
        let c = two.right.new_host("c").wait().unwrap();
        let (conn, _accepted) = connect(&c, &two.b.listen("").unwrap()).unwrap();
        assert_eq!(ends_of(&conn), ("c:1".into(), "b:2".into()));
    });
}

#[test]
fn closing_a_host_ends_streams_and_refuses_dials_across() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut dialled, accepted) = connect(&two.b, &listener).unwrap();
        let mut pending = pin!(two.b.dial("a:1"));
        assert!(pending.as_mut().try_wait().is_none());
        two.a.close().wait().unwrap();

        assert_eq!(drained(&mut dialled), (String::new(), "write lab b:1->a:2: broken pipe".into()));
        assert_eq!(text(accepted.try_read(&mut [0])), "read lab b:1->a:2: host is down");
        assert_eq!(text(pending.try_wait().unwrap()), "dial lab b:2->a:1: connection refused");
        assert_eq!(text(two.b.dial("a:1").wait()), "dial lab b:2->a:1: connection refused");
        assert_eq!(text(two.a.dial("b:1").wait()), "dial lab a:3->b:1: host is down");
        drop((listener, dialled, accepted));
        assert_eq!(two.in_use(), (0, 0, 0));
    });
}

#[test]
fn closing_the_dialling_host_withdraws_its_dials_across() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let mut pending = pin!(two.b.dial("a:1"));
        assert!(pending.as_mut().try_wait().is_none());
        two.b.close().wait().unwrap();
        assert_eq!(text(pending.try_wait().unwrap()), "dial lab b:1->a:1: host is down");
        assert_eq!(text(listener.try_accept()), "accept lab a:1: would block");
        assert_eq!(two.in_use(), (1, 0, 0));
    });
}

#[test]
fn closing_a_listener_refuses_dials_across_and_leaves_connections() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut dialled, mut accepted) = connect(&two.b, &listener).unwrap();
        let refused = meanwhile(|| text(two.b.dial("a:1").wait()), || listener.close());
        assert_eq!(refused, "dial lab b:2->a:1: connection refused");
        assert_eq!(text(listener.try_accept()), "accept lab a:1: socket is down");
        dialled.write_all(b"still").unwrap();
        drop(dialled);
        let mut heard = String::new();
        accepted.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "still");
    });
}

#[test]
fn aborting_resets_the_other_side() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut dialled, accepted) = connect(&two.b, &listener).unwrap();
        dialled.write_all(b"lost").unwrap();
        dialled.abort();
        assert_eq!(text(accepted.try_read(&mut [0])), "read lab b:1->a:2: connection reset");
        assert_eq!(text(accepted.try_write(&[0])), "write lab a:2->b:1: connection reset");
        assert_eq!(text(dialled.try_read(&mut [0])), "read lab a:2->b:1: socket is down");
        assert_eq!(text(dialled.try_write(&[0])), "write lab b:1->a:2: socket is down");
    });
}

#[test]
fn a_close_wakes_tasks_that_wait_across() {
    within(|| {
        let two = Two::of(Lab::with_buffer(1), 4096);
        let listener = two.a.listen(":1").unwrap();
        let (dialled, accepted) = connect(&two.b, &listener).unwrap();
        dialled.try_write(b"1").unwrap();
        let reading = meanwhile(|| (&dialled).read(&mut [0]), || accepted.close());
        assert_eq!(text(reading), "read lab a:2->b:1: connection reset");
        let (dialled, accepted) = connect(&two.b, &listener).unwrap();
        dialled.try_write(b"1").unwrap();
        let writing = meanwhile(|| (&dialled).write(b"2"), || two.left.close().wait().unwrap());
        assert_eq!(text(writing), "write lab b:2->a:2: connection reset");
        drop(accepted);
    });
}

#[test]
fn registered_hosts_do_not_keep_a_subnetwork_alive() {
    within(|| {
        let lab = Lab::default();
        let left = lab.subnetwork("left");
        let alive = Arc::downgrade(&left);
        let a = left.new_host("a").wait().unwrap();
        let listener = a.listen(":1").unwrap();
        drop((left, a));
        assert_eq!(lab.closed(), [""; 0], "the listener keeps it alive");
        assert_eq!(alive.upgrade().unwrap().get_host("a"), Some(listener.host()));
        drop(listener);
        assert_eq!(lab.closed(), ["engine left", "registry left"]);
        assert!(alive.upgrade().is_none());
    });
}

#[test]
fn a_dial_to_a_subnetwork_that_is_gone_is_refused() {
    within(|| {
        let lab = Lab::default();
        let b = lab.subnetwork("right").new_host("b").wait().unwrap();
        drop(lab.subnetwork("left").new_host("a").wait().unwrap());
        assert_eq!(lab.closed(), ["engine left", "registry left"]);
        assert_eq!(text(b.dial("a:1").wait()), "dial lab b:1->a:1: connection refused");
        assert_eq!((b.sockets(), lab.ends()), (0, 0));
    });
}

#[test]
fn a_dial_that_waits_across_does_not_outlive_the_listening_subnetwork() {
    within(|| {
        let lab = Lab::default();
        let b = lab.subnetwork("right").new_host("b").wait().unwrap();
        let listener = lab.subnetwork("left").new_host("a").wait().unwrap().listen(":1").unwrap();
        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        drop(listener);
        assert_eq!(text(dial.try_wait().unwrap()), "dial lab b:1->a:1: connection refused");
        assert_eq!(lab.closed(), ["engine left", "registry left"]);
        assert_eq!((b.sockets(), lab.ends()), (0, 0));
    });
}

#[test]
fn dials_across_can_be_spawned() {
    fn spawnable<F: Future<Output = Result<Conn, Error>> + Send + 'static>(dial: F) -> F {
        dial
    }
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let dial = Box::pin(spawnable(two.b.dial("a:1")));
        let dialling = thread::spawn(|| ends_of(&Op::new(dial).wait().unwrap()));
        assert_eq!(ends_of(&listener.accept().wait().unwrap()), ("a:2".into(), "b:1".into()));
        assert_eq!(dialling.join().unwrap(), ("b:1".into(), "a:2".into()));
    });
}
