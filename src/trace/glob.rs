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

/// Whether there is a text that fits both patterns.
#[cfg(feature = "alloc")]
pub(super) fn meet(first: &str, second: &str) -> bool {
    let (first, second) = (first.as_bytes(), second.as_bytes());
    // For each rest of `second`, whether it meets the rest of `first` behind the byte that is looked at.
    let mut behind: alloc::vec::Vec<bool> =
        (0..=second.len()).map(|at| second[at..].iter().all(|&byte| byte == b'*')).collect();
    for &byte in first.iter().rev() {
        let mut here = alloc::vec![false; second.len() + 1];
        here[second.len()] = byte == b'*' && behind[second.len()];
        for (at, &other) in second.iter().enumerate().rev() {
            here[at] = match (byte, other) {
                (b'*', _) | (_, b'*') => behind[at] || here[at + 1],
                _ => byte == other && behind[at + 1],
            };
        }
        behind = here;
    }
    behind[0]
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

    #[cfg(feature = "alloc")]
    #[test]
    fn two_patterns_meet_where_one_text_fits_both() {
        for (first, second, meets) in [
            ("", "", true),
            ("", "a", false),
            ("", "*", true),
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "*b", true),
            ("a*c", "b*", false),
            ("*", "*", true),
            ("a*", "ab*c", true),
            ("ab", "*", true),
            ("dial b:1->a:10", "dial b:*->a:10", true),
            ("dial b:1->a:1", "dial b:*->a:10", false),
            ("dial *", "dial b:*->a:10", true),
            ("accept a:10: a:1<-b:1", "accept a:10: *", true),
            ("accept a:10", "accept a:10: *", false),
        ] {
            assert_eq!(meet(first, second), meets, "{first:?} {second:?}");
            assert_eq!(meet(second, first), meets, "{second:?} {first:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_compared_quickly() {
        assert!(!glob(&"a*".repeat(1 << 15), &"a".repeat((1 << 15) - 1)));
        assert!(glob(&"a*".repeat(1 << 15), &"a".repeat(1 << 15)));
    }
}
