//! The actions of the program.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use virtnet::table::Fixed;
use virtnet::{
    Accept, Addr, Cause, ClaimedRequest, CloseError, Conn, Error, Host, Listener, NetRef, NetRefExt as _, Notifier,
    SubNetwork, SubNetworkNotifier,
};

use super::backend::Net;
use super::script::{Link, Script};
use super::{Hostile, Rogue};

/// A network, and the notifier for connections from outside.
pub(super) trait Door: NetRef<Engine = Hostile, Registry = Rogue> {
    type Notifier: Notifier<Link = Link, Accept = ClaimedRequest<Self>>;

    fn door(&self) -> Self::Notifier;
}

impl Door for Arc<Net> {
    type Notifier = Weak<Net>;

    fn door(&self) -> Weak<Net> {
        Arc::downgrade(self)
    }
}

impl<'n, 'm> Door for &'n SubNetwork<Hostile, Rogue, Fixed<'m, Link>> {
    type Notifier = SubNetworkNotifier<Self>;

    fn door(&self) -> Self::Notifier {
        self.notifier()
    }
}

/// A pending operation.
type Task<'t, N> = Pin<Box<dyn Future<Output = Got<N>> + 't>>;

/// The outcome of an operation.
enum Got<N: NetRef> {
    Host(Result<Host<N>, Error>),
    Conn(Result<Conn<N>, Error>),
    Accept(Result<ClaimedRequest<N>, Cause>),
    Addr(Result<Addr, Cause>),
    Closed(Result<(), CloseError>),
    Ready(Result<(), Error>),
}

/// The program's handles of the network.
pub(super) struct Talk<'t, N: NetRef> {
    net: N,
    script: &'t Script,
    listeners: Vec<Arc<Listener<N>>>,
    conns: Vec<Arc<Conn<N>>>,
    accepts: Vec<ClaimedRequest<N>>,
    tasks: Vec<Task<'t, N>>,
    wakes: Arc<Wakes>,
}

/// Counts the wakes of a task.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The maximum number of steps of one program.
const STEPS: usize = 400;

