//! How long faults last, as their texts tell: a verb, perhaps a value or a time, and the directions.

use core::time::Duration;

use crate::trace::event::{Event, Kind};
use crate::trace::export::chart::Chart;

/// The row at which the fault of a row has ended. A fault without an end lasts as long as the picture.
pub(super) fn end(chart: &Chart, start: usize, text: &str) -> usize {
    let mut words = text.split(' ');
    if words.next() == Some("reset") && words.next() != Some("after") {
        return start + 1;
    }
    let began = chart.event(start).and_then(|event| event.at);
    let until = began.zip(length(text)).map(|(began, length)| began + length);
    let is_replaced = |event: &Event| match &event.kind {
        Kind::FaultEnded { text: ended } => ended == text || ends_all(ended, text),
        Kind::Fault { text: next } => verb(next) == verb(text) && directions(next) == directions(text),
        _ => false,
    };
    let is_over = |event: &Event| event.at.zip(until).is_some_and(|(at, until)| at >= until);
    let has_ended = |event: &Event| is_replaced(event) || is_over(event);
    let mut later = chart.events().filter(|(row, _)| *row > start);
    later.find(|(_, event)| has_ended(event)).map_or(chart.rows.len(), |(row, _)| row)
}

/// Whether the fault only changes how fast or in which parts something arrives.
pub(super) fn is_slow(text: &str) -> bool {
    const SLOW: [&str; 9] = ["latency", "pair", "jitter", "loss", "bandwidth", "accept", "slow", "slicer", "short"];
    SLOW.contains(&verb(text))
}

fn verb(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// The directions of a fault, such as `a | b`, `a -> b` or `*`.
fn directions(text: &str) -> &str {
    let from = match text.rsplit_once(" | ").or_else(|| text.rsplit_once(" -> ")) {
        Some((before, _)) => before.rfind(' '),
        None => text.rfind(' '),
    };
    from.map_or(text, |from| &text[from + 1..])
}

/// Whether all faults of these directions ended.
fn ends_all(ended: &str, text: &str) -> bool {
    ended.strip_prefix("all ").is_some_and(|of| of == "*" || of == directions(text))
}

/// How long a fault lasts that ends by itself.
fn length(text: &str) -> Option<Duration> {
    let mut words = text.split(' ').skip_while(|word| !matches!(*word, "for" | "after"));
    let word = words.nth(1)?;
    let (number, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let seconds = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_directions_and_may_have_a_length() {
        let ms = |millis| Some(Duration::from_millis(millis));
        for (text, of, lasts) in [
            ("partition a | b", "a | b", None),
            ("partition for 50ms b -> a", "b -> a", ms(50)),
            ("partition for 1.5s a | *", "a | *", ms(1500)),
            ("reset after 2s *", "*", ms(2000)),
            ("latency 20ms..30ms * -> a", "* -> a", None),
            ("wait for it", "it", None),
            ("odd", "odd", None),
        ] {
            assert_eq!((directions(text), length(text)), (of, lasts), "{text}");
        }
    }
}
