//! The page with the sequence diagram, in Chromium.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use virtnet::trace::{Event, Kind, Trace};

use crate::tool::{Folder, checked, installed, load};

const REPORT: &str = include_str!("report.js");

fn page(trace: &Trace) -> String {
    let mut page = String::new();
    trace.view().reads(true).write_html(&mut page).expect("a string takes all");
    page
}

/// What a script in the page sees of it.
fn report(name: &str, trace: &Trace) -> Option<Value> {
    let (chromium, folder) = (installed("chromium")?, Folder::new());
    let page = page(trace).replace("</body>", &format!("<script>{REPORT}</script></body>"));
    let (document, errors) = load(&chromium, &folder.write("page.html", page));
    assert_eq!(errors, "");
    let report = document.split("<pre id=\"report\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let report = report.unwrap_or_else(|| panic!("no report in {document}"));
    let report = report.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    checked("chromium", name);
    Some(serde_json::from_str(&report).expect("the report is JSON"))
}

fn events(trace: &Trace) -> Vec<Event> {
    trace.view().reads(true).events().collect()
}

/// Each write with each read that has some of its bytes; and the writes without such a read.
fn flows(events: &[Event]) -> (BTreeSet<(u64, u64)>, BTreeSet<u64>) {
    let (mut flows, mut lost) = (BTreeSet::new(), BTreeSet::new());
    for write in events {
        let Kind::Wrote { offset: Some(from), count, .. } = write.kind else { continue };
        let sender = write.end.expect("a write has an end");
        let reads = events.iter().filter(|read| match (&read.kind, read.end) {
            (Kind::Read { offset: Some(start), count: taken, .. }, Some(end)) => {
                (end.network, end.conn, end.accepted) == (sender.network, sender.conn, !sender.accepted)
                    && *start < from + u64::from(count)
                    && from < start + u64::from(*taken)
            }
            _ => false,
        });
        let found: Vec<_> = reads.map(|read| (write.seq, read.seq)).collect();
        if found.is_empty() {
            lost.insert(write.seq);
        }
        flows.extend(found);
    }
    (flows, lost)
}

fn seqs(value: &Value) -> BTreeSet<u64> {
    value.as_array().expect("a list").iter().map(|seq| seq.as_u64().expect("a number")).collect()
}

fn check(name: &str, trace: &Trace) {
    let Some(report) = report(name, trace) else { return };
    let events = events(trace);
    let whole =
        ["events", "overlaps", "wide", "loose", "loose_after", "requests", "foreign"].map(|key| report[key].clone());
    // The scripts are that of the page and that of the test.
    assert_eq!(whole, [events.len(), 0, 0, 0, 0, 0, 2].map(Value::from), "{name}");
    assert!(report["contrast"].as_f64().is_some_and(|contrast| contrast >= 4.5), "{}", report["contrast"]);
    let lines: Vec<_> =
        report["lines"].as_array().expect("lines").iter().map(|line| line.as_str().expect("text")).collect();
    assert_eq!(lines, events.iter().map(|event| event.to_string()).collect::<Vec<_>>());

    let (flows, lost) = flows(&events);
    let arrows = report["arrows"].as_array().expect("pairs").iter();
    let arrows: BTreeSet<_> = arrows.map(|pair| (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap())).collect();
    assert_eq!((arrows, seqs(&report["lost"])), (flows, lost), "{name}");

    let order = trace.order();
    let read = events.iter().find(|event| report["picked"] == event.seq).expect("the last read");
    let past: BTreeSet<_> = order.past(read).iter().map(|event| event.seq).collect();
    let future: BTreeSet<_> = order.future(read).iter().map(|event| event.seq).collect();
    assert_eq!([seqs(&report["past"]), seqs(&report["future"])], [past, future], "{name}");

    let count = |pattern: &str| trace.count(pattern);
    let shown = report["shown"].as_array().expect("numbers");
    assert_eq!((&shown[0], &report["found"]), (&json!(events.len()), &json!(count("write *"))));
    assert_eq!(shown[1], json!(trace.view().events().count()));
}

#[test]
fn three_hosts_with_sixty_events_are_a_picture() {
    check("few", &virtnet_trace::few());
}

#[test]
fn twelve_hosts_with_a_thousand_events_are_a_picture() {
    check("many", &virtnet_trace::many());
}

#[test]
fn failures_are_a_picture() {
    check("failures", &virtnet_trace::failures());
}

#[test]
fn a_run_with_faults_is_a_picture() {
    check("faults", &virtnet_trace::faults());
}

#[test]
fn hosts_of_two_networks_are_columns_of_their_own() {
    check("two networks", &virtnet_trace::two_networks());
}

#[test]
fn merged_files_are_a_picture() {
    check("merged", &virtnet_trace::merged(&virtnet_trace::quick_start()));
    check("merged shop", &virtnet_trace::merged(&virtnet_trace::few()));
}

#[test]
fn hostile_names_and_payloads_stay_text() {
    let trace = virtnet_trace::hostile();
    let Some(report) = report("hostile", &trace) else { return };
    let keys = ["events", "overlaps", "loose", "requests", "foreign"].map(|key| report[key].clone());
    assert_eq!(keys, [events(&trace).len(), 0, 0, 0, 2].map(Value::from));
    let lines = report["lines"].as_array().expect("lines");
    let has = |text: &str| lines.iter().any(|line| line.as_str().is_some_and(|line| line.contains(text)));
    assert!(has("</script>") && has("\"><img onerror=alert(1)>"), "{lines:?}");
    assert!(has("\\u{202e}") && !has("\u{202e}") && has("\\xff"), "{lines:?}");
    assert!(lines.iter().all(|line| line.as_str().is_some_and(|line| line.chars().count() <= 111)), "a long line");
}

#[test]
fn a_page_of_many_events_is_cut_where_it_says_so() {
    let trace = Trace::new();
    (1..=6001).for_each(|number| trace.note(number));
    let page = page(&trace);
    assert_eq!(page.matches("class=\"row event").count(), 5000);
    assert_eq!(page.matches("… 1001 events are not shown …").count(), 1);
    let shown = |number: u32| page.contains(&format!(">note: {number}<"));
    assert_eq!([1000, 1001, 2001, 2002].map(shown), [true, false, false, true]);
}

#[test]
fn one_trace_is_one_page() {
    assert!(page(&virtnet_trace::failures()) == page(&virtnet_trace::failures()), "two pages of equal runs differ");
}

#[test]
fn the_pictures_in_readme_are_those_of_a_run() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let readme = fs::read_to_string(docs.join("../README.md")).expect("README");
    for (name, picture) in virtnet_trace::pictures() {
        let written = fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(written == picture, "{name}: run the example `pictures` of virtnet-trace");
        assert!(readme.contains(&format!("](docs/{name})")), "{name} is not in README");
    }
}
