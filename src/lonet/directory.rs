//! The registry: the file, and patience with other processes that lock it.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::addr::name::NetworkName;
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::error::registry::{RegistryError, RegistryReason};
use crate::lonet::error::Failure;
use crate::lonet::file::{Fault, File, NAME};
use crate::sync::SleepLock;
use crate::wire::reactor::Shared;

/// The names of a network's hosts, in a file that all processes of the network share.
///
/// An announcement waits up to 10 seconds while another process has the file locked.
pub struct Directory {
    /// The file, until it is closed.
    file: SleepLock<Option<File>>,
    path: PathBuf,
    /// The network's name without its prefix.
    pub(super) name: NetworkName,
    reactor: Arc<Shared>,
}

impl Directory {
    /// Opens the file in the folder of a network.
    pub(super) async fn open(folder: &Path, name: NetworkName, reactor: Arc<Shared>) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let opened = patiently(&reactor, || File::open(folder, &name)).await;
        let file = opened.map_err(|fault| Failure::text(&path, &fault.text()))?;
        Ok(Self { file: SleepLock::new(Some(file)), path, name, reactor })
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Ready after `duration`.
    pub(super) async fn sleep(&self, duration: Duration) {
        self.reactor.sleep(duration).await;
    }

    /// Makes attempts on the file until one is not hindered by a lock.
    async fn with<R>(&self, attempt: impl Fn(&File) -> Result<R, Fault>) -> Result<R, RegistryFault> {
        let attempt = || self.file.with(|file| file.as_ref().map(&attempt).transpose());
        match patiently(&self.reactor, attempt).await {
            Ok(outcome) => outcome.ok_or(RegistryFault::Reason(RegistryReason::Down)),
            Err(Fault::Exists) => Err(RegistryFault::Reason(RegistryReason::HostExists)),
            Err(Fault::Unknown) => Err(RegistryFault::Reason(RegistryReason::NoSuchHost)),
            Err(fault) => Err(RegistryFault::Text(fault.text())),
        }
    }

    /// How errors name this registry: the path would take all their room.
    fn shown(&self) -> String {
        format!("lonet/{}", &*self.name)
    }
}

/// Why the registry failed.
enum RegistryFault {
    Reason(RegistryReason),
    Text(String),
}

impl Registry for Directory {
    type Data = String;

    async fn announce(&self, host: &str, data: String) -> Result<(), RegistryError> {
        self.with(|file| file.announce(host, &data)).await.map_err(|fault| match fault {
            RegistryFault::Reason(reason) => RegistryError::announce(&self.shown(), host, &data, reason),
            RegistryFault::Text(text) => RegistryError::other(&self.shown(), &text),
        })
    }

    async fn query(&self, host: &str) -> Result<String, RegistryError> {
        self.with(|file| file.query(host)).await.map_err(|fault| match fault {
            RegistryFault::Reason(reason) => RegistryError::query(&self.shown(), host, reason),
            RegistryFault::Text(text) => RegistryError::other(&self.shown(), &text),
        })
    }

    async fn close(&self) -> Result<(), Cause> {
        drop(self.file.with(Option::take));
        Ok(())
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({})", self.path.display())
    }
}

impl Fault {
    fn text(self) -> String {
        match self {
            Self::Busy => "database is locked".into(),
            Self::Exists => "host already registered".into(),
            Self::Unknown => "no such host".into(),
            Self::Other(text) => text,
        }
    }
}

/// Makes attempts until one is not hindered by a lock of another process, for a limited time.
async fn patiently<R>(reactor: &Arc<Shared>, attempt: impl Fn() -> Result<R, Fault>) -> Result<R, Fault> {
    let deadline = Instant::now() + LOCK_TIME;
    let mut pauses = PAUSES.into_iter();
    loop {
        match attempt() {
            Err(Fault::Busy) if Instant::now() < deadline => {}
            outcome => return outcome,
        }
        reactor.sleep(Duration::from_millis(pauses.next().unwrap_or(LONGEST_PAUSE))).await;
    }
}

/// How long others may keep the file locked.
const LOCK_TIME: Duration = Duration::from_secs(10);
/// The first pauses between attempts, in milliseconds.
const PAUSES: [u64; 4] = [1, 1, 2, 5];
const LONGEST_PAUSE: u64 = 10;
