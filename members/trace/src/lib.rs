//! Runs of networks whose traces are looked at: by the tests of exports, and in the pictures of the documentation.
#![cfg(feature = "trace")]

use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use virtnet::pipenet;
use virtnet::sim::Faults;
use virtnet::trace::{self, Event, Trace};
use virtnet::{Bare, Clock};

/// What hosts are made of.
type Layers = (Trace, (Faults, Bare));
type Host = pipenet::Host<Layers>;
type Conn = pipenet::Conn<Layers>;
type Listener = pipenet::Listener<Layers>;

/// A traced network whose hosts take turns on one thread, so that each run is the same. Each is an actor of its own.
struct Stage {
    /// The trace.
    trace: Trace,
    net: pipenet::Network<Layers>,
    actor: Arc<AtomicU64>,
    time: Arc<AtomicU64>,
    /// The clock of the faults.
    clock: Clock,
    faults: Faults,
    /// How long bytes, dials and their answers take, in milliseconds.
    latency: u64,
}

impl Stage {
    /// A stage with a trace that has these options, and on which each event takes a quarter of a millisecond.
    #[must_use]
    fn new(name: &str, builder: trace::Builder) -> Self {
        let time = Arc::new(AtomicU64::new(0));
        let now = time.clone();
        let clock = move || Duration::from_micros(now.fetch_add(250, Ordering::Relaxed));
        Self { time, ..Self::with_faults(name, builder.clock(clock), 0) }
    }

    /// A stage on which time passes only where it is waited for, and everything takes so many milliseconds.
    fn with_faults(name: &str, builder: trace::Builder, latency: u64) -> Self {
        let (actor, clock) = (Arc::new(AtomicU64::new(0)), Clock::manual());
        let acting = actor.clone();
        let trace = builder.actors(move || acting.load(Ordering::Relaxed)).build();
        let faults = Faults::new().clock(clock.clone()).trace(&trace);
        let layers = pipenet::Network::builder(name).layer(faults.clone()).layer(trace.clone());
        let net = layers.build().expect("valid options");
        if latency > 0 {
            faults.all().latency(Duration::from_millis(latency));
        }
        Self { trace, net, actor, time: Arc::new(AtomicU64::new(0)), clock, faults, latency }
    }

    /// The next events are of this actor.
    fn act(&self, actor: u64) -> &Self {
        self.actor.store(actor, Ordering::Relaxed);
        self
    }

    /// Time passes.
    fn wait(&self, millis: u64) {
        self.time.fetch_add(1000 * millis, Ordering::Relaxed);
        self.clock.advance(Duration::from_millis(millis)).expect("a manual clock");
    }

    /// What was sent arrives.
    fn arrive(&self) {
        self.wait(self.latency);
    }

    /// A new host.
    fn host(&self, actor: u64, name: &str) -> Actor<'_> {
        self.act(actor);
        Actor { stage: self, actor, host: self.net.host(name).expect("a valid name") }
    }

    /// A host crashes.
    fn crash(&self, actor: u64, name: &str) {
        self.act(actor);
        self.net.crash(name).expect("there is such a host");
    }

    /// It comes back.
    fn restart(&self, actor: u64, name: &str) -> Actor<'_> {
        self.act(actor);
        Actor { stage: self, actor, host: self.net.restart(name).expect("it is dead") }
    }
}

/// A host, and what acts on it.
struct Actor<'a> {
    stage: &'a Stage,
    actor: u64,
    host: Host,
}

/// An end of a connection, and what acts on it.
struct Side<'a> {
    stage: &'a Stage,
    actor: u64,
    conn: Conn,
}

impl<'a> Actor<'a> {
    /// Listens at a port.
    fn listen(&self, port: &str) -> Listener {
        self.stage.act(self.actor);
        self.host.listen(port).expect("a free port")
    }

    /// Dials a listener of another host, which accepts.
    fn connect(&self, other: &Actor<'a>, listener: &Listener) -> (Side<'a>, Side<'a>) {
        self.stage.act(self.actor);
        let mut dialling = pin!(self.host.dial(listener.local_addr()));
        assert!(dialling.as_mut().try_wait().is_none(), "nothing accepted yet");
        self.stage.arrive();
        self.stage.act(other.actor);
        let accepted = listener.try_accept().expect("a dial waits");
        self.stage.arrive();
        self.stage.act(self.actor);
        let conn = dialling.try_wait().expect("an answer").expect("accepted");
        let accepted = Side { stage: self.stage, actor: other.actor, conn: accepted };
        (Side { stage: self.stage, actor: self.actor, conn }, accepted)
    }

