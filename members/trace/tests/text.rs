//! ShiViz logs and Mermaid diagrams.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use virtnet::trace::{Trace, View};

use virtnet_trace::{merged, quick_start, shop};

use crate::tool::{Folder, checked, installed, load, say};

fn shiviz(trace: &Trace) -> String {
    let mut log = String::new();
    trace.view().reads(true).write_shiviz(&mut log).expect("a string takes all");
    log
}

fn mermaid(view: &View) -> String {
    let mut diagram = String::new();
    view.write_mermaid(&mut diagram).expect("a string takes all");
    diagram
}

/// An event of a log: its lifeline and its clock.
type Entry = (String, BTreeMap<String, u64>);

/// Checks a log by the rules of ShiViz: on each lifeline, its own entry counts from 1 by 1, and every entry refers to an
/// event that exists.
fn parse(log: &str) -> Result<Vec<Entry>, String> {
    let mut lines = log.lines();
    if lines.next() != Some(r"(?<host>\S+) (?<clock>\{.*\})\n(?<event>.*)") {
        return Err("no expression".into());
    }
    let mut events = Vec::<Entry>::new();
    while let Some(line) = lines.next() {
        let (host, clock) = line.split_once(' ').ok_or("no clock")?;
        let clock: BTreeMap<String, u64> = serde_json::from_str(clock).map_err(|error| format!("{line}: {error}"))?;
        lines.next().ok_or("no event")?;
        events.push((host.to_owned(), clock));
    }
    let mut last = BTreeMap::<&str, u64>::new();
    for (host, clock) in &events {
        let own = last.entry(host).or_default();
        *own += 1;
        if clock.get(host) != Some(own) {
            return Err(format!("{host} has {:?}, not {own}", clock.get(host)));
        }
    }
    for (host, clock) in &events {
        if let Some(entry) = clock.iter().find(|(of, count)| last.get(of.as_str()).is_none_or(|last| last < count)) {
            return Err(format!("{host} knows {entry:?}"));
        }
    }
    Ok(events)
}

/// How many edges there are between lifelines, without those that others imply.
fn edges(events: &[Entry]) -> usize {
    let before = |x: &Entry, y: &Entry| x != y && y.1.get(&x.0) >= x.1.get(&x.0);
    let edge =
        |x: &&Entry, y: &Entry| x.0 != y.0 && before(x, y) && !events.iter().any(|z| before(x, z) && before(z, y));
    events.iter().map(|y| events.iter().filter(|x| edge(x, y)).count()).sum()
}

#[test]
fn a_shiviz_log_has_the_edges_of_the_network() {
    let log = parse(&shiviz(&quick_start())).unwrap();
    let hosts: BTreeSet<_> = log.iter().map(|(host, _)| &**host).collect();
    assert_eq!((log.len(), hosts, edges(&log)), (14, ["a", "b"].into(), 5));
    checked("the rules of ShiViz", "quick start");
}

#[test]
fn a_merged_trace_has_the_log_of_one() {
    let merged = merged(&quick_start());
    assert_eq!(merged.view().reads(true).to_string(), quick_start().view().reads(true).to_string());
    let log = parse(&shiviz(&merged)).unwrap();
    let hosts: BTreeSet<_> = log.iter().map(|(host, _)| &**host).collect();
    assert_eq!((log.len(), hosts, edges(&log)), (14, ["a", "b"].into(), 5));
    assert_eq!(mermaid(&merged.view().reads(true)), mermaid(&quick_start().view().reads(true)));
    checked("the rules of ShiViz", "merged");
}

