//! Operations to count the instructions of: `gate NAME TIMES` does one so often, `gate` alone prints their names.

use std::env;
use std::pin::pin;

use virtnet::ErrorKind;
use virtnet::pipenet::{Conn, Host, Listener, Network};

/// An operation: makes what it needs and does it so many times.
type Operation = fn(u64);

const OPERATIONS: [(&str, Operation); 10] = [
    ("write_read_1_byte", |times| write_read(1, times)),
    ("write_read_1_kib", |times| write_read(1 << 10, times)),
    ("write_read_64_kib", |times| write_read(64 << 10, times)),
    ("round_trip_of_tasks", round_trips),
    ("dial_accept_close", |times| dials(0, times)),
    ("dial_accept_close_10000_held", |times| dials(10_000, times)),
    ("dial_refused", refused_dials),
    ("make_host", make_hosts),
    ("look_up_host_of_10000", look_ups),
    ("listen_close_60000_in_use", listens),
];

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let [name, times] = &args[..] else {
        return OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let (_, operation) = OPERATIONS.iter().find(|(other, _)| other == name).expect("there is such an operation");
    operation(times.parse().expect("a number of times"));
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

/// Both on one thread, so that neither waits.
fn write_read(size: usize, times: u64) {
    use std::io::{Read, Write};

    let (client, listener) = hosts(&Network::new("t"));
    let (mut a, mut b) = connect(&client, &listener);
    let (from, mut to) = (vec![1; size], vec![0; size]);
    for _ in 0..times {
        a.write_all(&from).expect("there is room");
        b.read_exact(&mut to).expect("it is there");
    }
}

/// A byte there and back, between two tasks on tokio's runtime of one thread.
fn round_trips(times: u64) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (client, listener) = hosts(&Network::new("t"));
    let (mut a, mut b) = connect(&client, &listener);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
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

fn dials(held: usize, times: u64) {
    let (client, listener) = hosts(&Network::new("t"));
    let held: Vec<_> = (0..held).map(|_| connect(&client, &listener)).collect();
    for _ in 0..times {
        connect(&client, &listener);
    }
    drop(held);
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
