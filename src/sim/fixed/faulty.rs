//! An engine with faults, its ends, and how what was sent arrives.

use core::fmt;
use core::task::{Context, Poll};

use super::faults::FixedFaults;
use super::slot::{End, Item};
use super::table::{Id, Role, Table, Way};
use crate::contract::engine::{DelayIo as _, Engine, Shutdown};

/// An engine with [`FixedFaults`].
pub struct FixedFaulty<E> {
    pub(super) inner: E,
    pub(super) table: Table,
}

impl<E> FixedFaulty<E> {
    /// `inner` with these faults. It has to be able to hold bytes back, as pipes with a buffer are.
    pub const fn new<const N: usize>(inner: E, faults: &'static FixedFaults<N>) -> Self {
        Self { inner, table: faults.table() }
    }

    /// The engine within.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// The engine within, to set its options before its network is used.
    #[cfg(feature = "pipenet")]
    pub(crate) const fn inner_mut(&mut self) -> &mut E {
        &mut self.inner
    }
}

/// One end of a connection with faults.
#[derive(Clone, Debug)]
pub struct FixedFaultyLink<L> {
    pub(super) link: L,
    /// Its place in the table, and 0 at the end that dialled, 1 at the other. `None`: it has no faults.
    pub(super) place: Option<(Id, usize)>,
}

impl<E: Engine> FixedFaulty<E> {
    /// Carries out all that has arrived at either end, or was never to arrive as both are closed.
    pub(super) fn settle(&self, link: &FixedFaultyLink<E::Link>) {
        let (Some((id, own)), Some(io)) = (link.place, self.inner.delay_io()) else { return };
        while let Some(arrived) = self.table.step(|slots| slots.arrived(id)) {
            let sender = if arrived.side == own { link.link.clone() } else { io.peer(&link.link) };
            match arrived.item {
                Item::Letter => {}
                Item::Bytes(count) => io.show(&sender, count),
                Item::End(how) => {
                    self.tell_peer(&sender, how, arrived.released);
                    self.finish(link);
                }
            }
        }
    }

    /// The peer of an end that left is told now.
    fn tell_peer(&self, sender: &E::Link, how: Shutdown, released: bool) {
        if let Some(io) = self.inner.delay_io()
            && !matches!(how, Shutdown::Reset | Shutdown::Abort)
        {
            // All of them have arrived: another task may be about to show them.
            io.show(sender, io.hidden(sender));
        }
        self.inner.shutdown(sender, how);
        if released {
            self.inner.release(sender);
        }
    }

    /// Frees the place of a connection whose ends are both closed. What was on its way never arrives.
    fn finish(&self, link: &FixedFaultyLink<E::Link>) {
        let Some((id, _)) = link.place else { return };
        if let Some(leaving) = self.table.step(|slots| slots.take_leaving(id)) {
            self.close_leaving(link, leaving);
            self.table.free(id);
        }
    }

    /// No listener has taken the far end, so there is no connection. The dial has its place until its answer arrives.
    pub(super) fn refused(&self, near: &FixedFaultyLink<E::Link>) {
        let Some((id, _)) = near.place else { return };
        let leaving = self.table.step(|slots| {
            let conn = slots.conn(id)?;
            // The engine within closes the near end.
            conn.ends[0] = End::Closed;
            let leaving = slots.take_leaving(id);
            slots.refuse(id);
            leaving
        });
        leaving.into_iter().for_each(|leaving| self.close_leaving(near, leaving));
    }

    /// Closes the ends of a connection that left in these ways.
    fn close_leaving(&self, link: &FixedFaultyLink<E::Link>, leaving: [Option<(Shutdown, bool)>; 2]) {
        let (Some((_, own)), Some(io)) = (link.place, self.inner.delay_io()) else { return };
        for (side, leaving) in leaving.into_iter().enumerate() {
            if let Some((how, released)) = leaving {
                let end = if side == own { link.link.clone() } else { io.peer(&link.link) };
                self.inner.shutdown(&end, how);
                if released {
                    self.inner.release(&end);
                }
            }
        }
    }

    /// Polls the engine within, after all that has arrived; waits for what arrives later, too.
    pub(super) fn poll<R>(
        &self,
        link: &FixedFaultyLink<E::Link>,
        role: Role,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let Some((id, side)) = link.place else { return poll(cx) };
        loop {
            self.settle(link);
            let outcome = poll(cx);
            if outcome.is_ready() {
                self.table.leave(id, side, role);
                return outcome;
            }
            if self.table.wait(id, side, role, cx.waker()) {
                return outcome;
            }
        }
    }

    /// Bytes were written, which wait to be shown.
    pub(super) fn sent(&self, link: &FixedFaultyLink<E::Link>, count: usize) {
        if let Some((id, side)) = link.place {
            self.table.step(|slots| slots.send(id, side, Item::Bytes(count)));
            self.told(link);
        }
    }

    /// The end has sent something: it arrives now, or its peer waits for it.
    fn told(&self, link: &FixedFaultyLink<E::Link>) {
        self.settle(link);
        if let Some((id, side)) = link.place {
            self.table.wake(id, 1 - side);
        }
    }

    /// Shuts an end down, by way of its lane if it has one.
    pub(super) fn shut(&self, link: &FixedFaultyLink<E::Link>, how: Shutdown) -> bool {
        let (Some((id, side)), Some(io)) = (link.place.filter(|_| how != Shutdown::Read), self.inner.delay_io()) else {
            return self.inner.shutdown(&link.link, how);
        };
        let reset = match self.table.step(|slots| slots.shut(id, side, how)) {
            Way::Done => return false,
            Way::Direct => self.inner.shutdown(&link.link, how),
            Way::Lane => {
                let how = io.leave(&link.link, how);
                self.table.step(|slots| slots.left(id, side, how));
                matches!(how, Shutdown::Reset | Shutdown::Abort)
            }
        };
        self.finish(link);
        self.told(link);
        reset
    }
}

impl<E: fmt::Debug> fmt::Debug for FixedFaulty<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FixedFaulty").field(&self.inner).finish()
    }
}
