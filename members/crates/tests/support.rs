//! Helpers of the tests: runtimes, and a time limit.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use virtnet::pipenet::{Builder, Conn, Host, Network};

/// The time limit of a test on one network.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Runs a test as a task of a single-threaded runtime, and again of a multi-threaded one, each time on a new network.
pub(crate) fn on_each_runtime<F>(net: &Builder<'_>, test: impl Fn(Network) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for mut runtime in [runtime::Builder::new_current_thread(), runtime::Builder::new_multi_thread()] {
        let runtime = runtime.enable_all().build().expect("a runtime");
        let net = net.clone().build().expect("valid options");
        let test = test(net.clone());
        within_limit(net, move || runtime.block_on(async { tokio::spawn(test).await.expect("no panic") }));
    }
}

/// Runs a test on a new network, on a thread of its own.
pub(crate) fn on_thread(test: impl FnOnce(Network) + Send + 'static) {
    let net = Network::new("t");
    within_limit(net.clone(), move || test(net));
}

/// Runs a test on a new thread. If it times out, the snapshot of its network is printed.
fn within_limit(net: Network, test: impl FnOnce() + Send + 'static) {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(panic::catch_unwind(AssertUnwindSafe(test))));
    match outcome.recv_timeout(LIMIT) {
        Ok(outcome) => outcome.unwrap_or_else(|panic| panic::resume_unwind(panic)),
        Err(_) => panic!("not done after {LIMIT:?}\n{}", net.snapshot()),
    }
}

/// The addresses of an end: the local and the peer address.
pub(crate) fn ends(conn: &Conn) -> [String; 2] {
    [conn.local_addr().to_string(), conn.peer_addr().to_string()]
}

/// Asserts that all ports of the hosts are free.
#[track_caller]
pub(crate) fn assert_all_ports_free(hosts: &[&Host]) {
    let left: Vec<_> = hosts.iter().map(|host| (host.name().to_string(), host.sockets())).collect();
    let none: Vec<_> = hosts.iter().map(|host| (host.name().to_string(), 0)).collect();
    assert_eq!(left, none);
}
