//! The section on faults of the page of costs. Also a module of `benches/peers`, which compares it with `faults.json`.

use std::fmt::Write;

use crate::report;
use crate::result::{Results, Value, digits};

/// The part of the page of costs between these is that of the benchmark of faults.
const MARKERS: (&str, &str) = ("<!-- faults:begin -->\n", "<!-- faults:end -->");

/// The page of costs with its section on faults: each row with what its contestants need, and each goal.
pub(crate) fn fill(page: &str, results: &Results) -> String {
    let mut text = String::from("| work | virtnet | others, and how many times as long they take |\n|---|--:|---|\n");
    for row in &results.rows {
        let Some((ours, others)) = row.values.split_first() else { continue };
        let times = |value: &Value| {
            let (time, times) = (row.show(value.median), value.median / ours.median);
            let times = if (0.01..1e6).contains(&times) { digits(times) } else { format!("{times:.0e}") };
            format!("{} {time}, {times} ×", value.name)
        };
        let others: Vec<_> = others.iter().map(times).collect();
        let _ = writeln!(text, "| {} | {} | {} |", row.work, row.show(ours.median), others.join(" · "));
    }
    let _ = write!(text, "\n{}\n{}\n", report::table(results), report::machine(&results.machine));
    report::between(page, MARKERS, &text)
}
