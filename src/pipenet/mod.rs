//! Networks within a process: every host is in one subnetwork, every connection a pipe in memory.
//!
//! [`Network`] grows as needed; [`fixed::Network`] lives in a static and needs no heap. Both have the same methods, and
//! their hosts, listeners and connections are the same types of the core with another way to their network.

use core::ops::Deref;
use core::pin::pin;

use self::memory::PipeMemory;
use crate::addr::name::{ErrorText, HostName};
use crate::error::cause::{Cause, InvalidInput};
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
use crate::net::net_ref::NetRef;
use crate::net::network::{NetRefExt as _, check_can_create, register_local};
use crate::net::subnet::Naming;
use crate::table::{Directory as _, Hosts as _, Tables};

mod engine;
pub mod fixed;
#[cfg(feature = "alloc")]
mod heap;
mod memory;
mod pipe;
mod ram;
mod ring;

pub use engine::Pipes;
#[cfg(feature = "alloc")]
pub use heap::{Builder, Conn, Host, Listener, NetHandle, Network, SubNetwork};
pub use memory::FixedPipes;
#[cfg(feature = "alloc")]
pub use memory::HeapPipes;
pub use ram::Ram;

/// What the full names of in-process networks begin with.
const PREFIX: &str = "pipe";

/// Makes a host, unless one of this name is `known` and will do. All in one step, as the engine makes nothing for a host
/// and the registry is a view of the tables: so nobody waits for a thread that lost its CPU, or for what an interrupt
/// interrupted.
fn make_host<M, T, N>(net: &N, name: &str, known: bool) -> Result<crate::net::host::Host<N>, Error>
where
    M: PipeMemory,
    T: Tables<Link = M::Link>,
    N: Clone + Send + Sync + Deref<Target = crate::net::subnet::SubNetwork<Pipes<M>, Ram<T>, T>>,
{
    if known && let Some(host) = net.get_host(name) {
        return Ok(host);
    }
    let made = net.tables.directory(|directory| {
        let name = valid(net.naming, name)?;
        check_can_create(directory, &name)?;
        match ram::announce(directory, &name) {
            // By somebody who was faster, or who makes it in several steps, through the core: what is left is done here.
            Err(Cause::HostExists) if known => {
                let id = directory.intern(&name)?;
                directory.hosts().host(id).map_or_else(|| register_local(directory, id), Ok)
            }
            announced => register_local(directory, announced?),
        }
    });
    match made {
        Ok(host) => Ok(crate::net::host::Host::new(net.clone(), host)),
        Err(cause) => Err(not_made(net.shown_name(), name, &net.registry, cause)),
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

/// Closes the network. Only somebody who does the same can be in the way, in another thread or below an interrupt, and
/// need not be waited for: engine and registry have nothing that could go wrong.
fn close<N: NetRef>(net: &N) -> Result<(), CloseError> {
    pin!(net.close()).try_wait().unwrap_or_else(|| net.closed(HostName::EMPTY))
}