    /// Starts a dial, and drops it; or fails to dial.
    fn dial(&self, addr: &str) {
        self.stage.act(self.actor);
        let mut dialling = pin!(self.host.dial(addr));
        let mut outcome = dialling.as_mut().try_wait();
        if outcome.is_none() {
            // To the other host and back.
            self.stage.wait(2 * self.stage.latency);
            outcome = dialling.as_mut().try_wait();
        }
        assert!(outcome.is_none_or(|outcome| outcome.is_err()), "nothing accepts");
    }

    /// Closes the host.
    fn close(&self) {
        self.stage.act(self.actor);
        self.host.close().wait().expect("it is open");
    }
}

impl Side<'_> {
    /// The connection, to act on.
    fn act(&mut self) -> &mut Conn {
        self.stage.act(self.actor);
        &mut self.conn
    }

    /// Writes a text.
    fn write(&mut self, text: &str) {
        self.stage.act(self.actor);
        self.conn.write_all(text.as_bytes()).expect("room for it");
    }

    /// Reads once; at most that many bytes.
    fn read(&mut self, most: usize) -> String {
        self.stage.act(self.actor);
        let mut buf = vec![0; most];
        let count = self.conn.read(&mut buf).expect("bytes, or the end");
        String::from_utf8_lossy(&buf[..count]).into_owned()
    }

    /// Reads, and fails.
    fn fail_to_read(&mut self) {
        self.stage.act(self.actor);
        self.conn.read(&mut [0]).expect_err("a reset");
    }

    /// One writes, the other reads.
    fn tell(&mut self, other: &mut Self, text: &str) {
        self.write(text);
        self.stage.arrive();
        assert_eq!(other.read(1 << 16), text);
    }

    /// Shuts down the way out.
    fn shutdown(&self) {
        self.stage.act(self.actor);
        self.conn.close_write().expect("it is open");
    }

    /// Aborts the connection.
    fn abort(self) {
        self.stage.act(self.actor);
        self.conn.abort();
    }

    /// Drops the end.
    fn drop(self) {
        self.stage.act(self.actor);
        drop(self.conn);
    }

    /// Closes the end.
    fn close(&self) {
        self.stage.act(self.actor);
        self.conn.close();
    }
}

/// The quick start of the trace: two hosts, a connection, a refused dial.
#[must_use]
pub fn quick_start() -> Trace {
    let stage = Stage::new("t", Trace::builder());
    let (a, b) = (stage.host(1, "a"), stage.host(2, "b"));
    let listener = a.listen(":10");
    let (mut dialled, mut accepted) = b.connect(&a, &listener);
    accepted.write("hi");
    accepted.drop();
    assert_eq!([dialled.read(10), dialled.read(10)], ["hi", ""]);
    stage.act(1);
    drop(listener);
    b.dial("a:10");
    dialled.drop();
    stage.trace.pause();
    stage.trace
}

/// A trace as if each of its hosts were in a process of its own: a merge of their files. The clock of each process is an
/// hour ahead of the one before. Events of no host are left out.
///
/// # Panics
///
/// The files cannot be merged.
#[must_use]
pub fn merged(trace: &Trace) -> Trace {
    let mut files = Vec::<(String, String)>::new();
    for host in trace.view().events().filter_map(|event| event.host()) {
        if files.iter().all(|(name, _)| *name != *host) {
            let mut file = String::new();
            trace.view().reads(true).of(&host).write_json(&mut file).expect("a string takes all");
            files.push((host.to_string(), later(&file, HOUR * files.len() as u64)));
        }
    }
    let files: Vec<_> = files.iter().map(|(name, file)| (&**name, &**file)).collect();
    Trace::merge_json(&files).expect("files of one run")
}

