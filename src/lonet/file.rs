//! The file with the names of a network: an SQLite database. Each method makes one attempt, and waits for no lock.
//!
//! The file is never opened or closed by anything but SQLite: closing it otherwise would drop the locks that SQLite holds
//! in this process.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql, Transaction, TransactionBehavior};

use crate::lonet::folder::{is_own, random};

/// An open file.
pub(super) struct File {
    db: Connection,
    path: PathBuf,
    /// Whether a name was announced.
    announced: Cell<bool>,
    /// What it says, as long as it is of this version.
    known: RefCell<BTreeMap<String, String>>,
    version: Cell<i64>,
    /// Device and number of the file, to notice that it was removed.
    identity: (u64, u64),
}

/// Why an attempt failed.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// Another process has a lock: a later attempt may succeed.
    Busy,
    /// The name is taken.
    Exists,
    /// There is no such name.
    Unknown,
    Other(String),
}

impl File {
    /// Opens the file of the network `name` in `folder`; makes it if there is none.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, Fault> {
        let path = folder.join(NAME);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => return Err(Fault::Other("is a symbolic link".into())),
            Ok(found) => match is_own(&found, folder) {
                Ok(true) => {}
                Ok(false) => return Err(Fault::Other("belongs to another user".into())),
                Err(error) => return Err(Fault::Other(error.to_string())),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => make(folder, &path, name)?,
            Err(error) => return Err(Fault::Other(error.to_string())),
        }
        let mut db = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        set_up(&mut db, name)?;
        // In this mode readers and writers do not wait for each other. If others use the file, it stays as it is.
        let _ = db.pragma_update(None, "journal_mode", "wal");
        // SQLite would have the disk write the head of a new log before the first name stands in it. If the machine crashed,
        // a log without a head would be as good as none.
        db.pragma_update(None, "synchronous", "off")?;
        // A file of another form is told now, and not at the first dial.
        query(&db, "")?;
        let identity = identity(&path)?;
        Ok(Self { db, path, announced: Cell::new(false), known: RefCell::default(), version: Cell::new(0), identity })
    }

    pub(super) fn announce(&self, host: &str, data: &str) -> Result<(), Fault> {
        self.check()?;
        self.db.execute("INSERT INTO hosts (hostname, osladdr) VALUES (?, ?)", [host, data])?;
        if !self.announced.replace(true) {
            self.db.pragma_update(None, "synchronous", "normal")?;
        }
        Ok(())
    }

    pub(super) fn query(&self, host: &str) -> Result<String, Fault> {
        // It is another one once another connection has written.
        let version = self.db.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if self.version.replace(version) != version {
            self.known.borrow_mut().clear();
        }
        if let Some(data) = self.known.borrow().get(host) {
            return Ok(data.clone());
        }
        match query(&self.db, host)? {
            Some(data) => {
                self.known.borrow_mut().insert(host.into(), data.clone());
                Ok(data)
            }
            None => self.check().and(Err(Fault::Unknown)),
        }
    }

    /// Fails if the file was removed or replaced: other processes would not see what is written here.
    fn check(&self) -> Result<(), Fault> {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            Ok(())
        } else {
            Err(Fault::Other("registry.db was removed".into()))
        }
    }
}

/// Makes a file in one step: nobody sees it unfinished.
fn make(folder: &Path, path: &Path, name: &str) -> Result<(), Fault> {
    let draft = folder.join(format!(".registry.{}.{}", process::id(), random()));
    let made = write_draft(&draft, name).and_then(|()| match fs::hard_link(&draft, path) {
        // Another process was faster.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Fault::Other(error.to_string())),
        _ => Ok(()),
    });
    // It may not be there.
    let _ = fs::remove_file(&draft);
    made
}

