//! Networks of several processes beside the operating system's TCP, of std and of tokio, in one run: samples of all are
//! taken in turn, and what counts is the ratio of their medians.
//!
//! ```sh
//! taskset -c 0 cargo bench --bench lonet --features lonet,tokio
//! ```
//!
//! On several cores, it depends on the system on which of them it has the two threads of either side, and how long an
//! idle core takes to wake.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use virtnet::lonet::{self, Host, Listener, Network};

/// A measured work: its name, and what takes a sample of it, as time for each operation.
type Row = (&'static str, Box<dyn FnMut() -> Duration>);

fn main() -> ExitCode {
    // `cargo test --benches` only wants to see it start.
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let net = lonet::join("").wait().expect("a new network");
    let server = net.host("server").wait().expect("a new host");
    let client = net.host("client").wait().expect("a new host");
    let listener = Arc::new(server.listen(":1").expect("a free port"));
    let runtime = Arc::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let met = [
        compare("round trip of a byte, threads", round_trips(&client, &listener), 1.6),
        compare("round trip of a byte, tokio", tokio_round_trips(&client, &listener, &runtime), 1.7),
        compare("64 KiB of a stream, threads", streams(&client, &listener), 1.0 / 0.9),
        compare("dial, accept, close both; beside connect, a round trip, close", setups(&client, &listener), 2.0),
        join_to_first_dial(),
    ];
    net.close().wait().expect("closing goes well");
    remove(&net);
    if met.iter().all(|met| *met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes samples of all rows in turn, and compares the first with the second. Returns whether the goal is met.
fn compare(name: &str, mut rows: [Row; 2], goal: f64) -> bool {
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..SAMPLES {
        rows.iter_mut().zip(&mut samples).for_each(|((_, sample), taken)| taken.push(sample()));
    }
    let [ours, other] = samples.map(median);
    let ratio = ours.as_secs_f64() / other.as_secs_f64();
    let met = ratio <= goal;
    println!("{name}:");
    for ((name, _), median) in rows.iter().zip([ours, other]) {
        println!("    {name:<12} {:>9.1} µs", median.as_secs_f64() * 1e6);
    }
    println!("    {ratio:.2} times, goal {goal:.2}{}", if met { "" } else { ": missed" });
    met
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort();
    samples[samples.len() / 2]
}

/// The time of each of `times` operations.
fn each(times: u32, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..times).for_each(|_| work());
    start.elapsed() / times
}

/// Both ends of a connection through the network.
fn connect(client: &Host, listener: &Arc<Listener>) -> (lonet::Conn, lonet::Conn) {
    let accepting = thread::spawn({
        let listener = listener.clone();
        move || listener.accept().wait().expect("accepted")
    });
    let dialled = client.dial("server:1").wait().expect("dialled");
    (dialled, accepting.join().expect("no panic"))
}

/// Both ends of a connection of the system.
fn connect_tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let dialled = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("connected");
    let accepted = listener.accept().expect("accepted").0;
    for end in [&dialled, &accepted] {
        end.set_nodelay(true).expect("a socket");
    }
    (dialled, accepted)
}

fn round_trips(client: &Host, listener: &Arc<Listener>) -> [Row; 2] {
    [("virtnet", ping(connect(client, listener))), ("std TCP", ping(connect_tcp()))]
}

/// Sends a byte to a thread that sends it back.
fn ping<S: Read + Write + Send + 'static>((mut near, mut far): (S, S)) -> Box<dyn FnMut() -> Duration> {
    thread::spawn(move || {
        let mut byte = [0];
        while far.read(&mut byte).is_ok_and(|count| count == 1) && far.write_all(&byte).is_ok() {}
    });
    Box::new(move || {
        each(2000, || {
            near.write_all(b"x").expect("room for it");
            near.read_exact(&mut [0]).expect("it comes back");
        })
    })
}

