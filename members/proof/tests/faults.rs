//! Random faults over random traffic.
//!
//! `VIRTNET_FAULT_RUNS` sets the number of runs, `VIRTNET_SEED` their seed; both are printed.

use std::panic::{catch_unwind, resume_unwind};
use std::time::Instant;

use virtnet_proof::faults::{Report, run};
use virtnet_proof::say;

/// The default number of runs.
const RUNS: u64 = 20_000;

/// What this number of runs must have come to.
const SEEN: [&str; 17] = [
    "blackhole",
    "bytes",
    "clear",
    "connections",
    "hold",
    "jitter",
    "latency",
    "limit data",
    "loss",
    "partition",
    "partition for a time",
    "refuse",
    "release",
    "repair",
    "reset",
    "resets seen",
    "timeouts",
];

#[test]
fn faults_keep_what_streams_promise() {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    };
    let (runs, base) = (number("VIRTNET_FAULT_RUNS", RUNS), number("VIRTNET_SEED", 1));
    let (start, mut all) = (Instant::now(), Report::default());
    for at in 0..runs {
        let seed = base.wrapping_mul(0x1_0000_0000).wrapping_add(at);
        let report = catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
            say(&format!("faults: run {at} of seed {base} failed: VIRTNET_SEED={base}, run({seed})"));
            resume_unwind(panic)
        });
        if at % 64 == 0 {
            assert_eq!(run(seed), report, "the same seed is the same run, {seed}");
        }
        all.add(&report);
    }
    say(&format!("faults: {runs} runs of seed {base} in {:.1?}", start.elapsed()));
    println!("they came to {:?}", all.counts);
    let missing: Vec<_> = SEEN.iter().filter(|what| !all.counts.contains_key(*what)).collect();
    assert!(runs < RUNS || missing.is_empty(), "none of the runs came to {missing:?}");
}