#[test]
fn each_shiviz_log_keeps_its_rules() {
    let traces = [
        ("few", virtnet_trace::few()),
        ("many", virtnet_trace::many()),
        ("failures", virtnet_trace::failures()),
        ("faults", virtnet_trace::faults()),
        ("hostile", virtnet_trace::hostile()),
        ("two networks", virtnet_trace::two_networks()),
        ("merged shop", merged(&shop(Trace::builder()))),
    ];
    for (name, trace) in traces {
        let log = parse(&shiviz(&trace)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(log.len(), trace.view().reads(true).events().count());
        checked("the rules of ShiViz", name);
    }
}

#[test]
fn a_clock_that_skips_is_no_shiviz_log() {
    let log = shiviz(&quick_start()).replace(r#"b {"b":3"#, r#"b {"b":4"#);
    assert_eq!(parse(&log), Err("b has Some(4), not 3".into()));
    let log = shiviz(&quick_start()).replace(r#""a":3}"#, r#""a":99}"#);
    assert_eq!(parse(&log), Err(r#"b knows ("a", 99)"#.into()));
}

#[test]
fn a_mermaid_diagram_has_a_line_for_each_event() {
    let expected = r#"sequenceDiagram
participant h0 as a
participant h1 as b
Note over h0: listen a:10
h1-)h0: dial a:10
h0-->>h1: accept a:1
Note over h1: connect b:1-#62;a:10: a:1
h0->>h1: 2 #34;hi#34;
h0--xh1: close
Note over h1: read a:1-#62;b:1: end
Note over h0: drop a:10
h1-)h0: dial a:10
Note over h1: dial b:2-#62;a:10: connection refused
h1--xh0: close
"#;
    assert_eq!(mermaid(&quick_start().view().reads(true)), expected);
}

#[test]
fn a_mermaid_diagram_ends_before_mermaid_refuses_it() {
    let trace = Trace::new();
    (0..5000).for_each(|number| trace.note(number));
    let diagram = mermaid(&trace.view());
    let rows = diagram.matches("note: ").count();
    assert!(diagram.len() < 50_000 && rows > 1000, "{} characters, {rows} rows", diagram.len());
    assert!(diagram.ends_with(&format!("Note over h0: … {} more events are not shown\n", 5000 - rows)), "{diagram}");
}

#[test]
fn mermaid_parses_the_diagrams() {
    // npm's bundle of Mermaid, which `.ci/run trace` fetches.
    let Some(bundle) = env::var_os("VIRTNET_MERMAID") else {
        say(format_args!("skipped: VIRTNET_MERMAID names no mermaid.min.js"));
        return;
    };
    let Some(chromium) = installed("chromium") else { return };
    let folder = Folder::new();
    fs::copy(Path::new(&bundle), folder.path().join("mermaid.min.js")).expect("the bundle is there");
    let long = Trace::new();
    (0..5000).for_each(|number| long.note(number));
    let traces = [
        quick_start(),
        virtnet_trace::few(),
        virtnet_trace::many(),
        virtnet_trace::failures(),
        virtnet_trace::faults(),
        virtnet_trace::hostile(),
        long,
    ];
    let diagrams: Vec<_> = traces.iter().map(|trace| mermaid(&trace.view())).collect();
    // A script may contain any text in JSON but the end of a script.
    let list = serde_json::to_string(&diagrams).expect("texts are JSON").replace('<', "\\u003c");
    let page = format!(
        "<!DOCTYPE html><meta charset=utf-8><pre id=report></pre><script src=mermaid.min.js></script><script>(async () => {{
        const results = [];
        for (const diagram of {list}) results.push(await mermaid.parse(diagram).then(found => found.diagramType, error => `${{error}}`));
        results.push(await mermaid.parse('sequenceDiagram\\na->>').then(() => 'parsed', () => 'refused'));
        document.getElementById('report').textContent = results.join('|') + '.';
        }})()</script>"
    );
    let (document, errors) = load(&chromium, &folder.write("mermaid.html", page));
    let report = [&["sequence"; 7][..], &["refused"]].concat().join("|") + ".";
    assert!(
        document.contains(&format!("<pre id=\"report\">{report}</pre>")),
        "{errors}\n{}",
        document.split("<script").next().unwrap_or("")
    );
    ["quick start", "few", "many", "failures", "faults", "hostile", "long"]
        .iter()
        .for_each(|name| checked("mermaid.parse", name));
}
