//! Networks in which nothing can happen any more.

use std::io::Read as _;
use std::process::Command;
use std::time::{Duration, Instant};

use virtnet::Clock;

use super::bed::*;

/// Two threads that read from each other.
fn read_from_each_other() {
    let clock = Clock::auto();
    let _me = clock.enter();
    let net = network(&clock);
    let [dialled, accepted] = connected(&net);
    let readers = [dialled, accepted].map(|mut conn| {
        clock.spawn(move || {
            let down = conn.read(&mut [0; 8]).unwrap_err().to_string();
            (down, conn)
        })
    });
    let start = Instant::now();
    let [first, second] = readers.map(|reader| reader.join().unwrap().0);
    assert!(start.elapsed() < Duration::from_secs(3), "it is told at once");
    assert_eq!(first, "read pipet a:1->b:1: network is down");
    assert_eq!(second, "read pipet b:1->a:1: network is down");
    let cause = net.close().unwrap_err().to_string();
    assert_eq!(cause, r#"virtnet "pipet": close: deadlock: no participant can run"#);
}

#[test]
fn a_deadlock_is_told() {
    within_a_minute(read_from_each_other);
}

/// Runs a test of this program in another process. Returns what it wrote to stderr.
fn stderr_of(test: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn a_deadlock_shows_who_waits_for_what() {
    let text = stderr_of("deadlock::a_deadlock_is_told");
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(line("virtnet: "), "virtnet: deadlock: no participant can run");
    assert_eq!(line("time: "), "time: 0.000s, next deadline: none");
    assert_eq!(text.lines().filter(|line| line.contains("waits, of ") || line.contains("runs, of ")).count(), 3);
    assert!(line("a thread ").contains("tests/clock/deadlock.rs:"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("1 to read")).count(), 2, "{text}");
}

#[test]
fn no_deadlock_is_told_while_a_timer_exists() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let net = network(&clock);
        let [dialled, mut accepted] = connected(&net);
        clock.scope(|scope| {
            let reader = scope.spawn(|| accepted.read(&mut [0; 8]).unwrap());
            clock.sleep(hours(1)).wait();
            drop(dialled);
            assert_eq!(reader.join().unwrap(), 0);
        });
    });
}

#[test]
fn no_deadlock_is_told_while_a_thread_that_takes_no_part_may_act() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let net = network(&clock);
        let [dialled, mut accepted] = connected(&net);
        let reader = clock.spawn(move || accepted.read(&mut [0; 8]).unwrap());
        // This thread made the network.
        let start = Instant::now();
        while start.elapsed() < ms(100) {
            std::thread::yield_now();
        }
        drop(dialled);
        assert_eq!(reader.join().unwrap(), 0);
    });
}

#[test]
fn a_thread_that_ends_last_tells_the_deadlock() {
    within_a_minute(|| {
        let clock = Clock::auto();
        let me = clock.enter();
        let net = network(&clock);
        let [dialled, accepted] = connected(&net);
        let [reader, ender] = [accepted, dialled].map(|mut conn| {
            let clock = clock.clone();
            clock.clone().spawn(move || {
                if conn.local_addr().host() == "a" {
                    return conn.read(&mut [0; 8]).unwrap_err().to_string();
                }
                clock.sleep(ms(1)).wait();
                std::mem::forget(conn);
                String::new()
            })
        });
        assert_eq!(reader.join().unwrap(), "read pipet b:1->a:1: network is down");
        assert_eq!(ender.join().unwrap(), "");
        drop(me);
    });
}
