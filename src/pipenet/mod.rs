//! Networks within a process: every host is in one subnetwork, every connection a pipe in memory.
//!
//! [`Network`] grows as needed; [`fixed::Network`] lives in a static and needs no heap. Both have the same methods, and
//! their hosts, listeners and connections are the same types of the core, which reach their network in another way.

use core::pin::pin;

use crate::addr::name::{ErrorText, HostName};
use crate::contract::engine::Engine;
use crate::contract::observe::CoreEvent;
use crate::error::cause::{Cause, InvalidInput};
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
#[cfg(feature = "alloc")]
use crate::net::handle::Backend;
use crate::net::host::Host as CoreHost;
use crate::net::network::{NetRefExt as _, check_can_create, register_local};
use crate::net::shared::{Holder, Network as SharedNetwork};
use crate::net::subnet::Naming;
#[cfg(feature = "alloc")]
use crate::table::Heap;
use crate::table::{Directory as _, Hosts as _, Tables};

#[cfg(feature = "sim")]
mod delay;
mod engine;
#[cfg(feature = "sim")]
mod faulty;
pub mod fixed;
#[cfg(feature = "alloc")]
mod heap;
mod memory;
mod pipe;
mod ram;
mod ring;
#[cfg(feature = "trace")]
mod traced;

pub use engine::Pipes;
#[cfg(feature = "alloc")]
pub use heap::{Builder, Conn, Host, Listener, NetHandle, Network, SubNetwork};
pub use memory::FixedPipes;
#[cfg(feature = "alloc")]
pub use memory::HeapPipes;
pub use ram::Ram;

/// What the full names of in-process networks begin with.
const PREFIX: &str = "pipe";

/// The backend of this module, as a parameter of [`Network`](crate::Network).
#[derive(Clone, Copy, Debug)]
pub enum Pipenet {}

#[cfg(feature = "alloc")]
impl Backend for Pipenet {
    type Engine = Pipes<HeapPipes>;
    type Registry<Link: Clone + Send + Sync + 'static> = Ram<Heap<Link>>;
}

/// Networks of this module, growable and fixed-size. Hosts are made in one step, and no close waits.
impl<S, E, T> SharedNetwork<Pipenet, S>
where
    S: Holder<Engine = E, Registry = Ram<T>, Tables = T>,
    E: Engine<Data = &'static str>,
    T: Tables<Link = E::Link>,
{
    /// The host of this name; makes it if there is none. An existing host may be closed.
    ///
    /// # Errors
    ///
    /// Those of [`new_host`](SharedNetwork::new_host), if it has to be made.
    pub fn host(&self, name: &str) -> Result<CoreHost<S::Ref<'_>>, Error> {
        self.make_host(name, true)
    }

    /// Makes a host with a name that no host has had.
    ///
    /// # Errors
    ///
    /// `invalid network name` or `invalid host name`, `network is down`, `host already registered`, and in a fixed-size
    /// network `host table is full`.
    pub fn new_host(&self, name: &str) -> Result<CoreHost<S::Ref<'_>>, Error> {
        self.make_host(name, false)
    }

    /// Closes the network and all its hosts. Pending and later operations fail with `network is down`. Closing it again
    /// is fine.
    ///
    /// # Errors
    ///
    /// The reason why the network failed, if that was reported through its [`Notifier`](crate::Notifier).
    pub fn close(&self) -> Result<(), CloseError> {
        let net = self.net.subnetwork();
        // Only another close can be in the way, in another thread or below an interrupt, and need not be waited for:
        // engine and registry have nothing that could go wrong.
        pin!(net.close()).try_wait().unwrap_or_else(|| net.closed(HostName::EMPTY))
    }

    /// Makes a host, unless one of this name is `known` and will do. All in one step, as the engine makes nothing for a
    /// host and the registry is a view of the tables: so no caller waits for a thread that lost its CPU, or for code
    /// that an interrupt interrupted.
    #[cfg_attr(feature = "std", inline)]
    fn make_host(&self, name: &str, known: bool) -> Result<CoreHost<S::Ref<'_>>, Error> {
        if known && let Some(host) = self.get_host(name) {
            return Ok(host);
        }
        let net = self.net.subnetwork();
        let mut ticket = None;
        let made = net.tables.directory(|directory| {
            let name = valid(net.naming, name)?;
            check_can_create(directory, &name)?;
            let id = match ram::announce(directory, &name) {
                // By a thread that was faster, or that makes it in several steps, through the core: the rest is done
                // here.
                Err(Cause::HostExists) if known => {
                    let id = directory.intern(&name)?;
                    if let Some(host) = directory.hosts().host(id) {
                        return Ok(host);
                    }
                    id
                }
                announced => announced?,
            };
            let host = register_local(directory, id)?;
            ticket = Some(net.engine.ticket());
            Ok(host)
        });
        if let Some(ticket) = ticket {
            net.tell(ticket, None, &CoreEvent::HostMade { host: name });
        }
        match made {
            Ok(host) => Ok(CoreHost::new(self.net.host_ref(), host)),
            Err(cause) => Err(not_made(net.shown_name(), name, &net.registry, cause)),
        }
    }
}

/// The name of a new host.
fn valid(naming: Naming, name: &str) -> Result<HostName, Cause> {
    if naming != Naming::Valid {
        return Err(Cause::Invalid(InvalidInput::NetworkName));
    }
    HostName::valid(name, "").ok_or(Cause::Invalid(InvalidInput::HostName))
}

#[cold]
#[inline(never)]
fn not_made<T: Tables>(network: ErrorText, name: &str, registry: &Ram<T>, cause: Cause) -> Error {
    let cause = match cause {
        Cause::HostExists | Cause::RegistryDown => registry.refused(name, "", &cause).into(),
        cause => cause,
    };
    Error::subnet(Operation::NewHost, network, &ErrorText::from(name), cause)
}
