//! Writes that are done when the peer has read them, and their withdrawal. A read takes up to two bytes at once.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use virtnet::{Conn, Error};

use crate::act::*;
use crate::explore::*;

#[test]
fn a_write_is_done_when_it_was_read() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let reading = Arc::new(AtomicBool::new(false));
        let writer = spawn({
            let reading = reading.clone();
            move || {
                let told = write(&a, b"x");
                assert!(reading.load(Ordering::SeqCst), "nobody has read it yet");
                (told, a)
            }
        });
        reading.store(true, Ordering::SeqCst);
        let read = read(&b);
        format!("wrote {}, read {read}", join(writer).0)
    }
    assert_eq!(explore_both(All, Rendezvous, model, model), set(["wrote 1, read 1"]));
}

#[test]
fn a_write_is_done_when_its_last_byte_was_read() {
    fn model<N: Net>(net: N) -> String {
        let (a, mut b) = pair(&net);
        let writer = spawn(move || (write(&a, b"xy"), a));
        b.read_exact(&mut [0]).expect("the first");
        b.read_exact(&mut [0]).expect("the second");
        join(writer).0
    }
    assert_eq!(explore_both(All, Rendezvous, model, model), set(["2"]));
}

#[test]
fn all_bytes_arrive_in_order_and_then_the_end() {
    fn model<N: Net>(net: N) -> String {
        let (mut a, mut b) = pair(&net);
        let writer = spawn(move || a.write_all(b"hey"));
        let mut text = String::new();
        b.read_to_string(&mut text).expect("an orderly end");
        join(writer).expect("nobody closed it");
        text
    }
    assert_eq!(explore_both(Preemptions(3), Rendezvous, model, model), set(["hey"]));
}

#[test]
fn both_directions_are_independent() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let peer = spawn(move || (write(&a, b"x"), read(&a), a));
        let own = (read(&b), write(&b, b"x"));
        let peer = join(peer);
        [own.0, own.1, peer.0, peer.1].concat()
    }
    assert_eq!(explore_both(Preemptions(3), Rendezvous, model, model), set(["1111"]));
}

#[test]
fn a_write_against_the_peers_end() {
    fn model<N: Net>(net: N, how: End) -> String {
        let (a, mut b) = pair(&net);
        b.set_read_timeout(Some(SOON)).expect("a valid time");
        let peer = spawn(move || {
            let read = told(b.read(&mut [0]));
            end(b, how);
            read
        });
        let written = write(&a, b"xy");
        format!("wrote {written}, read {}", join(peer))
    }
    let seen = |how| explore_both(All, Rendezvous, move |net| model(net, how), move |net| model(net, how));
    let outcomes = |cause| {
        let none = format!("wrote write pipet a:1->b:1: {cause}, read read pipet a:1->b:1: timed out");
        set(["wrote 1, read 1", &none])
    };
    assert_eq!(seen(End::Close), outcomes("broken pipe"));
    assert_eq!(seen(End::Drop), outcomes("broken pipe"));
    assert_eq!(seen(End::Abort), outcomes("connection reset"));
}

#[test]
fn a_write_against_the_peers_close_read() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let peer = spawn(move || end(b, End::CloseRead));
        let written = write(&a, b"xy");
        join(peer);
        written
    }
    assert_eq!(explore_both(All, Rendezvous, model, model), set(["2"]));
}

#[test]
fn a_write_against_its_own_end() {
    fn model<N: Net>(net: N, how: fn(&Conn<N>)) -> String {
        let (a, b) = pair(&net);
        let a = Arc::new(a);
        let writer = spawn({
            let a = a.clone();
            move || write(&a, b"x")
        });
        let reader = spawn(move || read(&b));
        how(&a);
        format!("wrote {}, read {}", join(writer), join(reader))
    }
    let down = "wrote write pipet a:1->b:1: socket is down, read";
    let seen = explore_both(Preemptions(3), Rendezvous, |net| model(net, Conn::close), |net| model(net, Conn::close));
    assert_eq!(seen, set(["wrote 1, read 1", &format!("{down} 0")]));
    let seen = explore_both(Preemptions(3), Rendezvous, |net| model(net, Conn::abort), |net| model(net, Conn::abort));
    let reset = "read pipet a:1->b:1: connection reset";
    assert_eq!(seen, set(["wrote 1, read 1", &format!("{down} {reset}")]));
}

#[test]
fn a_write_that_times_out_was_not_read() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        a.set_write_timeout(Some(SOON)).expect("a valid time");
        let reader = spawn(move || read(&b));
        let written = write(&a, b"xy");
        drop(a);
        format!("wrote {written}, read {}", join(reader))
    }
    let late = "wrote write pipet a:1->b:1: timed out, read 0";
    assert_eq!(explore_both(Preemptions(4), Rendezvous, model, model), set(["wrote 2, read 2", late]));
}

