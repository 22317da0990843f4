//! Views: some of the events of a trace, as lines.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::trace::event::{Event, Kind};
use crate::trace::failure::{Failure, picture};
use crate::trace::frozen::Frozen;
use crate::trace::pattern::Pattern;
use crate::trace::recorder::Trace;
use crate::trace::slot::{Code, NO_END, Slot};

/// Some of the events of a trace, as it was when [`Trace::view`] was called. It prints one line for each.
///
/// Reads are left out unless [`reads`](View::reads) asks for them, as it is not determined how bytes are divided among
/// reads.
///
/// # Examples
///
/// ```
/// use virtnet::trace::Trace;
///
/// let trace = Trace::new();
/// trace.note("leader is b");
/// trace.note("leader is c");
/// assert_eq!(trace.view().only("* c").to_string(), "note: leader is c\n");
/// ```
#[must_use]
pub struct View {
    pub(super) trace: Trace,
    pub(super) frozen: Frozen,
    reads: bool,
    merged: bool,
    filters: Vec<Filter>,
}

type Filter = Box<dyn Fn(&Event) -> bool + Send>;

/// An event of a view.
pub(super) struct Row {
    /// Its slot; `None` for a gap.
    pub(super) position: Option<usize>,
    /// The slots that are joined with it.
    pub(super) more: Vec<usize>,
}

/// The rows that a write or read may continue.
#[derive(Default)]
struct Last {
    /// The last row of each connection: which, and its end, code and actor.
    of_conn: BTreeMap<(u16, u32), (usize, u32, Code, u32)>,
    /// The last row of each actor.
    of_actor: BTreeMap<u32, usize>,
}

impl Trace {
    /// The events so far.
    pub fn view(&self) -> View {
        View { trace: self.clone(), frozen: self.freeze(), reads: false, merged: false, filters: Vec::new() }
    }

    /// How many events fit. Those that were dropped do not count.
    #[must_use]
    pub fn count(&self, pattern: impl Pattern) -> usize {
        self.view().reads(true).events().filter(|event| pattern.fits(event)).count()
    }

    /// The only event that fits.
    ///
    /// # Errors
    ///
    /// Without such an event, or with several.
    pub fn one(&self, pattern: impl Pattern) -> Result<Event, Failure> {
        let view = self.view().reads(true);
        let mut found = view.events().filter(|event| pattern.fits(event));
        let (first, more) = (found.next(), found.count());
        match first {
            Some(event) if more == 0 => Ok(event),
            Some(_) => Err(view.failure(alloc::format!("{} events are: {}", more + 1, pattern.shown()))),
            None => Err(view.failure(alloc::format!("no event is: {}", pattern.shown()))),
        }
    }

    /// Fails if there is an event that fits.
    ///
    /// # Errors
    ///
    /// The first such event, or that events were dropped.
    pub fn never(&self, pattern: impl Pattern) -> Result<(), Failure> {
        let view = self.view().reads(true);
        if let Some(event) = view.events().find(|event| pattern.fits(event)) {
            return Err(view.failure(alloc::format!("unexpected: {event}")));
        }
        view.whole()
    }
}

impl View {
    /// Only events of this host: what it did and what it saw.
    pub fn of(self, host: &str) -> Self {
        let host = String::from(host);
        self.filter(move |event| event.host().is_some_and(|name| *name == *host))
    }

    /// Only events that fit.
    pub fn only(self, pattern: impl Pattern + Send + 'static) -> Self {
        self.filter(move |event| pattern.fits(event))
    }

    /// Without the events that fit.
    pub fn without(self, pattern: impl Pattern + Send + 'static) -> Self {
        self.filter(move |event| !pattern.fits(event))
    }

