//! The error of reading JSON lines.

use alloc::string::String;
use core::fmt;

use crate::trace::recorder::line;

/// JSON lines that are no trace, or traces that cannot be merged. It prints like
/// `b.jsonl:7: expected "src", an address such as a:10, found 5`, or `line 7: …` if the file has no name.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonError {
    file: String,
    line: usize,
    text: String,
}

impl JsonError {
    pub(super) fn new(file: &str, number: usize, text: &str) -> Self {
        Self { file: line(file), line: number, text: line(text) }
    }

    /// The number of the line, counted from 1. If several lines are named, it is that of the first.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The name of the line's file; empty if it has none.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", place(&self.file, self.line), self.text)
    }
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonError({self})")
    }
}

impl core::error::Error for JsonError {}

/// The line of a file, such as `b.jsonl:7`.
pub(super) fn place(file: &str, line: usize) -> String {
    if file.is_empty() { alloc::format!("line {line}") } else { alloc::format!("{file}:{line}") }
}
