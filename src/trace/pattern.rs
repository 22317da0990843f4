//! What an event is compared with: a line with `*`, or a function.

use alloc::string::{String, ToString};

use crate::trace::event::Event;

/// A condition on events: a line in which each `*` stands for any characters, such as `"dial b:*->a:10"`, or a function
/// `|event: &Event| -> bool` where a text does not do.
///
/// # Examples
///
/// ```
/// use virtnet::trace::{Event, Trace};
///
/// let trace = Trace::new();
/// trace.note("leader is b");
/// assert_eq!(trace.count("note: leader is *"), 1);
/// assert_eq!(trace.count(|event: &Event| event.host().is_some()), 0);
/// ```
pub trait Pattern {
    /// Whether the event fits.
    fn fits(&self, event: &Event) -> bool;

    /// The pattern as failures show it.
    fn shown(&self) -> String {
        "(a function)".into()
    }
}

impl Pattern for &str {
    fn fits(&self, event: &Event) -> bool {
        glob(self, &event.to_string())
    }

    fn shown(&self) -> String {
        (*self).into()
    }
}

impl Pattern for String {
    fn fits(&self, event: &Event) -> bool {
        self.as_str().fits(event)
    }

    fn shown(&self) -> String {
        self.clone()
    }
}

impl<F: Fn(&Event) -> bool> Pattern for F {
    fn fits(&self, event: &Event) -> bool {
        self(event)
    }
}

impl Event {
    /// Whether the event fits.
    #[must_use]
    pub fn is(&self, pattern: impl Pattern) -> bool {
        pattern.fits(self)
    }
}

/// Whether `text` is `pattern`, each `*` of which stands for any characters.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_suffix(tail) else { return false };
    // The first place where a part fits leaves most room for the others.
    middle.split('*').all(|part| match text.find(part) {
        Some(at) => {
            text = &text[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("aa*aa", "aaa", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "acxb", false),
            ("a*b*b*c", "abc", false),
            ("**", "x", true),
            ("dial b:*->a:10", "dial b:3->a:10", true),
            ("dial b:*->a:10", "dial b:3->a:100", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_compared_quickly() {
        assert!(!glob(&"a*".repeat(1 << 15), &"a".repeat((1 << 15) - 1)));
        assert!(glob(&"a*".repeat(1 << 15), &"a".repeat(1 << 15)));
    }
}
