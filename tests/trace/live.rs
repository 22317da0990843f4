//! Threads on a traced network: no event comes before its cause.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::thread;

use virtnet::trace::{End, How, Kind, Trace};
use virtnet::{Bare, ErrorKind, pipenet};

type Layers = (Trace, Bare);

/// Clients and servers, whose connections end in each way.
fn run(net: &pipenet::Network<Layers>, rounds: u32, rendezvous: bool) {
    let servers: Vec<_> = ["s0", "s1"]
        .map(|name| {
            let listener = net.host(name).expect("a host").listen(":1").expect("a free port");
            thread::spawn(move || {
                for mut conn in listener.incoming().map_while(Result::ok) {
                    let mut command = [0];
                    if conn.read(&mut command).unwrap_or_default() == 0 || command == [b'q'] {
                        break;
                    }
                    match command[0] {
                        0 => drop(conn.write(b"an answer")),
                        1 => conn.abort(),
                        2 => {
                            conn.close_write().expect("it is open");
                            let _ = conn.read(&mut [0; 8]);
                        }
                        _ => {}
                    }
                }
            })
        })
        .into();
    let clients: Vec<_> = (0..4_u32)
        .map(|client| {
            let host = net.host(&format!("c{client}")).expect("a host");
            thread::spawn(move || {
                for round in 0..rounds {
                    let mut conn = host.dial((["s0", "s1"][(round % 2) as usize], 1)).wait().expect("it is accepted");
                    let command = ((client + round) % 4) as u8;
                    let _ = conn.write(&[command]);
                    // In a rendezvous, a write that is never read waits for the close, and so may the server.
                    if round % 3 == 0 && !rendezvous {
                        let _ = conn.write(b"unread");
                    }
                    let _ = conn.read_to_end(&mut Vec::new());
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("no client panics"));
    let end = net.host("end").expect("a host");
    for server in ["s0", "s1"] {
        end.dial((server, 1)).wait().expect("it is accepted").write_all(b"q").expect("the server reads it");
    }
    servers.into_iter().for_each(|server| server.join().expect("no server panics"));
}

/// The events that come before their cause.
fn early(trace: &Trace) -> Vec<String> {
    let mut early = Vec::new();
    let (mut dialled, mut accepted, mut shut) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut bytes: BTreeMap<End, [u64; 2]> = BTreeMap::new();
    let other = |end: End| {
        let mut other = end;
        other.accepted = !end.accepted;
        other
    };
    for event in trace.view().reads(true).events() {
        let end = event.end;
        let known = match (&event.kind, end) {
            (Kind::Dialled { src, .. }, _) => {
                dialled.insert(*src);
                true
            }
            (Kind::Accepted { peer, .. }, Some(end)) => {
                accepted.insert(end.conn);
                dialled.contains(peer)
            }
            (Kind::Connected { .. }, Some(end)) => accepted.contains(&end.conn),
            (Kind::Wrote { count, .. }, Some(end)) => {
                bytes.entry(end).or_default()[0] += u64::from(*count);
                true
            }
            (Kind::Read { count, .. }, Some(end)) => {
                let [written, read] = bytes.entry(other(end)).or_default();
                *read += u64::from(*count);
                *read <= *written
            }
            (Kind::Shut { how, reset, .. }, Some(end)) => {
                shut.insert(end, *reset || *how == How::Abort);
                true
            }
            (Kind::Ended { .. }, Some(end)) => shut.contains_key(&other(end)),
            (Kind::Failed { error }, Some(end)) => match error.kind() {
                ErrorKind::ConnectionReset => shut.get(&other(end)).is_some_and(|reset| *reset),
                ErrorKind::BrokenPipe => shut.contains_key(&other(end)) || shut.contains_key(&end),
                _ => true,
            },
            _ => true,
        };
        if !known {
            early.push(format!("{event:#}"));
        }
    }
    early
}

fn storm(rendezvous: bool) {
    let trace = Trace::new();
    let builder = pipenet::Network::builder("t").rendezvous(rendezvous).layer(trace.clone());
    run(&builder.build().expect("valid options"), 500, rendezvous);
    assert_eq!(early(&trace), [""; 0]);
    assert_eq!(trace.open_tickets(), 0);
    assert!(trace.count("connect *") > 2000, "each dial was recorded");
}

#[test]
fn no_event_of_a_network_comes_before_its_cause() {
    storm(false);
}

#[test]
fn no_event_of_a_rendezvous_comes_before_its_cause() {
    storm(true);
}

#[test]
fn crashes_and_restarts_are_told_once() {
    let trace = Trace::new();
    let net = pipenet::Network::builder("t").layer(trace.clone()).build().expect("valid options");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen(":10").expect("a free port");
    let mut dial = std::pin::pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().expect("a dial waits");
    let dialled = dial.try_wait().expect("it is accepted").expect("it is accepted");
    net.crash("a").expect("there is such a host");
    assert_eq!(dialled.try_read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    drop((accepted, listener));
    net.restart("a").expect("it is down");
    net.crash("a").expect("there is such a host");
    net.crash("a").expect("there is such a host");
    let lines: Vec<_> = trace.view().reads(true).events().map(|event| event.to_string()).collect();
    let from = lines.iter().position(|line| line == "crash a").expect("the crash is told");
    assert_eq!(lines[from..], ["crash a", "read a:1->b:1: connection reset", "restart a", "crash a"]);
}
