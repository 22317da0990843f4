//! A check that decides the order of operations.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use virtnet::pipenet::Network;
use virtnet::trace::{Check, Event, Failure, Kind, Trace};
use virtnet::{Error, ErrorKind};

type Host = virtnet::pipenet::Host<(Trace, virtnet::Bare)>;
pub(super) type Conn = virtnet::pipenet::Conn<(Trace, virtnet::Bare)>;

pub(super) struct Net {
    pub(super) trace: Trace,
    pub(super) net: Network<(Trace, virtnet::Bare)>,
}

impl Net {
    pub(super) fn new() -> Self {
        Self::with(false)
    }

    fn with(rendezvous: bool) -> Self {
        let trace = Trace::new();
        let builder = Network::builder("t").layer(trace.clone());
        Self { net: builder.rendezvous(rendezvous).build().unwrap(), trace }
    }

    pub(super) fn host(&self, name: &str) -> Host {
        self.net.host(name).unwrap()
    }

    /// A thread whose events are of the stream `name`.
    pub(super) fn actor<R: Send + 'static>(
        &self,
        name: &'static str,
        act: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let trace = self.trace.clone();
        thread::spawn(move || {
            trace.name_actor(name);
            act()
        })
    }

    /// A thread that dials.
    fn dials(&self, name: &'static str, to: &'static str) -> JoinHandle<Result<Conn, Error>> {
        let b = self.host("b");
        self.actor(name, move || b.dial(to).wait())
    }

    /// Both ends of a connection, the dialled one first.
    pub(super) fn pair(&self) -> [Conn; 2] {
        let listener = self.host("a").listen(":10").unwrap();
        let b = self.host("b");
        let mut dial = pin!(b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = listener.accept().wait().unwrap();
        [dial.try_wait().unwrap().unwrap(), accepted]
    }
}

/// Lets each stream do one thing, in this order.
pub(super) fn each<const N: usize>(gate: &mut Check, expected: [(&str, &str); N]) -> Result<(), Failure> {
    for (stream, line) in expected {
        gate.expect(stream, line).wait()?;
    }
    Ok(())
}

#[test]
fn the_gate_decides_ports_and_accept_order() -> Result<(), Failure> {
    for run in 0..2_000 {
        let [first, second] = if run % 2 == 0 { ["x", "y"] } else { ["y", "x"] };
        let net = Net::new();
        let listener = net.host("a").listen(":10").unwrap();
        net.host("b");
        let mut gate = net.trace.gate().by_actor();
        let dials = [net.dials("x", "a:10"), net.dials("y", "a:10")];
        let server = net.actor("server", move || [listener.accept().wait(), listener.accept().wait()]);
        each(
            &mut gate,
            [
                (first, "dial b:1->a:10"),
                (second, "dial b:2->a:10"),
                ("server", "accept a:10: a:1<-b:1"),
                ("server", "accept a:10: a:2<-b:2"),
            ],
        )?;
        gate.open();
        let accepted = server.join().unwrap().map(|accepted| accepted.unwrap().peer_addr().to_string());
        assert_eq!(accepted, ["b:1", "b:2"]);
        let ports = dials.map(|dial| dial.join().unwrap().unwrap().local_addr().port());
        assert_eq!(ports, if first == "x" { [1, 2] } else { [2, 1] }, "run {run}");
    }
    Ok(())
}

#[test]
fn a_dropped_held_dial_leaves_no_line() {
    let net = Net::new();
    let b = net.host("b");
    let mut gate = net.trace.gate();
    {
        let mut dial = pin!(b.dial("a:10"));
        let (sender, polls) = mpsc::channel::<()>();
        assert!(dial.as_mut().poll(&mut Context::from_waker(&signal(sender))).is_pending());
        assert!(format!("{:?}", held(&mut gate)).contains("held: b: dial b->a:10\n"));
        assert!(polls.try_recv().is_err());
    }
    assert!(format!("{:?}", held(&mut gate)).contains("held: none\n"));
    assert_eq!(net.trace.view().to_string(), "host b\n");
    gate.end().unwrap();
}

#[test]
fn an_expired_held_dial_fails_and_leaves_the_gate() {
    let net = Net::new();
    let b = net.host("b");
    let mut gate = net.trace.gate();
    let error = b.dial("a:10").wait_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.to_string(), "dial pipet: timed out");
    assert!(format!("{:?}", held(&mut gate)).contains("held: none\n"));
}

/// A failure that shows what is held.
pub(super) fn held(gate: &mut Check) -> Failure {
    gate.expect("nobody", "*").wait_timeout(Duration::ZERO).unwrap_err()
}

/// Waits until these operations are held.
pub(super) fn until_held<const N: usize>(gate: &mut Check, held: [&str; N]) {
    loop {
        let failure = format!("{:?}", self::held(gate));
        if held.iter().all(|held| failure.contains(held)) {
            break;
        }
        thread::yield_now();
    }
}

