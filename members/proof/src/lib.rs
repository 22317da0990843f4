//! Proof that virtnet does what it says: a `model` of it, a `machine` that runs programs of random operations (`op`) on a
//! network and on the model, and compares the two after each; and the entries of the fuzz targets, which run the same on
//! stable Rust.
#![cfg(feature = "proof")]

pub mod address;
pub mod equality;
pub mod hostile;
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
/// If the two differ; then it prints the program, made as small as it gets.
pub fn operations(data: &[u8]) {
    if let Err(failure) = machine::run(&Program::decode(data), &mut machine::Report::default()) {
        let program = Program::decode(data);
        panic!("{}", shrink::explain(&program, &failure));
    }
}

/// Prints a line, also where the harness keeps what tests print to itself: how much was tried is always said.
pub fn say(line: &str) {
    // Whoever does not listen is told nothing.
    let _ = writeln!(std::io::stdout(), "\n{line}");
}

pub use address::address;
pub use hostile::hostile;
