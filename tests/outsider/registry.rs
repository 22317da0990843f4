//! The registry: a map of names that all subnetworks share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use virtnet::{Cause, Registry, RegistryError, RegistryReason};

use super::engine::Peer;
use super::wire::{Wires, lock};

/// Maps each host name to the location of its subnetwork.
pub(super) type Names = Arc<Mutex<BTreeMap<String, Peer>>>;

/// One subnetwork's access to the names.
pub struct Map {
    label: &'static str,
    names: Names,
    wires: Wires,
    /// Closed for this subnetwork; the other subnetworks continue.
    down: AtomicBool,
}

impl Map {
    pub(super) fn new(label: &'static str, names: Names, wires: Wires) -> Self {
        Self { label, names, wires, down: AtomicBool::new(false) }
    }

    fn check_up(&self) -> Result<(), RegistryReason> {
        if self.down.load(Ordering::SeqCst) { Err(RegistryReason::Down) } else { Ok(()) }
    }

    fn try_announce(&self, host: &str, data: &Peer) -> Result<(), RegistryReason> {
        self.check_up()?;
        let mut names = lock(&self.names);
        if names.contains_key(host) {
            return Err(RegistryReason::HostExists);
        }
        names.insert(host.into(), data.clone());
        Ok(())
    }

    fn try_query(&self, host: &str) -> Result<Peer, RegistryReason> {
        self.check_up()?;
        lock(&self.names).get(host).cloned().ok_or(RegistryReason::NoSuchHost)
    }
}

impl Registry for Map {
    type Data = Peer;

    async fn announce(&self, host: &str, data: Peer) -> Result<(), RegistryError> {
        self.try_announce(host, &data).map_err(|reason| RegistryError::announce(NAME, host, &data, reason))
    }

    async fn query(&self, host: &str) -> Result<Peer, RegistryError> {
        self.try_query(host).map_err(|reason| RegistryError::query(NAME, host, reason))
    }

    async fn close(&self) -> Result<(), Cause> {
        self.down.store(true, Ordering::SeqCst);
        self.wires.note_closed(format!("registry {}", self.label));
        Ok(())
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({})", self.label)
    }
}

/// The registry's name in errors.
const NAME: &str = "map(lab)";
