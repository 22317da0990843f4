//! Instants of a clock.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// An instant of a clock: the nanoseconds since its start.
///
/// It prints as seconds with at least three decimals. Sums that are too large become [`Time::MAX`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use virtnet::clock::Time;
///
/// let time = Time::ZERO + Duration::from_millis(10);
/// assert_eq!(time.to_string(), "0.010s");
/// assert_eq!((time + Duration::from_nanos(1)).to_string(), "0.010000001s");
/// assert_eq!(time - Time::ZERO, Duration::from_millis(10));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The start of a clock.
    pub const ZERO: Self = Self(0);

    /// The end of time, after 584 years, which no clock reaches. An automatic clock wakes the timers that are registered
    /// for it when nothing else can happen.
    pub const MAX: Self = Self(u64::MAX);

    /// So many nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// The time from the second to the first; zero if there is none.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if nanos % 1_000_000 == 0 {
            write!(f, "{seconds}.{:03}s", nanos / 1_000_000)
        } else if nanos % 1000 == 0 {
            write!(f, "{seconds}.{:06}s", nanos / 1000)
        } else {
            write!(f, "{seconds}.{nanos:09}s")
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kind of a timer: at one instant, deliveries are woken before timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Something arrives.
    Delivery,
    /// A timeout or a sleep ends.
    Timeout,
}
