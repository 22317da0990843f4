//! Several files, as their lines.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::addr::name::HostName;
use crate::trace::json::read::Line;

/// The number of a file, and that of a line in it.
pub(super) type At = (usize, usize);

/// A host of a network.
pub(super) type HostPlace = (u16, HostName);

/// The causes of lines, in other files.
pub(super) type Causes = BTreeMap<At, Vec<At>>;

pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) lines: Vec<Line>,
}

impl File<'_> {
    /// All lines of the file with this number.
    pub(super) fn all(&self, number: usize) -> impl Iterator<Item = (At, &Line)> {
        self.lines.iter().enumerate().map(move |(at, line)| ((number, at), line))
    }
}
