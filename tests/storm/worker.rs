//! One thread of a storm: it listens, accepts, dials, and closes shared sockets.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use virtnet::{Conn, Error, ErrorKind, Listener, NetRef};

use super::chat::Chat;
use super::rng::Rng;
use super::world::{Node, Tally, World};

/// A thread of a storm.
pub(crate) struct Worker<'w, N: NetRef> {
    pub(crate) world: &'w World<N>,
    number: usize,
    pub(crate) rng: Rng,
    pub(crate) tally: Tally,
}

/// The number of ports that are often listened on.
const PORTS: u64 = 2;

impl<'w, N: NetRef> Worker<'w, N> {
    pub(crate) fn new(world: &'w World<N>, number: usize, rng: Rng) -> Self {
        Self { world, number, rng, tally: Tally::default() }
    }

    /// Runs until the storm is over; returns the count of each operation.
    pub(crate) fn run(mut self) -> Tally {
        let alarm = Alarm::new(self.world, self.number);
        while !self.world.stopped() {
            match self.rng.below(12) {
                0..5 => self.serve(),
                5..11 => self.dial(),
                _ => self.disturb(),
            }
        }
        drop(alarm);
        self.tally
    }

    /// Finishes without running.
    pub(crate) fn finish(self) -> Tally {
        self.tally
    }

    /// Starts a step, whose time the watchdog limits.
    pub(crate) fn at(&mut self, doing: &'static str) {
        self.world.watch.at(self.number, Some(doing));
        self.tally.count(doing);
    }

    pub(crate) fn micros(&mut self, limit: u64) -> Duration {
        Duration::from_micros(self.rng.below(limit))
    }

    /// Listens, and accepts for a while.
    fn serve(&mut self) {
        self.at("listen");
        let node = self.world.node(&mut self.rng);
        let port = if self.rng.once_in(4) { 0 } else { 100 + self.rng.below(PORTS) as u16 };
        let listener = match node.host.listen(port) {
            Ok(listener) => Arc::new(listener),
            Err(error) => {
                self.world.expect(&error, "listen", Some(&node), &[ErrorKind::AddrInUse, ErrorKind::Full]);
                self.help();
                return;
            }
        };
        self.world.listeners.put(&listener);
        for _ in 0..self.rng.below(20) {
            if !self.accept(&listener, &node) {
                break;
            }
        }
        if self.rng.once_in(2) {
            listener.close();
        }
    }

    /// Accepts at another thread's listener.
    fn help(&mut self) {
        let Some(listener) = self.world.listeners.any(&mut self.rng) else { return };
        let all = self.world.all.lock().expect("nobody panics with the hosts");
        let node = all.iter().find(|node| node.host == listener.host()).expect("all hosts are known").clone();
        drop(all);
        self.accept(&listener, &node);
    }

    /// Accepts in one of many ways; returns whether the listener may have more connections.
    fn accept(&mut self, listener: &Listener<N>, node: &Arc<Node<N>>) -> bool {
        if self.world.stopped() {
            return false;
        }
        self.at("accept");
        let strict = is_strict(listener.local_addr().port());
        let accepted = match self.rng.below(8) {
            0 => match self.poll_once(pin!(listener.accept())) {
                Poll::Ready(accepted) => accepted,
                Poll::Pending => return true,
            },
            1 => listener.try_accept(),
            2..4 => {
                let limit = self.micros(500);
                listener.accept().wait_timeout(limit)
            }
            _ => listener.accept().wait(),
        };
        match accepted {
            Ok(conn) => {
                self.tally.count("accepted");
                self.exchange(conn, node, strict, true);
                true
            }
            Err(error) => {
                let kinds = [ErrorKind::SocketDown, ErrorKind::TimedOut, ErrorKind::WouldBlock];
                self.world.expect(&error, "accept", Some(node), &kinds);
                matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
            }
        }
    }

