//! An independent backend, written against the public contract with only the crate's default features. It has its own
//! engine, registry and wires; several subnetworks of one lab form one network.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]

mod engine;
mod registry;
pub mod rigged;
mod wire;

use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use virtnet::table::Heap;
use virtnet::{Bare, Engine, Error, Layer, SubNetwork};

pub use engine::{Channels, Peer};
pub use registry::Map;
pub use wire::{End, Wires};

/// A subnetwork of a lab, with layers around its engine.
pub type Net<L = Bare> = SubNetwork<Layered<L>, Map, Heap<<Layered<L> as Engine>::Link>>;
type Layered<L> = <L as Layer>::Engine<Channels>;
/// The handle of a subnetwork, which its hosts, listeners and connections hold.
pub type Handle<L = Bare> = Arc<Net<L>>;
/// A host of a lab.
pub type Host = virtnet::Host<Handle>;
/// A listener of a lab.
pub type Listener = virtnet::Listener<Handle>;
/// A connection of a lab.
pub type Conn = virtnet::Conn<Handle>;

/// The state shared by all subnetworks of one network: its names and its wires. Cloning it is cheap.
#[derive(Clone, Default)]
pub struct Lab {
    names: registry::Names,
    wires: Wires,
}

impl Lab {
    /// A lab whose wires hold at most `bytes` in each direction.
    pub fn with_buffer(bytes: usize) -> Self {
        Self { wires: Wires::with_buffer(bytes), ..Self::default() }
    }

    /// A subnetwork of the network `lab`; `label` names it in its hosts' data.
    pub fn subnetwork(&self, label: &'static str) -> Handle {
        self.customized(label, |net| net)
    }

    /// A subnetwork with other options.
    pub fn customized(&self, label: &'static str, options: impl FnOnce(Net) -> Net) -> Handle {
        options(self.make(label, Bare)).shared()
    }

    /// A subnetwork with layers around its engine.
    pub fn layered<L: Layer>(&self, label: &'static str, layers: L) -> Handle<L> {
        self.make(label, layers).shared()
    }

    fn make<L: Layer>(&self, label: &'static str, layers: L) -> Net<L> {
        let engine = layers.wrap(Channels::new(Peer::new(label), self.wires.clone()));
        SubNetwork::new("lab", engine, Map::new(label, self.names.clone(), self.wires.clone()), Heap::new())
    }

    /// Makes a pair of ends, like a dial.
    pub fn wire(&self) -> (End, End) {
        self.wires.wire()
    }

    /// The number of ends of connections that were made and not released.
    pub fn ends(&self) -> isize {
        self.wires.ends()
    }

    /// What the conformance suite knows of the lab's network `net`, whose wires hold `buffer` bytes.
    #[cfg(feature = "testing")]
    pub fn setup<N: virtnet::NetRef + 'static>(&self, net: N, buffer: usize) -> virtnet::testing::Setup<N> {
        let lab = self.clone();
        let held = move || usize::try_from(lab.ends()).expect("no end is released twice");
        virtnet::testing::Setup::new(net).limit(Duration::from_secs(10)).buffer(buffer).held(held).resets_unread()
    }

    /// The closed engines and registries, in the order of their closing.
    pub fn closed(&self) -> Vec<String> {
        self.wires.closed()
    }
}

/// Runs a test within a time limit.
pub fn within<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let running = thread::spawn(move || {
        let value = body();
        // The receiver is dropped if the time limit has passed.
        let _ = done.send(value);
    });
    match outcome.recv_timeout(LIMIT) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done after {LIMIT:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match running.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => panic!("a test that ends sends its outcome"),
        },
    }
}

/// The time limit of a test.
const LIMIT: Duration = Duration::from_secs(30);

/// Both ends of a connection from `host` to `listener`, made by one thread: the dial asks, the accept claims, the dial
/// acknowledges, and the accept returns the connection.
pub fn connect<N: virtnet::NetRef>(
    host: &virtnet::Host<N>,
    listener: &virtnet::Listener<N>,
) -> Result<(virtnet::Conn<N>, virtnet::Conn<N>), Error> {
    let mut dial = pin!(host.dial(listener.local_addr()));
    if let Some(early) = dial.as_mut().try_wait() {
        early?;
        panic!("a dial is done after its accept");
    }
    let mut accept = pin!(listener.accept());
    if let Some(early) = accept.as_mut().try_wait() {
        early?;
        panic!("an accept is done after it was acknowledged");
    }
    let dialled = dial.try_wait().expect("a dial that was taken is done")?;
    let accepted = accept.try_wait().expect("an accept that was acknowledged is done")?;
    Ok((dialled, accepted))
}

/// The local and the peer address of a connection.
pub fn ends_of<N: virtnet::NetRef>(conn: &virtnet::Conn<N>) -> (String, String) {
    (conn.local_addr().to_string(), conn.peer_addr().to_string())
}
