//! Faults in a trace and in a snapshot, and the clock that they follow.

use std::time::Duration;

use virtnet::pipenet::Network;
use virtnet::sim::{Cut, Faults};
use virtnet::trace::Trace;
use virtnet::{Bare, Clock};

use crate::bed::{Bed, L, ms, read, write};

#[test]
fn faults_are_events_of_the_trace() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, trace) = (Clock::manual(), Trace::new());
    let faults = Faults::new().seed(7).clock(clock.clone()).trace(&trace);
    let net = Network::builder("t").layer(faults.clone()).layer(trace.clone()).build()?;
    let (a, b) = (net.host("a")?, net.host("b")?);
    let listener = a.listen(":10")?;
    faults.route("a", "b").latency(L);
    let mut dial = Box::pin(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    clock.advance(L)?;
    let accepted = listener.try_accept()?;
    clock.advance(L)?;
    let dialled = dial.as_mut().try_wait().expect("the answer has arrived")?;
    faults.oneway("b", "a").partition();
    assert_eq!(dialled.try_write(b"hi")?, 2);
    clock.advance(ms(100))?;
    faults.all().clear();
    assert_eq!(
        accepted.try_read(&mut [0; 9]).map_err(|error| error.to_string()),
        Err("read pipet b:1->a:1: would block".into())
    );
    clock.advance(L)?;
    assert_eq!(accepted.try_read(&mut [0; 9])?, 2);
    faults.of("a").cut(Cut::Reset);
    faults.to("b").hold().release();
    let text = trace.view().to_string();
    let expected = "\
host a
host b
listen a:10
fault latency 50ms a | b
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
fault partition b -> a
write b:1->a:1: 2 \"hi\"
fault end all *
fault cut with reset a | *
fault hold * -> b
fault end hold * -> b
";
    assert_eq!(text, expected);
    Ok(())
}

#[test]
fn a_snapshot_shows_what_faults_do_to_each_end() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    assert!(!bed.snapshot().contains("in flight"), "{}", bed.snapshot());
    bed.route().latency(L);
    bed.faults.oneway("b", "a").partition().hold();
    assert_eq!([write(&b, "hello"), write(&a, "hi")], [Ok(5), Ok(2)]);
    bed.at(50);
    assert_eq!(read(&b), Ok("hi".into()));
    let shown = bed.snapshot();
    let ends: Vec<_> = shown
        .lines()
        .filter(|line| line.contains("<->"))
        .map(|line| line.split("  ").last().unwrap_or_default().trim())
        .collect();
    assert_eq!(ends, ["a:1 <-> b:1 (0 in flight, 50ms)", "b:1 <-> a:1 (5 in flight, cut, held, 50ms)"]);
    bed.faults.all().clear();
    assert!(bed.snapshot().contains("(5 in flight)"), "{}", bed.snapshot());
    bed.at(100);
    assert!(!bed.snapshot().contains("in flight"), "{}", bed.snapshot());
    drop((a, b));
    bed.finish();
}

#[test]
fn faults_without_a_clock_follow_that_of_the_network() {
    let (clock, faults) = (Clock::manual(), Faults::new());
    // Settable before any host exists.
    faults.route("a", "b").latency(L);
    clock.advance(ms(500)).expect("a manual clock");
    let builder = Network::builder("t").clock(clock.clone());
    let net: Network<(Faults, Bare)> = builder.layer(faults).build().expect("valid options");
    let (a, b) = (net.host("a").expect("a new host"), net.host("b").expect("a new host"));
    let listener = a.listen(":10").expect("a free port");
    let mut dial = Box::pin(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    clock.advance(L - Duration::from_nanos(1)).expect("a manual clock");
    assert!(listener.try_accept().is_err());
    clock.advance(Duration::from_nanos(1)).expect("a manual clock");
    assert!(listener.try_accept().is_ok());
}

#[test]
fn latency_on_an_automatic_clock_takes_no_real_time() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::{Read as _, Write as _};

    let clock = Clock::auto();
    let _me = clock.enter();
    let faults = Faults::new().clock(clock.clone());
    let net = Network::builder("t").layer(faults.clone()).build()?;
    let (a, b) = (net.host("a")?, net.host("b")?);
    let hour = Duration::from_secs(3600);
    faults.route("a", "b").latency(hour);
    let listener = a.listen(":10")?;
    let server = clock.spawn(move || -> std::io::Result<()> {
        let mut conn = listener.accept().wait()?;
        let mut buf = [0; 4];
        conn.read_exact(&mut buf)?;
        conn.write_all(&buf)
    });
    let mut conn = b.dial("a:10").wait()?;
    assert_eq!(clock.now().as_nanos(), 2 * 3600 * 1_000_000_000);
    conn.write_all(b"ping")?;
    // A repair later, all is late by the cut.
    faults.route("a", "b").partition_for(hour);
    let mut buf = [0; 4];
    conn.read_exact(&mut buf)?;
    assert_eq!((&buf, clock.now().as_nanos()), (b"ping", 5 * 3600 * 1_000_000_000));
    server.join().expect("no panic")?;
    Ok(())
}
