//! The in-process network that grows.

use super::{HeapPipes, PREFIX, Pipenet, Pipes, Ram};
use crate::addr::name::{ErrorText, NetworkName};
use crate::contract::layer::{Bare, Layer};
use crate::error::cause::{Cause, InvalidInput};
use crate::error::{Error, Operation};
use crate::net::handle::LayeredNet;
use crate::net::subnet::Options;
use crate::table::Heap;
use crate::wait::ClockSlot;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;

/// The subnetwork of a [`Network`].
pub type SubNetwork<L = Bare> = LayeredNet<Pipenet, L>;
/// How hosts, listeners and connections reach their [`Network`].
pub type NetHandle<L = Bare> = crate::net::handle::NetHandle<Pipenet, L>;
/// A host of a [`Network`].
pub type Host<L = Bare> = crate::net::host::Host<NetHandle<L>>;
/// A listener of a [`Network`].
pub type Listener<L = Bare> = crate::net::listener::Listener<NetHandle<L>>;
/// A connection of a [`Network`].
pub type Conn<L = Bare> = crate::net::conn::Conn<NetHandle<L>>;

/// An in-process network that grows as needed. A cheap handle: clones are the same network.
///
/// The network lives as long as a handle of it, or of one of its hosts, listeners or connections. `L` are the layers
/// around its engine, see [`Builder::layer`].
///
/// # Examples
///
/// ```
/// use virtnet::pipenet;
///
/// let net = pipenet::Network::new("t");
/// assert_eq!(net.network_name(), "pipet");
/// let a = net.host("a")?;
/// assert_eq!(net.host("a")?, a);
/// assert_eq!(
///     net.new_host("a").unwrap_err().to_string(),
///     r#"virtnet "pipet": new host "a": ram(pipet): announce ["a" ""]: host already registered"#
/// );
/// net.close()?;
/// assert_eq!(a.listen("").unwrap_err().to_string(), "listen pipet a:0: network is down");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Network<L = Bare> = crate::net::shared::Network<Pipenet, NetHandle<L>>;

impl Network {
    /// A network with the full name `pipe` + `name` and the default options.
    ///
    /// If the name makes no valid full name (at most 31 bytes, without brackets and control characters), creating a
    /// host fails with `invalid network name`; [`Builder::build`] fails at once.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::builder(name).make()
    }

    /// A network with the full name `pipe` + `name` and other options.
    pub fn builder(name: &str) -> Builder<'_> {
        Builder {
            name,
            layer: Bare,
            options: Options::DEFAULT,
            buffer: DEFAULT_BUFFER,
            rendezvous: false,
            reset_unread: true,
            clock: ClockSlot::EMPTY,
        }
    }
}

/// Options of a [`Network`] to be made.
///
/// # Examples
///
/// ```
/// use virtnet::{ErrorKind, pipenet};
///
/// let net = pipenet::Network::builder("t").buffer(512).rendezvous(true).build()?;
/// let error = pipenet::Network::builder("t").buffer(0).build().unwrap_err();
/// assert_eq!(error.to_string(), r#"virtnet "pipet": new network: invalid buffer size"#);
/// # Ok::<(), virtnet::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until it is built"]
pub struct Builder<'a, L = Bare> {
    name: &'a str,
    layer: L,
    options: Options,
    buffer: usize,
    rendezvous: bool,
    reset_unread: bool,
    clock: ClockSlot,
}

/// Bytes that wait in one direction of a connection, at most.
const DEFAULT_BUFFER: usize = 64 << 10;

impl<'a, L: Layer> Builder<'a, L> {
    /// How many bytes may wait in each direction of a connection, at least 1; 65,536 by default. A larger number than
    /// fits in 32 bits counts as the largest that does. Memory is taken as it is needed, and given back.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Whether a write is done only when the peer has read its bytes, so that the order of events is exact. By default,
    /// it is done when the bytes are in the buffer.
    pub fn rendezvous(mut self, on: bool) -> Self {
        self.rendezvous = on;
        self
    }

    /// Whether an end that is closed while bytes wait unread at it resets the connection, as TCP does; see
    /// [`Conn`](crate::Conn). By default it does. In a rendezvous network it never does.
    pub fn reset_unread(mut self, on: bool) -> Self {
        self.reset_unread = on;
        self
    }

    /// Whether accepted connections keep the listener's port, as those of TCP do. By default, each takes the lowest
    /// free port of the host.
    ///
    /// A connection is then told apart by both its ends. A dial whose lowest free port would make a pair that the
    /// dialled host still has, takes the next free port that makes a new one.
    pub fn share_port(mut self, on: bool) -> Self {
        self.options.share_port = on;
        self
    }

    /// How many dials may wait at one listener before it refuses; 4096 by default.
    pub fn backlog(mut self, most: u32) -> Self {
        self.options.backlog = most;
        self
    }

    /// Measures timeouts on `clock`, in threads that take part in no clock themselves; see
    /// [`Clock::enter`](crate::Clock::enter). By default they are measured in real time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::{Clock, pipenet};
    ///
    /// let net = pipenet::Network::builder("t").clock(Clock::auto()).build()?;
    /// let listener = net.host("a")?.listen(":1")?;
    /// let error = listener.accept().wait_timeout(Duration::from_secs(3600)).unwrap_err();
    /// assert_eq!(error.to_string(), "accept pipet a:1: timed out");
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[cfg(feature = "sim")]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = ClockSlot::new(clock);
        self
    }

    /// Puts a layer around the engine, outside of earlier ones.
    pub fn layer<A: Layer>(self, layer: A) -> Builder<'a, (A, L)> {
        let Self { name, layer: inner, options, buffer, rendezvous, reset_unread, clock } = self;
        Builder { name, layer: (layer, inner), options, buffer, rendezvous, reset_unread, clock }
    }

    /// Makes the network.
    ///
    /// # Errors
    ///
    /// `invalid network name`, `invalid buffer size`.
    pub fn build(self) -> Result<Network<L>, Error> {
        let full = ErrorText::of([PREFIX, self.name]);
        let check = if NetworkName::valid(PREFIX, self.name).is_none() {
            Err(InvalidInput::NetworkName)
        } else if self.buffer == 0 {
            Err(InvalidInput::BufferSize)
        } else {
            Ok(())
        };
        let failed = |input| Error::subnet(Operation::NewNetwork, full, &ErrorText::EMPTY, Cause::Invalid(input));
        check.map_err(failed)?;
        Ok(self.make())
    }

    fn make(self) -> Network<L> {
        let tables = Heap::new();
        let registry = Ram::new(tables.clone(), NetworkName::valid(PREFIX, self.name).unwrap_or(NetworkName::EMPTY));
        let Self { rendezvous, reset_unread, clock, .. } = self;
        let engine = self.layer.wrap(Pipes { memory: HeapPipes::new(self.buffer), rendezvous, reset_unread, clock });
        let net = SubNetwork::<L>::with_options(PREFIX, self.name, engine, registry, tables, self.options);
        Network::over(NetHandle::new(net))
    }
}
