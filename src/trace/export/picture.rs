//! The sequence diagram: a row for each event, a column for each host, and its text beside it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::addr::Addr;
use crate::trace::cause::Reason;
use crate::trace::event::{Event, Kind};
use crate::trace::export::band;
use crate::trace::export::chart::Chart;
use crate::trace::export::escape::{Limited, Xml};
use crate::trace::export::mark::{colour, is_arrow, level, symbol};

/// The height of a row, and of the head with the names.
pub(super) const ROW: usize = 20;
pub(super) const HEAD: usize = 34;
/// So many characters of a line are beside the picture.
const LINE: usize = 110;
/// So many characters of a line are in its tooltip.
const TOOLTIP: usize = 2000;
/// The width of a character of the text, rounded up.
const CHARACTER: usize = 8;

pub(super) struct Picture {
    pub(super) chart: Chart,
    /// Which rows are part of a race, with the race.
    races: BTreeMap<usize, String>,
    /// The number of each row's connection, in the order of their first rows, and the name of each.
    pub(super) conns: Vec<String>,
    conn_of: Vec<Option<usize>>,
    /// Where the first column is, the distance of two, and where texts start and end.
    first: usize,
    step: usize,
    texts: usize,
    pub(super) width: usize,
}

impl Picture {
    /// So many hosts have a column of their own.
    pub(super) const COLUMNS: usize = 64;

    /// The picture of a chart. Each race is a pair of numbers of events.
    pub(super) fn new(chart: Chart, races: &[(u64, u64, String)]) -> Self {
        let events = || chart.events();
        let has_time = events().any(|(_, event)| event.at.is_some());
        let has_lane = (0..chart.rows.len()).any(|row| chart.host(row).is_none());
        let longest = chart.hosts.iter().map(|(_, host)| width(host)).max().unwrap_or(0);
        // Few hosts have more room, so that arrows are less steep.
        let step = (longest * CHARACTER + 20).clamp(if chart.hosts.len() > 6 { 72 } else { 108 }, 140);
        let first = 52 + if has_time { 64 } else { 0 } + if has_lane { 28 } else { 0 } + step / 2;
        let texts = first + chart.hosts.len().clamp(1, Self::COLUMNS + 1) * step - step / 2 + 12;
        let line = |event: &Event| {
            alloc::format!("{event}").chars().take(LINE).map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>()
        };
        let longest = events().map(|(_, event)| line(event)).max().unwrap_or(0);
        let of_race: BTreeMap<u64, &String> = races.iter().flat_map(|(x, y, text)| [(*x, text), (*y, text)]).collect();
        let races = events().filter_map(|(row, event)| Some((row, (*of_race.get(&event.seq)?).clone()))).collect();
        let (conns, conn_of) = conns(&chart);
        Self { races, conns, conn_of, first, step, texts, width: texts + (longest + 2) * CHARACTER, chart }
    }

    /// The height of the picture without the head.
    pub(super) fn height(&self) -> usize {
        self.chart.rows.len() * ROW + ROW / 2
    }

    fn x(&self, host: usize) -> usize {
        self.first + host.min(Self::COLUMNS) * self.step
    }

    /// Where a row is: at its host, or in the lane of events without one.
    fn x_of(&self, row: usize) -> usize {
        self.chart.host(row).map_or(self.first - self.step / 2 - 12, |host| self.x(host))
    }

    /// The names of the hosts.
    pub(super) fn write_head(&self, to: &mut dyn Write) -> fmt::Result {
        let networks = self.chart.hosts.windows(2).any(|pair| pair[0].0 != pair[1].0);
        let half = self.step / 2 - 4;
        for (at, (network, host)) in self.chart.hosts.iter().enumerate().take(Self::COLUMNS + 1) {
            let x = self.x(at);
            let more = self.chart.hosts.len() - at;
            write!(to, "<g class=\"host\"><title>")?;
            write!(Xml(to), "host {host} of network {network}")?;
            write!(to, "</title><rect x=\"{}\" y=\"4\" width=\"{}\" height=\"20\" rx=\"5\"/>", x - half, 2 * half)?;
            write!(to, "<text x=\"{x}\" y=\"18\">")?;
            let room = (2 * half - 8) / CHARACTER;
            if at == Self::COLUMNS && more > 1 {
                write!(to, "{more} more")?;
            } else {
                let fits = if width(host) > room {
                    room.saturating_sub(1) * host.chars().count() / width(host)
                } else {
                    usize::MAX
                };
                write!(Limited::new(&mut Xml(to), fits), "{host}")?;
            }
            write!(to, "</text>")?;
            if networks {
                write!(to, "<text class=\"net\" x=\"{x}\" y=\"32\">")?;
                write!(Limited::new(&mut Xml(to), room * 4 / 3), "{network}")?;
                write!(to, "</text>")?;
            }
            writeln!(to, "</g>")?;
        }
        Ok(())
    }

