//! A dial through the faults of a network of a fixed size.
//!
//! As in a network that grows: the request is on its way, the engine within dials, and hands the far end over when the
//! request has arrived. The answer is on its way back as soon as the listener answers.

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};

use super::faulty::{FixedFaulty, FixedFaultyLink};
use super::table::{Id, Role, Table};
use crate::addr::Addr;
use crate::contract::engine::{DelayIo as _, Engine, Shutdown};
use crate::contract::notifier::Notifier;
use crate::error::cause::Cause;

pub(super) async fn dial<E: Engine, N: Notifier<Link = FixedFaultyLink<E::Link>>>(
    faulty: &FixedFaulty<E>,
    src: &Addr,
    dst: &Addr,
    data: E::Data,
    notifier: &N,
) -> Result<(FixedFaultyLink<E::Link>, Addr), Cause> {
    let id = faulty.table.step(|slots| slots.dial(&src.host, &dst.host))?;
    let dialling = Dialling { table: faulty.table, id, arrived: AtomicBool::new(false) };
    let far = Far { notifier, faulty, dialling: &dialling };
    let connected = faulty.inner.dial(src, dst, data, &far).await;
    let near = connected
        .map(|(link, peer)| (Near { faulty, end: Some(FixedFaultyLink { link, place: id.map(|id| (id, 0)) }) }, peer));
    // The engine itself may have failed, before the dial was on its way.
    if dialling.arrived.load(Ordering::Relaxed) {
        dialling.travel(1).await;
    }
    let (near, peer) = near?;
    Ok((near.keep(), peer))
}

/// A dial under way.
struct Dialling {
    table: Table,
    /// Its place in the table; `None`: it has no faults.
    id: Option<Id>,
    /// Whether the request has arrived.
    arrived: AtomicBool,
}

impl Dialling {
    /// Sends the letter of the end `side`, unless that was done, and waits until it has arrived.
    async fn travel(&self, side: usize) {
        let Some(id) = self.id else { return };
        self.table.step(|slots| slots.send_letter(id, side));
        poll_fn(|cx| self.table.poll_letter(id, side, cx)).await;
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        if self.table.step(|slots| slots.conn(id).is_some_and(|conn| !conn.open)) {
            self.table.free(id);
        } else {
            self.table.leave(id, 0, Role::Read);
        }
    }
}

/// The dialling end, closed unless the dial is done.
struct Near<'a, E: Engine> {
    faulty: &'a FixedFaulty<E>,
    end: Option<FixedFaultyLink<E::Link>>,
}

impl<E: Engine> Near<'_, E> {
    fn keep(mut self) -> FixedFaultyLink<E::Link> {
        match self.end.take() {
            Some(end) => end,
            None => unreachable!("the end is kept once"),
        }
    }
}

impl<E: Engine> Drop for Near<'_, E> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            self.faulty.shut(&end, Shutdown::CloseOrReset);
            self.faulty.release(&end);
        }
    }
}

/// The notifier of the engine within: the far end is handed over when the request has arrived.
struct Far<'a, N, E: Engine> {
    notifier: &'a N,
    faulty: &'a FixedFaulty<E>,
    dialling: &'a Dialling,
}

impl<'a, N, E: Engine> Far<'a, N, E> {
    /// Waits until the request has arrived. Returns the far end, and the near one, to be closed if the dial is dropped.
    async fn arrive(&self, link: E::Link) -> (FixedFaultyLink<E::Link>, Left<'a, E>) {
        let id = self.dialling.id;
        let held = Near { faulty: self.faulty, end: Some(FixedFaultyLink { link, place: None }) };
        self.dialling.travel(0).await;
        self.dialling.arrived.store(true, Ordering::Relaxed);
        let mut far = held.keep();
        far.place = id.map(|id| (id, 1));
        let near = self.faulty.inner.delay_io().map(|io| io.peer(&far.link));
        if let Some(id) = id {
            self.faulty.table.step(|slots| slots.open(id));
        }
        let near = near.map(|link| FixedFaultyLink { link, place: id.map(|id| (id, 0)) });
        (far, Left { faulty: self.faulty, near })
    }
}

impl<N, E> Notifier for Far<'_, N, E>
where
    N: Notifier<Link = FixedFaultyLink<E::Link>>,
    E: Engine,
{
    type Link = E::Link;
    type Accept = N::Accept;

    async fn accept(&self, src: &Addr, dst: &Addr, link: E::Link) -> Result<Self::Accept, Cause> {
        let (far, left) = self.arrive(link).await;
        let accept = self.notifier.accept(src, dst, far).await;
        left.settle(accept.is_ok());
        accept
    }

    async fn connect(&self, src: &Addr, dst: &Addr, link: E::Link) -> Result<Addr, Cause> {
        let (far, left) = self.arrive(link).await;
        let connected = self.notifier.connect(src, dst, far).await;
        left.settle(connected.is_ok());
        connected
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.notifier.down(cause)
    }
}

/// A dial that waits at a listener. If it is dropped, a listener may have accepted it: that is sent the end of the stream.
struct Left<'a, E: Engine> {
    faulty: &'a FixedFaulty<E>,
    /// The near end, until there is an outcome.
    near: Option<FixedFaultyLink<E::Link>>,
}

impl<E: Engine> Left<'_, E> {
    /// There is an outcome: a listener has accepted, or not.
    fn settle(mut self, accepted: bool) {
        if let Some(near) = self.near.take()
            && !accepted
        {
            self.faulty.refused(&near);
        }
    }
}

impl<E: Engine> Drop for Left<'_, E> {
    fn drop(&mut self) {
        if let Some(near) = self.near.take() {
            // The engine within releases it.
            self.faulty.shut(&near, Shutdown::CloseOrReset);
        }
    }
}