impl<'t, N> Talk<'t, N>
where
    N: Door + 't,
{
    pub(super) fn new(net: N, script: &'t Script) -> Self {
        Self {
            net,
            script,
            listeners: Vec::new(),
            conns: Vec::new(),
            accepts: Vec::new(),
            tasks: Vec::new(),
            wakes: Arc::default(),
        }
    }

    pub(super) fn run(mut self) {
        for name in ["a", "b"] {
            self.start(Self::new_host(&self.net, name));
        }
        for _ in 0..STEPS {
            if self.script.is_over() {
                break;
            }
            self.step();
        }
        self.finish();
    }

    fn new_host(net: &N, name: &str) -> Task<'t, N> {
        let op = net.new_host(name);
        Box::pin(async move { Got::Host(op.await) })
    }

    fn host(&self) -> Option<Host<N>> {
        let name = ["a", "b", "c", "another"][usize::from(self.script.below(4))];
        self.net.get_host(name)
    }

    fn addr(&self) -> String {
        let host = ["a", "b", "c", "", "elsewhere"][usize::from(self.script.below(5))];
        format!("{host}:{}", self.script.below(5))
    }

    /// The index of one of `len` objects, if there are any.
    fn at(&self, len: usize) -> Option<usize> {
        let number = usize::from(self.script.byte());
        number.checked_rem(len)
    }

    fn step(&mut self) {
        match self.script.below(20) {
            0 => self
                .start(Self::new_host(&self.net, ["a", "b", "c", "[", "another"][usize::from(self.script.below(5))])),
            1 | 2 => {
                if let Some(host) = self.host() {
                    match host.listen(&*self.addr()) {
                        Ok(listener) => self.listeners.push(Arc::new(listener)),
                        Err(error) => check(&error, "listen x"),
                    }
                }
            }
            3 | 4 => {
                if let Some(host) = self.host() {
                    let op = host.dial(self.addr());
                    self.start(Box::pin(async move { Got::Conn(op.await) }));
                }
            }
            5 | 6 => {
                if let Some(at) = self.at(self.listeners.len()) {
                    let listener = self.listeners[at].clone();
                    self.start(Box::pin(async move { Got::Conn(listener.accept().await) }));
                }
            }
            7 => self.incoming(),
            8 | 9 => {
                if let Some(at) = self.at(self.tasks.len()) {
                    self.poll(at);
                }
            }
            10 => {
                if let Some(at) = self.at(self.tasks.len()) {
                    drop(self.tasks.swap_remove(at));
                }
            }
            11 => {
                if let Some(at) = self.at(self.accepts.len()) {
                    let accept = self.accepts.swap_remove(at);
                    match self.script.below(3) {
                        0 => drop(accept),
                        1 => accept.refuse(),
                        _ => drop(accept.acknowledge()),
                    }
                }
            }
            12 => {
                if let Some(at) = self.at(self.listeners.len()) {
                    self.listeners[at].close();
                    drop(self.listeners.swap_remove(at));
                }
            }
            13 => self.close(),
            14 => {
                let net = self.net.clone();
                let _ = net.auto_close().map_err(|error| check(&error, "virtnet \"x\": auto close"));
            }
            _ => self.use_conn(),
        }
    }

    /// Hands in a connection from outside.
    fn incoming(&mut self) {
        let src = Addr::new("x", "outside", 1).expect("a valid name");
        let Ok(dst) = self.addr().parse::<Addr>() else { return };
        let (net, link) = (self.net.clone(), self.script.link());
        let accept = self.script.below(2) == 0;
        self.script.hand_over(&link);
        self.start(Box::pin(async move {
            let notifier = net.door();
            if accept {
                Got::Accept(notifier.accept(&src, &dst, link).await)
            } else {
                Got::Addr(notifier.connect(&src, &dst, link).await)
            }
        }));
    }

    fn close(&mut self) {
        match (self.script.below(4), self.host()) {
            (0, _) => {
                let op = self.net.close();
                self.start(Box::pin(async move { Got::Closed(op.await) }));
            }
            (_, Some(host)) => {
                let op = host.close();
                self.start(Box::pin(async move { Got::Closed(op.await) }));
            }
            _ => {}
        }
    }

    fn use_conn(&mut self) {
        let Some(at) = self.at(self.conns.len()) else { return };
        let conn = self.conns[at].clone();
        let mut buf = [0; 3];
        let len = usize::from(self.script.below(4));
        let waker = Waker::from(self.wakes.clone());
        let cx = &mut Context::from_waker(&waker);
        match self.script.below(13) {
            0 => moved(conn.try_read(&mut buf[..len]), len, "read x"),
            1 => moved(conn.try_write(&buf[..len]), len, "write x"),
            2 => polled(conn.poll_read(cx, &mut buf[..len]), len, "read x"),
            3 => polled(conn.poll_write(cx, &buf[..len]), len, "write x"),
            4 => polled(conn.poll_peek(cx, &mut buf[..len]), len, "read x"),
            5 => {
                if let Poll::Ready(Err(error)) = conn.poll_flush(cx) {
                    check(&error, "write x");
                }
            }
            6 => self.start(Box::pin(async move { Got::Ready(conn.readable().await) })),
            7 => self.start(Box::pin(async move { Got::Ready(conn.writable().await) })),
            8 => {
                let _ = conn.close_write().map_err(|error| check(&error, "shutdown x"));
            }
            9 => conn.close(),
            10 => conn.abort(),
            11 => drop(self.conns.swap_remove(at)),
            _ => {
                self.conns.remove(at);
                if let Some(conn) = Arc::into_inner(conn) {
                    let (read, write) = conn.into_split();
                    drop(write);
                    moved(read.try_read(&mut buf[..len]), len, "read x");
                }
            }
        }
    }

    fn start(&mut self, task: Task<'t, N>) {
        self.tasks.push(task);
        self.poll(self.tasks.len() - 1);
    }

    fn poll(&mut self, at: usize) {
        let waker = Waker::from(self.wakes.clone());
        let Poll::Ready(got) = self.tasks[at].as_mut().poll(&mut Context::from_waker(&waker)) else { return };
        drop(self.tasks.swap_remove(at));
        match got {
            Got::Host(Ok(_)) | Got::Closed(Ok(())) | Got::Ready(Ok(())) | Got::Accept(Err(_)) => {}
            Got::Host(Err(error)) => check(&error, "virtnet \"x\": new host \""),
            Got::Conn(Ok(conn)) => {
                assert!(conn.local_addr().port() > 0 && conn.peer_addr().network_name() == "x");
                self.conns.push(Arc::new(conn));
            }
            Got::Conn(Err(error)) if error.operation() == virtnet::Operation::Dial => check(&error, "dial x"),
            Got::Conn(Err(error)) => check(&error, "accept x "),
            Got::Accept(Ok(accept)) => {
                assert!(accept.local_addr().port() > 0);
                self.accepts.push(accept);
            }
            Got::Addr(addr) => drop(addr.map(|addr| assert!(addr.port() > 0))),
            Got::Closed(Err(error)) => assert!(error.to_string().starts_with("virtnet \"x\": "), "{error}"),
            Got::Ready(Err(error)) => panic!("a wait without a limit fails: {error}"),
        }
    }

    /// Drops everything, and asserts that nothing is left.
    fn finish(mut self) {
        self.script.end();
        self.tasks.clear();
        self.accepts.clear();
        self.conns.clear();
        self.listeners.clear();
        let hosts: Vec<_> = ["a", "b", "c", "another"].iter().filter_map(|name| self.net.get_host(name)).collect();
        for host in &hosts {
            assert_eq!(host.sockets(), 0, "of {host:?}");
            match host.listen("") {
                Ok(listener) => assert_eq!(listener.local_addr().port(), 1),
                Err(error) => assert!(error.to_string().ends_with(" is down"), "{error}"),
            }
        }
        let mut close = pin!(self.net.close());
        let closed = (0..8).find_map(|_| close.as_mut().try_wait()).expect("a backend that behaves closes soon");
        let again = pin!(self.net.close()).try_wait().expect("it is closed");
        assert_eq!(closed.map_err(|error| error.to_string()), again.map_err(|error| error.to_string()));
        self.net.engine().clear();
        assert_eq!(Arc::strong_count(&self.wakes), 1, "nobody keeps a waker");
    }
}

fn polled(outcome: Poll<Result<usize, Error>>, len: usize, head: &str) {
    if let Poll::Ready(outcome) = outcome {
        moved(outcome, len, head);
    }
}

/// Asserts that a read or write moved at most `len` bytes, and that a completed write moved at least one.
fn moved(outcome: Result<usize, Error>, len: usize, head: &str) {
    match outcome {
        Ok(count) => {
            assert!(count <= len, "{head}: {count} of {len}");
            assert!(count > 0 || len == 0 || head != "write x", "{head}: nothing of {len}");
        }
        Err(error) => check(&error, head),
    }
}

/// Asserts that an error has the documented form.
fn check(error: &Error, head: &str) {
    let text = error.to_string();
    assert!(text.starts_with(head), "{text:?} does not begin with {head:?}");
    assert!(text.len() < 200, "{text:?} is too long");
    assert_eq!(error.network_name(), "x");
    assert!(text.ends_with(&error.cause().to_string()), "{text:?} does not end with {:?}", error.cause());
    assert_eq!(error.kind(), error.cause().kind());
    assert_eq!(std::io::Error::from(*error).to_string(), text);
}
