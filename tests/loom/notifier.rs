//! Connections that a backend hands over, against accepts and closes, and the closing of a backend.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use virtnet::table::Heap;
use virtnet::{Accept as _, Addr, Cause, Host, NetRefExt as _, Notifier as _, Op};

use crate::act::*;
use crate::backend::{Idle, Link, idle, idle_in};
use crate::explore::*;

/// Runs a model in each order, on a network with the host `a`. Each link that was handed over is released once.
fn explore_idle(
    orders: Orders,
    model: impl Fn(&Idle, &Host<Idle>, [Link; 2]) -> String + Send + Sync + 'static,
) -> Seen {
    explore_named(std::any::type_name_of_val(&model), orders, move || {
        let (net, links) = (idle(Arc::new(Event::new(true))), [Link::default(), Link::default()]);
        let host = made(&net, "a");
        let outcome = model(&net, &host, links.clone());
        assert_eq!(host.sockets(), 0, "no socket is left");
        assert!(links.iter().all(|link| link.released() <= 1), "no link is released twice");
        format!("{outcome}; released {}", links.iter().map(Link::released).sum::<usize>())
    })
}

/// The backend's answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Acknowledge,
    Refuse,
}

/// Hands a connection from `x:1` or another port over to the listener at `a:1`, on a thread of its own.
fn hand_over(net: &Idle, port: u16, link: Link, answer: Answer) -> loom::thread::JoinHandle<String> {
    let notifier = Arc::downgrade(net);
    spawn(move || {
        let (src, dst) = (addr("x", port), addr("a", 1));
        match (Op::new(notifier.accept(&src, &dst, link)).wait(), answer) {
            (Ok(incoming), Answer::Acknowledge) => {
                let local = incoming.local_addr();
                told(incoming.acknowledge().map(|()| local))
            }
            (Ok(incoming), Answer::Refuse) => {
                incoming.refuse();
                "refused".into()
            }
            (Err(cause), _) => cause.to_string(),
        }
    })
}

fn addr(host: &str, port: u16) -> Addr {
    Addr::new("t", host, port).expect("a valid address")
}

#[test]
fn a_connection_meets_an_accept() {
    let seen = explore_idle(Preemptions(4), |net, host, [link, _]| {
        let listener = host.listen(":1").expect("a free port");
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        let accepted = ends(&listener.accept().wait());
        format!("{accepted}, {}", join(backend))
    });
    assert_eq!(seen, set(["a:2-x:1, a:2; released 1"]));
}

#[test]
fn an_accepted_connection_is_gone_as_soon_as_it_is_dropped() {
    let seen = explore_idle(Preemptions(4), |net, host, [link, _]| {
        let listener = host.listen(":1").expect("a free port");
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        drop(listener.accept().wait().expect("a connection"));
        let left = host.sockets();
        format!("{left} left, {}", join(backend))
    });
    assert_eq!(seen, set(["1 left, a:2; released 1"]));
}

#[test]
fn a_connection_outlives_an_accept_that_times_out() {
    let seen = explore_idle(Preemptions(4), |net, host, [link, _]| {
        let listener = host.listen(":1").expect("a free port");
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        let first = listener.accept().wait_timeout(SOON);
        let accepted = match first {
            Ok(_) => ends(&first),
            Err(_) => format!("{}, {}", ends(&first), ends(&listener.accept().wait())),
        };
        format!("{accepted}, {}", join(backend))
    });
    let late = "accept t a:1: timed out, a:2-x:1, a:2; released 1";
    assert_eq!(seen, set(["a:2-x:1, a:2; released 1", late]));
}

#[test]
fn a_connection_claimed_by_a_dropped_accept_goes_to_the_other_accept() {
    let seen = explore_idle(Preemptions(3), |net, host, [link, _]| {
        let listener = Arc::new(host.listen(":1").expect("a free port"));
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        let other = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        let mut dropped = None;
        {
            let task = Arc::new(Task::default());
            let mut accept = pin!(listener.accept());
            if task.poll(accept.as_mut()).is_ready() || task.is_woken() && task.poll(accept).is_ready() {
                dropped = Some("dropped one had it");
                listener.close();
            }
        }
        format!("{}, {}, {}", dropped.unwrap_or("dropped one had nothing"), join(other), join(backend))
    });
    let outcomes = set([
        "dropped one had nothing, a:2-x:1, a:2; released 1",
        "dropped one had it, accept t a:1: socket is down, a:2; released 1",
    ]);
    assert_eq!(seen, outcomes);
}

#[test]
fn a_refused_connection_makes_way_for_the_next() {
    let seen = explore_idle(Preemptions(3), |net, host, [first, second]| {
        let listener = host.listen(":1").expect("a free port");
        let refusing = hand_over(net, 1, first, Answer::Refuse);
        let other = hand_over(net, 2, second, Answer::Acknowledge);
        let accepted = ends(&listener.accept().wait());
        // A connection that was not claimed by then is refused.
        drop(listener);
        format!("{accepted}, {}, {}", join(refusing), join(other))
    });
    let outcomes = set(["a:2-x:2, refused, a:2; released 2", "a:2-x:2, connection refused, a:2; released 2"]);
    assert_eq!(seen, outcomes);
}

