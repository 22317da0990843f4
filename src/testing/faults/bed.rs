//! Two hosts with faults between them, on a clock that a behaviour moves.

use core::cell::RefCell;
use core::time::Duration;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use super::super::setup::Setup;
use super::super::step::{self, failed, server};
use super::super::task::Task;
use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
use crate::sim::{Faults, Route};
use crate::wait::clock::{Clock, Entered, Time};

/// The latency of most behaviours.
pub(super) const L: Duration = ms(50);

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A network with the hosts `a`, which listens at port 10, and `b`. The operations that are under way are polled
/// whenever the clock moves.
pub(super) struct Bed<'s, N: NetRef> {
    pub(super) setup: &'s Setup<N>,
    pub(super) net: N,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    pub(super) a: Host<N>,
    pub(super) b: Host<N>,
    pub(super) listener: Arc<Listener<N>>,
    dials: RefCell<Vec<Option<Dialling<N>>>>,
    sends: RefCell<Vec<Task<'static, Result<usize, Error>>>>,
    /// The thread takes part in an automatic clock.
    _me: Option<Entered>,
}

/// The task of a dial.
type Dialling<N> = Task<'static, Result<Conn<N>, Error>>;

/// A dial under way.
#[derive(Clone, Copy)]
pub(super) struct Dial(usize);

/// Runs a behaviour on a clock that it advances, and on one that moves when the thread waits.
pub(super) fn on_each_clock<N: NetRef + 'static>(setup: &Setup<N>, mut body: impl FnMut(Bed<'_, N>)) {
    for clock in [Clock::manual(), Clock::auto()] {
        body(Bed::new(setup, clock, 0));
    }
}

