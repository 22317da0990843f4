//! Expectations on a whole view: its lines, in any order that keeps causes before their consequences.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::panic::Location;

use crate::trace::failure::Failure;
use crate::trace::glob::glob;
use crate::trace::order::{Edges, Order};
use crate::trace::view::View;

/// A comparison under way.
struct Matching<'a> {
    view: &'a View,
    texts: &'a Texts,
    /// The position of each row.
    positions: Vec<usize>,
    /// The row at each position, if there is one.
    rows: Vec<Option<usize>>,
    /// How many causes of each position have not happened yet.
    waits: Vec<u32>,
    /// The events that follow from each position, and where those of each start.
    effects: Vec<u32>,
    starts: Vec<u32>,
    /// Rows all causes of which have happened, with their texts.
    ready: BTreeSet<(&'a str, usize)>,
    /// The line that each row was matched with, counted from 1.
    lines: Vec<Option<usize>>,
}

/// The lines of all rows, one after the other, without spaces at their ends. None begins with one.
#[derive(Default)]
struct Texts {
    text: String,
    /// Where each line ends.
    ends: Vec<usize>,
}

/// So many expected lines before the first that differs are shown.
const BEFORE: usize = 5;

impl View {
    /// Passes if `expected` has the lines of exactly these events, in some order in which each event comes after its
    /// causes; see [`Order`]. So events that the network does not order may stand in either order. A line `…` stands
    /// for any further events, and a `*` in a line for any characters. Spaces around lines and empty lines do not
    /// count.
    ///
    /// # Errors
    ///
    /// The first line that does not fit, an event that is missing, or that events were dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// (1..=3).for_each(|number| trace.note(number));
    /// trace.view().same("note: 1\nnote: 2\n…")?;
    /// let failure = trace.view().same("note: 1\nnote: 3").unwrap_err();
    /// assert_eq!(failure.to_string(), "missing in the expected lines: note: 2 (after line 1)");
    /// # Ok::<(), virtnet::trace::Failure>(())
    /// ```
    #[track_caller]
    pub fn same(&self, expected: &str) -> Result<(), Failure> {
        let at = Location::caller();
        self.whole()?;
        let rows = self.rows();
        let mut texts = Texts::default();
        for row in &rows {
            // A string takes all.
            let _ = self.write_line(row, &mut texts.text);
            texts.text.truncate(texts.text.trim_end().len());
            texts.ends.push(texts.text.len());
        }
        let positions = rows.iter().filter_map(|row| row.position).collect();
        let mut matching = Matching::new(self, &texts, positions);
        let lines: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        for (number, &line) in lines.iter().enumerate() {
            if line == "…" {
                return Ok(());
            }
            if !matching.take(line, number + 1) {
                let text = matching.mismatch(line, &lines[number..], number + 1);
                return Err(self.differs(text, at, &lines[..number], Some(line), &matching));
            }
        }
        match matching.lines.iter().position(Option::is_none) {
            Some(row) => Err(self.differs(matching.missing(row), at, &lines, None, &matching)),
            None => Ok(()),
        }
    }

    fn differs(
        &self,
        text: String,
        at: &Location<'_>,
        passed: &[&str],
        want: Option<&str>,
        matching: &Matching<'_>,
    ) -> Failure {
        let mut context = format!("at {}:{}\n", at.file(), at.line());
        for line in &passed[passed.len().saturating_sub(BEFORE)..] {
            context += &format!("        {line}\n");
        }
        want.into_iter().for_each(|line| context += &format!("  want: {line}\n"));
        for (text, _) in &matching.ready {
            context += &format!("  have: {text}\n");
        }
        self.failure_with(text, context)
    }
}

impl Texts {
    fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row]]
    }
}