/// A waker that sends when it is called.
fn signal(sender: mpsc::Sender<()>) -> Waker {
    struct Signal(mpsc::Sender<()>);
    impl std::task::Wake for Signal {
        fn wake(self: std::sync::Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    std::sync::Arc::new(Signal(sender)).into()
}

#[test]
fn an_opened_gate_lets_all_run() -> Result<(), Failure> {
    let net = Net::new();
    let listener = net.host("a").listen(":10").unwrap();
    net.host("b");
    let mut gate = net.trace.gate().by_actor();
    let dials = ["x", "y", "z"].map(|name| net.dials(name, "a:10"));
    gate.expect("z", "dial b:1->a:10").wait()?;
    gate.open();
    for _ in 0..3 {
        listener.accept().wait().unwrap();
    }
    dials.into_iter().for_each(|dial| assert!(dial.join().unwrap().is_ok()));
    // The check goes on.
    gate.expect("x", "dial *").wait()?;
    gate.expect("y", "dial *").wait()?;
    Ok(())
}

#[test]
fn a_dropped_or_panicking_gate_holds_nothing() {
    let net = Net::new();
    let listener = net.host("a").listen(":10").unwrap();
    net.host("b");
    let gate = net.trace.gate();
    let dial = net.dials("x", "a:10");
    let fails = thread::spawn(move || {
        let _gate = gate;
        std::panic::panic_any("the test has failed");
    });
    assert!(fails.join().is_err());
    listener.accept().wait().unwrap();
    dial.join().unwrap().unwrap();
}

#[test]
fn closing_and_trying_are_never_held() -> Result<(), Failure> {
    let net = Net::new();
    let [dialled, accepted] = net.pair();
    let gate = net.trace.gate();
    let listener = net.host("a").listen(":11").unwrap();
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(accepted.try_write(b"hi"), Ok(2));
    assert_eq!(dialled.try_read(&mut [0; 2]), Ok(2));
    accepted.close_write().unwrap();
    dialled.close();
    drop(listener);
    net.host("b").close().wait().unwrap();
    gate.end().unwrap_err();
    Ok(())
}

#[test]
fn a_held_operation_fails_when_its_host_closes() {
    let net = Net::new();
    let listener = net.host("a").listen(":10").unwrap();
    let [a, b] = [net.host("a"), net.host("b")];
    let gate = net.trace.gate();
    let accepts = net.actor("server", move || listener.accept().wait());
    let dials = net.dials("x", "a:10");
    let mut seen = net.trace.gate().by_actor();
    until_held(&mut seen, ["server: accept a:10", "x: dial b->a:10"]);
    a.close().wait().unwrap();
    assert_eq!(accepts.join().unwrap().unwrap_err().to_string(), "accept pipet a:10: host is down");
    b.close().wait().unwrap();
    assert_eq!(dials.join().unwrap().unwrap_err().to_string(), "dial pipet b:1->a:10: host is down");
    drop((gate, seen));
}

#[test]
fn writes_and_reads_are_held_in_both_pipes() -> Result<(), Failure> {
    use std::io::{Read, Write};

    for rendezvous in [false, true] {
        let net = Net::with(rendezvous);
        let [dialled, accepted] = net.pair();
        let mut gate = net.trace.gate().reads(true);
        let writer = net.actor("w", move || (&dialled).write_all(b"hello"));
        let reader = net.actor("r", move || {
            let mut text = String::new();
            (&accepted).read_to_string(&mut text).map(|_| text)
        });
        until_held(&mut gate, ["b: write b:1->a:1: 5 \"hello\"", "a: read b:1->a:1"]);
        gate.expect("b", "write b:1->a:1: 5 \"hello\"").wait()?;
        gate.expect("a", "read b:1->a:1: 5 \"hello\"").wait()?;
        if rendezvous {
            gate.expect("b", "written b:1->a:1: 5").wait()?;
        }
        gate.expect("b", "drop b:1->a:1").wait()?;
        gate.expect("a", "read b:1->a:1: end").wait()?;
        gate.open();
        writer.join().unwrap().unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "hello");
    }
    Ok(())
}

#[test]
fn reads_are_free_unless_they_are_asked_for() -> Result<(), Failure> {
    let net = Net::new();
    let [dialled, accepted] = net.pair();
    let mut gate = net.trace.gate();
    assert_eq!(dialled.try_write(b"x"), Ok(1));
    let mut buf = [0];
    let read = pin!(std::future::poll_fn(|cx| accepted.poll_read(cx, &mut buf)));
    let (sender, _polls) = mpsc::channel();
    assert_eq!(read.poll(&mut Context::from_waker(&signal(sender))), Poll::Ready(Ok(1)));
    gate.expect("b", "write *").wait()?;
    gate.end()
}

#[test]
fn an_expectation_lets_the_first_fitting_operation_of_its_stream_run() -> Result<(), Failure> {
    let net = Net::new();
    for port in [10, 11, 12] {
        // Dropped at the end of the block, so that dials are refused.
        drop(net.host("a").listen(port).unwrap());
    }
    net.host("b");
    let mut gate = net.trace.gate().by_actor();
    let b = net.host("b");
    let dials = ["a:10", "a:11", "a:12"].map(|to| {
        let b = b.clone();
        net.actor("x", move || b.dial(to).wait())
    });
    gate.expect("x", "dial b:*->a:12").wait()?;
    gate.expect("x", "dial b:*->a:12: connection refused").wait()?;
    gate.expect("x", |event: &Event| matches!(event.kind, Kind::Dialled { .. })).wait()?;
    gate.expect("x", "*: connection refused").wait()?;
    until_held(&mut gate, ["x: dial b->a:1"]);
    gate.skip("x", "dial *");
    // What is skipped runs while an expectation waits.
    gate.expect("y", "*").wait_timeout(Duration::from_millis(1)).unwrap_err();
    dials.into_iter().for_each(|dial| assert!(dial.join().unwrap().is_err()));
    gate.end()
}
