//! A subnetwork: its parts, and how it closes.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use crate::addr::Addr;
use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::contract::engine::{Engine, Shutdown};
use crate::contract::observe::{CoreEvent, Ticket};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::error::close::CloseError;
use crate::table::{
    Closed, Closing, Directory, Hosts, MaybeBoxed, Ports, SocketLayout, State, Tables, first_link, refuse_next,
};
use crate::wait::block::Timeouts;
use crate::wait::waker::{Wakers, noop_waker, poll_locked};

/// The part of a network that this process, or a part of the process, owns: an [`Engine`], a [`Registry`], and tables
/// of hosts and sockets. Several subnetworks that share a registry form one network.
///
/// It is used through a [`NetRef`](crate::NetRef), such as an `Arc` of it.
///
/// # Examples
///
/// See [`Heap`](crate::table::Heap), and the example `custom_engine`.
pub struct SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    pub(crate) name: NetworkName,
    pub(crate) naming: Naming,
    pub(crate) options: Options,
    pub(crate) timeouts: Timeouts,
    pub(crate) engine: E,
    pub(crate) registry: R,
    pub(crate) tables: T,
}

/// The options of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The number of dials that may wait at one listener.
    pub(crate) backlog: u32,
    /// Whether an accepted connection keeps the listener's port.
    pub(crate) share_port: bool,
    /// Called between two polls of a blocking wait, if no thread can sleep.
    pub(crate) relax: fn(),
}

impl Options {
    pub(crate) const DEFAULT: Self = Self { backlog: 4096, share_port: false, relax: core::hint::spin_loop };
}

impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// A subnetwork of the network with the full name `name`.
    ///
    /// If the name is invalid, creating a host fails with `invalid network name`. A valid name has 1 to 31 bytes
    /// without brackets and control characters.
    #[must_use]
    pub const fn new(name: &str, engine: E, registry: R, tables: T) -> Self {
        Self::with_options("", name, engine, registry, tables, Options::DEFAULT)
    }

    pub(crate) const fn with_options(
        prefix: &str,
        name: &str,
        engine: E,
        registry: R,
        tables: T,
        options: Options,
    ) -> Self {
        let (name, naming) = match (NetworkName::valid(prefix, name), NetworkName::of(prefix, name)) {
            (Some(name), _) => (name, Naming::Valid),
            (None, (name, true)) => (name, Naming::Invalid),
            (None, (name, false)) => (name, Naming::Cut),
        };
        Self { name, naming, options, timeouts: Timeouts::new(), engine, registry, tables }
    }

    /// Sets how many dials may wait at one listener before it refuses more; 4096 by default.
    #[must_use]
    pub const fn backlog(mut self, most: u32) -> Self {
        self.options.backlog = most;
        self
    }

    /// Sets whether accepted connections keep the listener's port, as in TCP, instead of taking a port of their own.
    ///
    /// A connection is then identified by the pair of its ends. If the lowest free port of a dial to a host of this
    /// subnetwork would repeat a pair that the host still has, the dial takes the next free port with a new pair. A
    /// connection from another subnetwork with such a pair is refused with `address already in use`.
    #[must_use]
    pub const fn share_port(mut self, share: bool) -> Self {
        self.options.share_port = share;
        self
    }

    /// The full name of the network.
    #[must_use]
    pub fn network_name(&self) -> &str {
        &self.name
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &R {
        &self.registry
    }

    /// Reports an event to the engine, if it observes the network.
    #[inline(always)]
    pub(crate) fn tell(&self, ticket: Ticket, link: Option<&E::Link>, event: &CoreEvent<'_>) {
        if E::OBSERVED {
            self.engine.observe(ticket, event, link);
        }
    }

    pub(crate) fn full_name(&self) -> NetworkName {
        self.name
    }

    /// The name that errors show, even if it is invalid.
    pub(crate) fn shown_name(&self) -> ErrorText {
        ErrorText::head(&self.name, self.naming == Naming::Cut)
    }

    /// The address of a socket of this network.
    pub(crate) fn addr(&self, host: u32, port: u16) -> Addr {
        Addr { network: self.name, host: self.tables.hosts(|hosts| hosts.name(host)), port }
    }

    /// Why an operation of `host` fails: the network or the host if one of them is down, else `cause`.
    pub(crate) fn down_cause(&self, host: &T::Host, cause: Cause) -> Cause {
        // The host is read first: a network is down before it closes its hosts, so a host that it closed is never
        // reported as `host is down`.
        let is_open = self.tables.ports(host, |ports| ports.is_open());
        if self.tables.hosts(|hosts| hosts.closed().network) {
            Cause::NetworkDown
        } else if is_open {
            cause
        } else {
            Cause::HostDown
        }
    }

    /// Called after a socket has left the table of `host`: wakes the tasks that wait until it is idle.
    ///
    /// Without a heap, no task can wait for that, and it costs nothing.
    #[inline(always)]
    pub(crate) fn check_idle(&self, host: &T::Host) {
        if cfg!(feature = "alloc") {
            self.check_watched(host);
        }
    }

    #[cold]
    #[inline(never)]
    fn check_watched(&self, host: &T::Host) {
        if self.tables.is_watched() && self.tables.ports(host, |ports| ports.count()) == 0 {
            self.wake_waiters();
        }
    }

    /// Wakes the tasks that wait for a close, or until hosts are idle.
    fn wake_waiters(&self) {
        let waiters = self.tables.directory(|directory| {
            directory.set_watched(false);
            directory.network().waiters.take()
        });
        waiters.wake();
    }

    /// Discards the state of a socket that was removed from its table. The connection of a request is shut down in the
    /// way `how`.
    pub(crate) fn scrap(&self, left: State<E::Link, T::Wakers>, how: Shutdown) {
        if let State::Request(request) = &left {
            self.discard(&request.value().link, how);
        }
        left.discard();
    }

    /// Closes an end of a connection that has no handle.
    pub(crate) fn discard(&self, link: &E::Link, how: Shutdown) {
        self.engine.shutdown(link, how);
        self.engine.release(link);
    }

    /// Refuses every request queued at a listener.
    pub(crate) fn refuse_all(&self, host: &T::Host, listener: u32, how: Shutdown) {
        loop {
            let mut refused = None;
            let next = self.tables.ports(host, |ports| {
                if E::HEARS_ANSWERS {
                    refused = first_link(ports, listener);
                }
                refuse_next(ports, listener)
            });
            let Some((backend, gone)) = next else { return };
            refused.iter().for_each(|link| self.engine.answer(link, false));
            backend.wake();
            gone.into_iter().for_each(|left| self.scrap(left, how));
        }
    }

    /// Closes a host, and reports that unless the whole network is closed. Returns whether it was open.
    pub(crate) fn close_host(&self, host: &T::Host) -> bool {
        let mut ticket = Ticket::NONE;
        let was_open = self.tables.ports(host, |ports| {
            let was_open = ports.close();
            if was_open {
                ticket = self.engine.ticket();
            }
            was_open
        });
        if was_open {
            if E::OBSERVED {
                let name = self.tables.name(host);
                let down = self.tables.hosts(|hosts| hosts.closed().network);
                self.tell(ticket, None, &if down { CoreEvent::Void } else { CoreEvent::HostClosed { host: &name } });
            }
            self.close_sockets(host, Shutdown::CloseOrReset);
            self.tables.directory(|directory| directory.network().open_hosts -= 1);
        }
        was_open
    }

    /// Wakes every task that waits on a socket of a closed host, and shuts down its connections in the way `how`. The
    /// sockets keep their ports.
    pub(super) fn close_sockets(&self, host: &T::Host, how: Shutdown) {
        let mut from = 0;
        while let Some((slot, found)) = self.tables.ports(host, |ports| {
            let slot = ports.next(from)?;
            Some((slot, ports.socket(slot).map(|socket| Teardown::of(&mut socket.state))))
        }) {
            match found {
                Some(Teardown::Dial(wakers)) => wakers.wake(),
                Some(Teardown::Listener(acceptors)) => {
                    acceptors.wake();
                    self.refuse_all(host, slot, how);
                }
                Some(Teardown::Link(link)) => {
                    self.engine.shutdown(&link, how);
                }
                Some(Teardown::Nothing) | None => {}
            }
            from = slot + 1;
        }
    }

    /// Takes the network down. Records `cause` if it was up, and returns whether it was.
    pub(crate) fn take_down(&self, cause: Option<Cause>) -> bool {
        let mut ticket = Ticket::NONE;
        let was_up = self.tables.directory(|directory| {
            let closed = directory.hosts().closed();
            directory.set_closed(Closed { network: true, ..closed });
            if !closed.network {
                ticket = self.engine.ticket();
            }
            if let Some(cause) = cause
                && !closed.network
            {
                directory.network().failures.set(0, cause);
            }
            !closed.network
        });
        if was_up {
            self.tell(ticket, None, &cause.map_or(CoreEvent::NetworkClosed, CoreEvent::NetworkDown));
        }
        for id in 0..self.tables.hosts(|hosts| hosts.count()) {
            let Some(host) = self.tables.hosts(|hosts| hosts.host(id)) else { continue };
            if !self.close_host(&host) {
                // Another task may still be closing the host. All its sockets have to be closed before the engine is.
                self.close_sockets(&host, Shutdown::CloseOrReset);
            }
        }
        was_up
    }

    /// Closes engine and registry, or waits until another task has closed them.
    pub(crate) async fn close_backend(&self) {
        if let Some(mut turn) = poll_fn(|cx| self.poll_turn(cx)).await {
            if turn.next == Closing::NotYet {
                if let Err(cause) = self.engine.close().await {
                    self.tables.directory(|directory| directory.network().failures.set(1, cause));
                }
                turn.next = Closing::EngineDone;
            }
            if let Err(cause) = self.registry.close().await {
                self.tables.directory(|directory| directory.network().failures.set(2, cause));
            }
            turn.next = Closing::Done;
        }
    }

    /// Closes the network. `host` is the host whose close caused it, or empty.
    pub(crate) async fn close_all(&self, host: HostName) -> Result<(), CloseError> {
        self.take_down(None);
        self.close_backend().await;
        self.closed(host)
    }

    /// The outcome of closing the network. `host` is the host whose close caused it, or empty.
    pub(crate) fn closed(&self, host: HostName) -> Result<(), CloseError> {
        let failures = self.tables.directory(|directory| directory.network().failures);
        CloseError::check(self.shown_name(), host, &failures)
    }

    /// Polls for the turn to close the backend. Returns `None` once the backend is closed.
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<Option<CloseTurn<'_, E, R, T>>> {
        let next = poll_locked(cx.waker(), |registration| {
            self.tables.directory(|directory| {
                let network = directory.network();
                match network.closing {
                    Closing::Done => Poll::Ready(None),
                    Closing::Running => {
                        registration.register(&mut network.waiters);
                        Poll::Pending
                    }
                    next => {
                        network.closing = Closing::Running;
                        Poll::Ready(Some(next))
                    }
                }
            })
        });
        next.map(|next| next.map(|next| CloseTurn { subnet: self, next }))
    }
}

