//! What a panicking test shows of its trace.

use std::eprint;

use crate::trace::failure::picture;
use crate::trace::recorder::Trace;

impl Trace {
    /// Prints the networks as they are and the last 20 events to the standard error if the returned value is dropped in a
    /// panic, such as that of an `assert_eq!` of the test.
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

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", picture(&self.0, &self.0.freeze()));
        }
    }
}
