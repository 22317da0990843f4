//! The clocks of several files, set right by the lines that come before lines of other files.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::trace::json::file::{At, Causes, File};

/// So many nanoseconds are added to the times of each file.
pub(super) struct Clock(Vec<i128>);

impl Clock {
    /// Leaves a clock as it is if it agrees with those before, and else sets it to the middle of what is possible.
    pub(super) fn new(files: &[File<'_>], causes: &Causes) -> Self {
        // For two files, the least time by which a line of the second is later than its cause in the first.
        let mut slack = BTreeMap::<(usize, usize), i128>::new();
        for (effect, cause) in
            causes.iter().flat_map(|(&effect, causes)| causes.iter().map(move |&cause| (effect, cause)))
        {
            if let (Some(later), Some(earlier)) = (unset(files, effect), unset(files, cause)) {
                let least = slack.entry((cause.0, effect.0)).or_insert(later - earlier);
                *least = (*least).min(later - earlier);
            }
        }
        let (mut shifts, mut left) = (alloc::vec![0; files.len()], (1..files.len()).collect::<Vec<_>>());
        let mut set = Vec::from([0]);
        while !left.is_empty() {
            let is_bound = |file: usize| {
                set.iter().any(|&known| slack.contains_key(&(known, file)) || slack.contains_key(&(file, known)))
            };
            let chosen = left.iter().position(|&file| is_bound(file)).unwrap_or(0);
            let file = left.remove(chosen);
            let least = set.iter().filter_map(|&known| Some(shifts[known] - slack.get(&(known, file))?)).max();
            let most = set.iter().filter_map(|&known| Some(shifts[known] + slack.get(&(file, known))?)).min();
            let fits = least.is_none_or(|least| least <= 0) && most.is_none_or(|most| most >= 0);
            shifts[file] = match (least, most) {
                _ if fits => 0,
                (Some(least), Some(most)) => (least + most) / 2,
                (least, most) => least.or(most).unwrap_or(0),
            };
            set.push(file);
        }
        Self(shifts)
    }

    /// The time of a line on the clock of the first file, if it has one.
    pub(super) fn time(&self, files: &[File<'_>], at: At) -> Option<i128> {
        Some(unset(files, at)? + self.0[at.0])
    }
}

/// The time of a line on the clock of its file.
fn unset(files: &[File<'_>], (file, at): At) -> Option<i128> {
    files[file].lines[at].event.at.map(|at| at.as_nanos() as i128)
}
