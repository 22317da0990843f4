//! Conditions on events: a line with `*`, or a function.

use alloc::string::{String, ToString};
use core::fmt::{self, Write};

use crate::trace::event::Event;
use crate::trace::glob::{glob, meet};

/// A condition on events: a line in which each `*` stands for any characters, such as `"dial b:*->a:10"`, or a function
/// `|event: &Event| -> bool` where a text does not do.
///
/// # Examples
///
/// ```
/// use virtnet::trace::{Event, Trace};
///
/// let trace = Trace::new();
/// trace.note("leader is b");
/// assert_eq!(trace.count("note: leader is *"), 1);
/// assert_eq!(trace.count(|event: &Event| event.host().is_some()), 0);
/// ```
pub trait Pattern {
    /// Whether the event fits.
    fn fits(&self, event: &Event) -> bool;

    /// Whether an event may fit of which only this line is known, in which each `*` stands for any characters. A function
    /// may fit any event.
    fn may_fit(&self, line: &str) -> bool {
        let _ = line;
        true
    }

    /// The pattern as failures show it.
    fn shown(&self) -> String {
        "(a function)".into()
    }
}

impl Pattern for &str {
    fn fits(&self, event: &Event) -> bool {
        is_line(self, event) || self.contains('*') && glob(self, &event.to_string())
    }

    fn may_fit(&self, line: &str) -> bool {
        meet(self, line)
    }

    fn shown(&self) -> String {
        (*self).into()
    }
}

/// Whether this is the line of an event, which is not made for it.
fn is_line(line: &str, event: &Event) -> bool {
    let mut rest = Rest(line.as_bytes());
    // Most events are of bytes, and written without formatting.
    let written = match event.kind.moved() {
        Some(moved) => moved.write(&mut rest),
        None => write!(rest, "{event}"),
    };
    written.is_ok() && rest.0.is_empty()
}

/// The rest of a line that is compared with what is written. Something else cannot be written.
struct Rest<'a>(&'a [u8]);

impl Write for Rest<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text.as_bytes()).ok_or(fmt::Error)?;
        Ok(())
    }
}

impl Pattern for String {
    fn fits(&self, event: &Event) -> bool {
        self.as_str().fits(event)
    }

    fn may_fit(&self, line: &str) -> bool {
        self.as_str().may_fit(line)
    }

    fn shown(&self) -> String {
        self.clone()
    }
}

impl<F: Fn(&Event) -> bool> Pattern for F {
    fn fits(&self, event: &Event) -> bool {
        self(event)
    }
}

impl Event {
    /// Whether the event fits.
    #[must_use]
    pub fn is(&self, pattern: impl Pattern) -> bool {
        pattern.fits(self)
    }
}
