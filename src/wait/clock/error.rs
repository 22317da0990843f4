//! What a clock cannot do.

use core::fmt;

/// Something was asked of a clock that it cannot do. It prints which clock can.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use virtnet::Clock;
/// use virtnet::clock::{Class, Time, TimeSource, Timer};
///
/// struct Frozen;
///
/// impl TimeSource for Frozen {
///     fn now(&self) -> Time {
///         Time::ZERO
///     }
///
///     fn wake_at(&self, at: Time, class: Class, _: std::task::Waker) -> Timer {
///         Timer::new(at, class, 0)
///     }
///
///     fn forget(&self, _: Timer) -> bool {
///         false
///     }
/// }
///
/// let error = Clock::of(Frozen).advance(Duration::from_secs(1)).unwrap_err();
/// assert_eq!(error.to_string(), "this clock cannot be advanced: Clock::manual() and ManualClock can");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockError {
    /// The program cannot move its time.
    Advance,
    /// It does not tell its timers.
    Timers,
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Advance => "this clock cannot be advanced: Clock::manual() and ManualClock can",
            Self::Timers => "this clock does not tell its timers: those of virtnet do",
        })
    }
}

impl core::error::Error for ClockError {}
