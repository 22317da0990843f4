//! Views as diagrams of Mermaid.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::addr::Addr;
use crate::contract::observe::How;
use crate::trace::event::{Event, Kind};
use crate::trace::export::chart::Chart;
use crate::trace::export::escape::{Limited, Visible, write_runs};
use crate::trace::view::View;

/// Mermaid refuses longer diagrams.
const MOST: usize = 50_000;
/// So much is left for the last line.
const REST: usize = 100;
/// So many characters of a text are in a diagram.
const TEXT: usize = 120;

impl View {
    /// Writes the events as a sequence diagram of Mermaid, which many readers of Markdown show: within a block that
    /// starts with ` ```mermaid `. Bytes go straight across, so reads are not shown.
    ///
    /// Mermaid refuses more than 50000 characters. Before that, the diagram ends with a note that says how many events
    /// there are more.
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
    /// let mut diagram = String::new();
    /// trace.view().write_mermaid(&mut diagram)?;
    /// assert!(diagram.contains("note: leader is b"));
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    pub fn write_mermaid(&self, to: &mut impl Write) -> fmt::Result {
        // Each line has more than 5 characters.
        let chart = Chart::new(self, MOST / 5, 0);
        let mut diagram = String::from("sequenceDiagram\n");
        for host in 0..chart.hosts.len().clamp(1, HOSTS) {
            write!(diagram, "participant h{host}")?;
            if let Some((_, name)) = chart.hosts.get(host) {
                diagram.push_str(" as ");
                write!(Limited::new(&mut Text(&mut diagram), TEXT), "{name}")?;
            }
            diagram.push('\n');
        }
        let mut line = String::new();
        for (written, (row, event)) in chart.events().enumerate() {
            line.clear();
            write_line(&mut line, &chart, row, event)?;
            if diagram.len() + line.len() + REST > MOST {
                let more = chart.rows.len() - written + chart.cut;
                writeln!(diagram, "Note over h0: … {more} more events are not shown")?;
                break;
            }
            diagram.push_str(&line);
        }
        to.write_str(&diagram)
    }
}

/// So many hosts are shown at most.
const HOSTS: usize = 100;

/// The line of an event; none for a read, and for a host, which is a participant.
fn write_line(to: &mut String, chart: &Chart, row: usize, event: &Event) -> fmt::Result {
    let shown = |host: &usize| *host < HOSTS;
    let own = chart.host(row).filter(shown);
    let peer = |addr: &Addr| chart.find(event.network, &addr.host).filter(shown);
    let text = alloc::format!("{event}");
    let payload = || text.split_once(": ").map_or(&*text, |(_, payload)| payload);
    let (arrow, peer, text) = match &event.kind {
        Kind::HostMade { .. } | Kind::Read { .. } => return Ok(()),
        Kind::Dialled { dst, .. } => ("-)", peer(dst), alloc::format!("dial {dst}")),
        Kind::Accepted { local, peer: of, .. } => ("-->>", peer(of), alloc::format!("accept {local}")),
        Kind::Wrote { dst, .. } => ("->>", peer(dst), payload().into()),
        Kind::Shut { peer: of, how: How::Abort, .. } => ("-x", peer(of), "abort".into()),
        Kind::Shut { peer: of, how: How::Close | How::Drop, reset: true, .. } => ("-x", peer(of), "reset".into()),
        Kind::Shut { peer: of, how: How::Close | How::Drop, .. } => ("--x", peer(of), "close".into()),
        Kind::Shut { peer: of, how: How::Shutdown, .. } => ("--)", peer(of), "shutdown".into()),
        _ => ("", None, text),
    };
    match (own, peer) {
        (Some(own), Some(peer)) => write!(to, "h{own}{arrow}h{peer}: ")?,
        (Some(own), None) => write!(to, "Note over h{own}: ")?,
        (None, _) => {
            let named = chart.named(event);
            let (first, last) = (named.iter().min().copied().unwrap_or(0), named.iter().max().copied());
            let last = last.unwrap_or(chart.hosts.len().saturating_sub(1)).min(HOSTS - 1);
            if first < last { write!(to, "Note over h{first},h{last}: ")? } else { write!(to, "Note over h{last}: ")? }
        }
    }
    write!(Limited::new(&mut Text(to), TEXT), "{text}")?;
    to.push('\n');
    Ok(())
}

/// Writes text that has no meaning in a diagram.
struct Text<'a, W>(&'a mut W);

impl<W: Write> Write for Text<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |character| !"#;<>&\"%`\\${}".contains(character);
        write_runs(&mut Visible(&mut *self.0), text, is_plain, |to, character| write!(to, "#{};", u32::from(character)))
    }
}
