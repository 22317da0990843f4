//! The report on a clock that stands still.

use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use virtnet::Clock;

use super::bed::*;

/// A thread holds a lock of std that another one wants, which nothing else waits for, until there is a report.
#[test]
fn stalled_in_a_lock() {
    let Ok(limit) = std::env::var("VIRTNET_TEST_STALL") else { return };
    let clock = Clock::auto();
    let _me = clock.enter();
    let start = Instant::now();
    let lock: &'static Mutex<()> = Box::leak(Box::default());
    let held = lock.lock().unwrap();
    clock.spawn(move || drop(lock.lock()));
    let sleeper = clock.spawn({
        let clock = clock.clone();
        move || clock.sleep(ms(7)).wait()
    });
    clock.outside(|| {
        while start.elapsed() < ms(limit.parse().unwrap()) {
            thread::park_timeout(ms(100));
        }
    });
    assert_eq!(clock.now(), at(0));
    drop(held);
    sleeper.join().unwrap();
    assert_eq!(clock.now(), at(7));
}

#[test]
fn the_report_names_who_runs_and_who_waits() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "stall::stalled_in_a_lock", "--nocapture"]).env("VIRTNET_TEST_STALL", "6500");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("virtnet: ")).collect();
    let [title, time, rest @ ..] = &*lines else { panic!("{text}") };
    assert_eq!(*title, "virtnet: nothing has happened for 5s");
    assert_eq!(*time, "time: 0.000s, next deadline: 0.007s");
    let named = |start: &str| rest.iter().filter(|line| line.starts_with(start)).count();
    let counts = ["a thread runs, of tests/clock/stall.rs:", "a thread waits, of tests/clock/stall.rs:"].map(named);
    assert_eq!(counts, [1, 1], "{text}");
    assert_eq!(named("stall::stalled_in_a_lock is outside, of tests/clock/stall.rs:"), 1, "{text}");
}
