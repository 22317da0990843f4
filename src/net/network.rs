//! Operations on a network as a whole: new hosts, auto-close, close.

use crate::addr::name::{ErrorText, HostName};
use crate::contract::engine::Engine;
use crate::contract::observe::{CoreEvent, Ticket};
use crate::error::cause::{Cause, InvalidInput};
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
use crate::net::death;
use crate::net::host::Host;
#[cfg(feature = "alloc")]
use crate::net::idle::idle;
use crate::net::net_ref::NetRef;
use crate::net::subnet::Naming;
use crate::table::{Directory, Hosts, Renewable, Tables};
use crate::wait::{Expiring, OnTimeout, Op};

/// The methods of a reference to a subnetwork; implemented for every [`NetRef`].
pub trait NetRefExt: NetRef {
    /// Creates a host. Its name must be unique in the whole network.
    ///
    /// # Errors
    ///
    /// `invalid network name` or `invalid host name`, `network is down`, a full host table, and errors of engine and
    /// registry, such as `host already registered`; printed like `virtnet "pipet": new host "a": network is down`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation may leave the name registered, without a host.
    fn new_host(&self, name: &str) -> Op<impl OnTimeout<Output = Result<Host<Self>, Error>> + Send + use<Self>> {
        let shown = ErrorText::from(name);
        let net = self.clone();
        let name = HostName::valid(name, "");
        let failed = move |cause| Error::subnet(Operation::NewHost, net.shown_name(), &shown, cause);
        let making = new_host(self.clone(), name);
        let expired = failed.clone();
        Op::new(Expiring {
            future: async move { making.await.map_err(failed) },
            expired: move || Err(expired(Cause::TimedOut)),
        })
    }

    /// The host with this name, if it was created in this subnetwork, open or closed.
    #[inline]
    fn get_host(&self, name: &str) -> Option<Host<Self>> {
        let host = self.tables.hosts(|hosts| hosts.find(name.as_bytes()).and_then(|id| hosts.host(id)))?;
        Some(Host::new(self.clone(), host))
    }

    /// From now on, closing the last open host also closes the network, and reports the network's errors.
    ///
    /// # Errors
    ///
    /// `network is down`; `no open host`.
    fn auto_close(&self) -> Result<(), Error> {
        let asked = self.tables.directory(|directory| {
            let down = directory.hosts().closed().network;
            let network = directory.network();
            let cause = match (down, network.open_hosts) {
                (true, _) => Cause::NetworkDown,
                (false, 0) => Cause::NoOpenHost,
                (false, _) => {
                    network.auto_close = true;
                    return Ok(());
                }
            };
            Err(cause)
        });
        asked.map_err(|cause| Error::subnet(Operation::AutoClose, self.shown_name(), &ErrorText::EMPTY, cause))
    }

    /// Crashes a host: its process dies, and its machine answers in its place. In growable networks.
    ///
    /// Pending and later operations on the host, its listeners and its connections fail with `host is down`, and do so
    /// for ever. Peers get `connection reset`, and lose the bytes that they have not read; dials that wait at its
    /// listeners, and later ones, `connection refused`. Nothing that the dead host's handles do from now on is seen by
    /// a peer. Its sockets count in [`Host::sockets`] until they are dropped.
    ///
    /// The name stays registered, and [`restart`](NetRefExt::restart) makes the host anew. To crash a host that is dead
    /// or closed does nothing. A crash never closes the network, not even after [`auto_close`](NetRefExt::auto_close).
    ///
    /// # Errors
    ///
    /// `network is down`; `no such host` in this subnetwork, printed like
    /// `virtnet "pipet": crash "a": no such host`.
    fn crash(&self, host: &str) -> Result<(), Error>
    where
        Self::Tables: Renewable,
    {
        death::crash(self, host)
    }

    /// Cuts a host's power: it dies, and its machine answers nothing until its [`restart`](NetRefExt::restart).
    /// In growable networks with [faults](crate::Layer) at both ends of a connection; elsewhere, it is a
    /// [`crash`](NetRefExt::crash).
    ///
    /// On the host, everything is as after a crash. Peers are told nothing: they read what it had written, and then
    /// wait; their writes fill the buffer, and then wait; their dials wait. What they had sent, and the host has not
    /// received, is sent again at the restart. Dials arrive at the new host then. A connection that is not known there
    /// is answered by a reset, so its peer gets `connection reset` a round trip after the restart if it has sent
    /// anything, or ended its stream, and waits on if it only reads.
    ///
    /// # Errors
    ///
    /// As of [`crash`](NetRefExt::crash), printed like `virtnet "pipet": power off "a": no such host`.
    fn power_off(&self, host: &str) -> Result<(), Error>
    where
        Self::Tables: Renewable,
    {
        death::power_off(self, host)
    }

