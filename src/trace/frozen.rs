//! A copy of a trace: what it keeps at one moment. It shares whole chunks with the trace.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::trace::event::Event;
use crate::trace::slot::{Chunk, Names, Slot, gap};

#[derive(Clone)]
pub(super) struct Frozen {
    names: Arc<Names>,
    chunks: Vec<Arc<Chunk>>,
    /// The position of the first slot of each chunk.
    starts: Vec<usize>,
    /// The numbers of the events that were dropped.
    pub(super) dropped: Range<u64>,
}

impl Frozen {
    pub(super) fn new(names: Arc<Names>, chunks: Vec<Arc<Chunk>>, dropped: Range<u64>) -> Self {
        let starts = chunks.iter().scan(0, |next, chunk| {
            let start = *next;
            *next += chunk.slots.len();
            Some(start)
        });
        let starts = starts.collect();
        Self { names, chunks, starts, dropped }
    }

    /// All slots with their positions, marks included, except those that were dropped.
    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, &Chunk, &Slot)> {
        let chunks = self.chunks.iter().flat_map(|chunk| chunk.slots.iter().map(|slot| (&**chunk, slot)));
        let slots = chunks.enumerate().map(|(position, (chunk, slot))| (position, chunk, slot));
        slots.filter(|(.., slot)| !self.dropped.contains(&slot.seq))
    }

    /// The slot at a position.
    pub(super) fn slot(&self, position: usize) -> Option<(&Chunk, &Slot)> {
        let at = self.starts.partition_point(|&start| start <= position).checked_sub(1)?;
        let (chunk, start) = (self.chunks.get(at)?, self.starts.get(at)?);
        Some((chunk, chunk.slots.get(position - start)?))
    }

    /// The event at a position.
    pub(super) fn event(&self, position: usize) -> Option<Event> {
        self.slot(position).map(|(chunk, slot)| chunk.event(slot, &self.names))
    }

    /// Writes the line of the event at a position.
    pub(super) fn write_line(&self, position: usize, to: &mut impl fmt::Write) -> fmt::Result {
        self.slot(position).map_or(Ok(()), |(chunk, slot)| chunk.write_line(slot, &self.names, to))
    }

    /// The position of the event with this number.
    pub(super) fn position(&self, seq: u64) -> Option<usize> {
        let at = self.chunks.partition_point(|chunk| chunk.slots.first().is_some_and(|first| first.seq <= seq));
        // Marks have the number of the event before them, so a chunk may begin with the number that another ends with.
        let found = (at.saturating_sub(2)..at).find_map(|at| {
            let (chunk, start) = (self.chunks.get(at)?, self.starts.get(at)?);
            let slot = chunk.slots.partition_point(|slot| slot.seq < seq);
            chunk.slots.get(slot).filter(|slot| slot.seq == seq && slot.code.is_event()).map(|_| start + slot)
        });
        found.filter(|_| !self.dropped.contains(&seq))
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The event that stands for those that were dropped, if any were.
    pub(super) fn gap(&self) -> Option<Event> {
        let Range { start, end } = self.dropped;
        (start < end).then(|| gap(end - start, end))
    }
}
