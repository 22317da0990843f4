//! Orders that a test wrongly relies on.

use std::cell::Cell;
use std::error::Error;
use std::io::Write;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use virtnet::Bare;
use virtnet::pipenet::{self, Network};
use virtnet::trace::{Event, Trace, Verdict, verify};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
type Conn = pipenet::Conn<(Trace, Bare)>;
type Host = pipenet::Host<(Trace, Bare)>;

fn host(trace: &Trace, names: [&str; 2]) -> Result<[Host; 2], virtnet::Error> {
    let net = Network::builder("t").layer(trace.clone()).build()?;
    Ok([net.host(names[0])?, net.host(names[1])?])
}

/// Two connections from host `b`, with their accepted ends.
fn pairs(trace: &Trace) -> Result<[[Conn; 2]; 2], Box<dyn Error + Send + Sync>> {
    let [a, b] = host(trace, ["a", "b"])?;
    let listener = a.listen(":10")?;
    let pair = || {
        let mut dial = pin!(b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none(), "it is queued");
        let accepted = listener.accept().wait()?;
        Ok::<_, Box<dyn Error + Send + Sync>>([dial.try_wait().ok_or("it is accepted")??, accepted])
    };
    Ok([pair()?, pair()?])
}

/// Both writes are read in one stream, in the order in which they come at first.
fn in_one_stream(trace: &Trace, write: impl FnOnce([Conn; 2]) -> [Conn; 2]) -> Outcome {
    let [[first, _a], [second, _b]] = pairs(trace)?;
    let one = |event: &Event| if event.to_string().starts_with("write") { "writes" } else { "others" }.into();
    let mut check = trace.check().by(one);
    let _open = write([first, second]);
    check.expect("writes", "write b:2->a:2: 1 \"y\"").wait()?;
    check.expect("writes", "write b:1->a:1: 1 \"x\"").wait()?;
    Ok(())
}

#[test]
fn verify_confirms_a_race() {
    let runs = Cell::new(0);
    let outcome = verify(|trace| {
        runs.set(runs.get() + 1);
        let first = runs.get() == 1;
        in_one_stream(trace, |[mut x, mut y]| {
            let (done, wait) = mpsc::channel::<()>();
            let slow = thread::spawn(move || {
                // It is the second one in the first run only.
                if first {
                    let _ = wait.recv();
                }
                x.write_all(b"x").map(|()| x)
            });
            y.write_all(b"y").unwrap();
            drop(done);
            [slow.join().unwrap().unwrap(), y]
        })
    });
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "verify: 1 race: write b:2->a:2: 1 \"y\" and write b:1->a:1: 1 \"x\" happen in both orders"
    );
    assert_eq!(runs.get(), 2);
}

#[test]
fn verify_clears_what_something_else_orders() -> Outcome {
    let runs = Cell::new(0);
    let verdict = verify(|trace| {
        runs.set(runs.get() + 1);
        in_one_stream(trace, |[mut x, mut y]| {
            let (done, wait) = mpsc::channel();
            let second = thread::spawn(move || {
                wait.recv().unwrap();
                x.write_all(b"x").map(|()| x)
            });
            y.write_all(b"y").unwrap();
            done.send(()).unwrap();
            [second.join().unwrap().unwrap(), y]
        })
    })?;
    assert_eq!(verdict.to_string(), "verify: no race (1 candidate is ordered by something else)");
    assert_eq!((verdict.runs, runs.get()), (2, 2));
    Ok(())
}

#[test]
fn racing_dials_happen_in_both_orders() {
    let outcome = verify(|trace| {
        let [a, b] = host(trace, ["a", "b"])?;
        let listener = a.listen(":10")?;
        let dials = [(); 2].map(|()| {
            let b = b.clone();
            thread::spawn(move || b.dial("a:10").wait())
        });
        let accepted = [listener.accept().wait()?, listener.accept().wait()?];
        for dial in dials {
            dial.join().unwrap()?;
        }
        drop(accepted);
        Ok(())
    });
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("dial b:1->a:10 and dial b:2->a:10 happen in both orders"), "{text}");
}

