//! Random programs against the model.
//!
//! `VIRTNET_SEQUENCES` sets their number, `VIRTNET_SEED` their seed; both are printed.

use std::time::Instant;

use virtnet_proof::machine::{Report, run};
use virtnet_proof::op::Program;
use virtnet_proof::random::Random;
use virtnet_proof::say;
use virtnet_proof::shrink::explain;

/// The default number of programs.
const SEQUENCES: u64 = 24_000;

/// All outcomes that this number of programs must produce.
const OUTCOMES: [&str; 35] = [
    "a connection",
    "address already in use",
    "backlog is full",
    "bounce",
    "broken pipe",
    "cable unplugged",
    "cannot listen on requested address",
    "clear",
    "connection refused",
    "connection reset",
    "crash",
    "end of stream",
    "hold",
    "host already registered",
    "host is down",
    "host table is full",
    "invalid host name",
    "invalid port",
    "missing port in address",
    "network is down",
    "no open host",
    "no such host",
    "not today",
    "partition",
    "pending",
    "pipe pool is full",
    "port table is full",
    "power_off",
    "release",
    "repair",
    "restart",
    "socket is down",
    "timed out",
    "too many colons in address",
    "would block",
];

#[test]
fn networks_match_the_model() {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    };
    let (sequences, seed) = (number("VIRTNET_SEQUENCES", SEQUENCES), number("VIRTNET_SEED", 1));
    let (start, mut report) = (Instant::now(), Report::default());
    // A panic counts as a failure, and is reported with the program.
    std::panic::set_hook(Box::new(|_| {}));
    for sequence in 0..sequences {
        let mut random = Random::new(seed.wrapping_mul(0x1_0000_0000).wrapping_add(sequence));
        let program = Program::random(&mut random);
        if let Err(failure) = run(&program, &mut report) {
            let told = explain(&program, &failure);
            drop(std::panic::take_hook());
            panic!("sequence {sequence} of seed {seed}: {told}");
        }
    }
    drop(std::panic::take_hook());
    let took = start.elapsed();
    say(&format!("model: {sequences} sequences of seed {seed}, {} operations, in {took:.1?}", report.ops));
    println!("they came to {:?}", report.outcomes);
    let missing: Vec<_> = OUTCOMES.iter().filter(|&&outcome| !report.outcomes.contains_key(outcome)).collect();
    assert!(sequences < SEQUENCES || missing.is_empty(), "none of the sequences came to {missing:?}");
}