/// The part of a socket that closing its host wakes or shuts down.
enum Teardown<L, W: SocketLayout> {
    Dial(W::Dial),
    Listener(W),
    Link(L),
    Nothing,
}

impl<L: Clone, W: SocketLayout> Teardown<L, W> {
    fn of(state: &mut State<L, W>) -> Self {
        match state {
            State::Dialling(wakers) => Self::Dial(wakers.take()),
            State::Listener(queue) => Self::Listener(queue.value_mut().acceptors.take()),
            State::Connected(link) => Self::Link(link.clone()),
            State::Request(_) | State::Closed | State::Free => Self::Nothing,
        }
    }
}

/// The turn to close engine and registry. If it is dropped early, the next task that closes the network gets it.
struct CloseTurn<'a, E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    subnet: &'a SubNetwork<E, R, T>,
    next: Closing,
}

impl<E, R, T> Drop for CloseTurn<'_, E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    fn drop(&mut self) {
        self.subnet.tables.directory(|directory| directory.network().closing = self.next);
        self.subnet.wake_waiters();
    }
}

impl<E, R, T> Drop for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// Closes the network. It polls engine and registry only once: if their close has to wait, close the network
    /// explicitly.
    fn drop(&mut self) {
        self.take_down(None);
        let _ = pin!(self.close_backend()).poll(&mut Context::from_waker(noop_waker()));
    }
}

/// Whether the name that was passed to a subnetwork is valid. If not, no host can be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Valid,
    /// The name is invalid, and stored in full.
    Invalid,
    /// The name is too long, and only its head is stored.
    Cut,
}

impl<E, R, T> fmt::Debug for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let down = self.tables.hosts(|hosts| hosts.closed().network);
        let hosts = self.tables.directory(|directory| directory.network().open_hosts);
        let mut shown = f.debug_struct("SubNetwork");
        shown.field("name", &self.name).field("down", &down).field("open_hosts", &hosts).finish()
    }
}
