//! Tells a trace what a network would.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use virtnet::trace::{CoreEvent, Event, How, Observer, RawEvent, Trace};
use virtnet::{Addr, Error, pipenet};

/// A network `pipet` that has no hosts, but events.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) trace: Trace,
    network: Trace,
}

/// Numbers for connections.
static CONNS: AtomicU32 = AtomicU32::new(0);

pub(crate) fn addr(text: &str) -> Addr {
    let addr: Addr = text.parse().expect("an address");
    Addr::new("pipet", addr.host(), addr.port()).expect("an address")
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self::of(&Trace::new())
    }

    /// Another network of this trace.
    pub(crate) fn of(trace: &Trace) -> Self {
        Self { trace: trace.clone(), network: trace.for_network() }
    }

    /// A trace whose actors are numbers that the test sets.
    pub(crate) fn acting() -> (Self, impl Fn(u64)) {
        let actor = Arc::new(AtomicU64::new(1));
        let key = actor.clone();
        let trace = Trace::builder().actors(move || key.load(Ordering::Relaxed)).build();
        (Self::of(&trace), move |number| actor.store(number, Ordering::Relaxed))
    }

    /// The only event with this line.
    pub(crate) fn one(&self, line: &str) -> Event {
        self.trace.one(line).expect("one such event")
    }

    pub(crate) fn observer(&self) -> &Trace {
        &self.network
    }

    pub(crate) fn core(&self, event: CoreEvent<'_>, end: Option<u32>) {
        self.network.now(&RawEvent::Core(&event, end));
    }

    pub(crate) fn host(&self, host: &str) {
        self.core(CoreEvent::HostMade { host }, None);
    }

    pub(crate) fn listen(&self, at: &str) {
        self.core(CoreEvent::Listened { addr: &addr(at) }, None);
    }

    pub(crate) fn drop_listener(&self, at: &str) {
        self.core(CoreEvent::ListenerClosed { addr: &addr(at), dropped: true }, None);
    }

    /// A dial, which gets the number of a connection.
    pub(crate) fn dial(&self, src: &str, dst: &str) -> u32 {
        let (src, dst) = (addr(src), addr(dst));
        self.core(CoreEvent::Dialled { src: &src, dst: &dst }, None);
        let conn = CONNS.fetch_add(1, Ordering::Relaxed);
        self.network.now(&RawEvent::Opened { conn, src: &src, dst: &dst });
        conn
    }

    pub(crate) fn withdraw(&self, src: &str, dst: &str) {
        self.core(CoreEvent::Withdrawn { src: &addr(src), dst: &addr(dst) }, None);
    }

    pub(crate) fn accept(&self, conn: u32, listener: &str, local: &str, peer: &str) {
        let event = CoreEvent::Accepted { listener: &addr(listener), local: &addr(local), peer: &addr(peer) };
        self.core(event, Some(2 * conn + 1));
    }

    pub(crate) fn connect(&self, conn: u32, dialled: &str, peer: &str) {
        self.core(CoreEvent::Connected { dialled: &addr(dialled), peer: &addr(peer) }, Some(2 * conn));
    }

    /// A connection `b:1 <-> a:1` by a:10; returns the ends of a and of b.
    pub(crate) fn pair(&self) -> (u32, u32) {
        ["a", "b"].into_iter().for_each(|host| self.host(host));
        self.listen("a:10");
        let conn = self.dial("b:1", "a:10");
        self.accept(conn, "a:10", "a:1", "b:1");
        self.connect(conn, "a:10", "a:1");
        (2 * conn + 1, 2 * conn)
    }

    /// A [`pair`](Feed::pair) of which a has written `hi` and dropped its end, and b has read to the end.
    pub(crate) fn answered(&self) -> (u32, u32) {
        let (a, b) = self.pair();
        self.write(a, "hi");
        self.shut(a, How::Drop);
        self.read(b, "hi");
        self.end(b);
        (a, b)
    }

    pub(crate) fn write(&self, end: u32, text: &str) {
        self.write_of(end, text, text.len());
    }

    pub(crate) fn write_of(&self, end: u32, text: &str, of: usize) {
        self.network.now(&RawEvent::Wrote { end, bytes: text.as_bytes(), of });
    }

    pub(crate) fn taken(&self, end: u32, count: usize, of: usize) {
        self.network.now(&RawEvent::Taken { end, count, of });
    }

    pub(crate) fn read(&self, end: u32, text: &str) {
        self.network.now(&RawEvent::Read { end, bytes: text.as_bytes() });
    }

    pub(crate) fn end(&self, end: u32) {
        self.core(CoreEvent::Ended, Some(end));
    }

    pub(crate) fn shut(&self, end: u32, how: How) {
        self.core(CoreEvent::Shut(how, false), Some(end));
    }

    pub(crate) fn fail(&self, error: Error, end: Option<u32>) {
        self.core(CoreEvent::Failed(&error), end);
    }

    /// The lines of all events, reads too.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.trace.view().reads(true).events().map(|event| event.to_string()).collect()
    }

    /// The lines after those of [`pair`](Feed::pair).
    pub(crate) fn lines_of_pair(&self) -> Vec<String> {
        self.lines().split_off(6)
    }
}

/// Real errors, as the crate has no way to make one up.
pub(crate) struct Errors {
    net: pipenet::Network,
}

impl Errors {
    pub(crate) fn new() -> Self {
        let net = pipenet::Network::new("t");
        ["a", "b"].into_iter().for_each(|host| drop(net.host(host).expect("a host")));
        Self { net }
    }

    pub(crate) fn host(&self, name: &str) -> pipenet::Host {
        self.net.host(name).expect("a host")
    }

    pub(crate) fn dial(&self, addr: &str) -> Error {
        self.host("b").dial(addr).wait().expect_err("it fails")
    }

    /// The dialled and the accepted end of a connection.
    pub(crate) fn pair(&self) -> (pipenet::Conn, pipenet::Conn) {
        let listener = self.host("a").listen(":10").expect("a free port");
        let mut dial = pin!(self.host("b").dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = listener.try_accept().expect("a dial waits");
        (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
    }
}
