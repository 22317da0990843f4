//! Traced networks: measured by a program of its own, which is built with the feature `trace`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::result::Results;
use crate::sample::Bench;

pub(crate) fn run(bench: &mut Bench) {
    if !bench.words.is_empty() && !bench.words.iter().any(|word| word.starts_with("trace")) {
        return;
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("traced.json");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--profile", "bench", "--package", "virtnet-peers", "--features", "trace"])
        .args(["--bin", "peers_traced", "--"])
        .arg(&file)
        .args(bench.quick.then_some("--quick"))
        .args(&bench.words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.expect("cargo runs this, too").success(), "the program of traced networks failed");
    let text = fs::read_to_string(&file).expect("the program wrote it");
    let Results { rows, goals, .. } = serde_json::from_str(&text).expect("the program wrote it");
    bench.results.rows.extend(rows);
    bench.results.goals.extend(goals);
}
