//! Dials against accepts, and against the drop or timeout of either.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use virtnet::pipenet::Network;
use virtnet::{Conn, Error, Host, Listener, Op};

use crate::act::*;
use crate::explore::*;

#[test]
fn a_dial_meets_an_accept() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let server = spawn(move || listener.accept().wait());
        let dialled = host(&net, "b").dial("a:1").wait();
        format!("{}, {}", ends(&dialled), ends(&join(server)))
    }
    assert_eq!(explore_both(Preemptions(4), Buffered, model, model), set(["b:1-a:2, a:2-b:1"]));
}

#[test]
fn a_connection_moves_bytes_as_soon_as_either_end_has_it() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let server = spawn(move || {
            let conn = listener.accept().wait().expect("there is a dial");
            format!("{}{}", write(&conn, b"x"), read(&conn))
        });
        let conn = host(&net, "b").dial("a:1").wait().expect("there is an accept");
        format!("{}{}{}", write(&conn, b"x"), read(&conn), join(server))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["1111"]));
    // In a rendezvous network, one end has to read first.
    fn half_duplex<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let server = spawn(move || read(&listener.accept().wait().expect("there is a dial")));
        let conn = host(&net, "b").dial("a:1").wait().expect("there is an accept");
        format!("{}{}", write(&conn, b"x"), join(server))
    }
    assert_eq!(explore_both(Preemptions(3), Rendezvous, half_duplex, half_duplex), set(["11"]));
}

/// The outcome of an accept, read to the end of its stream.
fn accepted<N: Net>(accepted: Result<Conn<N>, Error>) -> String {
    match &accepted {
        Ok(conn) => format!("{} and read {}", ends(&accepted), read(conn)),
        Err(_) => ends(&accepted),
    }
}

#[test]
fn an_accept_against_a_dial_that_times_out() {
    fn model<N: Net>(net: N) -> String {
        let listener = Arc::new(listen(&net));
        let server = spawn({
            let listener = listener.clone();
            move || accepted(listener.accept().wait())
        });
        let dialled = ends(&host(&net, "b").dial("a:1").wait_timeout(SOON));
        listener.close();
        format!("{dialled}; {}", join(server))
    }
    let late = "dial pipet b:1->a:1: timed out";
    let outcomes = set([
        "b:1-a:2; a:2-b:1 and read 0",
        &format!("{late}; a:2-b:1 and read 0"),
        &format!("{late}; accept pipet a:1: socket is down"),
    ]);
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), outcomes);
}

#[test]
fn an_accept_against_a_dial_that_is_dropped() {
    fn model<N: Net>(net: N) -> String {
        let listener = Arc::new(listen(&net));
        let server = spawn({
            let listener = listener.clone();
            move || accepted(listener.accept().wait())
        });
        let task = Arc::new(Task::default());
        let begun = task.poll(pin!(host(&net, "b").dial("a:1"))).is_pending();
        listener.close();
        format!("begun {begun}; {}", join(server))
    }
    let outcomes = set([
        "begun false; a:2-b:1 and read 0",
        "begun true; a:2-b:1 and read 0",
        "begun true; accept pipet a:1: socket is down",
    ]);
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), outcomes);
}

#[test]
fn a_dial_against_an_accept_that_times_out() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let server = spawn(move || {
            let first = listener.accept().wait_timeout(SOON);
            match first {
                Ok(_) => ends(&first),
                Err(_) => format!("{}, {}", ends(&first), ends(&listener.accept().wait())),
            }
        });
        let dialled = host(&net, "b").dial("a:1").wait();
        format!("{}; {}", ends(&dialled), join(server))
    }
    let late = "b:1-a:2; accept pipet a:1: timed out, a:2-b:1";
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["b:1-a:2; a:2-b:1", late]));
}