fn write_draft(draft: &Path, name: &str) -> Result<(), Fault> {
    let mut db = open(draft, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // What a crash of the machine may leave behind of it is in a file that nobody uses.
    db.pragma_update(None, "synchronous", "off")?;
    db.pragma_update(None, "journal_mode", "wal")?;
    set_up(&mut db, name)?;
    db.close().map_err(|(_, error)| error.into())
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let db = db.map_err(|error| match error.into() {
        // The path is told by whoever reports the fault.
        Fault::Other(text) => Fault::Other(text.trim_end_matches(&format!(": {}", path.display())).into()),
        fault => fault,
    })?;
    db.busy_timeout(Duration::ZERO)?;
    Ok(db)
}

/// Compares what the file says with what it should say, and writes what is missing.
fn set_up(db: &mut Connection, name: &str) -> Result<(), Fault> {
    let wanted = [("schemaver", SCHEMA), ("network", name)];
    let is_whole = has_tables(db)?
        && wanted.iter().try_fold(true, |whole, (key, _)| Ok::<_, Fault>(whole && meta(db, key)?.is_some()))?;
    if !is_whole {
        let change = Transaction::new(db, TransactionBehavior::Immediate)?;
        change.execute_batch(TABLES)?;
        for (key, value) in wanted {
            if meta(&change, key)?.is_none() {
                change.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", [key, value])?;
            }
        }
        change.commit()?;
    }
    for (key, want) in wanted {
        let have = meta(db, key)?.unwrap_or_default();
        let what = if key == "schemaver" { "schema version" } else { "network name" };
        if have != want {
            return Err(Fault::Other(format!("{what} mismatch: want {want:?}; have {have:?}")));
        }
    }
    Ok(())
}

fn has_tables(db: &Connection) -> Result<bool, Fault> {
    let names = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name IN ('hosts', 'meta')";
    Ok(rows(db, names, &[])?.len() == 2)
}

/// An entry of the file about itself. An empty one is none.
fn meta(db: &Connection, key: &str) -> Result<Option<String>, Fault> {
    let mut found = rows(db, "SELECT value FROM meta WHERE name = ?", &[&key])?;
    if found.len() > 1 {
        return Err(Fault::Other("registry broken: duplicate config entries".into()));
    }
    Ok(found.pop().flatten().filter(|value| !value.is_empty()))
}

fn query(db: &Connection, host: &str) -> Result<Option<String>, Fault> {
    let mut found = rows(db, "SELECT osladdr FROM hosts WHERE hostname = ?", &[&host])?;
    if found.len() > 1 {
        return Err(Fault::Other("registry broken: duplicate host entries".into()));
    }
    Ok(found.pop().map(Option::unwrap_or_default))
}

/// The first column of at most two rows.
fn rows(db: &Connection, statement: &str, values: &[&dyn ToSql]) -> Result<Vec<Option<String>>, Fault> {
    let mut prepared = db.prepare(statement).map_err(|error| match error.into() {
        // Newer versions of SQLite tell the statement, too.
        Fault::Other(text) => Fault::Other(text.split(&format!(" in {statement}")).next().unwrap_or_default().into()),
        fault => fault,
    })?;
    let found = prepared.query_map(values, text)?;
    Ok(found.take(2).collect::<Result<_, _>>()?)
}

/// A text, whatever its bytes are.
fn text(row: &Row<'_>) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(0)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
    })
}

fn identity(path: &Path) -> Result<(u64, u64), Fault> {
    let found = fs::symlink_metadata(path).map_err(|error| Fault::Other(error.to_string()))?;
    Ok((found.dev(), found.ino()))
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ConstraintViolation) => Self::Exists,
            _ => match error {
                // Without the statement, and the text of the code.
                rusqlite::Error::SqliteFailure(_, Some(text)) => Self::Other(text),
                error => Self::Other(error.to_string()),
            },
        }
    }
}

/// The name of the file in its network's folder.
pub(super) const NAME: &str = "registry.db";
/// The version of its form.
const SCHEMA: &str = "lonet.1";
/// `NON` is no mistake of ours: all implementations have it.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS hosts (hostname TEXT NON NULL PRIMARY KEY, osladdr TEXT NON NULL);
    CREATE TABLE IF NOT EXISTS meta (name TEXT NON NULL PRIMARY KEY, value TEXT NON NULL);
";
