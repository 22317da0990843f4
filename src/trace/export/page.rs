//! The page: a picture with its controls, in one file that loads nothing.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::trace::export::chart::Chart;
use crate::trace::export::escape::{Limited, Xml};
use crate::trace::export::picture::{HEAD, Picture};
use crate::trace::order::Order;
use crate::trace::race::races;
use crate::trace::view::View;

/// So many first and last events are on a page.
const SHOWN: [usize; 2] = [1000, 4000];

const PAGE_STYLE: &str = include_str!("page.css");
const PICTURE_STYLE: &str = include_str!("picture.css");
const SYMBOLS: &str = include_str!("symbols.svg");
const SCRIPT: &str = include_str!("page.js");

/// The symbols with their meaning.
const LEGEND: [(&str, &str, &str); 15] = [
    ("host", "base", "host"),
    ("listen", "base", "listen"),
    ("dial", "way", "dial"),
    ("open", "way", "accept, connect"),
    ("write", "data", "write"),
    ("read", "data", "read"),
    ("end", "shut", "end of stream"),
    ("half", "shut", "shutdown"),
    ("bar", "shut", "close"),
    ("drop", "shut", "drop"),
    ("abort", "bad", "abort"),
    ("failed", "bad", "failure"),
    ("withdrawn", "base", "withdrawn dial"),
    ("fault", "fault", "fault"),
    ("note", "base", "note"),
];

impl View {
    /// Writes the events as a page with a sequence diagram: one HTML file without scripts, styles or pictures of others.
    /// It loads nothing, and can be read without its script.
    ///
    /// Each event has a row, each host a column. Arrows lead from a write to the reads of its bytes, from a dial to its
    /// accept, from a close to the end that the peer reads; bytes that nothing has read end in a ring. With reads left
    /// out, as a view does by default, bytes go straight across. Races are marked. The script filters by host,
    /// connection, detail and text, and shows the causes and the consequences of an event.
    ///
    /// Of more than 5000 events, the page has the first 1000 and the last 4000, and says so.
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
    /// trace.note("leader is <b>");
    /// let mut page = String::new();
    /// trace.view().reads(true).write_html(&mut page)?;
    /// assert!(page.contains("note: leader is &lt;b&gt;"));
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    pub fn write_html(&self, to: &mut impl Write) -> fmt::Result {
        let picture = self.picture();
        self.write_page(to, &picture)
    }