/// An accept by a task that polls once and then drops it, whether or not the task was woken.
fn accept_once<N: Net>(listener: &Listener<N>) -> Option<Result<Conn<N>, Error>> {
    let task = Arc::new(Task::default());
    let mut accept = pin!(listener.accept());
    match task.poll(accept.as_mut()) {
        Poll::Ready(accepted) => Some(accepted),
        Poll::Pending => None,
    }
}

#[test]
fn a_dropped_accept_leaves_the_dial_to_the_other_accept() {
    fn model<N: Net>(net: N) -> String {
        let listener = Arc::new(listen(&net));
        let other = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        let dropped = accept_once(&listener);
        let had_it = dropped.is_some();
        drop(dropped);
        let client = join(client);
        if had_it {
            listener.close();
        }
        format!("{client}; dropped one had it {had_it}; other {}", join(other))
    }
    let outcomes = set([
        "b:1-a:2; dropped one had it false; other a:2-b:1",
        "b:1-a:2; dropped one had it true; other accept pipet a:1: socket is down",
    ]);
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), outcomes);
}

#[test]
fn an_accept_that_times_out_leaves_the_dial_to_the_other() {
    fn model<N: Net>(net: N) -> String {
        let listener = Arc::new(listen(&net));
        let other = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        let limited = listener.accept().wait_timeout(SOON);
        let client = join(client);
        if limited.is_ok() {
            listener.close();
        }
        format!("{client}; {}; {}", ends(&limited), join(other))
    }
    let outcomes =
        set(["b:1-a:2; accept pipet a:1: timed out; a:2-b:1", "b:1-a:2; a:2-b:1; accept pipet a:1: socket is down"]);
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), outcomes);
}

#[test]
fn a_dropped_accept_leaves_the_dial_to_another_accept_of_its_task() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let server = spawn(move || {
            let (mut dropped, mut other) = (Some(Box::pin(listener.accept())), pin!(listener.accept()));
            let either = std::future::poll_fn(|cx| {
                // Both accepts wait in one task; only the first poll has both.
                if let Some(mut dropped) = dropped.take() {
                    if let poll @ Poll::Ready(_) = other.as_mut().poll(cx) {
                        return poll;
                    }
                    return dropped.as_mut().poll(cx);
                }
                other.as_mut().poll(cx)
            });
            ends(&Op::new(either).wait())
        });
        let dialled = host(&net, "b").dial("a:1").wait();
        format!("{}; {}", ends(&dialled), join(server))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["b:1-a:2; a:2-b:1"]));
}

#[test]
fn two_accepts_and_two_dials_pair_off() {
    fn model<N: Net>(net: N) -> String {
        let listener = Arc::new(listen(&net));
        let other = spawn({
            let listener = listener.clone();
            move || listener.accept().wait().expect("there is a dial")
        });
        let clients = [(); 2].map(|()| {
            let host = host(&net, "b");
            spawn(move || host.dial("a:1").wait().expect("there is an accept"))
        });
        let own = listener.accept().wait().expect("there is a dial");
        let servers = [own, join(other)].map(|conn| (conn.local_addr(), conn.peer_addr()));
        let mut clients = clients.map(|client| {
            let conn = join(client);
            (conn.peer_addr(), conn.local_addr())
        });
        if clients[0] != servers[0] {
            clients.reverse();
        }
        assert_eq!(clients, servers, "who has accepted whom");
        "paired".into()
    }
    assert_eq!(explore_both(Preemptions(1), Buffered, model, model), set(["paired"]));
}

#[test]
fn dials_are_accepted_in_their_order() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let client = spawn({
            let host = host(&net, "b");
            move || {
                let dials = [(); 2].map(|()| Box::pin(host.dial("a:1")));
                let task = Arc::new(Task::default());
                let waiting = dials.map(|mut dial| match task.poll(dial.as_mut()) {
                    Poll::Ready(dialled) => Ok(dialled),
                    Poll::Pending => Err(dial),
                });
                waiting.map(|dial| ends(&dial.unwrap_or_else(|dial| Op::new(dial).wait()))).join(", ")
            }
        });
        let accepted = [(); 2].map(|()| listener.accept().wait());
        format!("{}; {}", join(client), accepted.each_ref().map(ends).join(", "))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["b:1-a:2, b:2-a:3; a:2-b:1, a:3-b:2"]));
}

