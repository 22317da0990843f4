//! Operations to count the instructions of: `gate NAME TIMES` does one so often, `gate` alone prints the names of those
//! that take the same in every run.

use std::env;

use crate::operation::{OF_THREADS, OPERATIONS};

mod operation;

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let [name, times] = &args[..] else {
        return OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let mut all = OPERATIONS.iter().chain(&OF_THREADS);
    let (_, operation) = all.find(|(other, _)| other == name).expect("there is such an operation");
    operation(times.parse().expect("a number of times"));
}
