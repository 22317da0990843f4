//! Lines with `*`.

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
    extern crate std;

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
