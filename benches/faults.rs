//! Faults and virtual time beside turmoil, turmoil-net and madsim:
//!
//!     cargo bench --bench faults                     all of it, in three minutes, most of them for turmoil
//!     cargo bench --bench faults -- --quick          in seconds, with fewer and shorter samples
//!     cargo bench --bench faults -- --write          all of it, into `faults.json` and the README beside it

use std::process::ExitCode;

mod member;

fn main() -> ExitCode {
    member::run("faults", &["--features", "sim"])
}
