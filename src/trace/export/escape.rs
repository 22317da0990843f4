//! Texts for files of others: no character of a payload or a name may end a line, open a tag, or turn the direction.

use core::fmt::{self, Write};

use crate::trace::recorder::is_plain;

/// Writes text that stands in XML or HTML, also within an attribute.
pub(super) struct Xml<'a, W: ?Sized>(pub(super) &'a mut W);

impl<W: Write + ?Sized> Write for Xml<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            _ => write_visible(self.0, character),
        })
    }
}

/// Writes text of one line.
pub(super) struct Visible<'a, W: ?Sized>(pub(super) &'a mut W);

impl<W: Write + ?Sized> Write for Visible<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| write_visible(self.0, character))
    }
}

fn write_visible(to: &mut (impl Write + ?Sized), character: char) -> fmt::Result {
    if is_visible(character) { to.write_char(character) } else { write!(to, "{}", character.escape_unicode()) }
}

/// Neither a control, nor a mark of direction, nor of no width, nor invalid in XML.
fn is_visible(character: char) -> bool {
    let unseen = matches!(
        character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_plain(character) && !unseen && u32::from(character) & 0xfffe != 0xfffe
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
