//! Programs and real servers with faults between them: the bridge's host is the server, as far as the program knows.
//!
//! Time is that of a manual clock, so that it passes only where a test says so, and what a program sees is exact though
//! the servers take real time.

mod cache;
mod database;

use std::pin::pin;
use std::time::Duration;

use tokio::task::yield_now;
use virtnet::bridge::TokioBridge;
use virtnet::clock::Time;
use virtnet::pipenet::{self, Network};
use virtnet::sim::{Faults, Route};
use virtnet::snapshot::SocketState;
use virtnet::{Bare, Clock, Networker, TokioTcp};

use crate::all_closed;
use crate::server::Server;

type Layers = (Faults, Bare);
type Host = pipenet::Host<Layers>;
type Conn = pipenet::Conn<Layers>;

/// The one-way latency of slow networks.
const L: Duration = Duration::from_millis(50);

/// The hosts `app`, and `report`, which no fault is set for, and a real server as port 1 of the host `server`.
struct Lab {
    clock: Clock,
    faults: Faults,
    net: Network<Layers>,
    bridge: TokioBridge,
}

impl Lab {
    fn new(server: &Server) -> Self {
        let clock = Clock::manual();
        let faults = Faults::new().clock(clock.clone());
        let net = Network::builder("lab").layer(faults.clone()).build().expect("a valid name");
        let bridge = bridge(&net.host("server").expect("a new host"), server);
        Self { clock, faults, net, bridge }
    }

    fn route(&self) -> Route {
        self.faults.route("app", "server")
    }

    fn host(&self, name: &str) -> Host {
        self.net.host(name).expect("the network is up")
    }

    /// A connection to the server, made by way of [`pass`](Lab::pass).
    async fn dial(&self, host: &str) -> Conn {
        self.pass(async { self.host(host).dial("server:1").await }).await.expect("the bridge accepts")
    }

    /// Waits for `work`. Meanwhile time moves from deadline to deadline.
    async fn pass<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                () = yield_now() => self.clock.advance_to_next().map(drop).expect("a manual clock"),
            }
        }
    }

    /// How long `work` takes, and what it returns.
    async fn timed<T>(&self, work: impl Future<Output = T>) -> (Duration, T) {
        let start = self.clock.now();
        let outcome = self.pass(work).await;
        (self.clock.now() - start, outcome)
    }

    fn now(&self) -> Duration {
        self.clock.now() - Time::ZERO
    }

    /// Waits until there are bytes on their way from a host.
    async fn sent(&self, host: &str) {
        let sockets = || self.net.live().hosts().filter(|at| at.name().as_str() == host).flat_map(|at| at.sockets());
        let in_flight = |state| matches!(state, SocketState::Connected(link) if link.delay.is_some_and(|delay| delay.in_flight > 0));
        while !sockets().any(|socket| in_flight(socket.state())) {
            yield_now().await;
        }
    }

    /// Asserts that nothing is left: each of so many connections of the bridge is closed.
    async fn finish(self, connections: u64) {
        while self.bridge.counts().total < connections {
            yield_now().await;
        }
        assert_eq!(self.pass(all_closed(&self.bridge)).await, (connections, 0));
        self.bridge.stop().await;
        assert_eq!(self.clock.timers(), Ok(0));
    }
}

/// A bridge from port 1 of a host to a real server.
fn bridge(host: &Host, server: &Server) -> TokioBridge {
    let listener = Networker::listen(host, 1).expect("a free port");
    TokioBridge::start(listener, TokioTcp::new("127.0.0.1").expect("an address"), server.addr()).expect("a runtime")
}

/// The innermost cause of an error.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}
