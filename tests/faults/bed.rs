//! A network with faults, on a clock that the test advances.

use std::pin::Pin;
use std::time::Duration;

use virtnet::clock::Time;
use virtnet::pipenet::{self, Builder};
use virtnet::sim::{Faults, Route};
use virtnet::{Bare, Clock, Error, Op};

pub(crate) type Layers = (Faults, Bare);
pub(crate) type Host = pipenet::Host<Layers>;
pub(crate) type Listener = pipenet::Listener<Layers>;
pub(crate) type Conn = pipenet::Conn<Layers>;

pub(crate) const L: Duration = ms(50);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Two hosts, of which the first listens at port 10.
pub(crate) struct Bed {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) net: pipenet::Network<Layers>,
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) listener: Listener,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::over(pipenet::Network::builder("t"), 0)
    }

    pub(crate) fn over(builder: Builder<'_>, seed: u64) -> Self {
        let clock = Clock::manual();
        let faults = Faults::new().seed(seed).clock(clock.clone());
        let net = builder.layer(faults.clone()).build().expect("valid options");
        let [a, b] = ["a", "b"].map(|name| net.host(name).expect("a new host"));
        let listener = a.listen(":10").expect("a free port");
        Self { clock, faults, net, a, b, listener }
    }

    /// With the latency [`L`] between both hosts.
    pub(crate) fn slow() -> Self {
        let bed = Self::new();
        bed.route().latency(L);
        bed
    }

    pub(crate) fn route(&self) -> Route {
        self.faults.route("a", "b")
    }

    /// Moves the time to a number of milliseconds after the start.
    pub(crate) fn at(&self, millis: u64) {
        self.at_nanos(millis * 1_000_000);
    }

    pub(crate) fn at_nanos(&self, nanos: u64) {
        let to = Time::from_nanos(nanos);
        assert!(to >= self.clock.now(), "{to} has passed");
        self.clock.advance(to - self.clock.now()).expect("a manual clock");
    }

    /// Moves the time to just before a number of milliseconds after the start.
    pub(crate) fn before(&self, millis: u64) {
        self.at_nanos(millis * 1_000_000 - 1);
    }

    /// A dial by `b` that has begun.
    pub(crate) fn dial(&self) -> Pin<Box<Op<impl Future<Output = Result<Conn, Error>> + use<>>>> {
        let mut dial = Box::pin(self.b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none(), "a dial waits for its accept");
        dial
    }

    /// A connection from `b` to `a`, made while no fault delays it: the dialled and the accepted end.
    pub(crate) fn pair(&self) -> [Conn; 2] {
        let mut dial = self.dial();
        let accepted = self.listener.try_accept().expect("a dial waits");
        let dialled = dial.as_mut().try_wait().expect("it is accepted").expect("it is not refused");
        [dialled, accepted]
    }

    /// A connection from `b` to `a`, made while faults delay it.
    pub(crate) fn connect(&self) -> [Conn; 2] {
        let (mut dial, from) = (self.dial(), self.now());
        self.at(from + 50);
        let accepted = self.listener.try_accept().expect("the request has arrived");
        self.at(from + 100);
        [dial.as_mut().try_wait().expect("the answer has arrived").expect("it was accepted"), accepted]
    }

    /// Milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_nanos() / 1_000_000
    }

    /// Makes `a` anew.
    pub(crate) fn restart_a(&mut self) {
        self.a = self.net.restart("a").expect("it is dead");
    }

    /// Listens at port 10 of `a` again.
    pub(crate) fn listen(&mut self) {
        self.listener = self.a.listen(":10").expect("a free port");
    }

    /// The network as it is.
    pub(crate) fn snapshot(&self) -> String {
        self.net.live().to_string()
    }

    /// Drops what is left, and checks that nothing stays behind.
    pub(crate) fn finish(self) {
        assert_eq!([self.a.sockets(), self.b.sockets()], [1, 0], "sockets of a and b");
        assert_eq!(self.clock.timers(), Ok(0), "timers");
    }
}

/// What a read returns at once, as text, or its error.
pub(crate) fn read(conn: &Conn) -> Result<String, String> {
    let mut buf = [0; 4096];
    let read = conn.try_read(&mut buf).map(|count| String::from_utf8_lossy(&buf[..count]).into_owned());
    read.map_err(|error| error.to_string())
}

/// What a write returns at once, or its error.
pub(crate) fn write(conn: &Conn, text: &str) -> Result<usize, String> {
    conn.try_write(text.as_bytes()).map_err(|error| error.to_string())
}

/// Whether nothing can be read yet.
pub(crate) fn waits(conn: &Conn) -> bool {
    read(conn).is_err_and(|error| error.ends_with("would block"))
}
