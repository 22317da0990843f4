//! The page of common hangs: each of them is built, and shows the described snapshot.

use std::io::{BufWriter, Write};

use virtnet::pipenet::{self, Builder, Network};

use super::*;

/// The page in the docs of the module `snapshot`.
const PAGE: &str = include_str!("../../src/snapshot/hangs.md");

/// The symptom, the cause, and the resulting snapshot.
const HANGS: [(&str, Hang); 13] = [
    ("A dial, and its accept comes after it on the same thread", dial_before_accept),
    ("A dial to a server that has a connection", busy_server),
    ("An accept", accept_without_dial),
    ("A dial that was accepted", forgotten_dial),
    ("Reading to the end", unfinished_stream),
    ("Reading to the end, and the peer was dropped", held_clone),
    ("Reading at both ends", unflushed_request),
    ("Writing", unread_stream),
    ("Writing at both ends", both_write),
    ("A write of a few bytes", rendezvous_without_reader),
    ("Nothing, but ports are not those that I expect, or run out", held_ends),
    ("Nothing, but `port table is full (6)`", held_closed_sockets),
    ("Nothing, but `backlog is full (2)`", full_backlog),
];

/// Builds a hang, and returns its snapshot.
type Hang = fn() -> String;

#[test]
fn the_page_describes_the_snapshot_of_each_hang() {
    let entries: Vec<(&str, &str)> = PAGE.split("\n**").skip(1).filter_map(|entry| entry.split_once("**\n")).collect();
    let told: Vec<_> = entries.iter().map(|&(symptom, _)| symptom).collect();
    assert_eq!(told, HANGS.map(|(symptom, _)| symptom), "each entry has its test");
    for (&(_, entry), (symptom, hang)) in entries.iter().zip(HANGS) {
        let has = |head: &str| entry.lines().any(|line| line.strip_prefix(head).is_some_and(|rest| !rest.is_empty()));
        assert!(has("- cause: ") && has("- fix: "), "{symptom}");
        let snapshot = hang();
        let lines: Vec<_> = snapshot.lines().map(squeeze).collect();
        let told: Vec<_> =
            entry.lines().skip_while(|line| *line != "```text").skip(1).take_while(|line| *line != "```").collect();
        assert!(told.iter().all(|told| lines.iter().any(|line| line == told)), "{symptom}: {told:#?}\n{snapshot}");
        // A waiting task or thread is listed.
        let waits = |line: &&String| line.contains(" to ");
        assert!(lines.iter().filter(waits).all(|line| told.contains(&&**line)), "{symptom}: {told:#?}\n{snapshot}");
    }
}

fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A network with a listener at `a:10`, and a host that is to dial it.
fn start(options: Builder<'_>) -> (Network, pipenet::Listener, pipenet::Host) {
    let net = options.buffer(64).build().expect("valid options");
    let listener = net.host("a").expect("a host").listen(":10").expect("a free port");
    let b = net.host("b").expect("a host");
    (net, listener, b)
}

/// The same with a connection; the dialled end comes first.
fn start_connected(options: Builder<'_>) -> (Network, pipenet::Conn, pipenet::Conn) {
    let (net, listener, b) = start(options);
    let (dialled, accepted) = connect(&b, &listener);
    (net, dialled, accepted)
}

fn dial_before_accept() -> String {
    let (net, _listener, b) = start(Network::builder("t"));
    let mut dial = pin!(b.dial("a:10"));
    wait_in_vain(dial.as_mut());
    net.snapshot().to_string()
}

fn busy_server() -> String {
    let (net, listener, b) = start(Network::builder("t"));
    let (_client, server) = connect(&b, &listener);
    wait_to_read(&server);
    let mut second = pin!(b.dial("a:10"));
    wait_in_vain(second.as_mut());
    net.snapshot().to_string()
}

fn accept_without_dial() -> String {
    let (net, listener, _b) = start(Network::builder("t"));
    let mut accept = pin!(listener.accept());
    wait_in_vain(accept.as_mut());
    net.snapshot().to_string()
}

fn forgotten_dial() -> String {
    let (net, listener, b) = start(Network::builder("t"));
    let mut dial = pin!(b.dial("a:10"));
    wait_in_vain(dial.as_mut());
    let _accepted = listener.try_accept().expect("somebody dials");
    net.snapshot().to_string()
}

fn unfinished_stream() -> String {
    let (net, mut dialled, accepted) = start_connected(Network::builder("t"));
    dialled.write_all(b"all there is").expect("there is room");
    assert_eq!(accepted.try_read(&mut [0; 64]), Ok(12));
    wait_to_read(&accepted);
    net.snapshot().to_string()
}

fn held_clone() -> String {
    let (net, dialled, accepted) = start_connected(Network::builder("t"));
    let dialled = Arc::new(dialled);
    let _clone = dialled.clone();
    drop(dialled);
    wait_to_read(&accepted);
    net.snapshot().to_string()
}

fn unflushed_request() -> String {
    let (net, dialled, accepted) = start_connected(Network::builder("t"));
    let mut request = BufWriter::new(&dialled);
    request.write_all(b"how are you?").expect("there is room");
    wait_to_read(&dialled);
    wait_to_read(&accepted);
    net.snapshot().to_string()
}

fn unread_stream() -> String {
    let (net, mut dialled, accepted) = start_connected(Network::builder("t"));
    // The peer cannot know that the bytes will not be read until the writing half is dropped, too.
    let (read, _write) = accepted.into_split();
    drop(read);
    dialled.write_all(&[0; 64]).expect("there is room");
    wait_to_write(&dialled, b"more");
    net.snapshot().to_string()
}

fn both_write() -> String {
    let (net, mut dialled, mut accepted) = start_connected(Network::builder("t"));
    for conn in [&mut dialled, &mut accepted] {
        conn.write_all(&[0; 64]).expect("there is room");
        wait_to_write(conn, b"more");
    }
    net.snapshot().to_string()
}

fn rendezvous_without_reader() -> String {
    let (net, dialled, _accepted) = start_connected(Network::builder("t").rendezvous(true));
    wait_to_write(&dialled, b"hello");
    net.snapshot().to_string()
}

fn held_ends() -> String {
    let (net, listener, b) = start(Network::builder("t"));
    let (first, _held) = connect(&b, &listener);
    drop(first);
    let (_second, accepted) = connect(&b, &listener);
    assert_eq!(accepted.local_addr(), "a:2");
    net.snapshot().to_string()
}

fn held_closed_sockets() -> String {
    let memory = fixed::Memory::<2, 6, 4, 64>::new();
    let net = fixed::Network::new("t", &memory);
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen(":10").expect("a free port");
    let held = [connect(&b, &listener), connect(&b, &listener)];
    held.iter().for_each(|(dialled, accepted)| {
        dialled.close();
        accepted.close();
    });
    let mut dial = pin!(b.dial("a:10"));
    let full = dial.as_mut().try_wait().expect("it fails at once").expect_err("there is no place");
    assert!(full.to_string().ends_with("port table is full (6)"), "{full}");
    net.snapshot().to_string()
}

fn full_backlog() -> String {
    let (net, _listener, b) = start(Network::builder("t").backlog(2));
    let mut dials = [Box::pin(b.dial("a:10")), Box::pin(b.dial("a:10"))];
    assert!(dials.iter_mut().all(|dial| dial.as_mut().try_wait().is_none()));
    let mut third = pin!(b.dial("a:10"));
    let full = third.as_mut().try_wait().expect("it fails at once").expect_err("two wait");
    assert_eq!(full.to_string(), "dial pipet b:3->a:10: backlog is full (2)");
    net.snapshot().to_string()
}
