//! The trace of a test that panics.

use std::eprint;
use std::string::String;

use crate::trace::failure::picture;
use crate::trace::recorder::Trace;

impl Trace {
    /// Prints the networks as they are and the last 20 events to the standard error if the returned value is dropped in
    /// a panic, such as that of an `assert_eq!` of the test.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// let _shown = trace.on_panic();
    /// assert_eq!(1 + 1, 2);
    /// ```
    pub fn on_panic(&self) -> OnPanic {
        OnPanic(self.clone())
    }
}

/// Shows a trace in a panic; see [`Trace::on_panic`].
#[derive(Debug)]
#[must_use = "it shows something when it is dropped"]
pub struct OnPanic(Trace);

impl OnPanic {
    /// The text to print, in a panic.
    fn text(&self) -> Option<String> {
        std::thread::panicking().then(|| picture(&self.0, &self.0.freeze()))
    }
}

impl Drop for OnPanic {
    fn drop(&mut self) {
        self.text().into_iter().for_each(|text| eprint!("{text}"));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Keeps the text that is printed when it is dropped.
    struct Probe<'a>(&'a OnPanic, &'a mut Option<String>);

    impl Drop for Probe<'_> {
        fn drop(&mut self) {
            *self.1 = self.0.text();
        }
    }

    #[test]
    fn the_last_events_are_shown_in_a_panic_only() {
        let trace = Trace::new();
        trace.note("x");
        let guard = trace.on_panic();
        let mut shown = None;
        drop(Probe(&guard, &mut shown));
        assert_eq!(shown, None);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _probe = Probe(&guard, &mut shown);
            std::panic::resume_unwind(std::boxed::Box::new(()));
        }));
        assert!(panicked.is_err());
        assert_eq!(shown.as_deref(), Some("1 #1 note: x\n"));
    }
}
