//! Traced networks beside a plain one: rows of `benches/peers`, which runs this program. It is a program of its own, as
//! the feature `trace` changes how plain networks are compiled.
//!
//! `peers_traced FILE [--quick] [WORD...]` prints the rows with one of these words, and writes them to FILE.

use std::env;
use std::fs;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use virtnet::pipenet::{self, Network};
use virtnet::trace::{Check, Observer, RawEvent, Trace};
use virtnet::{Addr, Bare, NetListener, Networker};

use crate::crowd::{alone, threads};
use crate::machine::Stopwatch;
use crate::result::{Results, Unit};
use crate::sample::{Bench, OURS, Work};
use crate::task::{Tasks, round_trip, stream};

// Modules of the other program. Some of what they do is not done here.
#[allow(dead_code)]
#[path = "../peers/blocking.rs"]
mod blocking;
#[allow(dead_code)]
#[path = "../peers/crowd.rs"]
mod crowd;
#[allow(dead_code)]
#[path = "../peers/machine.rs"]
mod machine;
#[allow(dead_code)]
#[path = "../peers/pair.rs"]
mod pair;
#[allow(dead_code)]
#[path = "../peers/report.rs"]
mod report;
#[allow(dead_code)]
#[path = "../peers/result.rs"]
mod result;
#[path = "../peers/sample.rs"]
mod sample;
#[allow(dead_code)]
#[path = "../peers/setup.rs"]
mod setup;
#[allow(dead_code)]
#[path = "../peers/task.rs"]
mod task;
#[allow(dead_code)]
#[path = "../peers/turmoil.rs"]
mod turmoil;

type Traced = (Trace, Bare);
type Conn = pipenet::Conn<Traced>;

fn main() {
    let mut words: Vec<String> = env::args().skip(1).collect();
    if words.is_empty() {
        eprintln!("peers_traced FILE [--quick] [WORD...]; run it by `cargo bench --bench peers -- traced`");
        return;
    }
    let file = words.remove(0);
    let quick = words.first().is_some_and(|word| word == "--quick");
    words.drain(..usize::from(quick));
    let results = Results { machine: machine::machine(), rows: Vec::new(), goals: Vec::new() };
    let mut bench = Bench { quick, words, results };

    // First, as memory that was given back to the heap would not be seen again.
    all_events(&mut bench);
    events(&mut bench);
    round_trips(&mut bench);
    streams(&mut bench);
    dials(&mut bench);
    two_threads(&mut bench);
    fs::write(file, serde_json::to_string(&bench.results).expect("all of it is numbers and text")).expect("a path");
}

fn network(trace: &Trace) -> Network<Traced> {
    Network::builder("t").layer(trace.clone()).build().expect("valid options")
}

/// A connection between new hosts.
fn connect<H: Networker>(host: impl Fn(&str) -> H, number: usize) -> (H::Conn, H::Conn) {
    let server = host(&format!("a{number}"));
    connect_hosts(&host(&format!("b{number}")), &server.listen(":10").expect("a free port"))
}

