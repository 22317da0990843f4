//! The clocks of networks and operations without the feature `sim`: there are none.

use core::marker::PhantomData;

/// The clock of a network or an operation: none.
#[derive(Clone, Debug)]
pub(crate) struct ClockSlot;

impl ClockSlot {
    pub(crate) const EMPTY: Self = Self;

    #[cfg(feature = "std")]
    pub(crate) fn get(&self) -> NetClock<'_> {
        NetClock::NONE
    }
}

/// A reference to the clock of a network: none.
#[derive(Clone, Copy)]
pub(crate) struct NetClock<'a>(PhantomData<&'a ()>);

impl NetClock<'_> {
    pub(crate) const NONE: Self = Self(PhantomData);

    pub(crate) fn to_slot(self) -> ClockSlot {
        ClockSlot
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn attach<M>(self, _: impl FnOnce() -> M) {}
}
