//! Hosts, sockets and waiting tasks, for debugging a hang: at one moment, or live.
//!
#![doc = include_str!("hangs.md")]

use core::fmt;
use core::iter;

use heapless::Vec;

use crate::addr::name::HostName;
use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::net::shared::{Holder, Network};
use crate::net::subnet::SubNetwork;
use crate::table::{Directory, Hosts, Ports, Tables};

#[cfg(feature = "alloc")]
mod owned;
mod socket;

#[cfg(feature = "alloc")]
pub use owned::{HostRow, Snapshot};
use socket::{Key, key, line, row};
pub use socket::{SocketRow, SocketState};

/// The hosts, sockets and waiting tasks of a network, read anew each time that it is used.
///
/// It stores nothing and needs no heap; where there is one, a `Snapshot` keeps what it has seen. Its text is the same:
/// see there for the columns. Any thread may print it at any time, also from within a waker. It does not wait, takes a
/// lock for one bounded step at a time, and holds no lock while it prints.
///
/// # Examples
///
/// ```
/// use virtnet::pipenet;
///
/// static NET: pipenet::fixed::Network = virtnet::fixed!("t", 2, 4, 2, 64);
///
/// let view = NET.live();
/// let listener = NET.host("a")?.listen(":10")?;
/// let expected = "\
/// network pipet: up
/// State       Recv-Q  Send-Q  Waiting               Address
/// host a: open
/// listening        0    4096  -                     a:10";
/// assert_eq!(view.to_string(), expected);
/// # Ok::<(), virtnet::Error>(())
/// ```
#[derive(Clone)]
pub struct LiveView<N: NetRef> {
    net: N,
}

impl<N: NetRef> LiveView<N> {
    pub(crate) fn new(net: N) -> Self {
        Self { net }
    }

    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        self.net.network_name()
    }

    /// Whether the network is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.net.tables.hosts(|hosts| hosts.closed().network)
    }

    /// Whether closing the last open host closes the network.
    #[must_use]
    pub fn is_auto_close(&self) -> bool {
        self.net.tables.directory(|directory| directory.network().auto_close)
    }

    /// The hosts created in this subnetwork, in the order in which their names were first used or the
    /// hosts [restarted](crate::NetRefExt::restart).
    pub fn hosts(&self) -> impl Iterator<Item = LiveHost<N>> + use<N> {
        let net = self.net.clone();
        let host = move |id| net.tables.hosts(|hosts| (id < hosts.count()).then(|| hosts.newest(id)));
        let net = self.net.clone();
        (0..).map_while(host).flatten().map(move |host| {
            let open = net.tables.ports(&host, |ports| ports.is_open());
            LiveHost { open, host: Host::new(net.clone(), host) }
        })
    }

    /// The sockets of all hosts, host by host.
    pub fn sockets(&self) -> impl Iterator<Item = SocketRow> + use<N> {
        self.hosts().flat_map(|host| host.sockets())
    }
}

impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// A view of its hosts, sockets and waiting tasks that reads them anew each time.
    #[must_use]
    pub fn live(&self) -> LiveView<&Self> {
        LiveView::new(self)
    }
}

impl<B, S: Holder> Network<B, S> {
    /// A view of its hosts, sockets and waiting tasks that reads them anew each time.
    #[must_use]
    pub fn live(&self) -> LiveView<&SubNetwork<S::Engine, S::Registry, S::Tables>> {
        self.net.subnetwork().live()
    }
}

/// Writes the lines above those of the hosts.
fn head(f: &mut fmt::Formatter<'_>, network: &str, up: bool, auto: bool) -> fmt::Result {
    write!(f, "network {network}: {}", if up { "up" } else { "down" })?;
    writeln!(f, "{}", if auto { ", auto-close" } else { "" })?;
    line(f, ["State", "Waiting"], [&"Recv-Q", &"Send-Q", &"Address"])
}

impl<N: NetRef> fmt::Display for LiveView<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(f, self.network_name(), self.is_up(), self.is_auto_close())?;
        self.hosts().try_for_each(|host| {
            write!(f, "\n{host}")?;
            host.sockets().try_for_each(|socket| write!(f, "\n{socket}"))
        })
    }
}

/// Prints a snapshot.
impl<E, R, T> fmt::Display for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.live().fmt(f)
    }
}

impl<N: NetRef> fmt::Debug for LiveView<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveView({})", self.network_name())
    }
}

/// A host in a [`LiveView`]. Prints as `host a: open`.
#[derive(Clone)]
pub struct LiveHost<N: NetRef> {
    open: bool,
    host: Host<N>,
}

impl<N: NetRef> LiveHost<N> {
    /// The name of the host.
    #[must_use]
    pub fn name(&self) -> HostName {
        self.host.name()
    }

    /// Whether the host was open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The sockets of the host, ordered by port. Sockets of one port are in the order of their slots in the table.
    pub fn sockets(&self) -> impl Iterator<Item = SocketRow> + use<N> {
        let (host, mut page, mut last) = (self.host.clone(), Page::new(), None);
        iter::from_fn(move || {
            loop {
                if page.is_empty() {
                    page = next_page(&host, last);
                }
                let key = page.pop()?;
                last = Some(key);
                if let Some(row) = row(&host, key) {
                    return Some(row);
                }
            }
        })
    }
}

impl<N: NetRef> fmt::Display for LiveHost<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        host_line(f, &self.name(), self.open)
    }
}

impl<N: NetRef> fmt::Debug for LiveHost<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveHost({self})")
    }
}

/// Writes the line of a host.
fn host_line(f: &mut fmt::Formatter<'_>, name: &str, open: bool) -> fmt::Result {
    write!(f, "host {name}: {}", if open { "open" } else { "closed" })
}

/// Keys of some of a host's sockets, in descending order.
type Page = Vec<Key, 32>;

/// The first sockets after `last`, as many as a page holds. Each lock step visits no more sockets than that.
fn next_page<N: NetRef>(host: &Host<N>, last: Option<Key>) -> Page {
    let (mut page, mut from) = (Page::new(), Some(0));
    while let Some(start) = from {
        from = host.net.tables.ports(&host.host, |ports| {
            let mut slot = start;
            for _ in 0..page.capacity() {
                slot = ports.next(slot)?;
                insert(&mut page, key(ports, slot).filter(|&key| Some(key) > last));
                slot += 1;
            }
            Some(slot)
        });
    }
    page
}

/// Inserts a key in order. A full page drops its largest key for a smaller one.
fn insert(page: &mut Page, key: Option<Key>) {
    let Some(key) = key else { return };
    if page.is_full() {
        if page.first().is_some_and(|&most| most < key) {
            return;
        }
        page.remove(0);
    }
    let at = page.partition_point(|&known| known > key);
    // The page is not full.
    let _ = page.insert(at, key);
}
