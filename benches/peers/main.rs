//! virtnet beside what else one could use, in one run: samples of all are taken in turn, and what counts is their ratio.
//!
//!     cargo bench --bench peers                  all of it
//!     cargo bench --bench peers -- --quick       in half a minute, with fewer and shorter samples
//!     cargo bench --bench peers -- stream host   only work with one of these words
//!     cargo bench --bench peers -- --write       all of it, into `peers.json`, the chart, README and that of `benches`
//!     cargo bench --bench peers -- --render      these from `peers.json`
//!     cargo bench --bench peers -- --check       whether they are what `peers.json` gives
//!
//! To write, it waits until nobody else wants the cores, and gives up after some minutes; with `--noisy` it does not wait,
//! and README says so. Each run of all of it leaves `peers.json` and the chart in `peers` in the target directory, too, a
//! quick one `quick.json`.
//!
//! Whoever sleeps and is woken on another core waits for the machine more than for anything else: threads are pinned, and
//! a spinning round trip between two cores tells how near these are and how free. Where it varies much, run it again.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use crate::result::Results;
use crate::sample::Bench;

mod blocking;
mod chart;
mod crowd;
mod machine;
mod memory;
#[path = "../faults/page.rs"]
mod page;
mod pair;
mod report;
mod result;
mod sample;
mod setup;
mod spare;
mod task;
mod traced;
mod turmoil;

const JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/peers.json");
/// What the benchmark of faults wrote, which is shown on the page of costs.
const FAULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/faults.json");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/peers.svg");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
/// What the costs are made of; it quotes rows.
const COSTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/README.md");
/// The parts of README and of the page of costs between these are of this program.
const MARKERS: (&str, &str) = ("<!-- peers:begin -->\n", "<!-- peers:end -->");

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    // `cargo bench` says this, `cargo test --benches` does not and only wants to see it start.
    let Some(bench) = words.iter().position(|word| word == "--bench") else { return ExitCode::SUCCESS };
    words.remove(bench);
    let mut asked = |option: &str| words.iter().position(|word| word == option).map(|at| words.remove(at)).is_some();
    let (quick, write, noisy) = (asked("--quick"), asked("--write"), asked("--noisy"));
    let (render, check) = (asked("--render"), asked("--check"));
    if let Some(option) = words.iter().find(|word| word.starts_with("--")) {
        eprintln!("no option {option}; there are --quick, --write, --noisy, --render and --check");
        return ExitCode::FAILURE;
    }
    if write && (quick || !words.is_empty()) {
        eprintln!("--write is for all work, and at length");
        return ExitCode::FAILURE;
    }
    if check || render {
        let results = serde_json::from_str(&read(JSON)).expect("a run wrote it");
        return if check { is_rendered(&results) } else { render_all(&results) };
    }

    if write && !noisy && !machine::wait_until_quiet() {
        eprintln!(
            "others want the cores, and rows of several threads would say little: nothing was measured or written"
        );
        eprintln!("stop what else is running, or write all the same, with --noisy");
        return ExitCode::FAILURE;
    }

    let (start, whole) = (Instant::now(), words.is_empty());
    let results = measure(quick, words);
    println!("{}took {} s", report::summary(&results), start.elapsed().as_secs());
    if whole {
        save(&results, if quick { "quick" } else { "peers" });
    }
    if write {
        fs::write(JSON, json(&results)).expect("the directory is there");
        render_all(&results)
    } else {
        ExitCode::SUCCESS
    }
}

/// Leaves what a run found in the target directory.
fn save(results: &Results, name: &str) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers");
    fs::create_dir_all(&directory).expect("the target directory is there");
    let path = directory.join(name);
    for (kind, text) in [("json", json(results)), ("svg", chart::svg(results))] {
        fs::write(path.with_extension(kind), text).expect("the directory is there");
    }
    println!("{} has all of it, and the chart is beside it", path.with_extension("json").display());
}

fn json(results: &Results) -> String {
    serde_json::to_string_pretty(results).expect("all of it is numbers and text") + "\n"
}

fn measure(quick: bool, words: Vec<String>) -> Results {
    let results = Results { machine: machine::machine(), rows: Vec::new(), goals: Vec::new() };
    let mut bench = Bench { quick, words, results };
    task::run(&mut bench);
    spare::run(&mut bench);
    blocking::run(&mut bench);
    crowd::run(&mut bench);
    setup::run(&mut bench);
    memory::run(&mut bench);
    traced::run(&mut bench);
    bench.results
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What there is, and what there should be, with the path of each.
fn rendered(results: &Results) -> [(&'static str, String); 3] {
    let readme = report::between(&read(README), MARKERS, &report::summary_with_chart(results));
    let costs = report::between(&report::fill(&read(COSTS), results), MARKERS, &report::table(results));
    let faults = serde_json::from_str(&read(FAULTS)).expect("a run wrote it");
    let costs = page::fill(&costs, &faults);
    [(CHART, chart::svg(results)), (README, readme), (COSTS, costs)]
}

fn render_all(results: &Results) -> ExitCode {
    for (path, text) in rendered(results) {
        fs::write(path, text).expect("the directory is there");
    }
    ExitCode::SUCCESS
}

fn is_rendered(results: &Results) -> ExitCode {
    let stale: Vec<_> = rendered(results).into_iter().filter(|(path, text)| read(path) != *text).collect();
    for (path, _) in &stale {
        eprintln!("{path} is not what peers.json and faults.json give: cargo bench --bench peers -- --render");
    }
    if stale.is_empty() {
        println!("the chart and both READMEs are what peers.json and faults.json give");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
