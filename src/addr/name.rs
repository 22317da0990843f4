//! Bounded strings: names of hosts and networks, and texts kept in errors.

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt::{self, Write as _};
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// A string of at most `N` bytes (`N` ≤ 255), stored inline.
#[derive(Clone, Copy)]
pub struct Name<const N: usize> {
    /// How many bytes of `bytes` are in use; they are UTF-8.
    len: u8,
    bytes: [u8; N],
}

/// A host's name: 1 to 63 bytes of UTF-8 without `[`, `]` or control characters.
///
/// It is empty in an address without a host, see [`Addr`](crate::Addr).
pub type HostName = Name<63>;

/// A network's full name: 1 to 31 bytes of UTF-8 without `[`, `]` or control characters.
pub type NetworkName = Name<31>;

impl<const N: usize> Name<N> {
    /// The empty string.
    pub(crate) const EMPTY: Self = Self { len: 0, bytes: [0; N] };

    /// The concatenation of `head` and `tail`, or `None` if that is not a valid name.
    pub(crate) const fn valid(head: &str, tail: &str) -> Option<Self> {
        let (head, tail) = (head.as_bytes(), tail.as_bytes());
        let len = head.len() + tail.len();
        if len == 0 || len > N {
            return None;
        }
        let mut name = Self::EMPTY;
        let mut i = 0;
        while i < len {
            let byte = if i < head.len() { head[i] } else { tail[i - head.len()] };
            // Control characters are U+0000..=U+001F, U+007F and U+0080..=U+009F (C2 80..=C2 9F).
            let control =
                byte < 0x20 || byte == 0x7f || (byte >= 0x80 && byte <= 0x9f && i > 0 && name.bytes[i - 1] == 0xc2);
            if control || byte == b'[' || byte == b']' {
                return None;
            }
            name.bytes[i] = byte;
            i += 1;
        }
        name.len = len as u8;
        Some(name)
    }

    /// As much of the concatenation of `head` and `tail` as fits, in whole characters, and whether all of it fits.
    pub(crate) const fn of(head: &str, tail: &str) -> (Self, bool) {
        let (head, tail) = (head.as_bytes(), tail.as_bytes());
        let mut name = Self::EMPTY;
        let mut i = 0;
        while i < head.len() + tail.len() {
            let byte = if i < head.len() { head[i] } else { tail[i - head.len()] };
            // A character begins here, so all characters before it are complete.
            if byte & 0xc0 != 0x80 {
                name.len = i as u8;
            }
            if i == N {
                return (name, false);
            }
            name.bytes[i] = byte;
            i += 1;
        }
        name.len = i as u8;
        (name, true)
    }

    /// As much of `text` as fits, in whole characters, and whether all of it fits.
    pub(crate) fn cut(text: &str) -> (Self, bool) {
        let mut name = Self::EMPTY;
        let whole = name.push_str(text);
        (name, whole)
    }

    /// Appends as much of `text` as fits, in whole characters; returns whether all of it fits.
    fn push_str(&mut self, text: &str) -> bool {
        let start = usize::from(self.len);
        let mut len = text.len().min(N - start);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        room.iter_mut().zip(text.bytes().take(len)).for_each(|(place, byte)| *place = byte);
        self.len += len as u8;
        len == text.len()
    }

    /// Appends each of `texts`; one that does not fit is cut.
    pub(crate) fn push_all<const M: usize>(&mut self, texts: [&str; M]) {
        for text in texts {
            self.push_str(text);
        }
    }

    /// The name as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> Deref for Name<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> AsRef<str> for Name<N> {
    fn as_ref(&self) -> &str {
        self
    }
}

/// A name compares and hashes like the string that it holds.
impl<const N: usize> Borrow<str> for Name<N> {
    fn borrow(&self) -> &str {
        self
    }
}

impl<const N: usize> PartialEq for Name<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for Name<N> {}

impl<const N: usize> PartialOrd for Name<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for Name<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize> Hash for Name<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A text in an error, of at most 63 bytes. The limit is lower where several texts share room, see
/// [`Error`](crate::Error), [`CloseError`](crate::CloseError) and [`RegistryError`](crate::RegistryError). A longer
/// text is cut between two characters. A cut text prints with a trailing `…`, equals no string, and its
/// [`is_cut`](Self::is_cut) returns true.
///
/// Create one with [`From`], [`ErrorText::display`] or [`core::fmt::Write`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorText {
    kept: Name<63>,
    cut: bool,
}

impl ErrorText {
    /// The empty text.
    pub(crate) const EMPTY: Self = Self { kept: Name::EMPTY, cut: false };

    /// The concatenation of `parts`.
    pub(crate) fn of<const N: usize>(parts: [&str; N]) -> Self {
        let mut text = Self::EMPTY;
        parts.into_iter().for_each(|part| text.push_str(part));
        text
    }

    /// A whole text, or the kept part of a cut one.
    pub(crate) fn head(kept: &str, cut: bool) -> Self {
        let text = Self::from(kept);
        Self { cut: text.cut || cut, ..text }
    }

    /// Appends a part, unless the text is already cut.
    pub(crate) fn push_str(&mut self, part: &str) {
        if !self.cut {
            self.cut = !self.kept.push_str(part);
        }
    }

    /// Appends the kept part of a text. If that text is cut, nothing can be appended after it.
    pub(crate) fn push(&mut self, text: &Self) {
        self.push_str(&text.kept);
        self.cut |= text.cut;
    }

    /// Appends a text in quotes, without the closing quote if the text is cut.
    pub(crate) fn push_quoted(&mut self, text: &Self) {
        // Writing to a text cannot fail.
        let _ = write!(self, "{:?}", text.as_str());
        if text.cut && !self.cut {
            self.kept.len -= 1;
            self.cut = true;
        }
    }

    /// Splits the text into `N` parts. The last part may contain further separators; missing parts are empty. If the
    /// text is cut, its last part and all missing parts are marked as cut.
    pub(crate) fn split<const N: usize>(&self, separator: char) -> [Self; N] {
        let mut parts = self.as_str().splitn(N, separator).peekable();
        core::array::from_fn(|_| {
            let part = parts.next().unwrap_or_default();
            Self::head(part, self.cut && parts.peek().is_none())
        })
    }

    /// The mark that is printed behind a cut text.
    pub(crate) fn tail(&self) -> &'static str {
        if self.cut { "…" } else { "" }
    }

    /// The text that `value` prints.
    #[must_use]
    pub fn display(value: &dyn fmt::Display) -> Self {
        let mut text = Self::EMPTY;
        // Writing to a text cannot fail. If the `Display` fails, the text keeps the part written so far.
        let _ = fmt::write(&mut text, format_args!("{value}"));
        text
    }

    /// The kept part of the text, without the `…` of a cut one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.kept
    }

    /// Whether the text was longer than its kept part. A text that itself ends in `…` is not cut by that.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl From<&str> for ErrorText {
    fn from(text: &str) -> Self {
        let (kept, whole) = Name::cut(text);
        Self { kept, cut: !whole }
    }
}

impl fmt::Write for ErrorText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kept)?;
        f.write_str(self.tail())
    }
}

impl fmt::Debug for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.kept, f)?;
        f.write_str(self.tail())
    }
}
