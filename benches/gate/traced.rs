//! What a trace takes of instructions: `gate_traced NAME TIMES` does an operation so often, `gate_traced` alone prints the
//! names. A program of its own, as the feature `trace` changes how plain networks are compiled.

use std::env;
use std::io;
use std::pin::pin;

use virtnet::pipenet::{self, Network};
use virtnet::trace::{Observer, RawEvent, Trace};
use virtnet::{Addr, Bare};

type Operation = fn(u64);
type Layers = (Trace, Bare);
type Host = pipenet::Host<Layers>;
type Listener = pipenet::Listener<Layers>;
type Conn = pipenet::Conn<Layers>;

const OPERATIONS: [(&str, Operation); 7] = [
    ("traced_event", |times| drop(events(times))),
    ("traced_event_looked_at", |times| seen(&events(times))),
    ("traced_write_read_1_byte", write_read),
    ("traced_write_read_1_byte_paused", write_read_paused),
    ("traced_dial_accept_close", dials),
    ("traced_write_expect", write_expect),
    ("traced_write_same", write_same),
];

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let [name, times] = &args[..] else {
        return OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let (_, operation) = OPERATIONS.iter().find(|(other, _)| other == name).expect("there is such an operation");
    operation(times.parse().expect("a number of times"));
}

/// A network that records, with both ends of a connection.
struct Traced {
    trace: Trace,
    a: Conn,
    b: Conn,
}

impl Traced {
    fn new() -> Self {
        let trace = Trace::new();
        let net = Network::builder("t").layer(trace.clone()).build().expect("valid options");
        let (client, listener) = hosts(&net);
        let (a, b) = connect(&client, &listener);
        Self { trace, a, b }
    }

    /// A byte written, and read by the same thread.
    fn write_read(&mut self, times: u64) {
        let mut byte = [1];
        for _ in 0..times {
            io::Write::write_all(&mut self.a, &byte).expect("there is room");
            io::Read::read_exact(&mut self.b, &mut byte).expect("it is there");
        }
    }
}

fn hosts(net: &Network<Layers>) -> (Host, Listener) {
    let listener = net.host("a").and_then(|host| host.listen(":10")).expect("a free port");
    (net.host("b").expect("a valid name"), listener)
}

fn connect(client: &Host, listener: &Listener) -> (Conn, Conn) {
    let mut dial = pin!(client.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none(), "nobody has accepted it");
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
}

/// All that was recorded is merged, as for a view.
fn seen(trace: &Trace) {
    assert!(format!("{trace:?}").starts_with("Trace("));
}

/// The events of written and read bytes, without the network.
fn events(times: u64) -> Trace {
    let traced = Traced::new();
    let network = traced.trace.for_network();
    let addr = |host| Addr::new("t", host, 1).expect("a valid name");
    network.now(&RawEvent::Opened { conn: 1, src: &addr("b"), dst: &addr("a") });
    for _ in 0..times / 2 {
        let ticket = network.ticket();
        network.record(ticket, &RawEvent::Wrote { end: 2, bytes: &[1], of: 1 });
        network.now(&RawEvent::Read { end: 3, bytes: &[1] });
    }
    traced.trace
}

fn write_read(times: u64) {
    Traced::new().write_read(times);
}

fn write_read_paused(times: u64) {
    let mut traced = Traced::new();
    traced.trace.pause();
    traced.write_read(times);
}

fn dials(times: u64) {
    let trace = Trace::new();
    let (client, listener) = hosts(&Network::builder("t").layer(trace.clone()).build().expect("valid options"));
    for _ in 0..times {
        connect(&client, &listener);
    }
}

/// A byte written and read, and then the write expected.
fn write_expect(times: u64) {
    let mut traced = Traced::new();
    let mut check = traced.trace.check();
    traced.write_read(times);
    for _ in 0..times {
        let outcome = check.expect("b", r#"write b:1->a:1: 1 "\x01""#).wait();
        outcome.expect("it was written");
    }
}

/// A byte written and read, and then both events compared with lines.
fn write_same(times: u64) {
    let mut traced = Traced::new();
    traced.write_read(times);
    let lines = "write b:1->a:1: 1 \"\\x01\"\nread b:1->a:1: 1 \"\\x01\"\n".repeat(times as usize);
    let made =
        "host a\nlisten a:10\nhost b\ndial b:1->a:10\naccept a:10: a:1<-b:1\nconnect b:1->a:10: a:1\ndrop a:10\n";
    traced.trace.view().reads(true).same(&format!("{made}{lines}")).expect("the same");
}
