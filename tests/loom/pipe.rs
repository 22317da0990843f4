//! Reads and writes of a buffered connection, against closes of either end. The buffer has room for one byte.

use std::io::{Read, Write};
use std::sync::Arc;

use virtnet::Conn;

use crate::act::*;
use crate::explore::*;

#[test]
fn a_write_wakes_the_reader() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let writer = spawn(move || (write(&a, b"x"), a));
        let read = read(&b);
        format!("wrote {}, read {read}", join(writer).0)
    }
    assert_eq!(explore_both(All, Buffered, model, model), set(["wrote 1, read 1"]));
}

#[test]
fn a_read_wakes_the_writer() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        write(&a, b"x");
        let writer = spawn(move || (write(&a, b"y"), a));
        let read = read(&b);
        format!("wrote {}, read {read}", join(writer).0)
    }
    assert_eq!(explore_both(All, Buffered, model, model), set(["wrote 1, read 1"]));
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
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["hey"]));
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
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["1111"]));
}

#[test]
fn a_reader_against_the_peers_end() {
    fn model<N: Net>(net: N, how: End) -> String {
        let (a, b) = pair(&net);
        let peer = spawn(move || {
            write(&a, b"x");
            end(a, how)
        });
        let told = format!("{}, {}", read(&b), read(&b));
        join(peer);
        told
    }
    let seen = |how| explore_both(All, Buffered, move |net| model(net, how), move |net| model(net, how));
    assert_eq!(seen(End::CloseWrite), set(["1, 0"]));
    assert_eq!(seen(End::Close), set(["1, 0"]));
    assert_eq!(seen(End::Drop), set(["1, 0"]));
    let reset = "read pipet a:1->b:1: connection reset";
    assert_eq!(seen(End::Abort), set([&format!("1, {reset}"), &format!("{reset}, {reset}")]));
}

#[test]
fn a_writer_against_the_peers_end() {
    fn model<N: Net>(net: N, how: End) -> String {
        let (a, b) = pair(&net);
        write(&a, b"x");
        let peer = spawn(move || end(b, how));
        let told = write(&a, b"y");
        join(peer);
        told
    }
    let seen = |how| explore_both(All, Buffered, move |net| model(net, how), move |net| model(net, how));
    // The first byte was not read.
    assert_eq!(seen(End::Close), set(["write pipet a:1->b:1: connection reset"]));
    assert_eq!(seen(End::Drop), set(["write pipet a:1->b:1: connection reset"]));
    assert_eq!(seen(End::Abort), set(["write pipet a:1->b:1: connection reset"]));
    assert_eq!(seen(End::CloseRead), set(["1"]));
}

#[test]
fn a_close_decides_in_one_step_whether_bytes_are_unread() {
    fn model<N: Net>(net: N, how: End) -> String {
        let (a, b) = pair(&net);
        let peer = spawn(move || end(b, how));
        let written = write(&a, b"x");
        join(peer);
        format!("{written}, {}, {}", read(&a), write(&a, b"x"))
    }
    let seen = |how| explore_both(All, Buffered, move |net| model(net, how), move |net| model(net, how));
    let unread = "1, read pipet b:1->a:1: connection reset, write pipet a:1->b:1: connection reset";
    let failed = "write pipet a:1->b:1: broken pipe";
    let late = format!("{failed}, 0, {failed}");
    assert_eq!(seen(End::Close), set([unread, &late]));
    assert_eq!(seen(End::Drop), set([unread, &late]));
}

#[test]
fn a_reader_against_its_own_close_read() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        write(&a, b"x");
        let b = Arc::new(b);
        let closer = spawn({
            let b = b.clone();
            move || b.close_read().expect("it is up")
        });
        let told = format!("{}, {}", read(&b), read(&b));
        join(closer);
        format!("{told}, {}", write(&a, b"y"))
    }
    assert_eq!(explore_both(All, Buffered, model, model), set(["1, 0, 1", "0, 0, 1"]));
}

#[test]
fn a_reader_against_its_own_end() {
    fn model<N: Net>(net: N, how: fn(&Conn<N>)) -> String {
        let (_a, b) = pair(&net);
        let b = Arc::new(b);
        let closer = spawn({
            let b = b.clone();
            move || how(&b)
        });
        let told = read(&b);
        join(closer);
        told
    }
    let down = set(["read pipet a:1->b:1: socket is down"]);
    assert_eq!(explore_both(All, Buffered, |net| model(net, Conn::close), |net| model(net, Conn::close)), down);
    assert_eq!(explore_both(All, Buffered, |net| model(net, Conn::abort), |net| model(net, Conn::abort)), down);
}

