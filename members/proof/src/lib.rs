//! Proof that virtnet behaves as documented. A `machine` runs programs of random operations (`op`) on a network and on
//! a `model` of it, and compares the two after each operation. The entries of the fuzz targets are here as well, to run
//! the same checks on stable Rust.
#![cfg(feature = "proof")]

pub mod address;
pub mod equality;
pub mod faults;
pub mod hostile;
pub mod json;
pub mod machine;
pub mod model;
pub mod op;
pub mod random;
pub mod relay;
pub mod shrink;

use std::io::Write as _;

use op::Program;

/// Runs the program that `data` stands for against the model.
///
/// # Panics
///
/// If the two differ. The panic prints the program, reduced as far as possible.
pub fn operations(data: &[u8]) {
    if let Err(failure) = machine::run(&Program::decode(data), &mut machine::Report::default()) {
        let program = Program::decode(data);
        panic!("{}", shrink::explain(&program, &failure));
    }
}

/// Reads `data` as a line of another process.
///
/// # Panics
///
/// If what is read of it is not read again as it is sent.
pub fn line(data: &[u8]) {
    virtnet::check_line(data);
}

/// Prints a line even if the harness captures the output of tests, so that the amount of tested input is always
/// reported.
pub fn say(line: &str) {
    // A closed output is not an error.
    let _ = writeln!(std::io::stdout(), "\n{line}");
}

pub use address::address;
pub use hostile::hostile;
pub use json::json;