impl<'a> Matching<'a> {
    fn new(view: &'a View, texts: &'a Texts, positions: Vec<usize>) -> Self {
        let edges = Edges::new(&view.frozen, true);
        let len = edges.len();
        let mut rows = alloc::vec![None; len];
        positions.iter().enumerate().for_each(|(row, &position)| rows[position] = Some(row));
        let causes = (0..len).flat_map(|at| edges.of(at).iter().map(move |&(cause, _)| (cause as usize, at)));
        let (mut waits, mut starts) = (alloc::vec![0; len], alloc::vec![0_u32; len + 1]);
        for (cause, at) in causes.clone() {
            waits[at] += 1;
            starts[cause + 1] += 1;
        }
        (0..len).for_each(|at| starts[at + 1] += starts[at]);
        let (mut effects, mut next) = (alloc::vec![0; starts[len] as usize], starts.clone());
        for (cause, at) in causes {
            effects[next[cause] as usize] = at as u32;
            next[cause] += 1;
        }
        let lines = alloc::vec![None; positions.len()];
        let mut matching = Self { view, texts, positions, rows, waits, effects, starts, ready: BTreeSet::new(), lines };
        let first: Vec<_> = (0..len).filter(|&at| matching.waits[at] == 0).collect();
        matching.reach(first);
        matching
    }

    /// All causes of these positions have happened. Those that are in no row happen at once.
    fn reach(&mut self, mut reached: Vec<usize>) {
        while let Some(at) = reached.pop() {
            match self.rows[at] {
                Some(row) => {
                    self.ready.insert((self.texts.get(row), row));
                }
                None => self.happen(at, &mut reached),
            }
        }
    }

    /// The event at a position happens; adds those that have waited for it only.
    fn happen(&mut self, at: usize, reached: &mut Vec<usize>) {
        for &effect in &self.effects[self.starts[at] as usize..self.starts[at + 1] as usize] {
            let waits = &mut self.waits[effect as usize];
            *waits -= 1;
            if *waits == 0 {
                reached.push(effect as usize);
            }
        }
    }

    /// Lets an event with this line happen; returns whether one can.
    fn take(&mut self, line: &str, number: usize) -> bool {
        let exact = self.ready.range((line, 0)..).next().filter(|(text, _)| *text == line).map(|&(_, row)| row);
        let by_pattern = || {
            let fitting = self.ready.iter().filter(|(text, _)| glob(line, text));
            fitting.map(|&(_, row)| row).min()
        };
        let Some(row) = exact.or_else(|| line.contains('*').then(by_pattern).flatten()) else { return false };
        self.ready.remove(&(self.texts.get(row), row));
        self.lines[row] = Some(number);
        let mut reached = Vec::new();
        self.happen(self.positions[row], &mut reached);
        self.reach(reached);
        true
    }

    /// Why the expected line `number` cannot be next; `rest` starts with it.
    fn mismatch(&self, line: &str, rest: &[&str], number: usize) -> String {
        let fits = |row: &usize| self.lines[*row].is_none() && glob(line, self.texts.get(*row));
        let mut ready: Vec<_> = self.ready.iter().map(|&(_, row)| row).collect();
        ready.sort_unstable();
        let Some(late) = (0..self.texts.ends.len()).find(fits) else {
            let next = ready.first().map_or("no more events", |&row| self.texts.get(row));
            return format!("line {number}: no such event: {line}; next: {next}");
        };
        let order = Order::new(self.view.frozen.clone(), true);
        let is_before = |row: &&usize| order.is_before(self.positions[**row], self.positions[late]);
        let Some(&blocker) = ready.iter().find(is_before) else {
            return format!("line {number}: no such event: {line}");
        };
        let blocks = self.texts.get(blocker);
        if rest.iter().any(|line| glob(line, blocks)) {
            format!("line {number} comes too early: {line}; before it comes: {blocks}")
        } else {
            self.missing(blocker)
        }
    }

    fn missing(&self, row: usize) -> String {
        let before = self.lines[..row].iter().rev().find_map(|line| *line).unwrap_or(0);
        format!("missing in the expected lines: {} (after line {before})", self.texts.get(row))
    }
}
