//! What faults and virtual time cost, beside turmoil, turmoil-net and madsim that do the same: samples of all are taken
//! in turn.
//!
//!     cargo bench --bench faults                     all of it, in three minutes, most of them for turmoil
//!     cargo bench --bench faults -- --quick          in seconds, with fewer and shorter samples
//!     cargo bench --bench faults -- sleep dial       only work with one of these words
//!     cargo bench --bench faults -- --write          all of it, into `faults.json` and the README beside it
//!
//! To write, it waits until the cores are free, and gives up after some minutes; with `--noisy` it does not wait. All but
//! the threads that sleep are measured in CPU time of one thread. `cargo bench --bench peers -- --render` writes the
//! README from `faults.json`, and `--check` compares them.
//!
//! The hosts of all simulations run one program, `plan.rs`, by tokio's traits. virtnet does so, too, as `virtnet, tasks`;
//! `virtnet` alone is its methods that do not wait, on a clock that the program advances. Goals are about these.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::ours::Way;
use crate::plan::{CONNECTIONS, DAY, LONG, MILLISECOND, Plan, SECOND, SHORT};
use crate::result::{Results, Unit};
use crate::sample::{Bench, OURS, Work};

#[allow(dead_code)]
#[path = "../peers/machine.rs"]
mod machine;
mod madsim;
mod ours;
mod page;
#[allow(dead_code)]
mod plan;
#[allow(dead_code)]
#[path = "../peers/report.rs"]
mod report;
#[allow(dead_code)]
#[path = "../peers/result.rs"]
mod result;
#[allow(dead_code)]
#[path = "../peers/sample.rs"]
mod sample;
mod tasks;
mod turmoil;
mod turmoil_net;

const JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/faults.json");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/README.md");

const TASKS: &str = "virtnet, tasks";
const NO_LAYER: &str = "virtnet, no layer";
const LANES: &str = "virtnet, by lanes";
const TURMOIL: &str = "turmoil";
const TURMOIL_NET: &str = "turmoil-net";
const MADSIM: &str = "madsim";

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    // `cargo bench` says this, `cargo test --benches` does not and only wants to see it start.
    let Some(bench) = words.iter().position(|word| word == "--bench") else { return ExitCode::SUCCESS };
    words.remove(bench);
    let mut asked = |option: &str| words.iter().position(|word| word == option).map(|at| words.remove(at)).is_some();
    let (quick, write, noisy) = (asked("--quick"), asked("--write"), asked("--noisy"));
    if let Some(option) = words.iter().find(|word| word.starts_with("--")) {
        eprintln!("no option {option}; there are --quick, --write and --noisy");
        return ExitCode::FAILURE;
    }
    if write && (quick || !words.is_empty()) {
        eprintln!("--write is for all work, and at length");
        return ExitCode::FAILURE;
    }
    // Built first, so that it takes no time from what is measured.
    let madsim = madsim::build();
    if write && !noisy && !machine::wait_until_quiet() {
        eprintln!("others want the cores: nothing was measured or written; with --noisy, it does not wait");
        return ExitCode::FAILURE;
    }

    let start = Instant::now();
    let results = Results { machine: machine::machine(), rows: Vec::new(), goals: Vec::new() };
    let mut bench = Bench { quick, words, results };
    run(&mut bench, &madsim);
    println!("{}took {} s", report::summary(&bench.results), start.elapsed().as_secs());
    if write {
        let json = serde_json::to_string_pretty(&bench.results).expect("all of it is numbers and text") + "\n";
        let readme = fs::read_to_string(README).expect("it is there");
        fs::write(JSON, json).expect("the directory is there");
        fs::write(README, page::fill(&readme, &bench.results)).expect("the directory is there");
    }
    ExitCode::SUCCESS
}

fn run(bench: &mut Bench, madsim: &Path) {
    for (name, plan, size) in [
        ("(a) 64 bytes there and back", plan::ROUND_TRIPS, SHORT),
        ("(a) 16 KiB there and back", plan::LONG_ROUND_TRIPS, LONG),
    ] {
        if bench.wants(name) {
            let mut work = Work::new(name, Unit::Nanoseconds);
            add(&mut work, OURS, ours::round_trips(Way::FaultsOff, size));
            add(&mut work, NO_LAYER, ours::round_trips(Way::NoLayer, size));
            if size == LONG {
                work.at_least(0.95, OURS, NO_LAYER);
            } else {
                work.at_most(1.1, OURS, NO_LAYER);
                add(&mut work, LANES, ours::round_trips(Way::Lanes, size));
                work.at_most(3.5, LANES, NO_LAYER);
            }
            peers(&mut work, &plan, madsim);
            bench.run(work);
        }
    }
    dials(bench, "(a) dial, accept, close both", madsim);
    idle(bench, "(b) a day of 1,000 idle hosts", madsim);
    deliveries(bench, "(c) a delivery, from its write to its read, by a latency of 1 ms", madsim);
    heartbeats(bench, "(e) an hour of heartbeats of 500 hosts", madsim);
    sleeps(bench, "(f) a sleep of two threads in turn", "(f) a sleep of two tasks in turn", madsim);
    partitions(bench, "(h) a direction of 1,000 connections is cut and repaired", madsim);
}

/// Adds a contestant that is warm: all is connected.
fn add<'a>(work: &mut Work<'a>, name: &str, sample: impl FnMut(u64) -> Duration + 'a) {
    add_many(work, name, 1, sample);
}

fn add_many<'a>(work: &mut Work<'a>, name: &str, operations: u32, mut sample: impl FnMut(u64) -> Duration + 'a) {
    sample(1);
    work.add_many(name, operations, sample);
}

