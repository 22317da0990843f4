//! Counts what connections and hosts take on the heap, and prints it: a line each, the name and the bytes. Nothing is
//! measured here that takes time, as counting does.
//!
//! `peers_memory gate` prints what `benches/gate.sh` asks for: bytes of connections, and allocations of operations.

use std::alloc::System;
use std::env;
use std::fs;
use std::pin::pin;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use turmoil_net::Net;
use turmoil_net::fixture;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
use virtnet::pipenet::{Conn, Host, Network};

use crate::operation::{OPERATIONS, Operation};

// That of several threads is not counted.
#[allow(dead_code)]
#[path = "../gate/operation.rs"]
mod operation;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As many connections share what is taken once.
const CONNS: usize = 10_000;
/// Fewer of others, which take gigabytes and a minute otherwise; an eighth, so that tables that double are as full.
const PEERS: usize = CONNS / 8;
const HOSTS: usize = 10_000;

fn main() {
    if env::args().nth(1).is_some_and(|arg| arg == "gate") {
        return gate();
    }
    // First, as memory that was given back to the heap would not be seen again.
    large();
    hosts();

    report("virtnet", ours());
    report("tokio duplex", block_on(conns(PEERS, async || duplex(64 << 10))));
    fixture::lo(async {
        let listener = TcpListener::bind("127.0.0.1:80").await.expect("a free port");
        let connect = async || {
            let (client, server) = tokio::join!(TcpStream::connect("127.0.0.1:80"), listener.accept());
            (client.expect("it listens"), server.expect("somebody connects").0)
        };
        report("turmoil-net", conns(PEERS, connect).await);
    });
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn report(name: &str, bytes: [f64; 3]) {
    for (what, bytes) in ["new", "after a byte", "after 64 KiB"].iter().zip(bytes) {
        println!("{name}: {what}\t{bytes}");
    }
}

fn ours() -> [f64; 3] {
    let net = Network::new("t");
    let hosts = ["a", "b"].map(|name| net.host(name).expect("a valid name"));
    block_on(conns(CONNS, async || connect(&hosts)))
}

/// What is the same in every run, each with the kind of what is counted.
fn gate() {
    for (what, bytes) in ["conn_new", "conn_after_1_byte", "conn_after_64_kib"].iter().zip(ours()) {
        println!("bytes {what} {}", bytes.ceil());
    }
    for (name, operation) in OPERATIONS {
        println!("allocations {name} {}", allocations(operation));
    }
}

/// How often an operation asks for memory: the difference is without what comes before and after.
fn allocations(operation: Operation) -> f64 {
    const TIMES: u64 = 1000;

    let count = |times| {
        let before = HEAP.stats();
        operation(times);
        let stats = HEAP.stats() - before;
        (stats.allocations + stats.reallocations) as f64
    };
    (count(2 * TIMES) - count(TIMES)) / TIMES as f64
}

/// Bytes of the heap that are in use.
fn used() -> f64 {
    let stats = HEAP.stats();
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

fn connect([server, client]: &[Host; 2]) -> (Conn, Conn) {
    let listener = server.listen("").expect("a free port");
    let mut dial = pin!(client.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

/// What a connection takes when it is new, when a byte has gone each way, and when 64 KiB have.
async fn conns<S: AsyncRead + AsyncWrite + Unpin>(count: usize, mut connect: impl AsyncFnMut() -> (S, S)) -> [f64; 3] {
    // What there is for all of them is there.
    drop(connect().await);
    let before = used();
    let mut all = Vec::with_capacity(count);
    let of_list = used() - before;
    for _ in 0..count {
        all.push(connect().await);
    }
    let of_each = || (used() - before - of_list) / count as f64 + size_of::<(S, S)>() as f64;
    let mut bytes = [of_each(); 3];
    for (bytes, size) in bytes[1..].iter_mut().zip([1, 64 << 10]) {
        let (from, mut to) = (vec![1; size], vec![0; size]);
        for (a, b) in &mut all {
            send(a, b, &from, &mut to).await;
            send(b, a, &from, &mut to).await;
        }
        drop((from, to));
        *bytes = of_each();
    }
    bytes
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(writer: &mut S, reader: &mut S, from: &[u8], to: &mut [u8]) {
    let (written, read) = tokio::join!(writer.write_all(from), reader.read_exact(to));
    written.expect("the peer is there");
    assert_eq!(read.expect("the peer is there"), from.len());
}

fn hosts() {
    let names: Vec<_> = (0..HOSTS).map(|number| format!("host-{number}")).collect();
    let before = used();
    let net = Network::new("t");
    names.iter().for_each(|name| drop(net.host(name).expect("a valid name")));
    println!("virtnet: a host\t{}", (used() - before) / HOSTS as f64);
    let before = used();
    let mut net = Net::new();
    for name in &names {
        net.add_host(name.as_str());
    }
    println!("turmoil-net: a host\t{}", (used() - before) / HOSTS as f64);
}

/// What a large network takes of the machine: 100,000 idle connections between 10,000 hosts.
fn large() {
    let before = resident();
    let net = Network::new("t");
    let hosts: Vec<_> = (0..HOSTS).map(|number| net.host(&format!("host-{number}")).expect("a valid name")).collect();
    let listeners = hosts.iter().map(|host| host.listen("").expect("a free port")).collect::<Vec<_>>();
    let mut conns = Vec::with_capacity(100_000);
    for (number, client) in (0..100_000).zip(hosts.iter().cycle().skip(1)) {
        let listener = &listeners[number % HOSTS];
        let mut dial = pin!(client.dial(listener.local_addr()));
        assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
        let accepted = listener.try_accept().expect("a dial waits");
        conns.push((dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted));
    }
    println!("virtnet: all\t{}", resident() - before);
}

/// Bytes of memory that the process has.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says how much memory it is");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}
