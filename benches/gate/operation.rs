//! What is counted: what operations take of instructions and of allocations.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use virtnet::ErrorKind;
use virtnet::pipenet::{Conn, Host, Listener, Network};

/// An operation: makes what it needs and does it so many times.
pub(crate) type Operation = fn(u64);

pub(crate) const OPERATIONS: [(&str, Operation); 21] = [
    ("write_read_1_byte", |times| write_read(1, 1, times)),
    ("write_read_1_kib", |times| write_read(1 << 10, 1, times)),
    ("write_read_64_kib", |times| write_read(64 << 10, 1, times)),
    ("write_read_1_byte_20_conns", |times| write_read(1, 20, times)),
    ("write_read_1_kib_20_conns", |times| write_read(1 << 10, 20, times)),
    ("rendezvous_1_byte", |times| rendezvous(1, 1, times)),
    ("rendezvous_1_kib", |times| rendezvous(1 << 10, 1, times)),
    ("rendezvous_1_byte_20_conns", |times| rendezvous(1, 20, times)),
    ("rendezvous_1_kib_20_conns", |times| rendezvous(1 << 10, 20, times)),
    ("round_trip_of_tasks", |times| round_trips(&one_thread(), times)),
    ("round_trip_of_one_task", round_trips_of_one),
    ("stream_1_kib_of_tasks", streams),
    ("read_1_byte_into_16_mib", |times| read_into_spare(1, 16 << 20, times)),
    ("read_256_kib_into_1_mib", |times| read_into_spare(256 << 10, 1 << 20, times)),
    ("dial_accept_close", |times| dials(0, times)),
    ("dial_accept_close_10000_held", |times| dials(10_000, times)),
    ("dial_accept_close_of_tasks", dials_of_tasks),
    ("dial_refused", refused_dials),
    ("make_host", make_hosts),
    ("look_up_host_of_10000", look_ups),
    ("listen_close_60000_in_use", listens),
];

/// Not the same in every run, as several threads do them.
pub(crate) const OF_THREADS: [(&str, Operation); 1] = [("round_trip_of_workers", |times| {
    round_trips(&Builder::new_multi_thread().worker_threads(2).build().expect("a runtime"), times);
})];

fn one_thread() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn hosts(net: &Network) -> (Host, Listener) {
    let listener = net.host("a").and_then(|host| host.listen(":10")).expect("a free port");
    (net.host("b").expect("a valid name"), listener)
}