/// Adds all that run the same program.
fn peers(work: &mut Work<'_>, plan: &Plan, madsim: &Path) {
    add(work, TASKS, tasks::start(plan));
    add(work, TURMOIL, turmoil::start(plan));
    add(work, TURMOIL_NET, turmoil_net::start(plan));
    add(work, MADSIM, madsim::start(madsim, plan));
}

fn dials(bench: &mut Bench, name: &str, madsim: &Path) {
    if bench.wants(name) {
        let mut work = Work::new(name, Unit::Nanoseconds);
        add(&mut work, OURS, ours::dials(Way::FaultsOff));
        add(&mut work, NO_LAYER, ours::dials(Way::NoLayer));
        add(&mut work, LANES, ours::dials(Way::Lanes));
        work.at_most(1.3, OURS, NO_LAYER);
        peers(&mut work, &plan::DIALS, madsim);
        bench.run(work);
    }
}

/// Peers that move in ticks do less than a day in a sample, and are counted as if they did a day.
fn idle(bench: &mut Bench, name: &str, madsim: &Path) {
    if bench.wants(name) {
        let mut work = Work::new(name, Unit::Nanoseconds);
        work.rounds = 3;
        add(&mut work, OURS, ours::idle(1_000));
        work.below(1e3, "µs", 1e3, OURS);
        let many = "virtnet, 10,000 of them";
        add(&mut work, many, ours::idle(10_000));
        work.below(1e3, "µs", 1e3, many);
        add(&mut work, TASKS, tasks::start(&plan::IDLE_DAY));
        if !bench.quick {
            work.add(TURMOIL, scaled(turmoil::idle(1_000), MILLISECOND, DAY));
        }
        add(&mut work, TURMOIL_NET, scaled(turmoil_net::start(&plan::IDLE_SECOND), SECOND, DAY));
        add(&mut work, MADSIM, madsim::start(madsim, &plan::IDLE_DAY));
        bench.run(work);
    }
}

/// What takes as long as `part` of a simulation, as if it took `whole`.
fn scaled(mut sample: impl FnMut(u64) -> Duration, part: Duration, whole: Duration) -> impl FnMut(u64) -> Duration {
    let factor = whole.as_secs_f64() / part.as_secs_f64();
    move |times| sample(times).mul_f64(factor)
}

fn deliveries(bench: &mut Bench, name: &str, madsim: &Path) {
    if bench.wants(name) {
        let mut work = Work::new(name, Unit::Nanoseconds);
        add(&mut work, OURS, ours::deliveries());
        // 1.5 million a second.
        work.below(0.667, "µs", 1e3, OURS);
        peers(&mut work, &plan::DELIVERIES, madsim);
        bench.run(work);
    }
}

fn heartbeats(bench: &mut Bench, name: &str, madsim: &Path) {
    const HOUR: Duration = Duration::from_secs(3600);

    if bench.wants(name) {
        let mut work = Work::new(name, Unit::Nanoseconds);
        work.rounds = 3;
        let hour = |work: &mut Work<'_>, name: &str, sample: Box<dyn FnMut(u64) -> Duration>| {
            add(work, name, scaled(sample, SECOND, HOUR));
        };
        hour(&mut work, OURS, Box::new(ours::heartbeats()));
        work.below(30.0, "s", 1e9, OURS);
        hour(&mut work, TASKS, Box::new(tasks::start(&plan::HEARTBEATS)));
        if !bench.quick {
            work.add(TURMOIL, scaled(turmoil::fifths(&plan::HEARTBEATS), turmoil::FIFTH, HOUR));
        }
        hour(&mut work, TURMOIL_NET, Box::new(turmoil_net::start(&plan::HEARTBEATS)));
        hour(&mut work, MADSIM, Box::new(madsim::start(madsim, &plan::HEARTBEATS)));
        bench.run(work);
    }
}

fn sleeps(bench: &mut Bench, threads: &str, tasks: &str, madsim: &Path) {
    if bench.wants(threads) {
        let mut work = Work::new(threads, Unit::Nanoseconds).stretch(3);
        let parks = "a park and an unpark";
        work.add_many(OURS, 2, ours::sleeps);
        work.add_many(parks, 2, ours::parks);
        work.at_most(1.5, OURS, parks);
        bench.run(work);
    }
    if bench.wants(tasks) {
        let mut work = Work::new(tasks, Unit::Nanoseconds);
        work.add_many(OURS, 2, ours::sleeps_of_tasks);
        add_many(&mut work, "tokio, paused", 2, self::tasks::start(&plan::SLEEPS));
        add_many(&mut work, TURMOIL, 2, turmoil::start(&plan::SLEEPS));
        add_many(&mut work, TURMOIL_NET, 2, turmoil_net::start(&plan::SLEEPS));
        add_many(&mut work, MADSIM, 2, madsim::start(madsim, &plan::SLEEPS));
        bench.run(work);
    }
}

fn partitions(bench: &mut Bench, name: &str, madsim: &Path) {
    if bench.wants(name) {
        let mut work = Work::new(name, Unit::Nanoseconds);
        let (elsewhere, more) = ("virtnet, 10,000 elsewhere", "virtnet, 4,000 of them");
        add(&mut work, OURS, ours::partitions(CONNECTIONS, 0));
        add(&mut work, elsewhere, ours::partitions(CONNECTIONS, 10_000));
        add(&mut work, more, ours::partitions(4 * CONNECTIONS, 0));
        work.at_most(1.2, elsewhere, OURS);
        // Four times as many, and something for the caches.
        work.at_most(5.0, more, OURS);
        peers(&mut work, &plan::PARTITIONS, madsim);
        bench.run(work);
    }
}
