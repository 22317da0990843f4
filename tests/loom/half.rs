//! The halves of a connection, each on a thread of its own.

use std::io::{Read, Write};

use crate::act::*;
use crate::explore::*;

#[test]
fn halves_dropped_on_two_threads_close_the_connection_once() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let (read_half, write_half) = b.into_split();
        let threads = [spawn(move || drop(read_half)), spawn(move || drop(write_half))];
        let told = read(&a);
        threads.into_iter().for_each(join);
        assert_eq!(host(&net, "b").sockets(), 0, "its port is free");
        format!("{told}, {}", write(&a, b"x"))
    }
    let closed = "0, write pipet a:1->b:1: broken pipe";
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set([closed]));
}

#[test]
fn the_writing_half_dropped_while_the_other_reads() {
    fn model<N: Net>(net: N) -> String {
        let (mut a, b) = pair(&net);
        let (mut read_half, write_half) = b.into_split();
        let reader = spawn(move || {
            let mut text = String::new();
            told(read_half.read_to_string(&mut text).map(|_| text))
        });
        let peer = spawn(move || {
            let end = read(&a);
            a.write_all(b"x").expect("the other half still reads");
            end
        });
        drop(write_half);
        format!("{}, {}", join(peer), join(reader))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["0, x"]));
}

#[test]
fn the_reading_half_dropped_while_the_other_writes() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let (read_half, mut write_half) = b.into_split();
        let writer = spawn(move || told(write_half.write_all(b"xy").map(|()| "written")));
        let dropper = spawn(move || drop(read_half));
        let mut text = String::new();
        (&a).read_to_string(&mut text).expect("an orderly end");
        join(dropper);
        format!("{}, {text}", join(writer))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["written, xy"]));
}

#[test]
fn one_half_aborts_while_the_other_reads() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let (mut read_half, write_half) = b.into_split();
        let reader = spawn(move || told(read_half.read(&mut [0])));
        let peer = spawn(move || read(&a));
        write_half.abort();
        drop(write_half);
        format!("{}; {}", join(reader), join(peer))
    }
    let aborted = "read pipet a:1->b:1: socket is down; read pipet b:1->a:1: connection reset";
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set([aborted]));
}

#[test]
fn halves_dropped_while_their_host_closes() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let (read_half, write_half) = b.into_split();
        let threads = [spawn(move || drop(read_half)), spawn(move || drop(write_half))];
        host(&net, "b").close().wait().expect("nothing goes wrong");
        let told = read(&a);
        threads.into_iter().for_each(join);
        told
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["0"]));
}
