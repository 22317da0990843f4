//! The rows of a picture, and what they follow from.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use crate::addr::name::{HostName, NetworkName};
use crate::trace::cause::{Causes, Reason};
use crate::trace::event::{Event, Kind};
use crate::trace::view::View;

/// The events of a view that a picture has room for, with the hosts that they are of.
pub(super) struct Chart {
    pub(super) rows: Vec<Row>,
    /// The hosts, each with its network, in the order of their first rows.
    pub(super) hosts: Vec<(NetworkName, HostName)>,
    /// The edges to each row, from earlier rows.
    pub(super) edges: Vec<Edge>,
    /// So many events have no room.
    pub(super) cut: usize,
}

/// A line of a picture.
pub(super) struct Row {
    /// `None` stands for the events that have no room.
    event: Option<Event>,
    /// Which of the hosts it is of.
    host: Option<usize>,
}

/// One row comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Why; `None` if events between them are not shown.
    pub(super) reason: Option<Reason>,
}

impl Chart {
    /// A chart of at most `head` first and `tail` last events.
    pub(super) fn new(view: &View, head: usize, tail: usize) -> Self {
        let shown = view.rows();
        let (first, last) = match shown.len().checked_sub(head + tail) {
            Some(cut) if cut > 0 => (&shown[..head], &shown[head + cut..]),
            _ => (&shown[..], &shown[..0]),
        };
        let cut = shown.len() - first.len() - last.len();
        let mut chart = Self { rows: Vec::new(), hosts: Vec::new(), edges: Vec::new(), cut };
        let mut numbers = BTreeMap::new();
        let mut rows_of = BTreeMap::<usize, usize>::new();
        for (at, row) in first.iter().chain(last).enumerate() {
            if at == first.len() {
                chart.rows.push(Row { event: None, host: None });
            }
            let Some(event) = view.event(row) else { continue };
            rows_of.extend(row.position.iter().chain(&row.more).map(|&position| (position, chart.rows.len())));
            let host = event.host().map(|host| {
                *numbers.entry((event.network, host)).or_insert_with(|| {
                    chart.hosts.push((event.network, host));
                    chart.hosts.len() - 1
                })
            });
            chart.rows.push(Row { event: Some(event), host });
        }
        let range = |rows: &[crate::trace::view::Row]| {
            let mut positions = rows.iter().flat_map(|row| row.position);
            let first = positions.next();
            first.map_or(0..0, |first| first..positions.next_back().unwrap_or(first) + 1)
        };
        // Without a cut, the events before the first one that is shown may be its causes, but are no rows.
        chart.add_edges(view, &rows_of, [range(first), range(last)]);
        chart
    }

    /// Finds the edges. Those through events that are not shown are kept, except through those that were cut.
    fn add_edges(&mut self, view: &View, rows_of: &BTreeMap<usize, usize>, within: [Range<usize>; 2]) {
        let (mut causes, mut found) = (Causes::default(), Vec::new());
        // Per position without a row: the last row of each actor before it, and whether a token leads from there.
        let mut hidden = BTreeMap::<usize, BTreeMap<u32, (usize, bool)>>::new();
        let slots = view.frozen.slots().filter(|(position, ..)| within.iter().any(|range| range.contains(position)));
        for (position, chunk, slot) in slots {
            causes.add(position, chunk, slot, &mut found);
            let row = rows_of.get(&position).copied();
            let mut before = BTreeMap::<u32, (usize, bool)>::new();
            for (cause, reason) in found.drain(..) {
                let is_token = reason == Reason::Token;
                match (rows_of.get(&cause), row) {
                    (Some(&from), Some(to)) if from != to => {
                        let edge = Edge { from, to, reason: Some(reason) };
                        if self.edges.iter().rev().take_while(|last| last.to == to).all(|last| *last != edge) {
                            self.edges.push(edge);
                        }
                    }
                    (Some(_), Some(_)) => {}
                    (Some(&from), None) => {
                        let actor = self.event(from).map_or(0, |event| event.actor.0);
                        before
                            .entry(actor)
                            .and_modify(|known| *known = (*known).max((from, is_token)))
                            .or_insert((from, is_token));
                    }
                    (None, _) => {
                        for (&actor, &(from, token)) in hidden.get(&cause).into_iter().flatten() {
                            let next = (from, token || is_token);
                            before.entry(actor).and_modify(|known| *known = (*known).max(next)).or_insert(next);
                        }
                    }
                }
            }
            match row {
                Some(to) => {
                    self.edges.extend(before.into_values().filter(|(from, _)| *from != to).map(|(from, token)| Edge {
                        from,
                        to,
                        reason: token.then_some(Reason::Token),
                    }))
                }
                None => {
                    hidden.insert(position, before);
                }
            }
        }
        self.edges.sort_by_key(|edge| edge.to);
    }

    /// The event of a row.
    pub(super) fn event(&self, row: usize) -> Option<&Event> {
        self.rows.get(row)?.event.as_ref()
    }

    /// The rows that are events.
    pub(super) fn events(&self) -> impl Iterator<Item = (usize, &Event)> {
        self.rows.iter().enumerate().filter_map(|(row, Row { event, .. })| Some((row, event.as_ref()?)))
    }

    /// The host of a row.
    pub(super) fn host(&self, row: usize) -> Option<usize> {
        self.rows.get(row)?.host
    }

    /// Which host this is.
    pub(super) fn find(&self, network: NetworkName, name: &str) -> Option<usize> {
        self.hosts.iter().position(|(of, host)| (*of, &**host) == (network, name))
    }

    /// From which row to which a host lived, or was closed or dead; without a first row, from before the picture.
    pub(super) fn lives(&self, host: usize) -> Vec<(Option<usize>, usize, bool)> {
        let (mut lives, mut from, mut alive) = (Vec::new(), None, true);
        for (row, event) in self.events() {
            let is_own = self.host(row) == Some(host);
            let (starts, ends) = match &event.kind {
                Kind::HostMade { .. } | Kind::HostBack { .. } => (is_own, false),
                Kind::HostClosed { .. } | Kind::HostDied { .. } => (false, is_own && alive),
                Kind::NetworkDown { .. } | Kind::NetworkClosed => (false, event.network == self.hosts[host].0 && alive),
                _ => (false, false),
            };
            if ends || (starts && !alive) {
                lives.push((from, row, alive));
            }
            if starts || ends {
                (from, alive) = (Some(row), starts);
            }
        }
        lives.push((from, self.rows.len(), alive));
        lives
    }

    /// The hosts that a fault names.
    pub(super) fn named(&self, event: &Event) -> Vec<usize> {
        let (Kind::Fault { text } | Kind::FaultEnded { text }) = &event.kind else { return Vec::new() };
        let words = text.split(|character: char| character.is_whitespace() || "|,:;<>".contains(character));
        let names: Vec<_> = words.map(|word| word.trim_end_matches('-')).filter(|word| !word.is_empty()).collect();
        let is_named = |(network, host): &(NetworkName, HostName)| {
            (event.network.is_empty() || event.network == *network) && names.iter().any(|name| **host == **name)
        };
        (0..self.hosts.len()).filter(|&at| is_named(&self.hosts[at])).collect()
    }
}
