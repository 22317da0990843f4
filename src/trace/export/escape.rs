//! Texts for files of others: no character of a payload or a name may end a line, open a tag, or turn the direction.

use core::fmt::{self, Write};

use crate::trace::recorder::is_plain;

/// Writes text that stands in XML or HTML, also within an attribute.
pub(super) struct Xml<'a, W: ?Sized>(pub(super) &'a mut W);

impl<W: Write + ?Sized> Write for Xml<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |character: char| !matches!(character, '&' | '<' | '>' | '"' | '\'') && is_visible(character);
        write_runs(self.0, text, is_plain, |to, character| match character {
            '&' => to.write_str("&amp;"),
            '<' => to.write_str("&lt;"),
            '>' => to.write_str("&gt;"),
            '"' => to.write_str("&quot;"),
            '\'' => to.write_str("&#39;"),
            _ => write!(to, "{}", character.escape_unicode()),
        })
    }
}

/// Writes text of one line, with characters that a reader would not see as escapes.
pub(super) struct Visible<'a, W: ?Sized>(pub(super) &'a mut W);

impl<W: Write + ?Sized> Write for Visible<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_runs(self.0, text, is_visible, |to, character| write!(to, "{}", character.escape_unicode()))
    }
}

/// Writes plain characters in a row at once, and each other one by `escape`.
pub(in crate::trace) fn write_runs<W: Write + ?Sized>(
    to: &mut W,
    text: &str,
    is_plain: impl Fn(char) -> bool,
    escape: impl Fn(&mut W, char) -> fmt::Result,
) -> fmt::Result {
    let mut start = 0;
    for (at, character) in text.char_indices().filter(|(_, character)| !is_plain(*character)) {
        to.write_str(&text[start..at])?;
        escape(to, character)?;
        start = at + character.len_utf8();
    }
    to.write_str(&text[start..])
}

/// Neither a control, nor a mark of direction, nor of no width, nor invalid in XML.
fn is_visible(character: char) -> bool {
    let unseen = matches!(
        character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    let is_ascii = matches!(character, ' '..='~');
    is_ascii || (is_plain(character) && !unseen && u32::from(character) & 0xfffe != 0xfffe)
}

/// Passes on so many characters; of a longer text it passes on the start and `…`.
pub(super) struct Limited<'a, W: ?Sized> {
    to: &'a mut W,
    left: usize,
    is_cut: bool,
}

impl<'a, W: Write + ?Sized> Limited<'a, W> {
    pub(super) fn new(to: &'a mut W, left: usize) -> Self {
        Self { to, left, is_cut: false }
    }
}

impl<W: Write + ?Sized> Write for Limited<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_ascii() && text.len() <= self.left {
            self.left -= text.len();
            return self.to.write_str(text);
        }
        let end = text.char_indices().nth(self.left).map(|(end, _)| end);
        let shown = &text[..end.unwrap_or(text.len())];
        self.left -= shown.chars().count();
        self.to.write_str(shown)?;
        if end.is_some() && !self.is_cut {
            self.is_cut = true;
            self.to.write_char('…')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn text_within_xml_opens_no_tag_and_turns_no_direction() {
        let mut text = String::new();
        let hostile = "</script>\"'&\u{202e}\u{200b}\0\n\u{feff}\u{ffff}é𝄞";
        write!(Xml(&mut text), "{hostile}").expect("a string takes all");
        assert_eq!(text, r"&lt;/script&gt;&quot;&#39;&amp;\u{202e}\u{200b}\u{0}\u{a}\u{feff}\u{ffff}é𝄞");
    }

    #[test]
    fn a_long_text_ends_with_one_ellipsis() {
        let limited = |text: &str| {
            let mut out = String::new();
            let mut to = Limited::new(&mut out, 3);
            write!(to, "é{text}").and_then(|()| to.write_str("")).expect("a string takes all");
            out
        };
        assert_eq!(["a", "ab", "abc", "abcd"].map(limited), ["éa", "éab", "éab…", "éab…"]);
    }
}
