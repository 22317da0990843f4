//! Views as logs for ShiViz, which shows vector clocks.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::trace::cause::Reason;
use crate::trace::export::chart::Chart;
use crate::trace::export::escape::{Limited, Visible};
use crate::trace::view::View;

/// So many events are written at most.
const EVENTS: usize = 10_000;
/// So many characters of a line.
const LINE: usize = 1000;

/// How ShiViz finds the parts of an event.
const EXPRESSION: &str = r"(?<host>\S+) (?<clock>\{.*\})\n(?<event>.*)";

/// A clock: how many events of each lifeline are known.
type Clock = BTreeMap<usize, u32>;

impl View {
    /// Writes the events as a log for [ShiViz](https://bestchai.bitbucket.io/shiviz/). The first line is the expression
    /// that its form asks for; then each event has a line with its lifeline and its vector clock, and one with its text.
    ///
    /// A lifeline is a host, `host#actor` for a host of several actors, and `#actor` for events without a host. Clocks
    /// know what the network orders: that one actor did something at two hosts is not in them. Of more than 10000
    /// events, the first are written, and a last line says how many there are more.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// trace.note("leader is b");
    /// let mut log = String::new();
    /// trace.view().reads(true).write_shiviz(&mut log)?;
    /// assert_eq!(log.lines().skip(1).collect::<Vec<_>>(), ["#1 {\"#1\":1}", "note: leader is b"]);
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    pub fn write_shiviz(&self, to: &mut impl Write) -> fmt::Result {
        let chart = Chart::new(self, EVENTS, 0);
        let (names, lifeline_of) = lifelines(&chart);
        let mut clocks = Vec::<Clock>::new();
        // The last row of each lifeline.
        let mut last = BTreeMap::<usize, usize>::new();
        let mut edges = chart.edges.iter().peekable();
        writeln!(to, "{EXPRESSION}")?;
        for (row, event) in chart.events() {
            let own = lifeline_of[row];
            let mut clock = last.get(&own).map_or_else(Clock::new, |&last| clocks[last].clone());
            while let Some(edge) = edges.next_if(|edge| edge.to == row) {
                if edge.reason != Some(Reason::Program) {
                    for (&lifeline, &count) in &clocks[edge.from] {
                        let known = clock.entry(lifeline).or_default();
                        *known = count.max(*known);
                    }
                }
            }
            *clock.entry(own).or_default() += 1;
            write_clock(to, &names, own, &clock)?;
            write!(Limited::new(&mut Visible(to), LINE), "{event}")?;
            to.write_char('\n')?;
            last.insert(own, row);
            clocks.push(clock);
        }
        if chart.cut > 0 {
            write!(to, "… {{\"…\":1}}\n{} more events are not shown\n", chart.cut)?;
        }
        Ok(())
    }
}

fn write_clock(to: &mut dyn Write, names: &[String], own: usize, clock: &Clock) -> fmt::Result {
    write!(to, "{} {{", names[own])?;
    let others = clock.iter().filter(|(lifeline, _)| **lifeline != own);
    for (at, (&lifeline, count)) in clock.get_key_value(&own).into_iter().chain(others).enumerate() {
        let before = if at == 0 { "" } else { "," };
        write!(to, "{before}\"{}\":{count}", names[lifeline])?;
    }
    to.write_str("}\n")
}

/// The names of lifelines, and that of each row. A name has no space and nothing that JSON would escape.
fn lifelines(chart: &Chart) -> (Vec<String>, Vec<usize>) {
    let mut actors = BTreeMap::<usize, Vec<u32>>::new();
    for (row, event) in chart.events() {
        if let Some(host) = chart.host(row) {
            let known = actors.entry(host).or_default();
            if !known.contains(&event.actor.0) {
                known.push(event.actor.0);
            }
        }
    }
    let (mut names, mut numbers, mut lifeline_of) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (row, event) in chart.events() {
        let host = chart.host(row);
        let is_alone = host.is_some_and(|host| actors[&host].len() == 1);
        let key = (host, if is_alone { 0 } else { event.actor.0 });
        lifeline_of.push(*numbers.entry(key).or_insert_with(|| {
            let host = host.map_or_else(String::new, |host| name(chart, host));
            names.push(if is_alone { host } else { alloc::format!("{host}{}", event.actor) });
            names.len() - 1
        }));
    }
    (names, lifeline_of)
}

/// The name of a host, with that of its network if another network has a host of this name.
fn name(chart: &Chart, host: usize) -> String {
    let (network, name) = chart.hosts[host];
    let is_alone = chart.hosts.iter().filter(|(_, other)| *other == name).count() == 1;
    let full = if is_alone { String::from(&*name) } else { alloc::format!("{network}/{}", &*name) };
    let is_plain = |character: char| character.is_alphanumeric() || "-_./:".contains(character);
    full.chars()
        .map(|character| {
            if is_plain(character) { String::from(character) } else { alloc::format!("%{:02x}", u32::from(character)) }
        })
        .collect()
}
