//! Why a network could not be joined.

use alloc::string::{String, ToString};
use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::kind::ErrorKind;

/// A network could not be joined. Prints the name, the file or folder that is in the way, and the reason.
///
/// # Examples
///
/// ```
/// use virtnet::{ErrorKind, lonet};
///
/// let error = lonet::join("a/b").wait().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert_eq!(error.to_string(), r#"lonet: join "a/b": invalid network name"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinError {
    name: String,
    failure: Failure,
}

/// What went wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    kind: ErrorKind,
    path: Option<PathBuf>,
    text: String,
}

impl Failure {
    /// A failure of the system, at this file or folder.
    pub(super) fn at(path: &Path, error: &io::Error) -> Self {
        Self::text(path, &error.to_string())
    }

    pub(super) fn text(path: &Path, text: &str) -> Self {
        Self { kind: ErrorKind::Backend, path: Some(path.into()), text: text.into() }
    }

    /// A failure that is not of a file.
    pub(super) fn plain(kind: ErrorKind, text: &str) -> Self {
        Self { kind, path: None, text: text.into() }
    }

    pub(super) fn of(self, name: &str) -> JoinError {
        JoinError { name: name.into(), failure: self }
    }
}

impl JoinError {
    /// The kind of failure: [`InvalidInput`](ErrorKind::InvalidInput), [`TimedOut`](ErrorKind::TimedOut), or
    /// [`Backend`](ErrorKind::Backend).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.failure.kind
    }

    /// The file or folder that is in the way, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.failure.path.as_deref()
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lonet: join {:?}: ", self.name)?;
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.failure.text)
    }
}

impl core::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::new(error.kind().into(), error)
    }
}