fn tokio_round_trips(client: &Host, listener: &Arc<Listener>, runtime: &Arc<Runtime>) -> [Row; 2] {
    let tcp = connect_tcp();
    let asynchronous = |stream: TcpStream| {
        stream.set_nonblocking(true).expect("a socket");
        let _context = runtime.enter();
        tokio::net::TcpStream::from_std(stream).expect("a socket")
    };
    let tcp = (asynchronous(tcp.0), asynchronous(tcp.1));
    [
        ("virtnet", tokio_ping(connect(client, listener), runtime.clone())),
        ("tokio TCP", tokio_ping(tcp, runtime.clone())),
    ]
}

/// Sends a byte to a task that sends it back.
fn tokio_ping<S>((mut near, mut far): (S, S), runtime: Arc<Runtime>) -> Box<dyn FnMut() -> Duration>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    runtime.spawn(async move {
        let mut byte = [0];
        while far.read(&mut byte).await.is_ok_and(|count| count == 1) && far.write_all(&byte).await.is_ok() {}
    });
    Box::new(move || {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..2000 {
                near.write_all(b"x").await.expect("room for it");
                near.read_exact(&mut [0]).await.expect("it comes back");
            }
            start.elapsed() / 2000
        })
    })
}

fn streams(client: &Host, listener: &Arc<Listener>) -> [Row; 2] {
    [("virtnet", stream(connect(client, listener))), ("std TCP", stream(connect_tcp()))]
}

/// Sends pieces of 64 KiB to a thread that reads them, and tells after a number of them.
fn stream<S: Read + Write + Send + 'static>((mut near, mut far): (S, S)) -> Box<dyn FnMut() -> Duration> {
    const PIECE: usize = 64 << 10;
    const PIECES: u32 = 400;
    thread::spawn(move || {
        let mut buf = vec![0; PIECE];
        let (mut left, all) = (PIECE * PIECES as usize, PIECE * PIECES as usize);
        while let Ok(count @ 1..) = far.read(&mut buf) {
            left -= count;
            if left == 0 {
                left = all;
                far.write_all(b"x").expect("room for it");
            }
        }
    });
    let piece = vec![7; PIECE];
    Box::new(move || {
        let start = Instant::now();
        (0..PIECES).for_each(|_| near.write_all(&piece).expect("it is read"));
        near.read_exact(&mut [0]).expect("all was read");
        start.elapsed() / PIECES
    })
}

fn setups(client: &Host, listener: &Arc<Listener>) -> [Row; 2] {
    let (client, accepting) = (client.clone(), listener.clone());
    thread::spawn(move || accepting.incoming().for_each(drop));
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = tcp.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.expect("accepted");
            stream.set_nodelay(true).expect("a socket");
            let mut byte = [0];
            let _ = stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte));
        }
    });
    let ours = move || each(200, || drop(client.dial("server:1").wait().expect("accepted")));
    let other = move || {
        each(200, || {
            let mut stream = TcpStream::connect(addr).expect("connected");
            stream.set_nodelay(true).expect("a socket");
            stream.write_all(b"x").expect("room for it");
            stream.read_exact(&mut [0]).expect("it comes back");
        })
    };
    [("virtnet", Box::new(ours)), ("std TCP", Box::new(other))]
}

/// How long it takes from joining a new network to the end of the first dial.
fn join_to_first_dial() -> bool {
    const GOAL: Duration = Duration::from_millis(5);
    let sample = |_| {
        let start = Instant::now();
        let net = lonet::join("").wait().expect("a new network");
        let host = net.host("server").wait().expect("a new host");
        let listener = Arc::new(host.listen(":1").expect("a free port"));
        let conns = connect(&host, &listener);
        let took = start.elapsed();
        drop(conns);
        net.close().wait().expect("closing goes well");
        remove(&net);
        took
    };
    let took = median((0..SAMPLES).map(sample).collect());
    println!(
        "join a new network, make a host, dial: {:.1} ms, goal {:.1} ms{}",
        took.as_secs_f64() * 1e3,
        GOAL.as_secs_f64() * 1e3,
        if took <= GOAL { "" } else { ": missed" }
    );
    took <= GOAL
}

/// Removes the folder of a network.
fn remove(net: &Network) {
    fs::remove_dir_all(net.registry_path().parent().expect("a file is in a folder")).expect("nobody uses it");
}

/// How many samples are taken.
const SAMPLES: usize = 15;
