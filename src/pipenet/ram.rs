//! The registry in RAM: a view of the host table.

use core::fmt::{self, Write as _};

use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::addr::text::write_number;
use crate::contract::registry::Registry;
use crate::error::cause::{Cause, InvalidInput};
use crate::error::registry::{RegistryError, RegistryReason};
use crate::table::{Closed, Directory, Hosts, Tables};

/// The registry of a network whose hosts are all in one subnetwork. It keeps no names of its own: it marks those in the
/// subnetwork's tables.
pub struct Ram<T> {
    tables: T,
    network: NetworkName,
}

impl<T: Tables> Ram<T> {
    pub(super) const fn new(tables: T, network: NetworkName) -> Self {
        Self { tables, network }
    }

    /// How errors name this registry.
    fn name(&self) -> ErrorText {
        ErrorText::of(["ram(", &self.network, ")"])
    }

    /// The error of announcing a host. It is formatted only when it is printed.
    #[cold]
    pub(super) fn refused(&self, host: &str, data: &str, cause: &Cause) -> RegistryError {
        let name = self.name();
        let refused = |reason| RegistryError::refused(name.as_str(), host, ErrorText::of(["\"", data, "\""]), reason);
        match cause {
            Cause::HostExists => refused(RegistryReason::HostExists),
            Cause::Full(_, capacity) => {
                let mut told = ErrorText::of(["host table is full ("]);
                // Writing to a text cannot fail.
                let _ = write_number(&mut told, *capacity).and_then(|()| told.write_str(")"));
                RegistryError::told(name.as_str(), told)
            }
            Cause::Invalid(_) => RegistryError::told(name.as_str(), "invalid host name".into()),
            _ => refused(RegistryReason::Down),
        }
    }
}

impl<T: Tables> Registry for Ram<T> {
    type Data = &'static str;

    async fn announce(&self, host: &str, data: &'static str) -> Result<(), RegistryError> {
        let announced = HostName::valid(host, "").ok_or(Cause::Invalid(InvalidInput::HostName));
        let announced = announced.and_then(|name| self.tables.directory(|directory| announce(directory, &name)));
        announced.map(|_| ()).map_err(|cause| self.refused(host, data, &cause))
    }

    async fn query(&self, host: &str) -> Result<&'static str, RegistryError> {
        let failed = |reason| Err(RegistryError::query(self.name().as_str(), host, reason));
        let (down, known) = self.tables.hosts(|hosts| {
            let flags = hosts.find(host.as_bytes()).and_then(|id| hosts.flags(id));
            (hosts.closed().registry, flags.is_some_and(|flags| flags.announced))
        });
        match (down, known) {
            (true, _) => failed(RegistryReason::Down),
            (false, false) => failed(RegistryReason::NoSuchHost),
            (false, true) => Ok(""),
        }
    }

    async fn close(&self) -> Result<(), Cause> {
        self.tables.directory(|directory| {
            let closed = directory.hosts().closed();
            directory.set_closed(Closed { registry: true, ..closed });
        });
        Ok(())
    }
}

/// Registers a name, as a part of a step. Returns its number.
pub(super) fn announce<D: Directory>(directory: &mut D, name: &HostName) -> Result<u32, Cause> {
    if directory.hosts().closed().registry {
        return Err(Cause::RegistryDown);
    }
    let id = directory.intern(name)?;
    let flags = directory.hosts().flags(id).unwrap_or_default();
    if flags.announced {
        return Err(Cause::HostExists);
    }
    directory.set_announced(id);
    Ok(id)
}

impl<T: Tables> fmt::Debug for Ram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())
    }
}