#[test]
fn a_stranger_is_known_from_when_it_is_queued() {
    let model = || {
        let tables = Heap::new();
        let net = idle_in(tables.clone(), Arc::new(Event::new(true)), 1);
        let listener = made(&net, "a").listen(":1").expect("a free port");
        // There is room for one stranger, unless its connection was withdrawn by then.
        let queued = |name: &str, net: &Idle| {
            let (src, dst, notifier) = (addr(name, 1), addr("a", 1), net.notifier());
            match Arc::new(Task::default()).poll(pin!(notifier.accept(&src, &dst, Link::default()))) {
                Poll::Pending => true,
                Poll::Ready(Err(Cause::Full(..))) => false,
                Poll::Ready(other) => panic!("{name}: {}", told(other.map(|incoming| incoming.local_addr()))),
            }
        };
        let other = spawn({
            let net = net.clone();
            move || queued("x", &net)
        });
        let queued = [queued("y", &net), join(other)];
        let known = ["y", "x"].map(|name| tables.knows(name));
        assert_eq!(known, queued, "whose name is kept");
        drop(listener);
        format!("{known:?}")
    };
    assert_eq!(explore(Preemptions(3), model), set(["[true, true]", "[true, false]", "[false, true]"]));
}

#[test]
fn a_stranger_shares_its_name_with_a_host_made_meanwhile() {
    let seen = explore_idle(Preemptions(3), |net, host, [link, _]| {
        let listener = host.listen(":1").expect("a free port");
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        let new = made(net, "x");
        let conn = listener.accept().wait().expect("there is one");
        assert_eq!(conn.peer_addr().host(), new.name(), "it is one name");
        join(backend)
    });
    assert_eq!(seen, set(["a:2; released 1"]));
}

#[test]
fn a_withdrawn_connection_is_not_accepted() {
    let seen = explore_idle(Preemptions(4), |net, host, [link, _]| {
        let listener = Arc::new(host.listen(":1").expect("a free port"));
        let server = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        let (src, dst, notifier) = (addr("x", 1), addr("a", 1), net.notifier());
        let claimed = Arc::new(Task::default()).poll(pin!(notifier.accept(&src, &dst, link))).is_ready();
        listener.close();
        format!("claimed {claimed}, {}", join(server))
    });
    let down = "accept t a:1: socket is down; released 1";
    assert_eq!(seen, set([&format!("claimed false, {down}"), &format!("claimed true, {down}")]));
}

#[test]
fn a_connection_against_the_close_of_its_listener() {
    let seen = explore_idle(Preemptions(3), |net, host, [link, _]| {
        let listener = Arc::new(host.listen(":1").expect("a free port"));
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        let server = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        listener.close();
        format!("{}, {}", join(server), join(backend))
    });
    let outcomes = set([
        "a:2-x:1, a:2; released 1",
        // The connection was acknowledged, and the queue was emptied before an accept took it out.
        "accept t a:1: socket is down, a:2; released 1",
        "accept t a:1: socket is down, connection refused; released 1",
    ]);
    assert_eq!(seen, outcomes);
}

#[test]
fn a_connection_against_the_end_of_the_network() {
    let seen = explore_idle(Preemptions(3), |net, host, [link, _]| {
        let listener = Arc::new(host.listen(":1").expect("a free port"));
        let backend = hand_over(net, 1, link, Answer::Acknowledge);
        let server = spawn({
            let listener = listener.clone();
            move || ends(&listener.accept().wait())
        });
        Op::new(net.notifier().down(Cause::ConnectionReset)).wait();
        format!("{}, {}", join(server), join(backend))
    });
    let outcomes = set([
        "a:2-x:1, a:2; released 1",
        "accept t a:1: network is down, a:2; released 1",
        "accept t a:1: network is down, connection refused; released 1",
        "accept t a:1: network is down, network is down; released 1",
    ]);
    assert_eq!(seen, outcomes);
}

#[test]
fn a_dial_that_the_engine_lets_wait_ends_with_its_host() {
    let dial = |host: &Host<Idle>| {
        let host = host.clone();
        spawn(move || ends(&host.dial("x:1").wait()))
    };
    let seen = explore_idle(Preemptions(4), move |_, host, _| {
        let client = dial(host);
        host.close().wait().expect("nothing goes wrong");
        join(client)
    });
    assert_eq!(seen, set(["dial t a:1->x:1: host is down; released 0"]));
    let seen = explore_idle(Preemptions(4), move |net, host, _| {
        let client = dial(host);
        net.close().wait().expect("nothing goes wrong");
        join(client)
    });
    assert_eq!(seen, set(["dial t a:1->x:1: network is down; released 0"]));
}

#[test]
fn two_closes_close_the_backend_once() {
    let model = || {
        let done = Arc::new(Event::default());
        let net = idle(done.clone());
        let closers = [(); 2].map(|()| {
            let net = net.clone();
            spawn(move || told(net.close().wait().map(|()| "closed")))
        });
        done.set();
        let told = closers.map(join).join(", ");
        format!("{told}; {} and {} closes", net.engine().closes(), net.registry().closes())
    };
    assert_eq!(explore(Preemptions(3), model), set(["closed, closed; 1 and 1 closes"]));
}

#[test]
fn a_dropped_close_is_finished_by_the_other_close() {
    let model = || {
        let done = Arc::new(Event::default());
        let net = idle(done.clone());
        let other = spawn({
            let net = net.clone();
            move || told(net.close().wait().map(|()| "closed"))
        });
        let opener = spawn(move || done.set());
        let dropped = Arc::new(Task::default()).poll(pin!(net.close())).is_ready();
        let told = join(other);
        join(opener);
        format!("{told}; dropped one done {dropped}; {} and {} closes", net.engine().closes(), net.registry().closes())
    };
    let outcomes =
        set(["closed; dropped one done false; 1 and 1 closes", "closed; dropped one done true; 1 and 1 closes"]);
    assert_eq!(explore(Preemptions(3), model), outcomes);
}
