//! What it takes to export a trace of a million events, against goals in seconds:
//!
//! ```sh
//! cargo bench --bench exports --features pcapng
//! ```

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use virtnet::pipenet::Network;
use virtnet::trace::{Trace, View};

const EVENTS: u64 = 1_000_000;

/// An export: its name, its goal, and how it is made.
type Export = (&'static str, Duration, fn(&View, &mut Sink));

const EXPORTS: [Export; 5] = [
    ("JSON", Duration::from_millis(1000), |view, to| view.write_json(to).expect("a sink takes all")),
    ("pcapng", Duration::from_millis(1500), |view, to| view.pcapng().write(to).expect("a sink takes all")),
    ("HTML, cut", Duration::from_millis(300), |view, to| view.write_html(to).expect("a sink takes all")),
    ("ShiViz, cut", Duration::from_millis(300), |view, to| view.write_shiviz(to).expect("a sink takes all")),
    ("Mermaid, cut", Duration::from_millis(300), |view, to| view.write_mermaid(to).expect("a sink takes all")),
];

/// Counts bytes.
#[derive(Default)]
struct Sink(usize);

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Twelve hosts, of which each pair has a connection now and then, with bytes both ways.
fn trace() -> Trace {
    let trace = Trace::builder().bytes(u32::MAX).events(EVENTS).memory(1 << 30).build();
    let net = Network::builder("t").layer(trace.clone()).build().expect("valid options");
    let hosts: Vec<_> = (0..12).map(|number| net.host(&format!("host-{number}")).expect("a new host")).collect();
    let listeners: Vec<_> = hosts.iter().map(|host| host.listen(":80").expect("a free port")).collect();
    let (mut events, mut turn, mut buf) = (24, 0, [0; 64]);
    while events < EVENTS {
        turn += 1;
        let (from, listener) = (&hosts[turn % 12], &listeners[turn / 12 % 12]);
        let mut dialling = pin!(from.dial(listener.local_addr()));
        assert!(dialling.as_mut().try_wait().is_none());
        let mut accepted = listener.try_accept().expect("a dial waits");
        let mut dialled = dialling.try_wait().expect("it is accepted").expect("it is accepted");
        for _ in 0..22 {
            dialled.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("room for it");
            let _ = accepted.read(&mut buf).expect("bytes");
            accepted.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").expect("room for it");
            let _ = dialled.read(&mut buf).expect("bytes");
        }
        events += 3 + 22 * 4 + 2;
    }
    trace
}

/// The time that this process has had a CPU; where that is not known, the time of day.
fn now() -> Duration {
    let known = fs::read_to_string("/proc/self/schedstat").ok();
    let nanos = known.and_then(|known| known.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(), Duration::from_nanos)
}

fn main() -> ExitCode {
    let trace = trace();
    let view = trace.view().reads(true);
    println!("{} events", view.events().count());
    let mut missed = 0;
    for (name, goal, export) in EXPORTS {
        let times = (0..3).map(|_| {
            let (start, mut sink) = (now(), Sink::default());
            export(&view, &mut sink);
            (now() - start, sink.0)
        });
        let (time, bytes) = times.min().expect("three runs");
        let outcome = if time <= goal { "reached" } else { "missed" };
        missed += u32::from(time > goal);
        println!(
            "{name}: {:.2} s for {bytes} bytes, the goal of {:.1} s is {outcome}",
            time.as_secs_f64(),
            goal.as_secs_f64()
        );
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
