//! Many threads record at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use virtnet::trace::{Kind, Observer, RawEvent, Trace};

use crate::feed::Feed;

/// Threads that hand numbers around. A sender draws its ticket before it stores a number, a receiver after it has
/// loaded it, so that a write never comes after the read of its number.
fn storm(trace: &Trace, threads: u64, rounds: u64) {
    let feed = Feed::of(trace);
    let cells: Vec<_> = (0..threads).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for own in 0..threads {
            let (feed, cells) = (&feed, &cells);
            scope.spawn(move || {
                let observer = feed.observer();
                for round in 1..=rounds {
                    let ticket = observer.ticket();
                    if round % 16 == 0 {
                        observer.void(ticket);
                    } else {
                        cells[own as usize].store(round, Ordering::Release);
                        let text = format!("{own} {round}");
                        observer.record(ticket, &RawEvent::Wrote { end: 2, bytes: text.as_bytes(), of: text.len() });
                    }
                    let other = (own + round) % threads;
                    let seen = cells[other as usize].load(Ordering::Acquire);
                    let text = format!("{other} {seen}");
                    observer.now(&RawEvent::Read { end: 3, bytes: text.as_bytes() });
                }
            });
        }
    });
}

/// The number of reads that come before the write of their number.
fn early_reads(trace: &Trace) -> usize {
    let mut written = HashMap::new();
    let mut early = 0;
    for event in trace.view().reads(true).events() {
        let parse = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("a text");
            let (thread, round) = text.split_once(' ').expect("two numbers");
            (thread.parse::<u64>().expect("a number"), round.parse::<u64>().expect("a number"))
        };
        match &event.kind {
            Kind::Wrote { bytes, .. } => {
                let (thread, round) = parse(bytes);
                assert!(written.insert(thread, round).is_none_or(|before| before < round), "in order of its thread");
            }
            Kind::Read { bytes, .. } => {
                let (thread, round) = parse(bytes);
                early += usize::from(written.get(&thread).copied().unwrap_or(0) < round);
            }
            other => panic!("{other}"),
        }
    }
    early
}

#[test]
fn no_event_comes_before_its_cause() {
    let trace = Trace::new();
    storm(&trace, 4, 20_000);
    assert_eq!(early_reads(&trace), 0);
    assert_eq!(trace.open_tickets(), 0);
    let events = trace.view().reads(true).events().count();
    assert_eq!(events, 4 * (20_000 - 20_000 / 16 + 20_000));
}

#[test]
fn no_line_below_the_watermark_changes() {
    let trace = Trace::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut before, mut grew) = (String::new(), 0);
            while !done.load(Ordering::Acquire) {
                let now: String = trace.view().reads(true).events().map(|event| format!("{event:#}\n")).collect();
                assert!(now.starts_with(&before), "lines that were seen have changed");
                grew += u32::from(now.len() > before.len());
                before = now;
            }
            grew
        });
        storm(&trace, 4, 2_000);
        done.store(true, Ordering::Release);
        reader.join().expect("no line changes");
    });
    let seqs: Vec<_> = trace.view().reads(true).events().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[test]
fn an_open_ticket_holds_later_events_back() {
    let trace = Trace::new();
    let feed = Feed::of(&trace);
    feed.host("a");
    let ticket = feed.observer().ticket();
    thread::scope(|scope| scope.spawn(|| feed.host("c")).join().expect("no panic"));
    assert_eq!(trace.view().to_string(), "host a\n");
    feed.observer().record(ticket, &RawEvent::Core(&virtnet::trace::CoreEvent::HostMade { host: "b" }, None));
    assert_eq!(trace.view().to_string(), "host a\nhost b\nhost c\n");

    let ticket = feed.observer().ticket();
    feed.host("d");
    assert_eq!(trace.count("host d"), 0);
    feed.observer().void(ticket);
    assert_eq!(trace.count("host d"), 1);
}
