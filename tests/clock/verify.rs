//! Orders that a test wrongly relies on, on an automatic clock.

use std::cell::Cell;
use std::error::Error;
use std::io::Write;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};

use virtnet::clock::Time;
use virtnet::pipenet::{self, Network};
use virtnet::trace::{Event, Trace, Verdict, verify};
use virtnet::{Bare, Clock};

use super::bed::*;

type Failed = Box<dyn Error + Send + Sync>;
type Conn = pipenet::Conn<(Trace, Bare)>;

/// Two connections from host `b`, with their accepted ends.
fn pairs(clock: &Clock, trace: &Trace) -> Result<[[Conn; 2]; 2], Failed> {
    let net = Network::builder("t").clock(clock.clone()).layer(trace.clone()).build()?;
    let (a, b) = (net.host("a")?, net.host("b")?);
    let listener = a.listen(":10")?;
    let pair = || -> Result<[Conn; 2], Failed> {
        let mut dial = pin!(b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none(), "it is queued");
        let accepted = listener.try_accept()?;
        Ok([dial.try_wait().ok_or("it is accepted")??, accepted])
    };
    Ok([pair()?, pair()?])
}

/// The outcome for two writes of which `y` is read first in one stream, and how often they were run.
fn verdict(write: impl Fn(&Clock, [Conn; 2]) -> [Conn; 2]) -> (Result<Verdict, Failed>, usize) {
    let runs = Cell::new(0);
    let outcome = verify(|trace| {
        runs.set(runs.get() + 1);
        let clock = Clock::auto();
        let _me = clock.enter();
        let [[x, _a], [y, _b]] = pairs(&clock, trace)?;
        let one = |event: &Event| if event.to_string().starts_with("write") { "writes" } else { "others" }.into();
        let mut check = trace.check().by(one);
        let _open = write(&clock, [x, y]);
        check.expect("writes", "write b:2->a:2: 1 \"y\"").wait()?;
        check.expect("writes", "write b:1->a:1: 1 \"x\"").wait()?;
        Ok(())
    });
    (outcome, runs.get())
}

#[test]
fn verify_confirms_a_race_on_a_clock() {
    within_a_minute(|| {
        let (outcome, runs) = verdict(|clock, [mut x, mut y]| {
            let slow = clock.spawn({
                let clock = clock.clone();
                move || {
                    clock.sleep(ms(1)).wait();
                    x.write_all(b"x").map(|()| x)
                }
            });
            // Held in the second run: the time passes.
            y.write_all(b"y").unwrap();
            let x = slow.join().unwrap().unwrap();
            assert_eq!(clock.now(), Time::ZERO + ms(1));
            [x, y]
        });
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "verify: 1 race: write b:2->a:2: 1 \"y\" and write b:1->a:1: 1 \"x\" happen in both orders"
        );
        assert_eq!(runs, 2);
    });
}

#[test]
fn verify_clears_what_a_lock_orders_on_a_clock() {
    within_a_minute(|| {
        let (outcome, runs) = verdict(|clock, [mut x, mut y]| {
            let written = Arc::new((Mutex::new(false), Condvar::new()));
            let second = clock.spawn({
                let (clock, written) = (clock.clone(), written.clone());
                move || {
                    let (is_written, changed) = &*written;
                    // The clock does not see such a wait: time passes meanwhile.
                    clock.outside(|| {
                        drop(changed.wait_while(is_written.lock().unwrap(), |is_written| !*is_written).unwrap());
                    });
                    x.write_all(b"x").map(|()| x)
                }
            });
            y.write_all(b"y").unwrap();
            *written.0.lock().unwrap() = true;
            written.1.notify_all();
            [second.join().unwrap().unwrap(), y]
        });
        assert_eq!(outcome.unwrap().to_string(), "verify: no race (1 candidate is ordered by something else)");
        assert_eq!(runs, 2);
    });
}

#[test]
fn verify_clears_what_a_join_orders_once_nothing_else_can_run() {
    within_a_minute(|| {
        // Each run ends at this time: none of it passes while nothing else can happen.
        let (outcome, runs) = verdict(|clock, [mut x, mut y]| {
            let first = clock.spawn({
                let clock = clock.clone();
                move || {
                    clock.sleep(hours(1)).wait();
                    y.write_all(b"y").map(|()| y)
                }
            });
            let y = first.join().unwrap().unwrap();
            assert_eq!(clock.now(), Time::ZERO + hours(1));
            x.write_all(b"x").unwrap();
            [x, y]
        });
        assert_eq!(outcome.unwrap().to_string(), "verify: no race (1 candidate is ordered by something else)");
        assert_eq!(runs, 2);
    });
}
