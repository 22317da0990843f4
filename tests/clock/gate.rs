//! A check that decides the order of operations, on a clock: what is held waits, so that time may pass.

use std::pin::pin;
use std::time::Duration;

use virtnet::clock::{JoinHandle, Time};
use virtnet::pipenet::Network;
use virtnet::trace::{Check, Failure, Trace};
use virtnet::{Bare, Clock};

use super::bed::*;

type Layers = (Trace, Bare);
type Host = virtnet::pipenet::Host<Layers>;
type Conn = virtnet::pipenet::Conn<Layers>;

/// One nanosecond more than an hour.
const LATE: Duration = Duration::new(3600, 1);

struct Stage {
    clock: Clock,
    trace: Trace,
    net: Network<Layers>,
}

impl Stage {
    fn new(clock: Clock) -> Self {
        let trace = Trace::new();
        let net = Network::builder("t").clock(clock.clone()).layer(trace.clone()).build().expect("valid options");
        Self { clock, trace, net }
    }

    fn host(&self, name: &str) -> Host {
        self.net.host(name).expect("a valid name")
    }

    /// A thread that takes part in the clock, and has a stream of this name.
    fn actor<R: Send + 'static>(
        &self,
        name: &'static str,
        act: impl FnOnce(&Clock) -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let (trace, clock) = (self.trace.clone(), self.clock.clone());
        self.clock.spawn(move || {
            trace.name_actor(name);
            act(&clock)
        })
    }

    /// Both ends of a connection, the dialled one first.
    fn pair(&self) -> [Conn; 2] {
        let (a, b) = (self.host("a"), self.host("b"));
        let listener = a.listen(":10").expect("a free port");
        let mut dial = pin!(b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = listener.try_accept().expect("a dial waits");
        [dial.try_wait().expect("an answer").expect("accepted"), accepted]
    }

    /// The time since the start of the clock.
    fn now(&self) -> Duration {
        self.clock.now() - Time::ZERO
    }

    /// What a failure shows as held.
    fn held(&self, gate: &mut Check) -> String {
        let failure = format!("{:?}", gate.expect("nobody", "*").wait_timeout(Duration::ZERO).unwrap_err());
        failure.lines().find_map(|line| line.strip_prefix("held: ")).expect("it is shown").to_owned()
    }
}