fn connect(client: &Host, listener: &Listener) -> (Conn, Conn) {
    let mut dial = pin!(client.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

fn conns(net: &Network, count: u64) -> Vec<(Conn, Conn)> {
    let (client, listener) = hosts(net);
    (0..count).map(|_| connect(&client, &listener)).collect()
}

/// Both ends on one thread, so that neither waits; so many connections in turn.
fn write_read(size: usize, count: u64, times: u64) {
    let mut conns = conns(&Network::new("t"), count);
    let (from, mut to) = (vec![1; size], vec![0; size]);
    for _ in 0..times / count {
        for (a, b) in &mut conns {
            io::Write::write_all(a, &from).expect("there is room");
            io::Read::read_exact(b, &mut to).expect("it is there");
        }
    }
}

/// A write that waits until it was read, by the same thread.
fn rendezvous(size: usize, count: u64, times: u64) {
    let net = Network::builder("t").rendezvous(true).build().expect("valid options");
    let mut conns = conns(&net, count);
    let (from, mut to) = (vec![1; size], vec![0; size]);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..times / count {
        for (a, b) in &mut conns {
            assert!(a.poll_write(&mut cx, &from).is_pending(), "nobody has read it");
            for poll in [b.poll_read(&mut cx, &mut to), a.poll_write(&mut cx, &from)] {
                assert!(matches!(poll, Poll::Ready(Ok(count)) if count == size), "all of it is handed over");
            }
        }
    }
}

/// A byte there and back, between two tasks.
fn round_trips(runtime: &Runtime, times: u64) {
    let (mut a, mut b) = conns(&Network::new("t"), 1).remove(0);
    let asking = runtime.spawn(async move {
        let mut byte = [1];
        for _ in 0..times {
            a.write_all(&byte).await.expect("the peer is there");
            a.read_exact(&mut byte).await.expect("the peer is there");
        }
    });
    runtime.spawn(async move {
        let mut byte = [1];
        while b.read(&mut byte).await.expect("the peer is there or has closed") > 0 {
            b.write_all(&byte).await.expect("the peer is there");
        }
    });
    runtime.block_on(asking).expect("it does not panic");
}

/// A byte there and back, by a task that has both ends and waits to read before it writes.
fn round_trips_of_one(times: u64) {
    let (mut a, mut b) = conns(&Network::new("t"), 1).remove(0);
    let runtime = one_thread();
    let task = runtime.spawn(async move {
        for _ in 0..times {
            write_to_waiting(&mut a, &mut b).await;
            write_to_waiting(&mut b, &mut a).await;
        }
    });
    runtime.block_on(task).expect("it does not panic");
}

async fn write_to_waiting(writer: &mut Conn, reader: &mut Conn) {
    let mut byte = [0];
    let mut reading = pin!(reader.read(&mut byte));
    let waits = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await;
    writer.write_all(&[1]).await.expect("the peer is there");
    if waits {
        reading.await.expect("the peer is there");
    }
}

/// A KiB written by one task, and read by another in pieces that may be larger.
fn streams(times: u64) {
    let (mut a, mut b) = conns(&Network::new("t"), 1).remove(0);
    let runtime = one_thread();
    runtime.spawn(async move {
        let from = [1; 1 << 10];
        for _ in 0..times {
            a.write_all(&from).await.expect("the peer is there");
        }
    });
    let reading = runtime.spawn(async move {
        let mut to = vec![0; 64 << 10];
        while b.read(&mut to).await.expect("the peer is there or has closed") > 0 {}
    });
    runtime.block_on(reading).expect("it does not panic");
}

/// Written by one half of a task, and read by the other into room that is not touched before.
fn read_into_spare(size: usize, room: usize, times: u64) {
    let (mut a, mut b) = conns(&Network::new("t"), 1).remove(0);
    let (from, mut to) = (vec![1; size], Vec::with_capacity(room));
    one_thread().block_on(async {
        for _ in 0..times {
            to.clear();
            let reading = async {
                while to.len() < size {
                    b.read_buf(&mut to).await.expect("the peer is there");
                }
            };
            let (written, ()) = tokio::join!(a.write_all(&from), reading);
            written.expect("the peer is there");
        }
    });
}

fn dials(held: usize, times: u64) {
    let (client, listener) = hosts(&Network::new("t"));
    let held: Vec<_> = (0..held).map(|_| connect(&client, &listener)).collect();
    for _ in 0..times {
        connect(&client, &listener);
    }
    drop(held);
}

/// In a runtime, which polls the dial, the accept, and the dial again.
fn dials_of_tasks(times: u64) {
    let (client, listener) = hosts(&Network::new("t"));
    one_thread().block_on(async {
        for _ in 0..times {
            let (dialled, accepted) = tokio::join!(client.dial("a:10"), listener.accept());
            drop((dialled.expect("it is accepted"), accepted.expect("it is dialled")));
        }
    });
}

fn refused_dials(times: u64) {
    let (client, listener) = hosts(&Network::new("t"));
    for _ in 0..times {
        let error = client.dial("a:11").wait().expect_err("nobody listens there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    drop(listener);
}

fn make_hosts(times: u64) {
    let net = Network::new("t");
    // Names of one length.
    for number in 10_000..10_000 + times {
        net.new_host(&format!("host-{number}")).expect("a new name");
    }
}

fn look_ups(times: u64) {
    let net = Network::new("t");
    let names: Vec<_> = (10_000..20_000).map(|number| format!("host-{number}")).collect();
    for name in &names {
        net.new_host(name).expect("a new name");
    }
    for name in names.iter().cycle().take(times as usize) {
        net.host(name).expect("there is one");
    }
}

fn listens(times: u64) {
    let host = Network::new("t").host("a").expect("a valid name");
    let held: Vec<_> = (0..60_000).map(|_| host.listen("").expect("a free port")).collect();
    for _ in 0..times {
        host.listen("").expect("a free port");
    }
    drop(held);
}