#[test]
fn a_full_backlog_refuses_or_has_room_again() {
    let model = || {
        let net = Network::builder("t").backlog(1).build().expect("valid options");
        let (a, b) = (net.host("a").expect("room for it"), net.host("b").expect("room for it"));
        let listener = a.listen(":1").expect("a free port");
        let mut first = pin!(b.dial("a:1"));
        assert!(first.as_mut().try_wait().is_none(), "nobody has accepted it");
        let second = spawn(move || ends(&b.dial("a:1").wait()));
        let accepted = listener.accept().wait();
        let first = first.try_wait().expect("it was accepted");
        listener.close();
        format!("{}, {}; {}", ends(&first), ends(&accepted), join(second))
    };
    let outcomes = set([
        "b:1-a:2, a:2-b:1; dial pipet b:2->a:1: backlog is full (1)",
        "b:1-a:2, a:2-b:1; dial pipet b:2->a:1: connection refused",
    ]);
    assert_eq!(explore(Preemptions(3), model), outcomes);
}

/// The accepted end of a connection whose dialled end was dropped.
fn half<N: Net>(from: &Host<N>, listener: &Listener<N>) -> Conn<N> {
    let mut dial = pin!(from.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    listener.try_accept().expect("a dial waits")
}

#[test]
fn two_dials_get_pairs_of_their_own() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let held = half(&host(&net, "b"), &listener);
        assert_eq!(held.peer_addr().to_string(), "b:1");
        let clients = [(); 2].map(|()| {
            let host = host(&net, "b");
            spawn(move || host.dial("a:1").wait().expect("there is an accept"))
        });
        let accepted = [(); 2].map(|()| listener.accept().wait().expect("there is a dial"));
        let mut accepted = accepted.map(|conn| conn.peer_addr());
        let mut dialled = clients.map(|client| join(client).local_addr());
        accepted.sort();
        dialled.sort();
        assert_eq!(accepted, dialled, "who has accepted whom");
        format!("{}, {}", dialled[0], dialled[1])
    }
    assert_eq!(explore_both(Preemptions(2), Shared, model, model), set(["b:2, b:3"]));
}

#[test]
fn a_dial_against_the_end_of_a_connection_of_its_pair() {
    fn model<N: Net>(net: N) -> String {
        let listener = listen(&net);
        let held = half(&host(&net, "b"), &listener);
        let client = spawn({
            let host = host(&net, "b");
            move || ends(&host.dial("a:1").wait())
        });
        drop(held);
        let accepted = ends(&listener.accept().wait());
        format!("{}; {accepted}", join(client))
    }
    let outcomes = set(["b:1-a:1; a:1-b:1", "b:2-a:1; a:1-b:2"]);
    assert_eq!(explore_both(Preemptions(4), Shared, model, model), outcomes);
}

#[test]
fn hosts_that_dial_each_other_exchange_their_ports() {
    fn model<N: Net>(net: N) -> String {
        let hosts = ["a", "b"].map(|name| host(&net, name));
        let listeners = hosts.each_ref().map(|host| host.listen(":9").expect("a free port"));
        let held = [half(&hosts[1], &listeners[0]), half(&hosts[0], &listeners[1])];
        drop(listeners);
        let [a, b] = hosts;
        let other = spawn(move || ends(&a.dial("b:9").wait()));
        let own = ends(&b.dial("a:9").wait());
        let other = join(other);
        drop(held);
        format!("{other}; {own}")
    }
    let refused = "dial pipet a:2->b:9: connection refused; dial pipet b:2->a:9: connection refused";
    assert_eq!(explore_both(Preemptions(4), Shared, model, model), set([refused]));
}
