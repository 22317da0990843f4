//! The chart: for each work, how many times what this crate needs others do, on a logarithmic scale.

use std::fmt::Write;

use crate::result::{Results, Row, Value};
use crate::sample::OURS;

/// Who is shown, and how: a class of its own colour, and a shape of about 10 × 10 around the origin.
const SERIES: [(&str, &str); 6] = [
    ("tokio duplex", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z"),
    ("embassy-sync", "M-4.5-4.5h9v9h-9z"),
    ("turmoil-net", "M0-5.5L5.5 4.5H-5.5z"),
    ("TCP loopback", "M0-6L6 0L0 6L-6 0z"),
    ("Unix sockets", "M0 5.5L5.5-4.5H-5.5z"),
    ("mutex + condition", "M-5.5-2h3.5v-3.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5z"),
];

const WIDTH: f64 = 860.0;
/// Where the scale begins and ends, from left to right.
const LEFT: f64 = 385.0;
const RIGHT: f64 = 822.0;
/// Where the first row is, and how far the next.
const TOP: f64 = 86.0;
const STEP: f64 = 26.0;

/// One row of the chart.
struct Line<'a> {
    label: String,
    peers: Vec<(usize, f64, &'a Row, &'a Value)>,
}

pub(crate) fn svg(results: &Results) -> String {
    let lines: Vec<_> = results.rows.iter().filter(|row| row.chart).flat_map(lines).collect();
    let times = || lines.iter().flat_map(|line| line.peers.iter().map(|peer| peer.1));
    let (least, most) = (times().fold(0.5, f64::min), times().fold(10.0, f64::max));
    let (first, last) = (least.log10().floor(), most.log10().ceil());
    let x = |times: f64| LEFT + (times.log10() - first) / (last - first) * (RIGHT - LEFT);
    let bottom = TOP + STEP * lines.len() as f64;

    let mut svg = head(bottom + 34.0);
    legend(&mut svg);
    for power in first as i32..=last as i32 {
        let (at, class) = (x(10f64.powi(power)), if power == 0 { "ours" } else { "grid" });
        let _ = writeln!(svg, r#"<path class="{class}" d="M{at:.1} {:.0}V{bottom:.0}"/>"#, TOP - STEP * 0.6);
        let label = if power == 0 { OURS.to_owned() } else { format!("{} ×", 10f64.powi(power)) };
        let _ = writeln!(svg, r#"<text class="mid" x="{at:.1}" y="{:.0}">{label}</text>"#, bottom + 18.0);
    }
    for (number, line) in lines.iter().enumerate() {
        let y = TOP + STEP * (number as f64 + 0.3);
        let _ = writeln!(svg, r#"<text class="end" x="{:.0}" y="{:.0}">{}</text>"#, LEFT - 14.0, y + 4.0, line.label);
        let _ = writeln!(svg, r#"<path class="row" d="M{LEFT:.0} {y:.1}H{RIGHT:.0}"/>"#);
        for (series, times, row, value) in &line.peers {
            let (shape, title) = (SERIES[*series].1, format!("{}: {}", value.name, row.show(value.median)));
            let _ = writeln!(
                svg,
                r#"<path class="s{series}" transform="translate({:.1} {y:.1})" d="{shape}"><title>{title}</title></path>"#,
                x(*times)
            );
        }
    }
    svg + "</svg>\n"
}

/// A row has a line for this crate as it is, and one for each variant that it shares with a peer.
fn lines(row: &Row) -> Vec<Line<'_>> {
    let ours = row.values.iter().filter_map(|value| Some((value, value.name.strip_prefix(OURS)?)));
    let of = |(ours, variant): (&Value, &str)| {
        let named = SERIES.iter().enumerate().map(|(number, (name, _))| (number, format!("{name}{variant}")));
        let found =
            named.filter_map(|(number, name)| Some((number, row.values.iter().find(|value| value.name == name)?)));
        let peers: Vec<_> = found.map(|(number, value)| (number, value.median / ours.median, row, value)).collect();
        let label = format!("{}{variant} ({})", row.work, row.show(ours.median));
        (!peers.is_empty()).then_some(Line { label, peers })
    };
    ours.filter_map(of).collect()
}

fn head(height: f64) -> String {
    let colours = |colours: [&str; 6]| -> String {
        colours.iter().enumerate().map(|(number, colour)| format!(".s{number}{{fill:{colour}}}")).collect()
    };
    let light = colours(["#0b62c4", "#1a7f37", "#a04100", "#7d3fc4", "#b3196b", "#57606a"]);
    let dark = colours(["#6cb0ff", "#56d364", "#f0a050", "#c49bff", "#ff8ac4", "#b1bac4"]);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="What others need of time or memory, in multiples of what virtnet needs">
<style>
text{{font:12px system-ui,sans-serif;fill:#1f2328}}.end{{text-anchor:end}}.mid{{text-anchor:middle}}.title{{font-weight:600}}
.grid{{stroke:#d0d7de}}.row{{stroke:#eaeef2}}.ours{{stroke:#1f2328;stroke-width:2}}{light}
@media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}.grid{{stroke:#3d444d}}.row{{stroke:#262c36}}.ours{{stroke:#e6edf3}}{dark}}}
</style>
"##
    )
}

fn legend(svg: &mut String) {
    let title = "What others need of time or memory, in multiples of what virtnet needs (in brackets)";
    let _ = writeln!(svg, r#"<text class="title" x="12" y="20">{title}</text>"#);
    for (number, (name, shape)) in SERIES.iter().enumerate() {
        let at = 20.0 + 138.0 * number as f64;
        let _ = writeln!(svg, r#"<path class="s{number}" transform="translate({at:.0} 44)" d="{shape}"/>"#);
        let _ = writeln!(svg, r#"<text x="{:.0}" y="48">{name}</text>"#, at + 11.0);
    }
}
