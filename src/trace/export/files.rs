//! A trace in all formats, in a folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;

use crate::trace::recorder::Trace;
use crate::trace::view::View;

impl Trace {
    /// Writes the events, reads included, as `NAME.txt` (one line each, with number, time and actor), `NAME.jsonl`
    /// ([`View::write_json`]), `NAME.html` ([`View::write_html`]) and, with the feature `pcapng`, `NAME.pcapng`, into a
    /// folder, which is made if there is none. Returns the paths.
    ///
    /// In `name`, characters other than letters, digits, `-`, `_` and `.` become `_`, so that a test can give its own
    /// name. Files that are there are replaced.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// for path in trace.write_files("target/traces", "my_test")? {
    ///     println!("see {}", path.display());
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_files(&self, folder: impl AsRef<Path>, name: &str) -> io::Result<Vec<PathBuf>> {
        let (folder, view) = (folder.as_ref(), self.view().reads(true));
        let keep =
            |character: char| if character.is_alphanumeric() || "-_.".contains(character) { character } else { '_' };
        let name: String = name.chars().map(keep).take(100).collect();
        fs::create_dir_all(folder)?;
        let formats: &[(&str, Format)] = &[
            ("txt", |view, to| view.events().try_for_each(|event| writeln!(to, "{event:#}"))),
            ("jsonl", |view, to| text(to, |text| view.write_json(text))),
            ("html", |view, to| text(to, |text| view.write_html(text))),
            #[cfg(feature = "pcapng")]
            ("pcapng", |view, to| view.pcapng().write(to)),
        ];
        let write = |&(ending, format): &(&str, Format)| {
            let path = folder.join(std::format!("{name}.{ending}"));
            let mut file = BufWriter::new(File::create(&path)?);
            format(&view, &mut file)?;
            file.flush()?;
            Ok(path)
        };
        formats.iter().map(write).collect()
    }
}

type Format = fn(&View, &mut BufWriter<File>) -> io::Result<()>;

/// Writes text into a file.
fn text(to: &mut impl Write, write: impl FnOnce(&mut String) -> core::fmt::Result) -> io::Result<()> {
    let mut text = String::new();
    write(&mut text).map_err(io::Error::other)?;
    to.write_all(text.as_bytes())
}
