//! Benchmarks that are in `members/peers`, which has the dependencies that they take.

use std::env;
use std::process::{Command, ExitCode};

/// Runs one of them, with these options of cargo. What this program is told, that is told.
pub(crate) fn run(name: &str, options: &[&str]) -> ExitCode {
    // `cargo test --benches` runs it without this argument, to see whether it starts.
    if !env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["bench", "--quiet", "--package", "virtnet-peers", "--bench", name])
        .args(options)
        .arg("--")
        .args(env::args().skip(1).filter(|arg| arg != "--bench"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