/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// The JSON lines as a clock writes them that is so many nanoseconds ahead.
fn later(file: &str, by: u64) -> String {
    let shift = |line: &str| match line.split_once("\"at_ns\":") {
        Some((before, rest)) => {
            let (at, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
            format!("{before}\"at_ns\":{}{after}\n", at.parse::<u64>().expect("a time") + by)
        }
        None => format!("{line}\n"),
    };
    file.lines().map(shift).collect()
}

/// Three hosts and about sixty events: a program asks a cache, then a database.
#[must_use]
pub fn few() -> Trace {
    shop(Trace::builder())
}

/// That in a trace that has these options.
#[must_use]
pub fn shop(builder: trace::Builder) -> Trace {
    let stage = Stage::new("shop", builder);
    let (app, cache, db) = (stage.host(1, "app"), stage.host(2, "cache"), stage.host(3, "db"));
    let (at_cache, at_db) = (cache.listen(":6379"), db.listen(":5432"));
    let (mut to_cache, mut from_app) = app.connect(&cache, &at_cache);
    let (mut to_db, mut from_app_at_db) = app.connect(&db, &at_db);
    for item in ["tea", "cake"] {
        to_cache.tell(&mut from_app, &format!("GET {item}\r\n"));
        from_app.tell(&mut to_cache, "$-1\r\n");
        to_db.write(&format!("SELECT price FROM sale WHERE item = '{item}'"));
        stage.wait(3);
        from_app_at_db.read(1 << 10);
        from_app_at_db.tell(&mut to_db, "3 EUR");
        to_cache.write(&format!("SET {item} 3\r\n"));
        stage.act(1).trace.note(format_args!("{item} is in the cache"));
        from_app.read(1 << 10);
        from_app.tell(&mut to_cache, "+OK\r\n");
        to_cache.tell(&mut from_app, &format!("GET {item}\r\n"));
        from_app.tell(&mut to_cache, "$1\r\n3\r\n");
    }
    to_db.write("COMMIT");
    to_db.shutdown();
    from_app_at_db.read(1 << 10);
    from_app_at_db.read(1 << 10);
    from_app_at_db.write("done");
    from_app_at_db.drop();
    to_db.read(1 << 10);
    to_db.read(1 << 10);
    to_db.drop();
    to_cache.drop();
    from_app.read(1 << 10);
    from_app.drop();
    stage.trace
}

/// Twelve hosts and at least a thousand events: news that spread.
#[must_use]
pub fn many() -> Trace {
    let stage = Stage::new("gossip", Trace::builder());
    let hosts: Vec<_> = (1..=12).map(|number| stage.host(number, &format!("node-{number}"))).collect();
    let listeners: Vec<_> = hosts.iter().map(|host| host.listen(":7946")).collect();
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let mut open = Vec::new();
    while stage.trace.count("*") < 1000 {
        let (from, to) = (random(12), random(12));
        if open.len() < 6 {
            open.push((from, hosts[from].connect(&hosts[to], &listeners[to])));
        }
        let chosen = random(open.len());
        let (from, (dialled, accepted)) = &mut open[chosen];
        dialled.write(&format!("ping from {from}"));
        for _ in 0..random(3) {
            dialled.write("news");
        }
        accepted.read(1 << 10);
        accepted.tell(dialled, "ack");
        if random(3) == 0 {
            let (_, (dialled, mut accepted)) = open.remove(0);
            dialled.drop();
            accepted.read(1 << 16);
            accepted.read(1 << 16);
            accepted.drop();
        }
    }
    stage.trace
}

/// All that can go wrong: an abort, a refusal, a withdrawn dial, a half close, bytes that nothing reads, a fault, a host
/// that closes; with events dropped in between.
#[must_use]
pub fn failures() -> Trace {
    let stage = Stage::new("lab", Trace::builder().head(31).events(63));
    let (a, b, c) = (stage.host(1, "a"), stage.host(2, "b"), stage.host(3, "c"));
    b.dial("a:80");
    let listener = a.listen(":80");
    let (dialled, mut accepted) = b.connect(&a, &listener);
    accepted.write("never read");
    dialled.abort();
    accepted.fail_to_read();
    accepted.drop();
    c.dial("a:80");
    let (mut dialled, mut accepted) = c.connect(&a, &listener);
    dialled.tell(&mut accepted, "the end");
    dialled.shutdown();
    accepted.read(10);
    accepted.tell(&mut dialled, "ok");
    accepted.close();
    dialled.read(10);
    dialled.drop();
    let (mut to_a, mut from_b) = b.connect(&a, &listener);
    for number in 0..20 {
        to_a.tell(&mut from_b, &format!("ping {number}"));
    }
    stage.trace.fault("partition a | b");
    to_a.write("lost?");
    let (mut loop_out, mut loop_in) = a.connect(&a, &listener);
    loop_out.tell(&mut loop_in, "to myself");
    stage.wait(100);
    stage.trace.fault_ended("partition a | b");
    from_b.read(10);
    loop_in.drop();
    loop_out.read(10);
    loop_out.drop();
    stage.act(1).trace.note("a leaves");
    to_a.write("still there?");
    a.close();
    to_a.fail_to_read();
    b.dial("a:80");
    b.dial("nowhere:80");
    to_a.drop();
    stage.trace
}

/// Three replicas on a slow network, of which the first one leads: a partition that a dial does not survive, a crash, a
/// refusal, a restart, a reset, and a partition of one way that ends by itself.
#[must_use]
pub fn faults() -> Trace {
    let stage = Stage::with_faults("cluster", Trace::builder().bytes(u32::MAX), 20);
    let (n1, n2, n3) = (stage.host(1, "n1"), stage.host(2, "n2"), stage.host(3, "n3"));
    let listener = n1.listen(":2380");
    let (mut of_2, mut to_2) = n2.connect(&n1, &listener);
    let (mut of_3, mut to_3) = n3.connect(&n1, &listener);
    to_2.write("append 1");
    to_3.write("append 1");
    stage.arrive();
    for (replica, leader) in [(&mut of_2, &mut to_2), (&mut of_3, &mut to_3)] {
        replica.read(100);
        replica.tell(leader, "done 1");
    }

    stage.act(1);
    stage.faults.route("n1", "n2").partition();
    to_2.write("append 2");
    to_3.tell(&mut of_3, "append 2");
    of_3.tell(&mut to_3, "done 2");
    n2.dial("n1:2380");
    stage.wait(100);
    stage.act(1);
    stage.faults.route("n1", "n2").repair();
    stage.wait(stage.latency + 180);
    of_2.read(100);
    of_2.tell(&mut to_2, "done 2");

    to_2.write("append 3");
    to_3.write("append 3");
    stage.crash(3, "n3");
    stage.arrive();
    of_2.read(100);
    of_2.tell(&mut to_2, "done 3");
    to_3.fail_to_read();
    n1.dial("n3:2380");
    to_3.drop();
    let n3 = stage.restart(3, "n3");
    stage.trace.note("n3 has lost its log");
    let (mut of_3, mut to_3) = n3.connect(&n1, &listener);
    to_3.tell(&mut of_3, "all: 1, 2, 3");
    stage.act(1);
    stage.faults.route("n1", "n3").reset_peer();
    of_3.fail_to_read();
    to_3.fail_to_read();
    of_3.drop();
    to_3.drop();

    stage.faults.oneway("n2", "n1").partition_for(Duration::from_millis(50));
    of_2.write("still there?");
    stage.wait(50 + stage.latency);
    to_2.read(100);
    to_2.tell(&mut of_2, "yes");
    stage.act(1);
    stage.faults.all().clear();
    to_2.drop();
    of_2.read(100);
    of_2.drop();
    stage.act(1);
    stage.trace.pause();
    stage.trace
}

/// Names and payloads that would be something else in a page or a file.
#[must_use]
pub fn hostile() -> Trace {
    let stage = Stage::new("</title>", Trace::builder());
    let (a, b) = (stage.host(1, "</script><b>"), stage.host(2, "\"><img onerror=alert(1)>"));
    let listener = a.listen(":80");
    let (mut dialled, mut accepted) = b.connect(&a, &listener);
    dialled.tell(&mut accepted, "</script><script>document.title = 1</script>");
    dialled.tell(&mut accepted, "\u{202e}evil\u{200b};#\n\0");
    dialled.act().write_all(b"\xff\xfe\x80 end note").expect("room for it");
    accepted.read(100);
    stage.trace.note("\u{202e}turned\u{2066} and \u{200b}hidden\u{feff}");
    stage.trace.note("long ".repeat(1 << 14));
    stage.trace.note("a\nb -->  ]]> <!-- ${x} `y` ; # %% end");
    dialled.tell(&mut accepted, &"x".repeat(1 << 16));
    stage.trace
}

/// So many connections from one host at a time, each with some bytes.
#[must_use]
pub fn busy(count: usize) -> Trace {
    let stage = Stage::new("busy", Trace::builder().bytes(u32::MAX));
    let (a, b) = (stage.host(1, "a"), stage.host(2, "b"));
    let listener = a.listen(":900");
    let mut conns: Vec<_> = (0..count).map(|_| b.connect(&a, &listener)).collect();
    for (dialled, accepted) in &mut conns {
        dialled.tell(accepted, "\0\u{1}some bytes");
        accepted.tell(dialled, "and others\0\u{1}\u{2}");
    }
    stage.trace
}

/// The pictures of README, by the names of their files.
///
/// # Panics
///
/// Never: a string takes all.
#[must_use]
pub fn pictures() -> [(&'static str, String); 2] {
    [("trace.svg", few(), 28), ("failures.svg", failures(), 27)].map(|(name, trace, last)| {
        let mut picture = String::new();
        let view = trace.view().reads(true).only(move |event: &Event| event.seq <= last);
        view.write_svg(&mut picture).expect("a string takes all");
        (name, picture)
    })
}

/// Two networks in one trace, each with a host of the same name.
#[must_use]
pub fn two_networks() -> Trace {
    let trace = Trace::new();
    for name in ["east", "west"] {
        let net = pipenet::Network::builder(name).layer(trace.clone()).build().expect("valid options");
        let (gate, inner) = (net.host("gate").expect("a new host"), net.host("inner").expect("a new host"));
        let listener = gate.listen(":80").expect("a free port");
        let mut dialling = pin!(inner.dial("gate:80"));
        assert!(dialling.as_mut().try_wait().is_none(), "nothing accepted yet");
        let mut accepted = listener.try_accept().expect("a dial waits");
        let mut dialled = dialling.try_wait().expect("an answer").expect("accepted");
        dialled.write_all(name.as_bytes()).expect("room for it");
        accepted.read_exact(&mut [0; 4]).expect("the bytes are there");
    }
    trace
}
