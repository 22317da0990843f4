//! A gate that holds threads, too, before they listen, shut down, close and drop.

use std::io::Read;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use virtnet::trace::{Check, Failure};

use super::gate::{Conn, Net, each, held, until_held};

/// A gate with a stream for each thread.
fn gate(net: &Net) -> Check {
    net.trace.gate().hold_threads(true).by_actor()
}

#[test]
fn the_gate_decides_which_thread_listens_first() -> Result<(), Failure> {
    for run in 0..1_000 {
        let [first, second] = if run % 2 == 0 { ["x", "y"] } else { ["y", "x"] };
        let net = Net::new();
        let a = net.host("a");
        let mut gate = gate(&net);
        let listens = ["x", "y"].map(|name| {
            let a = a.clone();
            net.actor(name, move || a.listen(":5").map(|listener| (listener.local_addr().port(), listener)))
        });
        each(&mut gate, [(first, "listen a:5"), (second, "listen a:5: address already in use")])?;
        gate.open();
        let won = listens.map(|listen| listen.join().unwrap().is_ok());
        assert_eq!(won, [first == "x", first == "y"], "run {run}");
    }
    Ok(())
}

#[test]
fn a_thread_is_held_before_each_thing_that_cannot_wait() -> Result<(), Failure> {
    let net = Net::new();
    let [dialled, accepted] = net.pair();
    let (a, b) = (net.host("a"), net.host("b"));
    let mut gate = gate(&net);
    let server = net.actor("server", move || {
        let any = a.listen("").unwrap();
        let listener = a.listen(":12").unwrap();
        any.close();
        drop(listener);
        let (reading, writing) = accepted.into_split();
        drop(writing);
        drop(reading);
        drop(b.listen(":7").unwrap());
    });
    for (held, line) in [
        ("listen a", "listen a:2"),
        ("listen a:12", "listen a:12"),
        ("close a:2", "close a:2"),
        ("drop a:12", "drop a:12"),
        ("shutdown a:1->b:1", "shutdown a:1->b:1"),
        ("drop a:1->b:1", "drop a:1->b:1"),
        ("listen b:7", "listen b:*"),
        ("drop b:7", "drop b:*"),
    ] {
        until_held(&mut gate, [&format!("held: server: {held}\n")]);
        assert_eq!(net.trace.count(line), 0, "{line}");
        gate.expect("server", line).wait()?;
    }
    gate.end()?;
    server.join().unwrap();
    dialled.close();
    Ok(())
}

#[test]
fn the_close_that_is_expected_first_comes_first() -> Result<(), Failure> {
    for first in ["x", "y"] {
        let net = Net::new();
        let [dialled, accepted] = net.pair();
        let mut gate = gate(&net);
        assert_eq!(accepted.try_write(b"hi"), Ok(2));
        let aborts = net.actor("x", move || accepted.abort());
        let closes = net.actor("y", move || {
            dialled.close();
            dialled
        });
        until_held(&mut gate, ["x: abort a:1->b:1", "y: close b:1->a:1"]);
        gate.skip("#1", "write *");
        if first == "x" {
            each(&mut gate, [("x", "abort a:1->b:1"), ("y", "close b:1->a:1")])?;
        } else {
            // Bytes wait unread, so this close resets.
            each(&mut gate, [("y", "close b:1->a:1: reset"), ("x", "abort a:1->b:1")])?;
        }
        gate.end()?;
        aborts.join().unwrap();
        drop(closes.join().unwrap());
    }
    Ok(())
}

#[test]
fn of_the_handles_of_a_connection_only_the_last_one_is_held() -> Result<(), Failure> {
    let net = Net::new();
    let [dialled, accepted] = net.pair();
    let mut gate = gate(&net);
    let (reading, writing) = dialled.into_split();
    let (first, second) = (net.actor("x", move || drop(reading)), net.actor("y", move || drop(writing)));
    first.join().unwrap();
    gate.expect("y", "shutdown b:1->a:1").wait()?;
    gate.expect("y", "drop b:1->a:1").wait()?;
    second.join().unwrap();
    drop(accepted);
    gate.skip("#1", "drop a:1->b:1");
    gate.end()
}

/// A thread that listens, and drops its listener: it is held before both.
fn listens(net: &Net) -> thread::JoinHandle<()> {
    let a = net.host("a");
    net.actor("server", move || drop(a.listen(":10").unwrap()))
}