impl<'s, N: NetRef + 'static> Bed<'s, N> {
    pub(super) fn new(setup: &'s Setup<N>, clock: Clock, seed: u64) -> Self {
        // A manual clock has no participants.
        let _me = clock.advance(Duration::ZERO).is_err().then(|| clock.enter());
        let faults = Faults::new().seed(seed).clock(clock.clone());
        let net = setup.with_faults(faults.clone());
        let [a, b] = ["a", "b"].map(|name| setup.host_on(&net, name));
        let listener = server(&a, ":10");
        Self { setup, net, clock, faults, a, b, listener, dials: RefCell::default(), sends: RefCell::default(), _me }
    }

    /// With the latency [`L`] between both hosts from now on.
    pub(super) fn slow(self) -> Self {
        self.route().latency(L);
        self
    }

    pub(super) fn route(&self) -> Route {
        self.faults.route("a", "b")
    }

    /// Whether blocking operations of this thread move the clock.
    pub(super) fn is_auto(&self) -> bool {
        self._me.is_some()
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().as_nanos() / 1_000_000
    }

    /// Moves the time to a number of milliseconds after the start.
    pub(super) fn at(&self, millis: u64) {
        self.at_nanos(millis * 1_000_000);
    }

    /// Moves the time to just before a number of milliseconds after the start.
    pub(super) fn before(&self, millis: u64) {
        self.at_nanos(millis * 1_000_000 - 1);
    }

    pub(super) fn at_nanos(&self, nanos: u64) {
        let to = Time::from_nanos(nanos);
        assert!(to >= self.clock.now(), "{to} has passed");
        self.turn();
        while let Ok(Some(next)) = self.clock.next()
            && next <= to
        {
            self.go(next);
        }
        self.go(to);
    }

    /// Moves the time to that of the next event. Returns whether there is one.
    pub(super) fn to_next(&self) -> bool {
        match self.clock.next() {
            Ok(Some(next)) => {
                self.go(next);
                true
            }
            _ => false,
        }
    }

    fn go(&self, to: Time) {
        let by = to - self.clock.now();
        if self.clock.advance(by).is_err() {
            self.clock.sleep(by).wait();
        }
        self.turn();
    }

    /// Polls what was woken. Returns whether anything was.
    pub(super) fn turn(&self) -> bool {
        let (mut dials, mut sends) = (self.dials.borrow_mut(), self.sends.borrow_mut());
        let mut polled = false;
        loop {
            let mut woken = false;
            for dial in dials.iter_mut().flatten().filter(|dial| dial.is_woken()) {
                woken = true;
                dial.turn();
            }
            sends.retain_mut(|send| {
                woken |= send.is_woken();
                !send.turn()
            });
            if !woken {
                return polled;
            }
            polled = true;
        }
    }

    /// Begins a dial from `b` to port 10 of `a`.
    pub(super) fn dial(&self) -> Dial {
        self.dial_to("a:10")
    }

    pub(super) fn dial_to(&self, addr: &'static str) -> Dial {
        self.begin(&self.b, addr)
    }

    pub(super) fn begin(&self, from: &Host<N>, addr: &'static str) -> Dial {
        let dialling = Task::start(from.dial(addr));
        let mut dials = self.dials.borrow_mut();
        dials.push(Some(dialling));
        Dial(dials.len() - 1)
    }

    /// The outcome of a dial, if it is done.
    pub(super) fn outcome(&self, dial: Dial) -> Option<Result<Arc<Conn<N>>, Error>> {
        self.turn();
        let mut dials = self.dials.borrow_mut();
        let done = dials[dial.0].as_mut().expect("its outcome was not taken").turn();
        let dialling = if done { dials[dial.0].take() } else { None };
        dialling.map(|dialling| dialling.outcome().map(Arc::new))
    }

    /// Whether a dial still waits.
    pub(super) fn is_pending(&self, dial: Dial) -> bool {
        self.turn();
        !self.dials.borrow_mut()[dial.0].as_mut().expect("its outcome was not taken").turn()
    }

    #[track_caller]
    pub(super) fn connected(&self, dial: Dial) -> Arc<Conn<N>> {
        self.outcome(dial).expect("the answer has arrived").expect("it was accepted")
    }

    #[track_caller]
    pub(super) fn fails(&self, dial: Dial, cause: &str) {
        let error = self.outcome(dial).expect("the answer has arrived").map(drop).unwrap_err().to_string();
        assert!(error.ends_with(cause), "{error}");
    }

    pub(super) fn drop_dial(&self, dial: Dial) {
        let dialling = self.dials.borrow_mut()[dial.0].take();
        drop(dialling);
    }

    /// Accepts a connection, if one has arrived.
    pub(super) fn accept(&self) -> Option<Arc<Conn<N>>> {
        let mut accepting = Task::new(step::accept(&self.listener));
        loop {
            if accepting.turn() {
                self.turn();
                return accepting.outcome().ok().map(Arc::new);
            }
            if !self.turn() && !accepting.is_woken() {
                return None;
            }
        }
    }

    /// A connection from `b` to `a`, made while no fault delays it: the dialled and the accepted end.
    pub(super) fn pair(&self) -> [Arc<Conn<N>>; 2] {
        let dial = self.dial();
        let accepted = self.accept().expect("a dial waits");
        [self.connected(dial), accepted]
    }

    /// A connection from `b` to `a`, made with the latency [`L`].
    pub(super) fn connect(&self) -> [Arc<Conn<N>>; 2] {
        let (dial, from) = (self.dial(), self.now());
        self.at(from + 50);
        let accepted = self.accept().expect("the request has arrived");
        self.at(from + 100);
        [self.connected(dial), accepted]
    }

    /// Begins a write, which is done at once where bytes on their way lie in a buffer, and else when they have arrived.
    pub(super) fn send(&self, conn: &Arc<Conn<N>>, text: &str) {
        self.send_bytes(conn, text.as_bytes());
    }

    pub(super) fn send_bytes(&self, conn: &Arc<Conn<N>>, bytes: &[u8]) {
        self.sends.borrow_mut().push(Task::new(step::write(conn, bytes)));
        self.turn();
    }

    /// What a read returns at once, as text, or its error.
    pub(super) fn read(&self, conn: &Conn<N>) -> Result<String, String> {
        self.turn();
        let mut buf = [0; 4096];
        let read = conn.try_read(&mut buf).map(|count| String::from_utf8_lossy(&buf[..count]).into_owned());
        self.turn();
        read.map_err(|error| error.to_string())
    }

    /// Whether nothing can be read yet.
    pub(super) fn waits(&self, conn: &Conn<N>) -> bool {
        self.read(conn) == Err(failed("read", conn, "would block"))
    }

    /// The error of a read of this end.
    pub(super) fn unread(&self, conn: &Conn<N>, cause: &str) -> Result<String, String> {
        Err(failed("read", conn, cause))
    }

    /// What a write returns at once, or its error.
    pub(super) fn write(&self, conn: &Conn<N>, text: &str) -> Result<usize, String> {
        conn.try_write(text.as_bytes()).map_err(|error| error.to_string())
    }

    /// The error of a write of this end.
    pub(super) fn unwritten(&self, conn: &Conn<N>, cause: &str) -> Result<usize, String> {
        Err(failed("write", conn, cause))
    }

    pub(super) fn crash(&self, name: &str) {
        self.setup.crash_on(&self.net, name);
    }

    pub(super) fn power_off(&self, name: &str) {
        self.setup.power_off_on(&self.net, name);
    }

    /// Makes `a` anew.
    pub(super) fn restart_a(&mut self) {
        self.a = self.setup.restart_on(&self.net, "a");
    }

    /// Listens at port 10 of `a` again.
    pub(super) fn listen(&mut self) {
        self.listener = server(&self.a, ":10");
    }

    /// Checks that nothing stays behind once the caller has dropped its connections.
    #[track_caller]
    pub(super) fn finish(self) {
        self.turn();
        assert!(self.sends.borrow().is_empty(), "a write waits");
        self.dials.borrow_mut().clear();
        assert_eq!([self.a.sockets(), self.b.sockets()], [1, 0], "sockets of a and b");
        assert_eq!(self.clock.timers(), Ok(0), "timers");
    }
}

/// What a read returns.
pub(super) fn ok(text: &str) -> Result<String, String> {
    Ok(text.into())
}