#[test]
fn a_dial_that_is_refused_beside_a_listen_is_found() {
    let is_first = Cell::new(true);
    let outcome = verify(|trace| {
        let [a, b] = host(trace, ["a", "b"])?;
        let (done, wait) = mpsc::channel::<()>();
        let dial = thread::spawn(move || {
            // In the other order, nobody accepts it.
            let refused = b.dial("a:10").wait_timeout(Duration::from_millis(1)).map(drop);
            drop(done);
            refused
        });
        // The dial is the first one in the first run only.
        if is_first.replace(false) {
            let _ = wait.recv();
        }
        let listener = a.listen(":10")?;
        let _ = dial.join().unwrap();
        drop(listener);
        Ok(())
    });
    let text = "verify: 2 races: dial b:1->a:10: connection refused and listen a:10; \
                dial b:1->a:10: connection refused and drop a:10 happen in both orders";
    assert_eq!(outcome.unwrap_err().to_string(), text);
}

#[test]
fn events_that_cannot_be_held_are_listed_as_not_tried() -> Outcome {
    let verdict = verify(|trace| {
        let [a, b] = host(trace, ["a", "b"])?;
        let mut check = trace.check().by(|_| "all".into());
        let listening = thread::spawn(move || a.listen(":10"));
        let first = listening.join().unwrap()?;
        let second = b.listen(":10")?;
        check.expect("all", "listen a:10").wait()?;
        check.expect("all", "listen b:10").wait()?;
        drop((first, second));
        Ok(())
    })?;
    assert_eq!(verdict.to_string(), "verify: no race (not tried: listen a:10 and listen b:10)");
    assert_eq!(verdict.runs, 1);
    Ok(())
}

#[test]
fn a_try_that_comes_first_is_listed_as_not_tried() -> Outcome {
    let verdict = verify(|trace| {
        in_one_stream(trace, |[mut x, y]| {
            let (done, wait) = mpsc::channel();
            let second = thread::spawn(move || {
                wait.recv().unwrap();
                x.write_all(b"x").map(|()| x)
            });
            assert_eq!(y.try_write(b"y"), Ok(1));
            done.send(()).unwrap();
            [second.join().unwrap().unwrap(), y]
        })
    })?;
    let text = "verify: no race (not tried: write b:2->a:2: 1 \"y\" and write b:1->a:1: 1 \"x\")";
    assert_eq!((verdict.to_string(), verdict.runs), (text.into(), 2));
    Ok(())
}

#[test]
fn a_scenario_on_one_thread_has_no_candidate() -> Outcome {
    let verdict = verify(|trace| {
        let [a, b] = host(trace, ["a", "b"])?;
        let mut check = trace.check().by(|_| "all".into());
        let listener = a.listen(":10")?;
        let mut dial = pin!(b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none());
        drop(listener.accept().wait()?);
        dial.try_wait().unwrap()?;
        check.expect("all", "listen a:10").wait()?;
        check.expect("all", "dial b:1->a:10").wait()?;
        Ok(())
    })?;
    assert_eq!(verdict.to_string(), "verify: no race");
    Ok(())
}

#[test]
fn the_error_of_the_first_run_is_that_of_the_scenario() {
    let failed = verify(|trace| Ok(trace.never("note: *").map(|()| Err("it fails"))??));
    assert_eq!(failed.unwrap_err().to_string(), "it fails");
}

#[test]
fn several_races_are_listed() {
    let mut verdict = Verdict::default();
    verdict.races = ["x and y", "y and z"].map(String::from).into();
    verdict.ordered = 2;
    let text = "verify: 2 races: x and y; y and z happen in both orders (2 candidates are ordered by something else)";
    assert_eq!(verdict.to_string(), text);
}