#[test]
fn a_write_that_times_out_reports_the_bytes_read() {
    fn model<N: Net>(net: N) -> String {
        let (a, mut b) = pair(&net);
        a.set_write_timeout(Some(SOON)).expect("a valid time");
        let reader = spawn(move || format!("{}, {}", told(b.read(&mut [0])), told(b.read(&mut [0]))));
        let written = write(&a, b"xy");
        drop(a);
        format!("wrote {written}, read {}", join(reader))
    }
    let late = "wrote write pipet a:1->b:1: timed out, read 0, 0";
    let seen = explore_both(Preemptions(4), Rendezvous, model, model);
    assert_eq!(seen, set(["wrote 2, read 1, 1", "wrote 1, read 1, 0", late]));
}

#[test]
fn a_read_that_times_out_takes_nothing() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        b.set_read_timeout(Some(SOON)).expect("a valid time");
        let reader = spawn(move || (read(&b), b));
        let mut offer = pin!(poll_fn(|cx| a.poll_write(cx, b"x")));
        let task = Arc::new(Task::default());
        let offered = task.poll(offer.as_mut()).is_pending();
        let (read, b) = join(reader);
        let taken = task.poll(offer).is_ready();
        assert_eq!(task.is_woken(), taken, "it is woken when it was read");
        drop(b);
        format!("offered {offered}, taken {taken}, read {read}")
    }
    let late = "offered true, taken false, read read pipet a:1->b:1: timed out";
    assert_eq!(explore_both(All, Rendezvous, model, model), set(["offered true, taken true, read 1", late]));
}

#[test]
fn a_dropped_write_replaced_by_another_is_not_read_in_part() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let reader = spawn(move || (read(&b), read(&b)));
        let task = Arc::new(Task::default());
        let first = task.poll(pin!(poll_fn(|cx| a.poll_write(cx, b"x"))));
        assert!(first.is_pending(), "it was not read yet");
        // Another write by the same task.
        let second = task.poll(pin!(poll_fn(|cx| a.poll_write(cx, b"yy"))));
        assert!(second.is_pending(), "it was not read yet");
        drop(a);
        let (first, second) = join(reader);
        format!("{first}, {second}")
    }
    assert_eq!(explore_both(Preemptions(4), Rendezvous, model, model), set(["0, 0", "1, 0", "2, 0", "1, 2"]));
}

#[test]
fn a_write_is_recognized_wherever_it_is_polled() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let reader = spawn(move || (read(&b), read(&b)));
        assert!(here::poll(&a).is_pending(), "it was not read yet");
        let again = there::poll(&a).is_ready();
        drop(a);
        let (first, second) = join(reader);
        format!("done {again}, read {first}, {second}")
    }
    let outcomes = set(["done true, read 1, 0", "done false, read 1, 0", "done false, read 0, 0"]);
    assert_eq!(explore_both(Preemptions(4), Rendezvous, model, model), outcomes);
}

/// In optimised builds, different parts of a program have different copies of the no-op waker.
mod here {
    use super::*;

    #[inline(never)]
    pub(super) fn poll<N: Net>(conn: &Conn<N>) -> Poll<Result<usize, Error>> {
        conn.poll_write(&mut Context::from_waker(Waker::noop()), b"x")
    }
}

mod there {
    use super::*;

    #[inline(never)]
    pub(super) fn poll<N: Net>(conn: &Conn<N>) -> Poll<Result<usize, Error>> {
        std::hint::black_box(conn).poll_write(&mut Context::from_waker(Waker::noop()), b"x")
    }
}

#[test]
fn several_writes_are_handed_over_one_after_the_other() {
    fn model<N: Net>(net: N) -> String {
        let (a, mut b) = pair(&net);
        let writers = threads(a, 2, |conn| write(conn, b"xy"));
        let mut text = [0; 4];
        b.read_exact(&mut text).expect("they write");
        format!("wrote {}, read {}", writers(), String::from_utf8_lossy(&text))
    }
    assert_eq!(explore_both(Preemptions(3), Rendezvous, model, model), set(["wrote 22, read xyxy"]));
}

#[test]
fn several_writes_against_the_readers_close() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let writers = threads(a, 2, |conn| write(conn, b"x"));
        let read = read(&b);
        drop(b);
        format!("wrote {}, read {read}", writers())
    }
    let failed = "write pipet a:1->b:1: broken pipe";
    let one = [format!("wrote 1{failed}, read 1"), format!("wrote {failed}1, read 1")];
    assert_eq!(explore_both(Preemptions(3), Rendezvous, model, model), one.into());
}

#[test]
fn each_of_several_readers_gets_a_write() {
    fn model<N: Net>(net: N) -> String {
        let (mut a, b) = pair(&net);
        let readers = threads(b, 2, read);
        a.write_all(b"x").expect("they read");
        a.write_all(b"x").expect("they read");
        readers()
    }
    assert_eq!(explore_both(Preemptions(3), Rendezvous, model, model), set(["11"]));
}