    /// All below the head.
    pub(super) fn write_body(&self, to: &mut dyn Write) -> fmt::Result {
        self.write_faults(to)?;
        self.write_lifelines(to)?;
        // The rows' backgrounds are below the arrows, which are below the symbols.
        to.write_str("<g id=\"arrows\">\n")?;
        self.write_arrows(to)?;
        to.write_str("</g>\n")?;
        (0..self.chart.rows.len()).try_for_each(|row| self.write_row(to, row))
    }

    fn write_faults(&self, to: &mut dyn Write) -> fmt::Result {
        for (start, event) in self.chart.events() {
            let Kind::Fault { text } = &event.kind else { continue };
            let end = band::end(&self.chart, start, text);
            let named = self.chart.named(event);
            let (left, right) = (named.iter().min().copied().unwrap_or(0), named.iter().max().copied());
            let right = right.unwrap_or(self.chart.hosts.len().saturating_sub(1));
            // What slows all down is around what cuts.
            let (class, half) =
                if band::is_slow(text) { (" slow", self.step / 2 - 4) } else { ("", self.step / 2 - 10) };
            let (x, wide) = (self.x(left) - half, self.x(right) - self.x(left) + 2 * half);
            write!(to, "<rect class=\"span band{class}\" data-r=\"{start} {end}\" x=\"{x}\" width=\"{wide}\" ")?;
            write!(to, "y=\"{}\" height=\"{}\" rx=\"4\"><title>", y(start), y(end) - y(start))?;
            write!(Limited::new(&mut Xml(to), TOOLTIP), "fault {text}")?;
            writeln!(to, "</title></rect>")?;
        }
        Ok(())
    }

    fn write_lifelines(&self, to: &mut dyn Write) -> fmt::Result {
        for host in 0..self.chart.hosts.len() {
            for (from, end, alive) in self.chart.lives(host) {
                let (x, top) = (self.x(host), from.map_or(0, y));
                let class = if alive { "life" } else { "life gone" };
                let from = from.map_or(-1, |from| from as isize);
                write!(to, "<rect class=\"span {class}\" data-r=\"{from} {end}\" x=\"{}.25\" width=\"1.5\" ", x - 1)?;
                writeln!(to, "y=\"{top}\" height=\"{}\"/>", y(end) - top)?;
            }
        }
        Ok(())
    }

    fn write_arrows(&self, to: &mut dyn Write) -> fmt::Result {
        let mut answered = alloc::vec![false; self.chart.rows.len()];
        for edge in &self.chart.edges {
            let (Some(from), Some(into)) = (self.chart.event(edge.from), self.chart.event(edge.to)) else { continue };
            let Some(reason) = edge.reason.filter(|reason| is_arrow(from, into, *reason)) else { continue };
            answered[edge.from] = true;
            let class = if reason == Reason::Token { "base token" } else { colour(from) };
            self.write_arrow(to, class, [edge.from, edge.to], [self.x_of(edge.from), self.x_of(edge.to)], "")?;
        }
        let has_reads = self.chart.events().any(|(_, event)| matches!(event.kind, Kind::Read { .. }));
        for (row, event) in self.chart.events().filter(|(row, _)| !answered[*row]) {
            let (Kind::Dialled { dst, .. } | Kind::Wrote { dst, .. }) = &event.kind else { continue };
            let (x, peer) = (self.x_of(row), self.chart.find(event.network, &dst.host));
            let dials = matches!(event.kind, Kind::Dialled { .. });
            match peer.filter(|_| !dials && !has_reads) {
                // Without reads, bytes go straight across.
                Some(peer) => self.write_arrow(to, colour(event), [row, row], [x, self.x(peer)], "")?,
                None => {
                    let right = peer.is_none_or(|peer| self.x(peer) >= x);
                    let tip = if right { x + self.step / 2 - 6 } else { x - self.step / 2 + 6 };
                    self.write_arrow(to, colour(event), [row, row], [x, tip], " lost")?;
                }
            }
        }
        Ok(())
    }

    fn write_arrow(
        &self,
        to: &mut dyn Write,
        class: &str,
        rows: [usize; 2],
        xs: [usize; 2],
        lost: &str,
    ) -> fmt::Result {
        let dashed =
            rows.iter().any(|&row| matches!(self.chart.event(row), Some(Event { kind: Kind::Dialled { .. }, .. })));
        let dashed = if dashed { " dashed" } else { "" };
        let [x1, x2] = xs;
        let marker = if lost.is_empty() { class.split(' ').next().unwrap_or(class) } else { "lost" };
        write!(
            to,
            "<path class=\"arrow {class}{dashed}{lost}\" data-r=\"{} {}\" data-x=\"{x1} {x2}\" d=\"",
            rows[0], rows[1]
        )?;
        let (y1, y2) = (y(rows[0]), y(rows[1]));
        if x1 == x2 {
            let out = x1 + 30;
            write!(to, "M{x1} {y1}C{out} {y1} {out} {y2} {x2} {y2}")?;
        } else {
            write!(to, "M{x1} {y1}L{x2} {y2}")?;
        }
        writeln!(to, "\" marker-end=\"url(#to-{marker})\"/>")
    }

