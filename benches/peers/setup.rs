//! Making connections, hosts and listeners, among few and among many.

use std::collections::HashMap;
use std::hint::black_box;
use std::net;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use turmoil_net::Net;
use virtnet::pipenet::{Conn, Host, Listener, Network};

use crate::machine::Stopwatch;
use crate::pair::{self, BUFFER};
use crate::result::Unit;
use crate::sample::{Bench, OURS, Work};
use crate::turmoil;

pub(crate) fn run(bench: &mut Bench) {
    connections(bench, "dial + accept + close both");
    make_hosts(bench, "make a host");
    look_up(bench, "look up a host");
    lowest_port(bench, "listen at the lowest free port, close");
}

fn connections(bench: &mut Bench, name: &str) {
    if !bench.wants(name) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut work = Work::new(name, Unit::Nanoseconds).chart();
    work.add(OURS, dials(&runtime, 0));
    for (held, name) in HELD {
        work.add(name, dials(&runtime, held));
        work.at_most(1.1, name, OURS);
    }
    work.add("virtnet, without a runtime", {
        let (client, listener) = hosts(&Network::new("t"), "a", "b");
        move |times| timed(times, || once(&client, &listener))
    });
    work.add("tokio duplex", over_channel(&runtime, 0));
    work.add("tokio duplex, 10,000 held", over_channel(&runtime, 10_000));
    work.add("tokio duplex, the dial waits once", over_channel_and_back(&runtime));
    work.at_most(1.5, OURS, "tokio duplex");
    work.add("turmoil-net", turmoil::setups(0));
    work.add("turmoil-net, 1,000 held", turmoil::setups(1_000));
    if !bench.quick {
        work.add("turmoil-net, 10,000 held", turmoil::setups(10_000));
    }
    work.add("Unix sockets", unix());
    work.add("TCP loopback", tcp());
    work.add("two rtrb rings of 64 bytes alone", |times| timed(times, || black_box(small_rings())));
    bench.run(work);
}

const HELD: [(usize, &str); 3] =
    [(1_000, "virtnet, 1,000 held"), (10_000, "virtnet, 10,000 held"), (100_000, "virtnet, 100,000 held")];

fn timed<R>(times: u64, mut work: impl FnMut() -> R) -> Duration {
    let start = Stopwatch::of_thread();
    (0..times).for_each(|_| drop(work()));
    start.elapsed()
}

/// A host that dials, and a listener at port 10 of another host.
pub(crate) type Hosts = (Host, (Listener, String));

pub(crate) fn hosts(net: &Network, server: &str, client: &str) -> Hosts {
    let listener = net.host(server).and_then(|host| host.listen(":10")).expect("a free port");
    (net.host(client).expect("a valid name"), (listener, format!("{server}:10")))
}

/// Connects and closes both ends, without a runtime.
pub(crate) fn once(client: &Host, (listener, address): &(Listener, String)) {
    let mut dial = std::pin::pin!(client.dial(address.as_str()));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = listener.try_accept();
    drop((dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted.expect("a dial waits")));
}

fn dials(runtime: &Runtime, held: usize) -> impl FnMut(u64) -> Duration + '_ {
    let net = Network::new("t");
    let (client, (listener, address)) = hosts(&net, "a", "b");
    // A host has 65,535 ports.
    let held: Vec<(Conn, Conn)> = (0..held)
        .map(|number| match number / 50_000 {
            0 => pair::connect(&net, "a", "b"),
            more => pair::connect(&net, &format!("a{more}"), &format!("b{more}")),
        })
        .collect();
    move |times| {
        black_box(&held);
        let start = Stopwatch::of_thread();
        runtime.block_on(async {
            for _ in 0..times {
                let (dialled, accepted) = tokio::join!(client.dial(address.as_str()), listener.accept());
                drop((dialled.expect("it is accepted"), accepted.expect("it is dialled")));
            }
        });
        start.elapsed()
    }
}

/// What one does without a network: hands an end over through a channel.
fn over_channel(runtime: &Runtime, held: usize) -> impl FnMut(u64) -> Duration + '_ {
    let held: Vec<(DuplexStream, DuplexStream)> = (0..held).map(|_| duplex(BUFFER)).collect();
    let (sender, mut receiver) = mpsc::channel(16);
    move |times| {
        black_box(&held);
        let start = Stopwatch::of_thread();
        runtime.block_on(async {
            for _ in 0..times {
                let dial = async {
                    let (client, server) = duplex(BUFFER);
                    sender.send(server).await.expect("there is a receiver");
                    client
                };
                drop(tokio::join!(dial, receiver.recv()));
            }
        });
        start.elapsed()
    }
}

