//! Reduces a failing program.

use crate::machine::{Report, run};
use crate::op::{Program, Word};

/// Returns the program, reduced as far as possible, and its failure.
#[must_use]
pub fn explain(program: &Program, failure: &str) -> String {
    let small = shrink(program.clone());
    let mut report = Report { lines: Some(Vec::new()), ..Report::default() };
    let outcome = run(&small, &mut report);
    let failure = outcome.err().unwrap_or_else(|| format!("once only: {failure}"));
    let lines = report.lines.unwrap_or_default().join("\n    ");
    format!("\n    {lines}\n{failure}\nas bytes: {:?} {:?}\n", small.config, small.ops)
}

/// Removes operations and lowers numbers as long as the program still fails.
fn shrink(mut program: Program) -> Program {
    loop {
        let before = program.clone();
        remove_ops(&mut program);
        for at in 0..program.ops.len() {
            lower(&mut program, |program| &mut program.ops[at]);
        }
        lower(&mut program, |program| &mut program.config);
        if program == before {
            return program;
        }
    }
}

fn fails(program: &Program) -> bool {
    run(program, &mut Report::default()).is_err()
}

fn remove_ops(program: &mut Program) {
    let mut size = program.ops.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < program.ops.len() {
            let mut smaller = program.clone();
            smaller.ops.drain(at..(at + size).min(smaller.ops.len()));
            if fails(&smaller) {
                *program = smaller;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
}

fn lower(program: &mut Program, word: impl Fn(&mut Program) -> &mut Word) {
    for byte in 0..4 {
        for bit in (0..8).rev() {
            let mut smaller = program.clone();
            let value = &mut word(&mut smaller)[byte];
            if *value & (1 << bit) == 0 {
                continue;
            }
            *value ^= 1 << bit;
            if fails(&smaller) {
                *program = smaller;
            }
        }
    }
}
