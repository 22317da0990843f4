//! Pipes in a pool of a fixed size.

use core::fmt;

use super::PipeMemory;
use crate::contract::engine::FastIo;
use crate::error::cause::{Cause, Resource};
use crate::pipenet::pipe::Direction;
use crate::pipenet::ring::FixedRing;
use crate::sync::Lock;
use crate::wait::waker::TwoWakers;

/// Pipes in a pool of a fixed size.
#[derive(Clone, Copy)]
pub struct FixedPipes<'m> {
    pub(in crate::pipenet) pool: &'m (dyn PipeSlots + 'm),
}

/// A pool of pipes with buffers of any size, so that the code for them is compiled once.
pub(in crate::pipenet) trait PipeSlots: Sync {
    /// Which pipes are in use.
    fn leases(&self) -> &Lock<[Lease]>;

    /// A direction of a pipe.
    fn direction(&self, pipe: usize, side: usize) -> Option<&Lock<FixedDirection>>;
}

/// A direction with a buffer of any size.
type FixedDirection = Direction<TwoWakers, FixedRing<[u8]>>;

/// Whether a pipe is in use.
#[derive(Debug)]
pub(in crate::pipenet) struct Lease {
    /// Counts the connections that used it.
    generation: u16,
    /// How many of its ends are held.
    ends: u8,
}

/// `PIPES` pipes with buffers of `BUFFER` bytes in each direction.
#[derive(Debug)]
#[allow(clippy::type_complexity, reason = "two directions a pipe, a lock each")]
pub(in crate::pipenet) struct PipePool<const PIPES: usize, const BUFFER: usize> {
    leases: Lock<[Lease; PIPES]>,
    directions: [[Lock<Direction<TwoWakers, FixedRing<[u8; BUFFER]>>>; 2]; PIPES],
}

impl<const PIPES: usize, const BUFFER: usize> PipePool<PIPES, BUFFER> {
    /// Panics if it cannot be made.
    pub(in crate::pipenet) const fn check() {
        assert!(BUFFER > 0, "the buffers of a network have at least 1 byte");
        assert!(PIPES <= 0x8000, "a fixed network has at most 32,768 connections");
    }

    pub(in crate::pipenet) const fn new() -> Self {
        Self::check();
        Self {
            leases: Lock::new([const { Lease { generation: 0, ends: 0 } }; PIPES]),
            directions: [const {
                [const { Lock::new(Direction::new(TwoWakers::NONE, TwoWakers::NONE, FixedRing::new())) }; 2]
            }; PIPES],
        }
    }
}

impl<const PIPES: usize, const BUFFER: usize> PipeSlots for PipePool<PIPES, BUFFER> {
    fn leases(&self) -> &Lock<[Lease]> {
        &self.leases
    }

    fn direction(&self, pipe: usize, side: usize) -> Option<&Lock<FixedDirection>> {
        Some(self.directions.get(pipe)?.get(side)?)
    }
}

/// One end of a pipe of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedLink {
    /// The pipe's number, and in the lowest bit the direction that this end writes.
    end: u16,
    generation: u16,
}

impl FixedPipes<'_> {
    /// How many pipes are in use.
    pub(in crate::pipenet) fn in_use(&self) -> usize {
        self.pool.leases().with(|leases| leases.iter().filter(|lease| lease.ends > 0).count())
    }

    fn direction<R>(&self, link: FixedLink, side: u16, step: impl FnOnce(Option<&mut FixedDirection>) -> R) -> R {
        match self.pool.direction(usize::from(link.end >> 1), usize::from(side)) {
            Some(direction) => direction
                .with(|direction| step(Some(direction).filter(|direction| direction.generation == link.generation))),
            None => step(None),
        }
    }
}

impl FastIo<FixedLink> for FixedPipes<'_> {}

impl PipeMemory for FixedPipes<'_> {
    type Link = FixedLink;
    type Wakers = TwoWakers;
    type Ring = FixedRing<[u8]>;

    #[cfg(feature = "sim")]
    const DELAYS: bool = true;

    #[cfg(feature = "sim")]
    fn peer(&self, link: &FixedLink) -> FixedLink {
        FixedLink { end: link.end ^ 1, ..*link }
    }

    fn open(&self, _: &str, _: bool) -> Result<(FixedLink, FixedLink), Cause> {
        let (pipe, generation) = self.pool.leases().with(|leases| {
            let capacity = leases.len() as u32;
            let free = leases.iter_mut().enumerate().find(|(_, lease)| lease.ends == 0);
            let (pipe, lease) = free.ok_or(Cause::Full(Resource::Pipes, capacity))?;
            lease.ends = 2;
            lease.generation = lease.generation.wrapping_add(1);
            Ok::<_, Cause>((pipe, lease.generation))
        })?;
        for direction in (0..2).filter_map(|side| self.pool.direction(pipe, side)) {
            direction.with(|direction| direction.reset(generation));
        }
        let end = (pipe as u16) << 1;
        Ok((FixedLink { end, generation }, FixedLink { end: end | 1, generation }))
    }

    fn incoming<R>(&self, link: &FixedLink, step: impl FnOnce(Option<&mut FixedDirection>) -> R) -> R {
        self.direction(*link, 1 - (link.end & 1), step)
    }

    fn outgoing<R>(&self, link: &FixedLink, step: impl FnOnce(Option<&mut FixedDirection>) -> R) -> R {
        self.direction(*link, link.end & 1, step)
    }

    fn release(&self, link: &FixedLink) {
        self.pool.leases().with(|leases| {
            if let Some(lease) = leases.get_mut(usize::from(link.end >> 1)) {
                lease.ends = lease.ends.saturating_sub((lease.generation == link.generation).into());
            }
        });
    }
}

impl fmt::Debug for FixedPipes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FixedPipes")
    }
}