#[test]
fn a_writer_against_its_own_end() {
    fn model<N: Net>(net: N, how: fn(&Conn<N>)) -> String {
        let (a, _b) = pair(&net);
        let a = Arc::new(a);
        let closer = spawn({
            let a = a.clone();
            move || how(&a)
        });
        // The first write finds room, and the second does not.
        let told = format!("{}, {}", write(&a, b"x"), write(&a, b"y"));
        join(closer);
        told
    }
    fn close_write<N: Net>(conn: &Conn<N>) {
        conn.close_write().expect("it is up");
    }
    fn outcomes(cause: &str) -> Seen {
        let failed = format!("write pipet a:1->b:1: {cause}");
        set([&format!("1, {failed}"), &format!("{failed}, {failed}")])
    }
    let seen = explore_both(All, Buffered, |net| model(net, close_write), |net| model(net, close_write));
    assert_eq!(seen, outcomes("broken pipe"));
    let seen = explore_both(All, Buffered, |net| model(net, Conn::close), |net| model(net, Conn::close));
    assert_eq!(seen, outcomes("socket is down"));
    let seen = explore_both(All, Buffered, |net| model(net, Conn::abort), |net| model(net, Conn::abort));
    assert_eq!(seen, outcomes("socket is down"));
}

#[test]
fn each_of_several_readers_gets_a_byte() {
    fn model<N: Net>(net: N, count: usize) -> String {
        let (mut a, b) = pair(&net);
        let readers = threads(b, count, read);
        a.write_all(&b"xyz"[..count]).expect("they read");
        readers()
    }
    let seen = explore_both(Preemptions(3), Buffered, |net| model(net, 2), |net| model(net, 2));
    assert_eq!(seen, set(["11"]));
    // There is one reader more than waker slots: readers wake one another until bytes arrive, so some orders never end.
    assert_eq!(explore_fixed(Preemptions(1), Buffered, |net| model(net, 3)), set(["111"]));
}

#[test]
fn each_of_several_writers_finds_room() {
    fn model<N: Net>(net: N, count: usize) -> String {
        let (a, mut b) = pair(&net);
        let writers = threads(a, count, |conn| write(conn, b"x"));
        b.read_exact(&mut [0; 3][..count]).expect("they write");
        writers()
    }
    let seen = explore_both(Preemptions(3), Buffered, |net| model(net, 2), |net| model(net, 2));
    assert_eq!(seen, set(["11"]));
    assert_eq!(explore_fixed(Preemptions(1), Buffered, |net| model(net, 3)), set(["111"]));
}

#[test]
fn several_readers_all_see_the_end() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let readers = threads(b, 2, read);
        drop(a);
        readers()
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["00"]));
}

#[test]
fn a_read_that_times_out_takes_nothing() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        b.set_read_timeout(Some(SOON)).expect("a valid time");
        let writer = spawn(move || write(&a, b"x"));
        let first = read(&b);
        join(writer);
        format!("{first}, {}", read(&b))
    }
    let late = "read pipet a:1->b:1: timed out, 1";
    assert_eq!(explore_both(All, Buffered, model, model), set(["1, 0", late]));
}

#[test]
fn a_write_that_times_out_writes_nothing() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        write(&a, b"x");
        a.set_write_timeout(Some(SOON)).expect("a valid time");
        let reader = spawn(move || {
            read(&b);
            read(&b)
        });
        let written = write(&a, b"y");
        drop(a);
        format!("{written}, {}", join(reader))
    }
    let late = "write pipet a:1->b:1: timed out, 0";
    assert_eq!(explore_both(Preemptions(4), Buffered, model, model), set(["1, 1", late]));
}

#[test]
fn readiness_waits_are_woken() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let writer = spawn(move || {
            write(&a, b"x");
            a.writable().wait().expect("no time limit");
            write(&a, b"y")
        });
        b.readable().wait().expect("no time limit");
        format!("{}{}{}", read(&b), read(&b), join(writer))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["111"]));
}

#[test]
fn a_pipe_serves_again_once_both_ends_are_dropped() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        write(&a, b"x");
        let dropper = spawn(move || drop(a));
        drop(b);
        join(dropper);
        let (a, b) = pair(&net);
        b.set_read_timeout(Some(SOON)).expect("a valid time");
        format!("{}, {}, {}", read(&b), write(&a, b"y"), read(&b))
    }
    // On the heap, each pipe is a new one.
    assert_eq!(explore_fixed(All, Buffered, model), set(["read pipet a:1->b:1: timed out, 1, 1"]));
}
