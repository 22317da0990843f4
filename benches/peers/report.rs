//! The results as text: on the terminal, and in README.

use std::fmt::Write;

use crate::machine::QUIET;
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
        let within = within(goal).unwrap_or_default();
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
    text
}

/// README's section: the chart, and how many goals are reached.
pub(crate) fn summary_with_chart(results: &Results) -> String {
    let reached = results.goals.iter().filter(|goal| goal.reached()).count();
    format!(
        "![What others need of time or memory, in multiples of what virtnet needs](benches/peers.svg)\n\n\
         {reached} of {} goals reached. {}\n",
        results.goals.len(),
        machine(&results.machine)
    )
}

/// Each goal with its row.
pub(crate) fn table(results: &Results) -> String {
    let mut text = String::new();
    text += "| work | measure | ratio (half of all samples) | goal | |\n|---|---|--:|--:|---|\n";
    for goal in &results.goals {
        let within = within(goal).map(|within| format!(" ({within})")).unwrap_or_default();
        let (ratio, bound) = (digits(goal.ratio) + &within, bound(goal));
        let _ = writeln!(text, "| {} | {} | {ratio} | {bound} | {} |", goal.work, measure(goal), outcome(goal));
    }
    text
}

/// A page with `section` between two markers.
pub(crate) fn between(page: &str, (begin, end): (&str, &str), section: &str) -> String {
    let (before, rest) = page.split_once(begin).expect("the page has the marker of the beginning");
    let (_, after) = rest.split_once(end).expect("the page has the marker of the end");
    format!("{before}{begin}{section}{end}{after}")
}

/// A page with the rows that it has a place for, each between a marker with its name and one of the end.
pub(crate) fn fill(page: &str, results: &Results) -> String {
    let (mut filled, mut rest) = (String::new(), page);
    while let Some((before, after)) = rest.split_once("<!-- row: ") {
        let (name, after) = after.split_once(" -->\n").expect("the marker ends its line");
        let (_, after) = after.split_once("<!-- end -->").expect("there is a marker of the end");
        let row = results.rows.iter().find(|row| row.work == name);
        let line = line(row.unwrap_or_else(|| panic!("peers.json has no row {name:?}: --write")));
        let _ = write!(filled, "{before}<!-- row: {name} -->\n{line}\n<!-- end -->");
        rest = after;
    }
    filled + rest
}

fn line(row: &Row) -> String {
    let values: Vec<_> =
        row.values.iter().map(|value| format!("**{}** {}", value.name, row.show(value.median))).collect();
    format!("> {}: {}", row.work, values.join(" · "))
}

/// Where half of all samples lie; nothing where they do not differ.
fn within(goal: &Goal) -> Option<String> {
    let (low, high) = (digits(goal.low), digits(goal.high));
    (low != high).then(|| format!("{low}–{high}"))
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

pub(crate) fn machine(machine: &Machine) -> String {
    let Machine { cpu, cores, rustc, load, .. } = machine;
    let commit = machine.commit.as_ref().map(|commit| format!("Commit {commit}, on ")).unwrap_or_else(|| "On ".into());
    let mut text = format!("{commit}{cpu}, {cores} cores, under a load of {load} at the start, {rustc}");
    if let Some(gauge) = &machine.gauge {
        let [low, median, high] = [gauge.low, gauge.median, gauge.high].map(digits);
        let _ = write!(text, "; a spinning round trip between two cores took {median} ns ({low}–{high})");
    }
    text += ".";
    if *load > QUIET {
        text += " Others wanted the cores, too: rows of one thread are right, those of several say little.";
    }
    text
}