    fn filter(mut self, filter: impl Fn(&Event) -> bool + Send + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Whether reads are shown. They are not at first.
    pub fn reads(self, reads: bool) -> Self {
        Self { reads, ..self }
    }

    /// Joins neighbouring writes, and neighbouring reads, of one direction: those of one actor, with no other event
    /// shown of that connection or that actor between.
    pub fn merged(self) -> Self {
        Self { merged: true, ..self }
    }

    /// The events, from the first to the last.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.rows().into_iter().filter_map(|row| self.event(&row))
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let (mut rows, mut last) = (Vec::<Row>::new(), Last::default());
        let row = |position| Row { position, more: Vec::new() };
        let mut gap = !self.frozen.dropped.is_empty();
        for (position, _, slot) in self.frozen.slots().filter(|(.., slot)| slot.code.is_event()) {
            if gap && slot.seq >= self.frozen.dropped.end {
                rows.push(row(None));
                gap = false;
            }
            if !self.shows(position, slot) {
                continue;
            }
            let continued = if self.merged { last.continued(slot, rows.len()) } else { None };
            match continued.and_then(|continued| rows.get_mut(continued)) {
                Some(row) => row.more.push(position),
                None => rows.push(row(Some(position))),
            }
        }
        if gap {
            rows.push(row(None));
        }
        rows
    }

    /// The event of a row.
    pub(super) fn event(&self, row: &Row) -> Option<Event> {
        let Some(position) = row.position else { return self.frozen.gap() };
        let mut event = self.frozen.event(position)?;
        row.more.iter().filter_map(|&more| self.frozen.event(more)).for_each(|more| join(&mut event.kind, more.kind));
        Some(event)
    }

    /// Writes the line of a row.
    pub(super) fn write_line(&self, row: &Row, to: &mut impl fmt::Write) -> fmt::Result {
        match row.position {
            Some(position) if row.more.is_empty() => self.frozen.write_line(position, to),
            _ => self.event(row).map_or(Ok(()), |event| write!(to, "{event}")),
        }
    }

    fn shows(&self, position: usize, slot: &Slot) -> bool {
        let fits = |event: &Event| self.filters.iter().all(|filter| filter(event));
        let is_asked_for = self.reads || slot.code != Code::Read;
        is_asked_for && (self.filters.is_empty() || self.frozen.event(position).as_ref().is_some_and(fits))
    }

    /// Fails if events were dropped.
    pub(super) fn whole(&self) -> Result<(), Failure> {
        match self.frozen.gap().map(|event| event.kind) {
            Some(Kind::Gap { dropped: 1 }) => Err(self.failure("1 event was dropped: enlarge the trace".into())),
            Some(Kind::Gap { dropped }) => {
                Err(self.failure(alloc::format!("{dropped} events were dropped: enlarge the trace")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn failure(&self, text: String) -> Failure {
        self.failure_with(text, String::new())
    }

    /// A failure that shows some lines before the networks.
    pub(super) fn failure_with(&self, text: String, context: String) -> Failure {
        Failure::new(text, context + &picture(&self.trace, &self.frozen))
    }
}

impl Last {
    /// The row that the event in a slot continues, if any. Else its row has the number `next`.
    fn continued(&mut self, slot: &Slot, next: usize) -> Option<usize> {
        let conn = (slot.network, slot.end / 2);
        let known = self.of_conn.get(&conn).filter(|_| matches!(slot.code, Code::Wrote | Code::Read));
        let known = known.filter(|(_, end, code, actor)| (*end, *code, *actor) == (slot.end, slot.code, slot.actor));
        let continued = known.map(|known| known.0).filter(|row| self.of_actor.get(&slot.actor) == Some(row));
        if continued.is_none() {
            self.of_actor.insert(slot.actor, next);
            if slot.end != NO_END {
                self.of_conn.insert(conn, (next, slot.end, slot.code, slot.actor));
            }
        }
        continued
    }
}

/// Joins a write with one that continues it, or a read.
fn join(first: &mut Kind, next: Kind) {
    match (first, next) {
        (Kind::Wrote { count, of, bytes, .. }, Kind::Wrote { count: more, bytes: mut added, .. }) => {
            append(bytes, *count, &mut added);
            *count = count.saturating_add(more);
            *of = *count;
        }
        (Kind::Read { count, bytes, .. }, Kind::Read { count: more, bytes: mut added, .. }) => {
            append(bytes, *count, &mut added);
            *count = count.saturating_add(more);
        }
        _ => {}
    }
}

/// Appends the kept bytes, unless some before them are not kept.
fn append(bytes: &mut Vec<u8>, count: u32, added: &mut Vec<u8>) {
    if bytes.len() == count as usize {
        bytes.append(added);
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events().try_for_each(|event| {
            fmt::Display::fmt(&event, f)?;
            f.write_str("\n")
        })
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events().map(|event| event.to_string())).finish()
    }
}
