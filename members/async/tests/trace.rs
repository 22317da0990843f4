//! A trace in tasks, and its JSON lines as another library reads them.

use serde_json::Value;
use virtnet::trace::{Failure, Trace};

#[tokio::test]
async fn an_expectation_is_awaited_while_other_tasks_run() -> Result<(), Failure> {
    let trace = Trace::new();
    let mut check = trace.check();
    let noting = tokio::spawn({
        let trace = trace.clone();
        async move {
            for number in 0..100 {
                tokio::task::yield_now().await;
                trace.note(number);
            }
        }
    });
    for number in 0..100 {
        check.expect("network", format!("note: {number}")).await?;
    }
    noting.await.expect("no panic");
    check.end()
}

#[tokio::test]
async fn each_task_is_an_actor() {
    let trace = Trace::new();
    trace.note("outside");
    for name in ["x", "y"] {
        let trace = trace.clone();
        tokio::spawn(async move { trace.note(name) }).await.expect("no panic");
    }
    trace.note("outside again");
    let actors: Vec<_> = trace.view().events().map(|event| event.actor.to_string()).collect();
    assert_eq!(actors, ["#1", "#2", "#3", "#1"]);
}

#[test]
fn json_lines_are_json() -> Result<(), Box<dyn std::error::Error>> {
    let trace = Trace::new();
    for text in ["plain", "\"quoted\" \\ and\nbroken", "\0\u{7f}\u{85}\u{2028}\u{202e}", "é𝄞\u{feff}", "</script>"]
    {
        trace.note(text);
    }
    let mut json = String::new();
    trace.view().write_json(&mut json)?;
    let lines = json.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    assert_eq!(lines[0], serde_json::json!({"virtnet_trace": 1, "dropped": 0}));
    let events: Vec<_> = trace.view().events().collect();
    assert_eq!(lines.len() - 1, events.len());
    for (line, event) in lines[1..].iter().zip(&events) {
        let kept = (line["text"].as_str(), line["seq"].as_u64(), line["kind"].as_str());
        assert_eq!(kept, (Some(&*event.to_string()), Some(event.seq), Some("note")));
    }
    Ok(())
}
