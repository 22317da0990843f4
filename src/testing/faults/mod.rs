//! Faults and time, exact to the nanosecond: each behaviour makes networks of its own, on clocks of its own.

mod bed;
mod death;
mod dial;
mod flight;
mod stream;
mod time;

pub(super) use death::*;
pub(super) use dial::*;
pub(super) use flight::*;
pub(super) use stream::*;
pub(super) use time::*;