    /// Dials in one of many ways.
    fn dial(&mut self) {
        self.at("dial");
        let node = self.world.node(&mut self.rng);
        let listening = self.world.listeners.any(&mut self.rng).map(|listener| listener.local_addr());
        let addr = match listening {
            Some(addr) if !self.rng.once_in(8) => addr,
            _ => {
                let target = self.world.node(&mut self.rng).host.name();
                virtnet::Addr::new("", &target, 100 + self.rng.below(PORTS) as u16).expect("a valid address")
            }
        };
        let dial = node.host.dial(addr);
        let dialled = match self.rng.below(8) {
            0 => match self.poll_once(pin!(dial)) {
                Poll::Ready(dialled) => dialled,
                Poll::Pending => return,
            },
            1 => match poll_for_a_while(pin!(dial)) {
                Poll::Ready(dialled) => dialled,
                Poll::Pending => return,
            },
            2 => dial.wait_timeout(Duration::ZERO),
            3 => dial.wait_timeout(self.micros(500)),
            _ => dial.wait(),
        };
        match dialled {
            Ok(conn) => {
                self.tally.count("dialled");
                self.exchange(conn, &node, is_strict(addr.port()), false);
            }
            Err(error) => {
                let refused = [ErrorKind::ConnectionRefused, ErrorKind::BacklogFull, ErrorKind::Full];
                self.world.expect(&error, "dial", Some(&node), &[&refused[..], &[ErrorKind::TimedOut]].concat());
            }
        }
    }

    /// Polls once, with a waker that no task waits for, and drops the operation.
    fn poll_once<T>(&mut self, operation: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        let waker = if self.rng.once_in(2) { Waker::from(Arc::new(Nobody)) } else { Waker::noop().clone() };
        let outcome = operation.poll(&mut Context::from_waker(&waker));
        if outcome.is_pending() {
            self.tally.count("given up");
        }
        outcome
    }

    /// Moves bytes over a connection, which other threads may close meanwhile.
    fn exchange(&mut self, conn: Conn<N>, node: &Arc<Node<N>>, strict: bool, serves: bool) {
        let conn = Arc::new(conn);
        if self.rng.once_in(2) {
            self.world.conns.put(&conn);
        }
        let chat = Chat::new(self, &conn, node);
        match (strict, serves) {
            (true, true) => chat.answer(),
            (true, false) => chat.ask(),
            (false, _) => chat.ramble(),
        }
    }

    /// Closes a shared socket, or replaces a host.
    pub(crate) fn disturb(&mut self) {
        self.at("disturb");
        match self.rng.below(16) {
            0 => self.world.replace_host(&mut self.rng, &mut self.tally),
            1..7 => self.close_listener(),
            7 => {
                assert!(self.world.net.snapshot().to_string().starts_with("network "));
                self.tally.count("looked at");
            }
            _ => {
                let Some(conn) = self.world.conns.any(&mut self.rng) else { return };
                match self.rng.below(4) {
                    0 => conn.abort(),
                    1 => drop(conn.close_write()),
                    _ => conn.close(),
                }
                self.tally.count("closed by others");
            }
        }
    }

    pub(crate) fn close_listener(&mut self) {
        if let Some(listener) = self.world.listeners.any(&mut self.rng) {
            listener.close();
            self.tally.count("listener closed");
        }
    }
}

/// Whether both ends of connections to this port follow the protocol, without time limits. At other ports they act at
/// random.
pub(crate) fn is_strict(port: u16) -> bool {
    port.is_multiple_of(2)
}

/// Polls several times, as a program without threads would, and then stops.
fn poll_for_a_while<T>(mut operation: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    for _ in 0..50 {
        if let done @ Poll::Ready(_) = operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
        thread::yield_now();
    }
    Poll::Pending
}

/// The crate's error inside an error of `std::io`.
pub(crate) fn cause(error: &std::io::Error) -> &Error {
    error.get_ref().and_then(|error| error.downcast_ref()).expect("all errors of connections are the crate's own")
}

/// A waker that wakes no task.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// Reports the end of a thread to the watchdog, and ends the other threads if this one panicked.
pub(crate) struct Alarm<'w, N: NetRef> {
    world: &'w World<N>,
    number: usize,
}

impl<'w, N: NetRef> Alarm<'w, N> {
    pub(crate) fn new(world: &'w World<N>, number: usize) -> Self {
        Self { world, number }
    }
}

impl<N: NetRef> Drop for Alarm<'_, N> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.world.stop.store(true, SeqCst);
        }
        self.world.watch.at(self.number, None);
    }
}
