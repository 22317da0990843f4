//! The registry in RAM: a view on what the host table knows.

use core::fmt;

use crate::cause::{Cause, RegistryError, RegistryReason};
use crate::name::{HostName, NetworkName, Text};
use crate::registry::Registry;
use crate::table::{Directory, Tables};

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
    fn name(&self) -> Text {
        Text::display(&format_args!("ram({})", self.network))
    }
}

impl<T: Tables> Registry for Ram<T> {
    type Data = &'static str;

    async fn announce(&self, host: &str, data: &'static str) -> Result<(), RegistryError> {
        let failed = |reason| RegistryError::announce(self.name().as_str(), host, &data, reason);
        let full = |cause: Cause| RegistryError::other(self.name().as_str(), &cause);
        let name = HostName::valid(host, "").ok_or_else(|| full(Cause::Invalid(crate::Input::HostName)))?;
        self.tables.directory(|directory| {
            if directory.network().registry_down {
                return Err(failed(RegistryReason::Down));
            }
            let id = directory.intern(&name).map_err(full)?;
            match directory.flags(id) {
                Some(flags) if flags.announced => Err(failed(RegistryReason::HostExists)),
                Some(flags) => {
                    flags.announced = true;
                    Ok(())
                }
                None => Err(failed(RegistryReason::Down)),
            }
        })
    }

    async fn query(&self, host: &str) -> Result<&'static str, RegistryError> {
        let failed = |reason| Err(RegistryError::query(self.name().as_str(), host, reason));
        let (down, known) = self.tables.directory(|directory| {
            let flags = directory.find(host.as_bytes()).and_then(|id| directory.flags(id).copied());
            (directory.network().registry_down, flags.is_some_and(|flags| flags.announced))
        });
        match (down, known) {
            (true, _) => failed(RegistryReason::Down),
            (false, false) => failed(RegistryReason::NoSuchHost),
            (false, true) => Ok(""),
        }
    }

    async fn close(&self) -> Result<(), Cause> {
        self.tables.directory(|directory| directory.network().registry_down = true);
        Ok(())
    }
}

impl<T: Tables> fmt::Debug for Ram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())
    }
}
