//! The results as text: on the terminal, and in README.

use std::fmt::Write;

use crate::result::{Against, Goal, Machine, Results, Row, digits};

/// Prints one row, as soon as it is there.
pub(crate) fn print_row(row: &Row) {
    println!("\n{}", row.work);
    let Some(ours) = row.values.first() else { return };
    for value in &row.values {
        let spread = (value.high - value.low) / value.median * 100.0;
        let times = value.median / ours.median;
        println!("  {:<34} {:>12}  ± {spread:>3.0} %  {:>7} ×", value.name, row.show(value.median), digits(times));
    }
}

/// The goals, the machine, and how many were reached.
pub(crate) fn summary(results: &Results) -> String {
    let mut text = String::from("\ngoals (ratio, and where half of all samples lie)\n");
    for goal in &results.goals {
        let within = format!("{}–{}", digits(goal.low), digits(goal.high));
        let _ = writeln!(
            text,
            "  {:<7} {:>6}  {:<13} {:<11} {}: {}",
            outcome(goal),
            digits(goal.ratio),
            within,
            bound(goal),
            goal.work,
            measure(goal)
        );
    }
    let reached = results.goals.iter().filter(|goal| goal.reached()).count();
    let _ = writeln!(text, "{reached} of {} goals reached", results.goals.len());
    let _ = writeln!(text, "{}", machine(&results.machine));
    if results.machine.load >= 0.5 {
        text += "Others wanted the cores, too: what one thread does is right, what several do says little.\n";
    }
    text
}

/// README's section.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::from(
        "![What others need of time or memory, in multiples of what virtnet needs](benches/peers.svg)\n\n",
    );
    text += "| work | measure | ratio | goal | |\n|---|---|--:|--:|---|\n";
    for goal in &results.goals {
        let (ratio, bound) = (digits(goal.ratio), bound(goal));
        let _ = writeln!(text, "| {} | {} | {ratio} | {bound} | {} |", goal.work, measure(goal), outcome(goal));
    }
    let reached = results.goals.iter().filter(|goal| goal.reached()).count();
    let _ = writeln!(text, "\n{reached} of {} goals reached. {}", results.goals.len(), machine(&results.machine));
    text
}

fn outcome(goal: &Goal) -> &'static str {
    if goal.reached() { "reached" } else { "missed" }
}

fn bound(goal: &Goal) -> String {
    format!("{} {}", if goal.aim.rate { "≥" } else { "≤" }, goal.aim.bound)
}

fn measure(goal: &Goal) -> String {
    match (&goal.aim.against, goal.aim.rate) {
        (Against::Itself { unit, .. }, _) => format!("{}, in {unit}", goal.aim.this),
        (Against::Peer(peer), false) => format!("{} / {peer}", goal.aim.this),
        (Against::Peer(peer), true) => format!("speed of {} / {peer}", goal.aim.this),
    }
}

fn machine(machine: &Machine) -> String {
    let Machine { cpu, cores, rustc, load, .. } = machine;
    let mut text = format!("On {cpu}, {cores} cores, under a load of {load} at the start, {rustc}");
    if let Some(gauge) = &machine.gauge {
        let [low, median, high] = [gauge.low, gauge.median, gauge.high].map(digits);
        let _ = write!(text, "; a spinning round trip between two cores took {median} ns ({low}–{high})");
    }
    text + "."
}
