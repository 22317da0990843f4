//! A trace with the crates `insta`, `expect-test` and `tracing`, as they are.

use std::io::{self, Write as _};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use expect_test::expect;
use virtnet::pipenet::Network;
use virtnet::trace::{Check, Trace};

/// A host dials another, and writes to it.
fn traced() -> Trace {
    let trace = Trace::new();
    run(&trace);
    trace
}

fn run(trace: &Trace) {
    let net = Network::builder("t").layer(trace.clone()).build().expect("valid options");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen(":10").expect("a free port");
    let mut dial = pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none(), "no listener has accepted it");
    let _accepted = listener.try_accept().expect("a dial waits");
    let mut conn = dial.try_wait().expect("it is accepted").expect("it is accepted");
    conn.write_all(b"say \"hi\"\n").expect("there is room");
}

#[test]
fn insta_compares_a_view() {
    insta::assert_snapshot!(traced().view().of("b"), @r#"
    host b
    dial b:1->a:10
    connect b:1->a:10: a:1
    write b:1->a:1: 9 "say \"hi\"\n"
    drop b:1->a:1
    "#);
}

#[test]
fn insta_compares_a_failure() {
    let failure = traced().never("write *").expect_err("b wrote");
    insta::assert_snapshot!(failure, @r#"unexpected: write b:1->a:1: 9 "say \"hi\"\n""#);
}

#[test]
fn expect_test_compares_a_view() {
    expect![[r#"
        host a
        listen a:10
        accept a:10: a:1<-b:1
        drop a:1->b:1
        drop a:10
    "#]]
    .assert_eq(&traced().view().of("a").to_string());
}

/// Tells the crate `tracing` of each event that has come.
fn tell(check: &mut Check) {
    while let Some(event) = check.try_next("all") {
        let host = event.host();
        tracing::info!(target: "virtnet", seq = event.seq, host = host.as_deref(), "{event}");
    }
}

#[test]
fn tracing_is_told_of_each_event() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_level(false)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let trace = Trace::new();
    let mut check = trace.check().by(|_| "all".into());
    run(&trace);
    trace.note("done");
    tracing::subscriber::with_default(subscriber, || tell(&mut check));
    let text = String::from_utf8(log.0.lock().expect("no panic under this lock").clone()).expect("it is UTF-8");
    expect![[r#"
        virtnet: host a seq=1 host="a"
        virtnet: host b seq=2 host="b"
        virtnet: listen a:10 seq=3 host="a"
        virtnet: dial b:1->a:10 seq=4 host="b"
        virtnet: accept a:10: a:1<-b:1 seq=5 host="a"
        virtnet: connect b:1->a:10: a:1 seq=6 host="b"
        virtnet: write b:1->a:1: 9 "say \"hi\"\n" seq=7 host="b"
        virtnet: drop b:1->a:1 seq=8 host="b"
        virtnet: drop a:1->b:1 seq=9 host="a"
        virtnet: drop a:10 seq=10 host="a"
        virtnet: close network seq=11
        virtnet: note: done seq=12
    "#]]
    .assert_eq(&text);
}

/// A writer whose clones write to one text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic under this lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