/// The same, where the dialling side waits for an answer: its task is woken and runs once more, as that of a dial does
/// that waits for its accept.
fn over_channel_and_back(runtime: &Runtime) -> impl FnMut(u64) -> Duration + '_ {
    let (sender, mut receiver) = mpsc::channel(16);
    move |times| {
        let start = Stopwatch::of_thread();
        runtime.block_on(async {
            for _ in 0..times {
                let dial = async {
                    let ((client, server), (answer, answered)) = (duplex(BUFFER), oneshot::channel());
                    sender.send((server, answer)).await.expect("there is a receiver");
                    answered.await.expect("there is an answer");
                    client
                };
                let accept = async {
                    let (server, answer) = receiver.recv().await.expect("there is a sender");
                    answer.send(()).expect("somebody waits for it");
                    server
                };
                drop(tokio::join!(dial, accept));
            }
        });
        start.elapsed()
    }
}

/// What a connection moves its bytes through, and nothing else. Small, as its buffers grow when they are used.
fn small_rings() -> [(rtrb::Producer<u8>, rtrb::Consumer<u8>); 2] {
    [rtrb::RingBuffer::new(64), rtrb::RingBuffer::new(64)]
}

fn unix() -> impl FnMut(u64) -> Duration {
    let address = SocketAddr::from_abstract_name(format!("virtnet-peers-{}", process::id())).expect("a valid name");
    let listener = UnixListener::bind_addr(&address).expect("nobody else has it");
    move |times| {
        timed(times, || {
            let client = UnixStream::connect_addr(&address).expect("it listens");
            (listener.accept().expect("somebody has connected"), client)
        })
    }
}

fn tcp() -> impl FnMut(u64) -> Duration {
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("the loopback is up");
    let address = listener.local_addr().expect("it is bound");
    move |times| {
        timed(times, || {
            let client = net::TcpStream::connect(address).expect("it listens");
            // The server's end goes first, so that no port of a client waits to be free again.
            (listener.accept().expect("somebody has connected"), client)
        })
    }
}

fn make_hosts(bench: &mut Bench, name: &str) {
    let names = &names(10_000)[..];
    let mut work = Work::new(name, Unit::Nanoseconds).chart();
    for (count, ours, peer) in
        [(1_000, OURS, "turmoil-net"), (10_000, "virtnet, 10,000 of them", "turmoil-net, 10,000 of them")]
    {
        let names = &names[..count as usize];
        work.add_many(ours, count, |times| {
            let make = |_| {
                let net = Network::new("t");
                let took = timed(1, || names.iter().for_each(|name| drop(net.host(name).expect("a valid name"))));
                drop(net);
                took
            };
            (0..times).map(make).sum()
        });
        work.add_many(peer, count, |times| {
            let make = |_| {
                let mut net = Net::new();
                timed(1, || names.iter().map(|name| net.add_host(name.as_str())).last())
            };
            (0..times).map(make).sum()
        });
        work.at_most(0.7, ours, peer);
    }
    work.at_most(1.1, "virtnet, 10,000 of them", OURS);
    bench.run(work);
}

fn look_up(bench: &mut Bench, name: &str) {
    let names = &names(10_000)[..];
    let mut work = Work::new(name, Unit::Nanoseconds);
    // The same few of all, so that it is not the processor's cache that counts.
    let asked = |count: usize| names[..count].iter().step_by(count / 10);
    for (count, name) in [(10, OURS), (10_000, "virtnet, 10,000 of them")] {
        let net = Network::new("t");
        names[..count].iter().for_each(|name| drop(net.host(name).expect("a valid name")));
        work.add_many(name, 10, move |times| timed(times, || asked(count).for_each(|name| drop(net.host(name)))));
    }
    let mut net = Net::new();
    for name in names {
        net.add_host(name.as_str());
    }
    work.add_many("turmoil-net, 10,000 of them", 10, move |times| {
        timed(times, || asked(10_000).map(|name| black_box(net.lookup(name))).last())
    });
    let map: HashMap<_, _> = names.iter().map(|name| (name.clone(), Arc::new(()))).collect();
    let map = Mutex::new(map);
    work.add_many("map behind a mutex, 10,000 of them", 10, move |times| {
        let find = |name: &String| map.lock().expect("nobody panics under it").get(name).cloned();
        timed(times, || asked(10_000).for_each(|name| drop(find(name))))
    });
    work.at_most(1.1, "virtnet, 10,000 of them", OURS);
    work.at_most(1.0, "virtnet, 10,000 of them", "turmoil-net, 10,000 of them");
    bench.run(work);
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("host-{number}")).collect()
}

fn lowest_port(bench: &mut Bench, name: &str) {
    let mut work = Work::new(name, Unit::Nanoseconds);
    for (used, name) in [(0, OURS), (60_000, "virtnet, 60,000 in use")] {
        let host = Network::new("t").host("a").expect("a valid name");
        let held: Vec<_> = (0..used).map(|_| host.listen("").expect("a free port")).collect();
        work.add(name, move |times| {
            black_box(&held);
            timed(times, || host.listen("").expect("a free port"))
        });
    }
    work.at_most(1.1, "virtnet, 60,000 in use", OURS);
    bench.run(work);
}
