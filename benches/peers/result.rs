//! What a run found, as it stands in `benches/peers.json`.

use serde::{Deserialize, Serialize};

/// All that a run found.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
}

/// Where the run was.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) rustc: String,
    /// What was measured, where git knows.
    pub(crate) commit: Option<String>,
    /// How many threads wanted to run, beside this run, in the minute before it.
    pub(crate) load: f64,
    /// Nanoseconds of a spinning round trip between two cores: how close they are to each other, and how free.
    pub(crate) gauge: Option<Value>,
}

/// One kind of work, by this crate and by others.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: Unit,
    /// Whether the chart shows it.
    pub(crate) chart: bool,
    pub(crate) values: Vec<Value>,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Unit {
    /// Nanoseconds an operation.
    Nanoseconds,
    /// Nanoseconds an operation that moves so many bytes; shown as bytes a second.
    Throughput(u32),
    Bytes,
    /// Of the time of one core.
    Percent,
}

/// What one contestant needs: the median of its samples, and their quartiles.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// A goal, and how near it is: the median and the quartiles of the ratios of samples that were taken one after the other.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Goal {
    pub(crate) work: String,
    pub(crate) aim: Aim,
    pub(crate) low: f64,
    pub(crate) ratio: f64,
    pub(crate) high: f64,
}

/// What is to be reached.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Aim {
    pub(crate) this: String,
    pub(crate) against: Against,
    /// Ratios are of what is needed: less is better. At a rate, they are of what is done in a time, and more is better.
    pub(crate) rate: bool,
    pub(crate) bound: f64,
}

/// What something is measured by.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Against {
    /// Another contestant of the row.
    Peer(String),
    /// Nothing: the value itself, in thousands of bytes, percent or the like.
    Itself { divisor: f64, unit: String },
}

impl Goal {
    pub(crate) fn reached(&self) -> bool {
        if self.aim.rate { self.ratio >= self.aim.bound } else { self.ratio <= self.aim.bound }
    }
}

impl Row {
    /// A value of the row as people read it.
    pub(crate) fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Nanoseconds => show_time(value),
            Unit::Throughput(bytes) => format!("{} GiB/s", digits(f64::from(bytes) / value / 1.073_741_824)),
            Unit::Bytes => show_bytes(value),
            Unit::Percent => format!("{} %", digits(value)),
        }
    }
}

fn show_time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..1e3 => format!("{} ns", digits(nanoseconds)),
        1e3..1e6 => format!("{} µs", digits(nanoseconds / 1e3)),
        1e6..1e9 => format!("{} ms", digits(nanoseconds / 1e6)),
        1e9..1e13 => format!("{} s", digits(nanoseconds / 1e9)),
        1e13..1e17 => format!("{} h", digits(nanoseconds / 3.6e12)),
        _ => format!("{} years", digits(nanoseconds / 3.156e16)),
    }
}

fn show_bytes(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes:.0} B"),
        1e3..1e6 => format!("{} kB", digits(bytes / 1e3)),
        _ => format!("{} MB", digits(bytes / 1e6)),
    }
}

/// Three digits of it, or all before the point.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
