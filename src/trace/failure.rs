//! The failure of an expectation.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt;
use core::panic::Location;

use crate::trace::frozen::Frozen;
use crate::trace::recorder::Trace;

/// An expectation that was not met. It prints what was expected and what came; its `Debug`, which a failing test
/// prints, adds the state of the networks and the last events.
#[derive(Clone)]
pub struct Failure {
    text: String,
    picture: String,
}

impl Failure {
    pub(super) fn new(text: String, picture: String) -> Self {
        Self { text, picture }
    }

    /// Shows the place of the expectation, too.
    pub(super) fn at(self, place: &Location<'_>) -> Self {
        let Self { text, picture } = self;
        Self { text, picture: alloc::format!("at {}:{}\n{picture}", place.file(), place.line()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.text, self.picture)
    }
}

impl core::error::Error for Failure {}

/// The networks as they are, and the last events.
pub(super) fn picture(trace: &Trace, frozen: &Frozen) -> String {
    trace.pictures() + &last_lines(frozen)
}

/// The last events, with number, time, actor and network.
pub(super) fn last_lines(frozen: &Frozen) -> String {
    let mut last = VecDeque::new();
    for (position, ..) in frozen.slots().filter(|(.., slot)| slot.code.is_event()) {
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(position);
    }
    let lines = last.into_iter().filter_map(|position| frozen.event(position));
    lines.map(|event| alloc::format!("{event:#}") + "\n").collect()
}

/// So many events are shown.
const LAST: usize = 20;