    /// Writes the diagram of [`View::write_html`] alone, as an SVG file for documents.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_svg(&self, to: &mut impl Write) -> fmt::Result {
        let picture = self.picture();
        let (width, height) = (picture.width, HEAD + picture.height());
        writeln!(
            to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">"
        )?;
        writeln!(
            to,
            "<style>\n{PICTURE_STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{SYMBOLS}"
        )?;
        picture.write_head(to)?;
        writeln!(to, "<g transform=\"translate(0 {HEAD})\">")?;
        picture.write_body(to)?;
        to.write_str("</g>\n</svg>\n")
    }

    fn picture(&self) -> Picture {
        let chart = Chart::new(self, SHOWN[0], SHOWN[1]);
        // To look for races among very many events takes longer than all the rest.
        let few = self.frozen.slots().nth(SHOWN[0] + SHOWN[1]).is_none();
        let found = few.then(|| races(&Order::new(self.frozen.clone(), false)));
        let found: Vec<(u64, u64, String)> = found
            .iter()
            .flat_map(|races| races.iter().map(|race| (race.first.seq, race.second.seq, race.to_string())))
            .collect();
        Picture::new(chart, &found)
    }

    fn write_page(&self, to: &mut dyn Write, picture: &Picture) -> fmt::Result {
        let (hosts, rows, width) = (&picture.chart.hosts, picture.chart.rows.len(), picture.width);
        let mut names: Vec<_> = hosts.iter().map(|(network, _)| *network).collect();
        names.dedup();
        let mut title = String::from("trace");
        let named = names.iter().filter(|name| !name.is_empty()).enumerate();
        named.for_each(|(at, name)| title.extend([if at == 0 { " of " } else { ", " }, name]));
        to.write_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
        to.write_str(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ",
        )?;
        to.write_str(
            "script-src 'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
        )?;
        write!(Limited::new(&mut Xml(to), 100), "{title}")?;
        write!(to, "</title>\n<style>\n{PICTURE_STYLE}{PAGE_STYLE}</style>\n</head>\n<body>\n<header>\n<h1>")?;
        write!(Limited::new(&mut Xml(to), 100), "{title}")?;
        let [hosts, conns, rows] = [(hosts.len(), "host"), (picture.conns.len(), "connection"), (rows, "row")]
            .map(|(count, thing)| counted(count, thing));
        writeln!(to, " <span>{hosts}, {conns}, {rows}</span></h1>")?;
        write_controls(to, picture)?;
        to.write_str("<details><summary>Legend</summary>\n<ul class=\"legend\">\n")?;
        for (symbol, colour, meaning) in LEGEND {
            write!(
                to,
                "<li><svg class=\"event {colour}\" viewBox=\"-10 -10 20 20\"><use href=\"#{symbol}\"/></svg> {meaning}</li>"
            )?;
        }
        to.write_str(
            "<li><svg viewBox=\"-10 -10 20 20\"><circle class=\"ring\" r=\"8\"/></svg> race</li>\n\
             <li><svg viewBox=\"-10 -10 20 20\"><rect class=\"band\" x=\"-9\" y=\"-7\" width=\"18\" height=\"14\"/></svg> \
             while a fault cuts</li>\n\
             <li><svg viewBox=\"-10 -10 20 20\"><rect class=\"band slow\" x=\"-9\" y=\"-7\" width=\"18\" height=\"14\"/>\
             </svg> while a fault slows down</li>\n</ul></details>\n",
        )?;
        to.write_str("<p id=\"status\"></p>\n</header>\n")?;
        writeln!(to, "<svg id=\"top\" width=\"{width}\" height=\"{HEAD}\">\n{SYMBOLS}")?;
        picture.write_head(to)?;
        writeln!(to, "</svg>\n<svg id=\"chart\" width=\"{width}\" height=\"{}\">", picture.height())?;
        picture.write_body(to)?;
        write!(to, "</svg>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n")
    }
}

/// `1 host`, `2 hosts`.
fn counted(count: usize, thing: &str) -> String {
    alloc::format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn write_controls(to: &mut dyn Write, picture: &Picture) -> fmt::Result {
    to.write_str("<div id=\"controls\" hidden>\n<label>Detail <select id=\"level\">")?;
    to.write_str("<option value=\"3\">all</option><option value=\"2\">without reads</option>")?;
    to.write_str("<option value=\"1\">connections</option><option value=\"0\">hosts, faults and notes</option></select></label>\n")?;
    to.write_str("<label>Connection <select id=\"conn\"><option value=\"\">all</option>")?;
    for (number, name) in picture.conns.iter().enumerate() {
        write!(to, "<option value=\"{number}\">")?;
        write!(Limited::new(&mut Xml(to), 80), "{name}")?;
        to.write_str("</option>")?;
    }
    to.write_str("</select></label>\n<details><summary>Hosts</summary><div id=\"hosts\">")?;
    for (number, (_, host)) in picture.chart.hosts.iter().enumerate().take(Picture::COLUMNS + 1) {
        write!(to, "<label><input type=\"checkbox\" checked value=\"{number}\"> ")?;
        if number == Picture::COLUMNS {
            write!(to, "all others")?
        } else {
            write!(Xml(to), "{host}")?
        }
        to.write_str("</label>")?;
    }
    to.write_str("</div></details>\n<label>Search <input id=\"search\" type=\"search\" size=\"24\"></label>\n</div>\n")
}
