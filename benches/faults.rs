//! Faults and virtual time beside turmoil, turmoil-net and madsim: runs the benchmark of that name in `members/peers`,
//! which has the dependencies that it takes. What it is told, that is told.
//!
//!     cargo bench --bench faults                     all of it, in three minutes, most of them for turmoil
//!     cargo bench --bench faults -- --quick          in seconds, with fewer and shorter samples
//!     cargo bench --bench faults -- --write          all of it, into `faults.json` and the README beside it

use std::env;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // `cargo test --benches` runs it without this argument, to see whether it starts.
    if !env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = env::args().skip(1).filter(|arg| arg != "--bench");
    let status = Command::new(cargo)
        .args(["bench", "--quiet", "--package", "virtnet-peers", "--features", "sim", "--bench", "faults", "--"])
        .args(asked)
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