fn connect_hosts<H: Networker>(client: &H, listener: &H::Listener) -> (H::Conn, H::Conn) {
    let mut dial = std::pin::pin!(client.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = std::pin::pin!(listener.accept()).try_wait().expect("a dial waits").expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

fn traced(trace: &Trace) -> (Conn, Conn) {
    let net = network(trace);
    connect(|name| net.host(name).expect("a valid name"), 0)
}

fn plain() -> (pipenet::Conn, pipenet::Conn) {
    let net = Network::new("t");
    connect(|name| net.host(name).expect("a valid name"), 0)
}

fn paused() -> Trace {
    let trace = Trace::new();
    trace.pause();
    trace
}

fn keeping(bytes: u32) -> Trace {
    Trace::builder().bytes(bytes).build()
}

/// So many events of a trace, or a tenth of them.
const EVENTS: usize = 1_000_000;

/// What all events of a large trace take, and to compare them.
fn all_events(bench: &mut Bench) {
    let (compared, taken) = ("traced: an event of a million compared with its line", "traced: memory of an event");
    if !bench.wants(compared) && !bench.wants(taken) {
        return;
    }
    let count = if bench.quick { EVENTS / 10 } else { EVENTS };
    let each = |bytes: f64| bytes / count as f64;
    let trace = Trace::builder().events(2 * count as u64).memory(128 * count).build();
    let mut ends = traced(&trace);
    let before = memory("VmRSS:");
    alone(&mut ends, count as u64 / 4);
    drop(trace.view());
    let kept = memory("VmRSS:") - before;

    let lines = trace.view().reads(true).to_string();
    let before = memory("VmRSS:");
    // The peak begins again.
    fs::write("/proc/self/clear_refs", "5").expect("this is Linux");
    let compare = || {
        let start = Stopwatch::of_thread();
        trace.view().reads(true).same(&lines).expect("the same");
        each(start.elapsed().as_nanos() as f64)
    };
    let first = compare();
    let peak = memory("VmHWM:") - before;
    let mut times = [first, compare(), compare()];
    times.sort_by(f64::total_cmp);

    let mut work = Work::new(compared, Unit::Nanoseconds);
    work.below(500.0, "ns", 1.0, OURS);
    bench.count(work, &[(OURS, times[1])]);
    let mut work = Work::new(taken, Unit::Bytes);
    work.below(48.0, "B", 1.0, OURS);
    work.at_most(2.0, "virtnet, to compare it", OURS);
    bench.count(work, &[(OURS, each(kept)), ("virtnet, to compare it", each(peak))]);
}

/// Bytes of memory that the process has, or had at its peak.
fn memory(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("Linux says how much memory it is");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}

fn events(bench: &mut Bench) {
    let mut work = Work::new("traced: an event", Unit::Nanoseconds);
    work.add("virtnet, recorded", recorded(|_| ()));
    // A view merges what was recorded.
    work.add("virtnet, recorded and merged", recorded(|trace| drop(format!("{trace:?}"))));
    work.below(60.0, "ns", 1.0, "virtnet, recorded");
    bench.run(work);

    let trace = Trace::new();
    let mut ends = traced(&trace);
    let mut work = Work::new("traced: a write expected that is there", Unit::Nanoseconds);
    work.add(OURS, move |times| {
        let mut check = trace.check();
        alone(&mut ends, times / 2 + 1);
        let start = Stopwatch::of_thread();
        for number in 0..times {
            let from_a = number % 2 == 0;
            let (stream, line) = if from_a { ("b0", B_WRITES) } else { ("a0", A_WRITES) };
            check.expect(stream, line).wait().expect("it was written");
        }
        start.elapsed()
    });
    work.below(300.0, "ns", 1.0, OURS);
    bench.run(work);
}

/// The lines of what the ends of a connection write.
const B_WRITES: &str = r#"write b0:1->a0:1: 1 "\x01""#;
const A_WRITES: &str = r#"write a0:1->b0:1: 1 "\x01""#;

/// Samples of events of bytes, without the network.
fn recorded(look: impl Fn(&Trace)) -> impl FnMut(u64) -> Duration {
    let network = Trace::new().for_network();
    let addr = |host| Addr::new("t", host, 1).expect("a valid name");
    network.now(&RawEvent::Opened { conn: 1, src: &addr("b"), dst: &addr("a") });
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times.div_ceil(2) {
            let ticket = network.ticket();
            network.record(ticket, &RawEvent::Wrote { end: 2, bytes: &[1], of: 1 });
            network.now(&RawEvent::Read { end: 3, bytes: &[1] });
        }
        look(&network);
        start.elapsed()
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn round_trips(bench: &mut Bench) {
    let runtime = one_thread();
    let trip = |trace: Trace| round_trip(&runtime, traced(&trace), Tasks::Two);
    let mut work = Work::new("traced: 1-byte round trip, two tasks on one thread", Unit::Nanoseconds);
    work.add(OURS, round_trip(&runtime, plain(), Tasks::Two));
    work.add("virtnet, paused", trip(paused()));
    work.add("virtnet, no bytes", trip(keeping(0)));
    work.add("virtnet, 32 bytes", trip(Trace::new()));
    work.add("virtnet, both writes expected", {
        let trace = Trace::new();
        let (mut trip, trace) = (trip(trace.clone()), trace);
        move |times| {
            let mut check = trace.check();
            let took = trip(times);
            let start = Stopwatch::of_thread();
            (0..times).for_each(|_| expect_both(&mut check));
            took + start.elapsed()
        }
    });
    work.at_most(1.15, "virtnet, paused", OURS);
    work.at_most(2.8, "virtnet, no bytes", OURS);
    work.at_most(3.2, "virtnet, 32 bytes", OURS);
    bench.run(work);
}

fn expect_both(check: &mut Check) {
    check.expect("b0", B_WRITES).wait().expect("it was written");
    check.expect("a0", A_WRITES).wait().expect("it was written");
}

fn streams(bench: &mut Bench) {
    let runtime = one_thread();
    let size = pair::BUFFER;
    let work = "traced: stream, 64 KiB writes, two tasks on one thread";
    let mut work = Work::new(work, Unit::Throughput(size as u32));
    work.add(OURS, stream(&runtime, plain(), size));
    work.add("virtnet, no bytes", stream(&runtime, traced(&keeping(0)), size));
    work.add("virtnet, all bytes", stream(&runtime, traced(&keeping(u32::MAX)), size));
    work.at_least(0.9, "virtnet, no bytes", OURS);
    work.at_least(0.45, "virtnet, all bytes", OURS);
    bench.run(work);
}

fn dials(bench: &mut Bench) {
    let mut work = Work::new("traced: dial + accept + close both", Unit::Nanoseconds);
    let net = Network::new("t");
    work.add(OURS, setups(["a", "b"].map(|name| net.host(name).expect("a valid name"))));
    let net = network(&Trace::new());
    work.add("virtnet, recorded", setups(["a", "b"].map(|name| net.host(name).expect("a valid name"))));
    work.at_most(1.8, "virtnet, recorded", OURS);
    bench.run(work);
}

fn setups<H: Networker>([server, client]: [H; 2]) -> impl FnMut(u64) -> Duration {
    let listener = server.listen(":10").expect("a free port");
    move |times| {
        let start = Stopwatch::of_thread();
        (0..times).for_each(|_| drop(connect_hosts(&client, &listener)));
        start.elapsed()
    }
}

/// Both threads record in one trace.
fn two_threads(bench: &mut Bench) {
    let mut work = Work::new("traced: 1-byte round trips, each thread both ends of its own", Unit::Nanoseconds);
    let conns = |count| -> Vec<_> {
        let net = network(&Trace::new());
        (0..count).map(|number| connect(|name| net.host(name).expect("a valid name"), number)).collect()
    };
    work = work.stretch(2);
    work.add("virtnet, one thread", threads(conns(1), alone));
    work.add_many("virtnet, two threads", 2, threads(conns(2), alone));
    work.at_least(1.0, "virtnet, two threads", "virtnet, one thread");
    bench.run(work);
}