    fn write_row(&self, to: &mut dyn Write, row: usize) -> fmt::Result {
        let at = y(row);
        let Some(event) = self.chart.event(row) else {
            write!(to, "<g class=\"row cut\" data-l=\"0\" transform=\"translate(0 {at})\">")?;
            write!(to, "<rect class=\"back\" y=\"-10\" width=\"{}\" height=\"{ROW}\"/>", self.width)?;
            write!(to, "<text class=\"line\" x=\"{}\" y=\"4\">", self.texts)?;
            return writeln!(to, "… {} events are not shown …</text></g>", self.chart.cut);
        };
        let race = self.races.get(&row);
        let of_race = if race.is_some() { " race" } else { "" };
        write!(to, "<g class=\"row event {}{of_race}\" data-l=\"{}\"", colour(event), level(event))?;
        if let Some(host) = self.chart.host(row) {
            write!(to, " data-h=\"{}\"", host.min(Self::COLUMNS))?;
        }
        if let Some(conn) = self.conn_of[row] {
            write!(to, " data-n=\"{conn}\"")?;
        }
        let start = self.chart.edges.partition_point(|edge| edge.to < row);
        let causes = self.chart.edges[start..].iter().take_while(|edge| edge.to == row);
        for (at, edge) in causes.enumerate() {
            write!(to, "{}{}", if at == 0 { " data-c=\"" } else { " " }, edge.from)?;
        }
        let end = if self.chart.edges.get(start).is_some_and(|edge| edge.to == row) { "\"" } else { "" };
        write!(to, "{end} transform=\"translate(0 {at})\"><title>")?;
        write!(Limited::new(&mut Xml(to), TOOLTIP), "{event:#}")?;
        if let Some(race) = race {
            write!(Limited::new(&mut Xml(to), TOOLTIP), "\n{race}")?;
        }
        let x = self.x_of(row);
        write!(to, "</title><rect class=\"back\" y=\"-10\" width=\"{}\" height=\"{ROW}\"/>", self.width)?;
        write!(to, "<text class=\"seq\" x=\"42\" y=\"4\">{}</text>", event.seq)?;
        if let Some(time) = event.at {
            write!(to, "<text class=\"seq\" x=\"106\" y=\"4\">{}.{:03}s</text>", time.as_secs(), time.subsec_millis())?;
        }
        write!(
            to,
            "<path class=\"lead\" d=\"M{} 0H{}\"/><use href=\"#{}\" x=\"{x}\"/>",
            x + 8,
            self.texts - 8,
            symbol(event)
        )?;
        if race.is_some() {
            write!(to, "<circle class=\"ring\" cx=\"{x}\" r=\"8.5\"/>")?;
        }
        write!(to, "<text class=\"line\" x=\"{}\" y=\"4\">", self.texts)?;
        write!(Limited::new(&mut Xml(to), LINE), "{event}")?;
        writeln!(to, "</text></g>")
    }
}

/// The middle of a row.
fn y(row: usize) -> usize {
    row * ROW + ROW / 2
}

/// The width of a text, in characters of ASCII.
fn width(text: &str) -> usize {
    text.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum()
}

/// The connections, and that of each row. A dial belongs to the connection that it becomes.
fn conns(chart: &Chart) -> (Vec<String>, Vec<Option<usize>>) {
    let (mut names, mut numbers) = (Vec::new(), BTreeMap::new());
    let mut conn_of = alloc::vec![None; chart.rows.len()];
    for (row, event) in chart.events() {
        let Some(end) = event.end else { continue };
        let number = *numbers.entry((end.network, end.conn)).or_insert_with(|| {
            names.push(match ends(&event.kind, end.accepted) {
                Some((client, server)) => alloc::format!("{client} - {server}"),
                None => alloc::format!("connection {}", end.conn),
            });
            names.len() - 1
        });
        conn_of[row] = Some(number);
    }
    for edge in chart.edges.iter().filter(|edge| edge.reason == Some(Reason::Accepted)) {
        if matches!(chart.event(edge.from), Some(Event { kind: Kind::Dialled { .. }, .. })) {
            conn_of[edge.from] = conn_of[edge.to];
        }
    }
    (names, conn_of)
}

/// The addresses of the end that dialled and of its peer.
fn ends(kind: &Kind, accepted: bool) -> Option<(Addr, Addr)> {
    let (own, peer) = match kind {
        Kind::Accepted { listener, peer, .. } => return Some((*peer, *listener)),
        Kind::Connected { src, dialled, .. } => return Some((*src, *dialled)),
        Kind::Wrote { src, dst, .. } | Kind::Taken { src, dst, .. } | Kind::Shut { local: src, peer: dst, .. } => {
            (src, dst)
        }
        Kind::Read { src, dst, .. } | Kind::Ended { src, dst } => (dst, src),
        _ => return None,
    };
    Some(if accepted { (*peer, *own) } else { (*own, *peer) })
}
