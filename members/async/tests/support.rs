//! Helpers of the tests: runtimes, a time limit, and connections.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use virtnet::pipenet::{Conn, Host, Listener, Network};

/// The time limit of a test on one runtime.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test on a single-threaded runtime, and again on a multi-threaded one.
pub(crate) fn on_each_runtime<F>(test: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    run("one thread", Builder::new_current_thread(), test());
    run("several threads", Builder::new_multi_thread(), test());
}

/// Runs a test on a single-threaded runtime, where the order of events is the same each time.
pub(crate) fn on_one_thread<F>(test: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    run("one thread", Builder::new_current_thread(), test());
}

/// Runs a test on each runtime, on a buffered and on a rendezvous network.
pub(crate) fn on_each_network<F>(test: impl Fn(Network) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for rendezvous in [false, true] {
        println!("with rendezvous: {rendezvous}");
        on_each_runtime(|| test(Network::builder("t").rendezvous(rendezvous).build().expect("a valid name")));
    }
}

/// Runs a test on a single-threaded runtime with a paused clock, which advances to the next timer when no task can run.
pub(crate) fn with_paused_clock<F>(test: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = Builder::new_current_thread();
    builder.start_paused(true);
    run("one thread, paused", builder, test());
}

/// Runs a test as a task of a new runtime, within the time limit.
fn run(name: &str, mut builder: Builder, test: impl Future<Output = ()> + Send + 'static) {
    let networks = Networks::default();
    let of_worker = networks.clone();
    let runtime = builder.enable_all().on_thread_start(move || of_worker.enter()).build().expect("a runtime");
    let outcome = networks.within_limit(move || runtime.block_on(async { tokio::spawn(test).await }));
    if let Err(failure) = outcome {
        eprintln!("on a runtime with {name}");
        panic::resume_unwind(failure.into_panic());
    }
}

/// Runs a test on a new thread, within the time limit.
pub(crate) fn within_limit<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    Networks::default().within_limit(test)
}

/// The networks of one test: those whose hosts it made by [`host`]. Their snapshots are printed when the test times
/// out.
#[derive(Clone, Default)]
struct Networks(Arc<Mutex<Vec<Network>>>);

thread_local! {
    /// The networks of the test on this thread. Each test has its own threads.
    static OF_TEST: RefCell<Option<Networks>> = const { RefCell::new(None) };
}

impl Networks {
    /// Records the networks of the hosts that this thread will make.
    fn enter(&self) {
        OF_TEST.set(Some(self.clone()));
    }

    fn note(&self, net: &Network) {
        let mut networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !networks.iter().any(|known| std::ptr::eq(&**known.subnetwork(), &**net.subnetwork())) {
            networks.push(net.clone());
        }
    }

    fn within_limit<T: Send + 'static>(&self, test: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, outcome) = mpsc::channel();
        let networks = self.clone();
        thread::spawn(move || {
            networks.enter();
            done.send(panic::catch_unwind(AssertUnwindSafe(test)))
        });
        match outcome.recv_timeout(LIMIT) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(_) => panic!("not done after {LIMIT:?}{self}"),
        }
    }
}

/// The snapshot of each network. If no task waits in it, the cause of the hang is elsewhere.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        networks.iter().try_for_each(|net| write!(f, "\n{}", net.snapshot()))
    }
}

/// Two hosts, `a` and `b`, and a connection between them.
pub(crate) struct Pair {
    pub(crate) a: Host,
    pub(crate) b: Host,
    /// `a:1`.
    pub(crate) listener: Listener,
    /// `b:1 -> a:2`.
    pub(crate) dialled: Conn,
    /// `a:2 -> b:1`.
    pub(crate) accepted: Conn,
}

/// Two hosts of a new network, and a connection between them.
pub(crate) async fn pair() -> Pair {
    pair_on(&Network::new("t")).await
}

/// Two hosts of a new network with buffers of this size, and a connection between them.
pub(crate) async fn pair_with_buffer(bytes: usize) -> Pair {
    pair_on(&Network::builder("t").buffer(bytes).build().expect("a valid size")).await
}

pub(crate) async fn pair_on(net: &Network) -> Pair {
    let (a, b) = (host(net, "a"), host(net, "b"));
    let listener = a.listen(":1").expect("a free port");
    let (dialled, accepted) = connect(&b, &listener).await;
    Pair { a, b, listener, dialled, accepted }
}

/// The host of this name. The snapshot of its network is printed if the test times out.
pub(crate) fn host(net: &Network, name: &str) -> Host {
    OF_TEST.with_borrow(|networks| networks.iter().for_each(|networks| networks.note(net)));
    net.host(name).expect("the network is up")
}

/// A connection from a host to a listener: the dialled and the accepted end.
pub(crate) async fn connect(from: &Host, to: &Listener) -> (Conn, Conn) {
    tokio::try_join!(from.dial(to.local_addr()), to.accept()).expect("both ends of a connection")
}

/// The addresses of an end: the local and the peer address.
pub(crate) fn ends(conn: &Conn) -> [String; 2] {
    [conn.local_addr().to_string(), conn.peer_addr().to_string()]
}

/// A sequence of `len` bytes in which any piece shows its position.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// Waits until all ports of the hosts are free: a library's tasks drop their connections with a delay.
pub(crate) async fn all_ports_free(hosts: &[&Host]) {
    for host in hosts {
        host.idle().await.expect("only a timeout fails");
    }
}

/// Asserts that all ports of the hosts are free.
#[track_caller]
pub(crate) fn assert_all_ports_free(hosts: &[&Host]) {
    let left: Vec<_> = hosts.iter().map(|host| (host.name().to_string(), host.sockets())).collect();
    let none: Vec<_> = hosts.iter().map(|host| (host.name().to_string(), 0)).collect();
    assert_eq!(left, none);
}

#[test]
fn a_test_that_times_out_prints_its_networks() {
    let networks = Networks::default();
    let expected = "
network pipeone: up
State       Recv-Q  Send-Q  Waiting               Address
host a: open
listening        0    4096  -                     a:1
host b: open
network pipetwo: up
State       Recv-Q  Send-Q  Waiting               Address
host c: open";
    let made = networks.clone();
    let shown = networks.within_limit(move || {
        let (one, two) = (Network::new("one"), Network::new("two"));
        let _listener = host(&one, "a").listen(":1").expect("a free port");
        drop((host(&one, "b"), host(&two, "c")));
        made.to_string()
    });
    assert_eq!(shown, expected);

    let made = Networks::default();
    let of_worker = made.clone();
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).on_thread_start(move || of_worker.enter()).build().expect("a runtime");
    runtime.block_on(runtime.spawn(async { drop(host(&Network::new("three"), "d")) })).expect("no task panics");
    let expected = "\nnetwork pipethree: up\nState       Recv-Q  Send-Q  Waiting               Address\nhost d: open";
    assert_eq!(made.to_string(), expected);
}
