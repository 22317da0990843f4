//! Death and return of hosts.
//!
//! Invariant: nothing that a dead host does later is seen by its peers. Each life of a host has sockets of its own (see
//! [`Renewable`]), so its references stay `host is down` and their ports are those of no later life. Its connections
//! are reset by the crash itself, or vanish as it loses its power, and an engine ignores a shutdown that comes after a
//! reset: a handle that is dropped later closes nothing. A dial that its peer has accepted, and that has not become a
//! connection yet, finds its host closed in the step that would make it one, and ends [in the same way](Host::ending).
//! If it is dropped before, its engine asks the [notifier](crate::Notifier::ending) how the connection ends. Tests: the
//! behaviours of the group `death`, `an_accepted_dial_of_a_host_that_crashed_is_reset` in `tests/pipenet.rs`, and
//! `a_dial_that_is_accepted_as_its_host_dies_is_reset` in `tests/faults/reset.rs`.

use crate::addr::name::ErrorText;
use crate::contract::engine::{Engine, Shutdown};
use crate::contract::observe::{CoreEvent, Ticket};
use crate::error::cause::{Cause, Resource};
use crate::error::{Error, Operation};
use crate::net::host::Host;
use crate::net::net_ref::{HostOf, NetRef};
use crate::table::{Death, Directory, Hosts, Ports, Renewable, Tables};

/// The error of an operation on the host of this name, which may be none.
fn failed<N: NetRef>(net: &N, operation: Operation, host: &str) -> impl Fn(Cause) -> Error {
    move |cause| Error::subnet(operation, net.shown_name(), &ErrorText::from(host), cause)
}

/// The newest life of a host, and its number.
fn find<N: NetRef>(net: &N, name: &str) -> Result<(u32, HostOf<N>), Cause> {
    net.tables.hosts(|hosts| {
        if hosts.closed().network {
            return Err(Cause::NetworkDown);
        }
        let found = hosts.find(name.as_bytes()).and_then(|id| Some((id, hosts.host(id)?)));
        found.ok_or(Cause::NoSuchHost)
    })
}

pub(super) fn crash<N: NetRef<Tables: Renewable>>(net: &N, name: &str) -> Result<(), Error> {
    let (_, host) = find(net, name).map_err(failed(net, Operation::Crash, name))?;
    die(net, name, &host, false, Death::Crash);
    Ok(())
}

pub(super) fn power_off<N: NetRef<Tables: Renewable>>(net: &N, name: &str) -> Result<(), Error> {
    let (_, host) = find(net, name).map_err(failed(net, Operation::PowerOff, name))?;
    // Before the host dies, so that nothing is answered in its place meanwhile.
    let silent = net.engine.power(name, false);
    let died = die(net, name, &host, true, if silent { Death::PowerOff } else { Death::Crash });
    if silent && !died {
        net.engine.power(name, true);
    }
    Ok(())
}

/// Kills a host, unless it is dead or closed. Returns whether it did.
fn die<N: NetRef<Tables: Renewable>>(net: &N, name: &str, host: &HostOf<N>, power_off: bool, how: Death) -> bool {
    let mut ticket = Ticket::NONE;
    let died = net.tables.ports(host, |ports| {
        let died = N::Tables::kill(ports, how);
        if died {
            ticket = net.engine.ticket();
        }
        died
    });
    if died {
        // The close of the network is reported instead, if it came first.
        let down = net.tables.hosts(|hosts| hosts.closed().network);
        let event = if down { CoreEvent::Void } else { CoreEvent::HostDied { host: name, power_off } };
        net.tell(ticket, None, &event);
        net.close_sockets(host, ending(Some(how)));
        net.tables.directory(|directory| directory.network().open_hosts -= 1);
    }
    died
}

/// How the connections of a host end that died, or was closed.
fn ending(death: Option<Death>) -> Shutdown {
    match death {
        None => Shutdown::CloseOrReset,
        Some(Death::Crash) => Shutdown::Abort,
        Some(Death::PowerOff) => Shutdown::Vanish,
    }
}

pub(super) fn restart<N: NetRef<Tables: Renewable>>(net: &N, name: &str) -> Result<Host<N>, Error> {
    renew(net, name).map_err(failed(net, Operation::Restart, name))
}

fn renew<N: NetRef<Tables: Renewable>>(net: &N, name: &str) -> Result<Host<N>, Cause> {
    let (id, host) = find(net, name)?;
    if net.tables.ports(&host, |ports| ports.is_open()) {
        return Err(Cause::HostExists);
    }
    let old = Host::new(net.clone(), host);
    // Another task may still be closing the old host. All its sockets have to be closed before the new one is found.
    net.close_sockets(&old.host, old.ending());
    let mut ticket = None;
    let host = net.tables.directory(|directory| {
        if directory.hosts().closed().network {
            return Err(Cause::NetworkDown);
        }
        if directory.hosts().newest(id).is_none() {
            // Another task has restarted it.
            return Err(Cause::HostExists);
        }
        ticket = Some(net.engine.ticket());
        let host = N::Tables::renew(directory, id);
        let host = host.ok_or_else(|| Cause::Full(Resource::Hosts, directory.hosts().count()))?;
        directory.network().open_hosts += 1;
        Ok(host)
    });
    if host.is_ok() && old.ending() == Shutdown::Vanish {
        net.engine.power(name, true);
    }
    if let Some(ticket) = ticket {
        net.tell(ticket, None, &if host.is_ok() { CoreEvent::HostBack { host: name } } else { CoreEvent::Void });
    }
    Ok(Host::new(old.net, host?))
}

impl<N: NetRef> Host<N> {
    /// How an end of a connection of this host ends whose dial comes too late.
    #[cold]
    pub(super) fn ending(&self) -> Shutdown {
        // No host of a network of a fixed size dies.
        ending(if N::Tables::GROWS { self.net.tables.ports(&self.host, |ports| ports.death()) } else { None })
    }
}
