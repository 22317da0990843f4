//! The report on a clock that stands still.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use virtnet::Clock;

use super::bed::*;

/// Says that this is the other process.
const INNER: &str = "VIRTNET_TEST_STALLED";

/// In another process: a thread waits for a lock of std that another one holds, until stdin ends.
#[test]
fn stalled_in_a_lock() {
    if std::env::var_os(INNER).is_none() {
        return;
    }
    static LOCK: Mutex<()> = Mutex::new(());

    let clock = Clock::auto();
    let _me = clock.enter();
    let held = LOCK.lock().unwrap();
    clock.spawn(|| drop(LOCK.lock()));
    let sleeper = clock.spawn({
        let clock = clock.clone();
        move || clock.sleep(ms(7)).wait()
    });
    clock.outside(|| std::io::stdin().read_to_end(&mut Vec::new())).unwrap();
    assert_eq!(clock.now(), at(0));
    drop(held);
    sleeper.join().unwrap();
    assert_eq!(clock.now(), at(7));
}

#[test]
fn the_report_names_who_runs_and_who_waits() {
    within_a_minute(|| {
        let mut inner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stall::stalled_in_a_lock", "--nocapture"])
            .env(INNER, "")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(inner.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut report: Vec<_> = lines.skip_while(|line| !line.starts_with("virtnet: ")).take(5).collect();
        drop(inner.stdin.take());
        assert!(inner.wait().unwrap().success());
        report[2..].sort();
        let place = |line: &String| line.split_once(", of ").map(|(who, place)| (who.to_owned(), place.to_owned()));
        let (who, places): (Vec<_>, Vec<_>) = report[2..].iter().filter_map(place).unzip();
        assert_eq!(report[..2], ["virtnet: nothing has happened for 5s", "time: 0.000s, next deadline: 0.007s"]);
        assert_eq!(who, ["a thread runs", "a thread waits", "stall::stalled_in_a_lock is outside"]);
        assert!(places.iter().all(|place| place.contains("stall.rs:")), "{places:?}");
    });
}
