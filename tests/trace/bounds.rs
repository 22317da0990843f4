//! A trace is bounded, and says what it dropped.

use virtnet::trace::Trace;

use crate::feed::Feed;

fn notes(trace: &Trace, count: u64) -> Vec<String> {
    (1..=count).for_each(|number| trace.note(number));
    trace.view().events().map(|event| event.to_string()).collect()
}

#[test]
fn the_first_and_the_last_events_are_kept() {
    let trace = Trace::builder().head(2).events(4).build();
    assert_eq!(notes(&trace, 4), ["note: 1", "note: 2", "note: 3", "note: 4"]);
    let trace = Trace::builder().head(2).events(4).build();
    assert_eq!(notes(&trace, 5), ["note: 1", "note: 2", "… 1 event dropped", "note: 4", "note: 5"]);
    let trace = Trace::builder().head(2).events(4).build();
    assert_eq!(notes(&trace, 6), ["note: 1", "note: 2", "… 2 events dropped", "note: 5", "note: 6"]);
    let trace = Trace::builder().head(0).events(1).build();
    assert_eq!(notes(&trace, 3), ["… 2 events dropped", "note: 3"]);
    let trace = Trace::builder().head(1).events(1).build();
    assert_eq!(notes(&trace, 3), ["note: 1", "… 2 events dropped"]);
}

#[test]
fn a_gap_of_many_chunks_has_the_right_number() {
    let trace = Trace::builder().head(1500).events(4000).build();
    let lines = notes(&trace, 20_000);
    assert_eq!(lines.len(), 4001);
    assert_eq!([&*lines[1499], &*lines[1500], &*lines[1501]], ["note: 1500", "… 16000 events dropped", "note: 17501"]);
    assert_eq!(lines[4000], "note: 20000");
}

#[test]
fn memory_is_bounded_too() {
    let trace = Trace::builder().head(1).memory(1 << 20).bytes(u32::MAX).build();
    let feed = Feed::of(&trace);
    let (_, b) = feed.pair();
    let text = "z".repeat(1 << 18);
    (0..100).for_each(|_| feed.write(b, &text));
    let events: Vec<_> = trace.view().events().collect();
    let dropped = events[1].to_string();
    assert_eq!(dropped, format!("… {} events dropped", 106 - (events.len() - 1)));
    assert!((3..8).contains(&events.len()), "{}", events.len());
}

#[test]
fn offsets_go_on_over_a_gap() {
    let trace = Trace::builder().head(0).events(2).build();
    let feed = Feed::of(&trace);
    let (a, b) = feed.pair();
    feed.write(b, "12345");
    feed.read(a, "12345");
    feed.write(b, "6");
    feed.read(a, "6");
    let offsets: Vec<_> = trace.view().reads(true).events().skip(1).map(|event| event.kind).collect();
    let offset = |kind: &_| match *kind {
        virtnet::trace::Kind::Wrote { offset, .. } | virtnet::trace::Kind::Read { offset, .. } => offset,
        _ => None,
    };
    assert_eq!(offsets.iter().map(offset).collect::<Vec<_>>(), [Some(5), Some(5)]);
}

#[test]
fn asking_across_a_gap_fails() {
    let trace = Trace::builder().head(2).events(4).build();
    notes(&trace, 6);
    let error = trace.never("note: 7").unwrap_err();
    assert_eq!(error.to_string(), "2 events were dropped: enlarge the trace");
}
