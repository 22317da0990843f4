//! This crate beside what else one could use:
//!
//!     cargo bench --bench peers                      all of it
//!     cargo bench --bench peers -- --quick           in half a minute
//!     cargo bench --bench peers -- --write           all of it, into `peers.json` and what shows it

use std::process::ExitCode;

mod member;

fn main() -> ExitCode {
    member::run("peers", &[])
}