#[test]
fn time_passes_while_an_operation_is_held() {
    within_a_minute(|| -> Result<(), Failure> {
        let stage = Stage::new(Clock::auto());
        let _me = stage.clock.enter();
        let listener = stage.host("a").listen(":10").unwrap();
        let mut gate = stage.trace.gate().by_actor();
        let [x, y] = [stage.host("b"), stage.host("b")];
        let early = stage.actor("x", move |_| x.dial("a:10").wait().map(|conn| conn.local_addr().port()));
        let late = stage.actor("y", move |clock| {
            clock.sleep(LATE).wait();
            y.dial("a:10").wait().map(|conn| conn.local_addr().port())
        });
        let first = gate.expect("y", "dial b:1->a:10").wait()?;
        // It is held from the start, and runs an hour later.
        let second = gate.expect("x", "dial b:2->a:10").wait()?;
        assert_eq!([first.at, second.at, Some(stage.now())], [Some(LATE); 3]);
        gate.open();
        let _accepted = [listener.accept().wait().unwrap(), listener.accept().wait().unwrap()];
        assert_eq!([early.join().unwrap(), late.join().unwrap()], [Ok(2), Ok(1)]);
        assert_eq!((stage.now(), stage.clock.timers()), (LATE, Ok(0)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn held_operations_time_out_on_the_clock() {
    within_a_minute(|| {
        let stage = Stage::new(Clock::auto());
        let _me = stage.clock.enter();
        let [dialled, accepted] = stage.pair();
        let listener = stage.host("a").listen(":11").unwrap();
        let mut gate = stage.trace.gate().reads(true).by_actor();
        let b = stage.host("b");
        let of = |time: u64| Duration::from_nanos(time);
        let dial = stage.actor("dial", move |clock| {
            let error = b.dial("a:11").wait_timeout(of(1_000_000_001)).unwrap_err();
            (error.to_string(), clock.now())
        });
        let accept = stage.actor("accept", move |clock| {
            let error = listener.accept().wait_timeout(of(2_000_000_002)).unwrap_err();
            (error.to_string(), clock.now())
        });
        let write = stage.actor("write", move |clock| {
            dialled.set_write_timeout(Some(of(3_000_000_003))).unwrap();
            let error = std::io::Write::write(&mut &dialled, b"x").unwrap_err();
            (error.to_string(), clock.now(), dialled)
        });
        let read = stage.actor("read", move |clock| {
            accepted.set_read_timeout(Some(of(4_000_000_004))).unwrap();
            let error = std::io::Read::read(&mut &accepted, &mut [0]).unwrap_err();
            (error.to_string(), clock.now(), accepted)
        });
        stage.clock.sleep(of(1)).wait();
        let held = stage.held(&mut gate);
        for operation in
            ["dial: dial b->a:11", "accept: accept a:11", "write: write b:1->a:1: 1 \"x\"", "read: read b:1->a:1"]
        {
            assert!(held.split(" | ").any(|held| held == operation), "{operation} is not in {held}");
        }
        let at = |time: u64| Time::ZERO + of(time);
        assert_eq!(dial.join().unwrap(), ("dial pipet: timed out".into(), at(1_000_000_001)));
        assert_eq!(accept.join().unwrap(), ("accept pipet a:11: timed out".into(), at(2_000_000_002)));
        let (error, time, dialled) = write.join().unwrap();
        assert_eq!((&*error, time), ("write pipet b:1->a:1: timed out", at(3_000_000_003)));
        let (error, time, accepted) = read.join().unwrap();
        assert_eq!((&*error, time), ("read pipet b:1->a:1: timed out", at(4_000_000_004)));
        assert_eq!(stage.held(&mut gate), "none");
        assert_eq!((stage.now(), stage.clock.timers()), (of(4_000_000_004), Ok(0)));
        // Besides the dial of their connection, nothing was done.
        assert_eq!((stage.trace.count("dial *"), stage.trace.count("write *: 1*")), (1, 0));
        drop((dialled, accepted));
    });
}

#[test]
fn an_expectation_fails_at_once_if_only_held_operations_could_run() {
    within_a_minute(|| {
        let stage = Stage::new(Clock::auto());
        let _me = stage.clock.enter();
        let mut gate = stage.trace.gate().by_actor();
        let b = stage.host("b");
        let dial = stage.actor("x", move |_| b.dial("a:10").wait().map(drop));
        let failure = gate.expect("y", "dial *").wait().unwrap_err();
        assert_eq!(failure.to_string(), "stream y: nothing more can happen; want: dial *");
        assert_eq!((stage.held(&mut gate), stage.now()), ("x: dial b->a:10".into(), Duration::ZERO));
        drop(gate);
        assert!(dial.join().unwrap().is_err());
    });
}

#[test]
fn a_quiet_time_passes_while_operations_are_held() {
    within_a_minute(|| -> Result<(), Failure> {
        let stage = Stage::new(Clock::auto());
        let _me = stage.clock.enter();
        let mut gate = stage.trace.gate().by_actor();
        let b = stage.host("b");
        let dial = stage.actor("x", move |_| b.dial("a:10").wait().map(drop));
        gate.skip("#1", "host b");
        gate.quiet(LATE).wait()?;
        assert_eq!((stage.held(&mut gate), stage.now()), ("x: dial b->a:10".into(), LATE));
        let dialled = gate.expect("x", "dial b:1->a:10").wait()?;
        assert_eq!(dialled.at, Some(LATE));
        gate.open();
        assert!(dial.join().unwrap().is_err());
        Ok(())
    })
    .unwrap();
}

#[test]
fn time_passes_while_a_thread_is_held_before_it_listens() {
    within_a_minute(|| -> Result<(), Failure> {
        let stage = Stage::new(Clock::auto());
        let _me = stage.clock.enter();
        let mut gate = stage.trace.gate().hold_threads(true).by_actor();
        let [x, y] = [stage.host("a"), stage.host("a")];
        gate.skip("#1", "host a");
        let early = stage.actor("x", move |clock| (x.listen(":5").is_ok(), clock.now()));
        let late = stage.actor("y", move |clock| {
            clock.sleep(LATE).wait();
            let listener = y.listen(":5");
            // It is closed an hour after it is made, at the earliest.
            clock.sleep(LATE).wait();
            listener.map(drop).map(|()| clock.now())
        });
        assert_eq!(gate.expect("y", "listen a:5").wait()?.at, Some(LATE));
        let refused = gate.expect("x", "listen a:5: address already in use").wait()?;
        assert_eq!(refused.at, Some(LATE));
        assert_eq!(early.join().unwrap(), (false, Time::ZERO + LATE));
        gate.quiet(2 * LATE).wait()?;
        assert_eq!(gate.expect("y", "drop a:5").wait()?.at, Some(3 * LATE));
        assert_eq!(late.join().unwrap(), Ok(Time::ZERO + 3 * LATE));
        assert_eq!((stage.now(), stage.clock.timers()), (3 * LATE, Ok(0)));
        gate.end()
    })
    .unwrap();
}

#[test]
fn an_operation_that_is_held_runs_at_the_time_of_a_clock_that_is_advanced() {
    within_a_minute(|| -> Result<(), Failure> {
        let stage = Stage::new(Clock::manual());
        let listener = stage.host("a").listen(":10").unwrap();
        let b = stage.host("b");
        let mut gate = stage.trace.gate().by_actor();
        // Another thread, as the one that advances the clock cannot wait on it.
        let (trace, dialler) = (stage.trace.clone(), b);
        let dial = std::thread::spawn(move || {
            trace.name_actor("x");
            dialler.dial("a:10").wait().map(drop)
        });
        while stage.held(&mut gate) == "none" {
            std::thread::yield_now();
        }
        stage.clock.advance(LATE).unwrap();
        assert_eq!(gate.expect("x", "dial b:1->a:10").wait()?.at, Some(LATE));
        gate.open();
        let _accepted = listener.accept().wait().unwrap();
        assert_eq!(dial.join().unwrap(), Ok(()));
        Ok(())
    })
    .unwrap();
}