#[test]
fn an_opened_dropped_or_panicking_gate_holds_no_thread() -> Result<(), Failure> {
    let end: [fn(Check); 3] = [
        |mut gate| gate.open(),
        drop,
        |gate| {
            let fails = thread::spawn(move || {
                let _gate = gate;
                std::panic::panic_any("the test has failed");
            });
            assert!(fails.join().is_err());
        },
    ];
    for end in end {
        let net = Net::new();
        let mut gate = gate(&net);
        let server = listens(&net);
        until_held(&mut gate, ["server: listen a:10"]);
        end(gate);
        server.join().unwrap();
        // Another gate holds no threads by itself.
        let _gate = net.trace.gate();
        listens(&net).join().unwrap();
    }
    Ok(())
}

#[test]
fn a_gate_that_holds_threads_no_longer_lets_them_run() {
    let net = Net::new();
    let mut gate = gate(&net);
    let server = listens(&net);
    until_held(&mut gate, ["server: listen a:10"]);
    let _gate = gate.hold_threads(false);
    server.join().unwrap();
}

#[test]
fn without_a_gate_a_check_holds_no_thread() -> Result<(), Failure> {
    let net = Net::new();
    let mut check = net.trace.check().hold_threads(true);
    let _gate = net.trace.gate();
    listens(&net).join().unwrap();
    check.expect("a", "host a").wait()?;
    check.expect("a", "listen a:10").wait()?;
    check.expect("a", "drop a:10").wait()?;
    check.end()
}

#[test]
fn the_thread_of_the_check_and_one_that_panics_are_never_held() {
    let net = Net::new();
    let [dialled, accepted] = net.pair();
    let mut gate = gate(&net);
    drop(net.host("b").listen(":10").unwrap());
    drop(dialled);
    let fails = thread::spawn(move || {
        let _accepted = accepted;
        std::panic::panic_any("the server has failed");
    });
    assert!(fails.join().is_err());
    assert_eq!(net.trace.count("drop *"), 4);
    assert!(format!("{:?}", held(&mut gate)).contains("held: none\n"));
}

#[test]
fn a_held_thread_runs_when_its_host_or_socket_closes() {
    let net = Net::new();
    let [dialled, accepted] = net.pair();
    let (a, b) = (net.host("a"), net.host("b"));
    let listener = std::sync::Arc::new(a.listen(":10").unwrap());
    let mut gate = gate(&net);
    let closes = {
        let listener = listener.clone();
        net.actor("listener", move || listener.close())
    };
    let listens = net.actor("a", {
        let a = a.clone();
        move || a.listen(":11").map(drop)
    });
    let drops = net.actor("b", move || drop(dialled));
    until_held(&mut gate, ["listener: close a:10", "a: listen a:11", "b: drop b:1->a:1"]);
    listener.close();
    closes.join().unwrap();
    a.close().wait().unwrap();
    assert_eq!(listens.join().unwrap().unwrap_err().to_string(), "listen pipet a:11: host is down");
    b.close().wait().unwrap();
    drops.join().unwrap();
    // What is closed already is not held.
    net.actor("x", move || drop((accepted, listener))).join().unwrap();
    net.net.close().unwrap();
    // That of the listener by which the connection was made.
    assert_eq!(net.trace.count("drop *"), 1);
}

#[test]
fn what_waits_is_held_as_ever() -> Result<(), Failure> {
    let net = Net::new();
    let [dialled, mut accepted] = net.pair();
    let mut gate = gate(&net);
    let (sender, written) = mpsc::channel();
    let writer = net.actor("writer", move || {
        let write = std::io::Write::write_all(&mut &dialled, b"hi");
        sender.send(()).unwrap();
        write.map(|()| drop::<Conn>(dialled))
    });
    until_held(&mut gate, ["writer: write b:1->a:1: 2 \"hi\""]);
    assert_eq!(written.recv_timeout(Duration::ZERO), Err(mpsc::RecvTimeoutError::Timeout));
    each(&mut gate, [("writer", "write b:1->a:1: 2 \"hi\""), ("writer", "drop b:1->a:1")])?;
    writer.join().unwrap().unwrap();
    let mut text = String::new();
    accepted.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi");
    Ok(())
}
