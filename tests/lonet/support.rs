//! Folders and networks of tests.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use virtnet::lonet::{self, Join, Network};

/// A folder of a test, removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("virtnet-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Joins a network in this folder.
    pub(crate) fn join(&self, name: &str) -> Network {
        join_in(self.path(), name)
    }
}

/// Joins a network in a folder.
pub(crate) fn join_in(folder: &Path, name: &str) -> Network {
    joining(folder, name).wait().expect("joined")
}

/// A network in a folder, with the options of tests.
pub(crate) fn joining(folder: &Path, name: &str) -> Join {
    lonet::join(name).dir(folder).linger(LINGER).buffer(16 << 10)
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The folder of a failed test may be in use.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Short, as peers of a test do not close their ends.
pub(crate) const LINGER: Duration = Duration::from_millis(20);
/// Long enough for everything.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