    /// Makes a host anew that died or was closed: with the same name and IP address, ports from 1, and no listener.
    /// In growable networks. The registry is not asked again.
    ///
    /// From now on the name means the new host, also in [`get_host`](NetRefExt::get_host). Handles of the old one are
    /// equal to no handle of the new one, and stay `host is down`. Each restart takes memory for a host.
    ///
    /// # Errors
    ///
    /// `network is down`; `no such host` in this subnetwork; `host already registered` if the host is open, printed like
    /// `virtnet "pipet": restart "a": host already registered`.
    fn restart(&self, host: &str) -> Result<Host<Self>, Error>
    where
        Self::Tables: Renewable,
    {
        death::restart(self, host)
    }

    /// Crashes a host, and makes it anew: [`crash`](NetRefExt::crash), then [`restart`](NetRefExt::restart).
    ///
    /// # Errors
    ///
    /// Those of the two.
    fn bounce(&self, host: &str) -> Result<Host<Self>, Error>
    where
        Self::Tables: Renewable,
    {
        death::crash(self, host)?;
        death::restart(self, host)
    }

    /// Closes the network: all its hosts, then the engine, then the registry, each once. Pending and later operations
    /// fail with `network is down`.
    ///
    /// # Errors
    ///
    /// The reason why the network failed, if it did, then the errors of engine and registry. Every close reports the
    /// same.
    ///
    /// # Cancel safety
    ///
    /// The first poll closes the hosts. Dropping the operation before it completes leaves the rest to the next close.
    fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send + use<Self>> {
        let (net, shown) = (self.clone(), self.shown_name());
        Op::new(Expiring {
            future: async move { net.close_all(HostName::EMPTY).await },
            expired: move || CloseError::timed_out(shown, HostName::EMPTY),
        })
    }

    /// Waits until no host of this subnetwork has a socket in use; see [`Host::idle`]. The hosts are looked at one after
    /// the other, in a single pass.
    ///
    /// # Errors
    ///
    /// None but `timed out`, of [`Op::wait_timeout`]: `idle pipet: timed out`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation changes nothing.
    #[cfg(feature = "alloc")]
    fn idle(&self) -> Op<impl OnTimeout<Output = Result<(), Error>> + Send + use<Self>> {
        idle(self.clone(), None)
    }
}

impl<N: NetRef> NetRefExt for N {}

async fn new_host<N: NetRef>(net: N, name: Option<HostName>) -> Result<Host<N>, Cause> {
    if net.naming != Naming::Valid {
        return Err(Cause::Invalid(InvalidInput::NetworkName));
    }
    let name = name.ok_or(Cause::Invalid(InvalidInput::HostName))?;
    net.tables.directory(|directory| check_can_create(directory, &name))?;
    let made = net.engine.new_host(&name, &net.registry).await;
    // A single step under the lock: a task that finds the host finds it open, and a later close of the network closes
    // it.
    let mut ticket = Ticket::NONE;
    let host = net.tables.directory(|directory| {
        if directory.hosts().closed().network {
            return Err(Cause::NetworkDown);
        }
        made?;
        let id = directory.intern(&name)?;
        let host = register_local(directory, id)?;
        ticket = net.engine.ticket();
        Ok(host)
    })?;
    net.tell(ticket, None, &CoreEvent::HostMade { host: &name });
    Ok(Host::new(net, host))
}

/// Fails if this subnetwork already knows that no host with this name can be created.
pub(crate) fn check_can_create<D: Directory>(directory: &D, name: &HostName) -> Result<(), Cause> {
    if directory.hosts().closed().network { Err(Cause::NetworkDown) } else { directory.room(name) }
}

/// Creates the host with this number, whose name the registry has accepted. Fails if the host exists already.
pub(crate) fn register_local<D: Directory>(directory: &mut D, id: u32) -> Result<<D::Hosts as Hosts>::Host, Cause> {
    let flags = directory.hosts().flags(id).unwrap_or_default();
    if flags.own {
        // The registry accepted a name twice, or two tasks are creating the same host.
        return Err(Cause::HostExists);
    }
    directory.network().open_hosts += 1;
    directory.make(id).ok_or(Cause::NoSuchHost)
}
