//! The folder of a network: where it is, and whether it is safe to use.

use alloc::format;
use alloc::string::{String, ToString};
use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, process};

use crate::lonet::error::Failure;

/// The folder in which networks have theirs.
pub(super) struct Base {
    path: PathBuf,
    /// Whether every user of the machine has networks there.
    is_common: bool,
}

impl Base {
    /// `dir`, or that of all users.
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        let is_common = dir.is_none();
        Self { path: dir.unwrap_or_else(|| env::temp_dir().join("lonet")), is_common }
    }

    /// Makes the folder, unless it is there.
    fn make(&self) -> Result<(), Failure> {
        let made = if self.is_common {
            // Like the system's own folder for temporary files: everybody may make a folder, and nobody may take away
            // another's. The process may have a mask for new files.
            let made = DirBuilder::new().mode(COMMON).create(&self.path);
            made.and_then(|()| fs::set_permissions(&self.path, Permissions::from_mode(COMMON)))
        } else {
            DirBuilder::new().recursive(true).create(&self.path)
        };
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(|error| Failure::at(&self.path, &error)),
        }
    }

    /// The folder of the network `name`; makes it if there is none.
    pub(super) fn network(&self, name: &str) -> Result<PathBuf, Failure> {
        self.make()?;
        let path = self.path.join(name);
        match DirBuilder::new().mode(PRIVATE).create(&path) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => check(&path).map(|()| path),
            Err(error) => Err(Failure::at(&path, &error)),
        }
    }

    /// The folder of a network with a new name, and that name.
    pub(super) fn fresh(&self) -> Result<(String, PathBuf), Failure> {
        self.make()?;
        loop {
            let name = random().to_string();
            let path = self.path.join(&name);
            match DirBuilder::new().mode(PRIVATE).create(&path) {
                Ok(()) => return Ok((name, path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::at(&path, &error)),
            }
        }
    }
}

/// Whether the folder of a network belongs to this user alone.
fn check(path: &Path) -> Result<(), Failure> {
    // A symbolic link is not followed: it could lead to a folder of somebody else.
    let found = fs::symlink_metadata(path).map_err(|error| Failure::at(path, &error))?;
    if found.is_symlink() {
        return Err(Failure::text(path, "is a symbolic link"));
    }
    if !found.is_dir() {
        return Err(Failure::text(path, "is not a folder"));
    }
    if !is_own(&found, path).map_err(|error| Failure::at(path, &error))? {
        return Err(Failure::text(path, "belongs to another user"));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(Failure::text(path, &format!("is open to other users (mode {mode:o})")))
    }
}

/// Whether a folder, or a file in `folder`, belongs to the user of this process.
pub(super) fn is_own(found: &Metadata, folder: &Path) -> io::Result<bool> {
    if let Ok(own) = fs::metadata("/proc/self") {
        return Ok(own.uid() == found.uid());
    }
    // Elsewhere a new folder has its maker's user.
    let probe = folder.join(format!(".{}.{}", process::id(), random()));
    fs::create_dir(&probe)?;
    let own = fs::metadata(&probe);
    fs::remove_dir(&probe)?;
    Ok(own?.uid() == found.uid())
}

/// A number that is another one at each call.
pub(super) fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// The mode of the folder of all users.
const COMMON: u32 = 0o1777;
/// The mode of a network's folder.
const PRIVATE: u32 = 0o700;
