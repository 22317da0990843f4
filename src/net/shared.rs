//! The network type that backends share.

use core::fmt;
use core::marker::PhantomData;

#[cfg(feature = "trace")]
use crate::addr::name::HostName;
use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
use crate::error::Error;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;
use crate::net::subnet::SubNetwork;
#[cfg(feature = "trace")]
use crate::table::Hosts as _;
use crate::table::{Renewable, Tables};
#[cfg(feature = "trace")]
use crate::trace::HostNames;
#[cfg(feature = "alloc")]
use crate::wait::{OnTimeout, Op};

/// A network of the backend `B`, which is reached through `S`: a [`NetHandle`](crate::NetHandle), or the subnetwork itself where that is a
/// static.
///
/// Backends name it, with what differs from one to the other: how a network and its hosts are made, and closed. See
/// [`pipenet::Network`](crate::pipenet::Network) and [`pipenet::fixed::Network`](crate::pipenet::fixed::Network).
#[derive(Clone)]
pub struct Network<B, S> {
    pub(crate) net: S,
    backend: PhantomData<B>,
}

impl<B, S> Network<B, S> {
    /// The network that `net` refers to.
    #[must_use]
    pub const fn over(net: S) -> Self {
        Self { net, backend: PhantomData }
    }

    /// The subnetwork behind it.
    #[must_use]
    pub fn subnetwork(&self) -> &S {
        &self.net
    }
}

impl<B, S: Holder> Network<B, S> {
    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        self.net.subnetwork().network_name()
    }

    /// The host of this name, if there is one. It may be closed.
    #[must_use]
    pub fn get_host(&self, name: &str) -> Option<Host<S::Ref<'_>>> {
        self.net.subnetwork().get_host(name).map(|host| Host::new(self.net.host_ref(), host.host))
    }

    /// From now on, closing the last open host closes the network.
    ///
    /// # Errors
    ///
    /// `network is down`; `no open host`.
    pub fn auto_close(&self) -> Result<(), Error> {
        self.net.subnetwork().auto_close()
    }

    /// Waits until no host has a socket in use; see [`NetRefExt::idle`](crate::NetRefExt::idle).
    ///
    /// # Errors
    ///
    /// Those of [`NetRefExt::idle`](crate::NetRefExt::idle).
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation changes nothing.
    #[cfg(feature = "alloc")]
    pub fn idle(&self) -> Op<impl OnTimeout<Output = Result<(), Error>> + Send + use<'_, B, S>> {
        self.net.host_ref().idle()
    }
}

impl<B, S: Holder<Tables: Renewable>> Network<B, S> {
    /// Crashes a host; see [`NetRefExt::crash`](crate::NetRefExt::crash).
    ///
    /// # Errors
    ///
    /// Those of [`NetRefExt::crash`](crate::NetRefExt::crash).
    ///
    /// # Examples
    ///
    /// A client gets a reset, and connects again once the server is back:
    ///
    /// ```
    /// use std::thread;
    /// use virtnet::{ErrorKind, pipenet};
    ///
    /// let net = pipenet::Network::new("t");
    /// let (server, client) = (net.host("server")?, net.host("client")?);
    /// let connect = |listener: pipenet::Listener| {
    ///     let dial = client.dial("server:80");
    ///     thread::scope(|scope| {
    ///         let accepting = scope.spawn(|| listener.accept().wait());
    ///         Ok::<_, virtnet::Error>((dial.wait()?, accepting.join().unwrap()?))
    ///     })
    /// };
    /// let (conn, _accepted) = connect(server.listen(":80")?)?;
    ///
    /// net.crash("server")?;
    /// assert_eq!(conn.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    /// assert_eq!(server.listen(":80").unwrap_err().kind(), ErrorKind::HostDown);
    /// assert_eq!(client.dial("server:80").wait().unwrap_err().kind(), ErrorKind::ConnectionRefused);
    ///
    /// let server = net.restart("server")?;
    /// connect(server.listen(":80")?)?;
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    pub fn crash(&self, host: &str) -> Result<(), Error> {
        self.net.host_ref().crash(host)
    }

    /// Cuts a host's power; see [`NetRefExt::power_off`](crate::NetRefExt::power_off).
    ///
    /// # Errors
    ///
    /// Those of [`NetRefExt::power_off`](crate::NetRefExt::power_off).
    pub fn power_off(&self, host: &str) -> Result<(), Error> {
        self.net.host_ref().power_off(host)
    }

    /// Makes a host anew that died or was closed; see [`NetRefExt::restart`](crate::NetRefExt::restart).
    ///
    /// # Errors
    ///
    /// Those of [`NetRefExt::restart`](crate::NetRefExt::restart).
    pub fn restart(&self, host: &str) -> Result<Host<S::Ref<'_>>, Error> {
        self.net.host_ref().restart(host)
    }

    /// Crashes a host, and makes it anew: [`crash`](Network::crash), then [`restart`](Network::restart).
    ///
    /// # Errors
    ///
    /// Those of the two.
    pub fn bounce(&self, host: &str) -> Result<Host<S::Ref<'_>>, Error> {
        self.net.host_ref().bounce(host)
    }
}

#[cfg(feature = "trace")]
impl<B, S: Holder> HostNames for Network<B, S> {
    fn find(&self, fits: &mut dyn FnMut(&str) -> bool) -> Option<HostName> {
        let tables = &self.net.subnetwork().tables;
        let mut names = (0..tables.hosts(|hosts| hosts.count())).map(|id| tables.hosts(|hosts| hosts.name(id)));
        names.find(|name| fits(name))
    }
}

impl<B, S: fmt::Debug> fmt::Debug for Network<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.fmt(f)
    }
}

/// What a [`Network`] holds its subnetwork by, and gives to its hosts. Sealed: implemented for [`NetHandle`](crate::NetHandle) and
/// [`SubNetwork`].
pub trait Holder: fmt::Debug + Sealed {
    /// The subnetwork's engine.
    type Engine: Engine;
    /// The subnetwork's registry.
    type Registry: Registry<Data = <Self::Engine as Engine>::Data>;
    /// The subnetwork's tables.
    type Tables: Tables<Link = <Self::Engine as Engine>::Link>;
    /// What each host holds.
    type Ref<'n>: NetRef<Engine = Self::Engine, Registry = Self::Registry, Tables = Self::Tables>
    where
        Self: 'n;

    /// The subnetwork.
    #[doc(hidden)]
    fn subnetwork(&self) -> &SubNetwork<Self::Engine, Self::Registry, Self::Tables>;

    /// A reference for one host.
    #[doc(hidden)]
    fn host_ref(&self) -> Self::Ref<'_>;
}

impl<E, R, T> Holder for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    type Engine = E;
    type Registry = R;
    type Tables = T;
    type Ref<'n>
        = &'n Self
    where
        Self: 'n;

    fn subnetwork(&self) -> &Self {
        self
    }

    fn host_ref(&self) -> &Self {
        self
    }
}

/// Keeps [`Holder`] to this crate.
pub trait Sealed {}

impl<E, R, T> Sealed for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
}
