//! Views as JSON lines.

use virtnet::trace::Trace;

use crate::feed::*;

fn json(feed: &Feed) -> Vec<String> {
    let mut text = String::new();
    feed.trace.view().reads(true).write_json(&mut text).expect("a string takes all");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn each_event_is_a_line() {
    let feed = Feed::new();
    let (a, _) = feed.answered();
    feed.fail(Errors::new().dial("a:10"), None);
    let conn = a / 2;
    let accepted = format!(r#""net":"pipet","conn":{conn},"end":"accepted""#);
    let dialled = format!(r#""net":"pipet","conn":{conn},"end":"dialled""#);
    let expected = [
        r#"{"virtnet_trace":1,"dropped":0}"#.to_owned(),
        r#"{"seq":1,"actor":1,"net":"pipet","kind":"host","text":"host a","host":"a"}"#.to_owned(),
        r#"{"seq":2,"actor":1,"net":"pipet","kind":"host","text":"host b","host":"b"}"#.to_owned(),
        r#"{"seq":3,"actor":1,"net":"pipet","kind":"listen","text":"listen a:10","addr":"a:10"}"#.to_owned(),
        r#"{"seq":4,"actor":1,"net":"pipet","kind":"dial","text":"dial b:1->a:10","src":"b:1","dst":"a:10"}"#.to_owned(),
        format!(
            r#"{{"seq":5,"actor":1,{accepted},"kind":"accept","text":"accept a:10: a:1<-b:1","addr":"a:10","src":"a:1","dst":"b:1"}}"#
        ),
        format!(
            r#"{{"seq":6,"actor":1,{dialled},"kind":"connect","text":"connect b:1->a:10: a:1","src":"b:1","dst":"a:1","addr":"a:10"}}"#
        ),
        format!(
            r#"{{"seq":7,"actor":1,{accepted},"kind":"write","text":"write a:1->b:1: 2 \"hi\"","src":"a:1","dst":"b:1","of":2,"off":0,"len":2,"bytes":"aGk="}}"#
        ),
        format!(
            r#"{{"seq":8,"actor":1,{accepted},"kind":"drop","text":"drop a:1->b:1","src":"a:1","dst":"b:1","reset":false}}"#
        ),
        format!(
            r#"{{"seq":9,"actor":1,{dialled},"kind":"read","text":"read a:1->b:1: 2 \"hi\"","src":"a:1","dst":"b:1","off":0,"len":2,"bytes":"aGk="}}"#
        ),
        format!(
            r#"{{"seq":10,"actor":1,{dialled},"kind":"end","text":"read a:1->b:1: end","src":"a:1","dst":"b:1"}}"#
        ),
        r#"{"seq":11,"actor":1,"net":"pipet","kind":"dial_failed","text":"dial b:1->a:10: connection refused","src":"b:1","dst":"a:10","cause":"connection refused"}"#.to_owned(),
    ];
    assert_eq!(json(&feed), expected);
}

#[test]
fn gaps_and_hostile_texts_stay_lines() {
    let feed = Feed::of(&Trace::builder().head(0).events(1).build());
    feed.trace.note("dropped");
    feed.trace.note("\"\\\n\u{2028}\u{85}</script>é");
    let expected = [
        r#"{"virtnet_trace":1,"dropped":1}"#,
        r#"{"seq":1,"kind":"gap","text":"… 1 event dropped","dropped":1}"#,
        r#"{"seq":2,"actor":1,"kind":"note","text":"note: \"\\\\n\\u{2028}\\u{85}</script>é"}"#,
    ];
    assert_eq!(json(&feed), expected);
}
