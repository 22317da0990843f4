//! Hosts that several threads request at the same time.

use std::sync::Barrier;
use std::thread;

use virtnet::{Error, Host, NetRef, pipenet};

/// The number of requested names.
const NAMES: usize = 20_000;

/// The number of threads that request each name.
const THREADS: usize = 4;

#[test]
fn a_host_asked_for_by_several_threads_at_once_is_one_open_host() {
    let net = pipenet::Network::new("t");
    race(|name| net.host(name));
}

#[test]
fn a_host_of_a_fixed_network_asked_for_by_several_threads_at_once_is_one_open_host() {
    // Finding a name takes time linear in the number of hosts.
    for _ in 0..NAMES / 100 {
        let memory = pipenet::fixed::Memory::<100, 4, 1, 1>::new();
        let net = pipenet::fixed::Network::new("t", &memory);
        race_for(100, |name| net.host(name));
    }
}

fn race<N: NetRef>(host: impl Fn(&str) -> Result<Host<N>, Error> + Sync) {
    race_for(NAMES, host);
}

/// Several threads request the same names at the same time, and use the returned hosts at once.
fn race_for<N: NetRef>(names: usize, host: impl Fn(&str) -> Result<Host<N>, Error> + Sync) {
    let start = Barrier::new(THREADS);
    // A panic in one thread would make the other threads wait forever, so none panics.
    let run = || {
        let use_host = |name: usize| {
            if name.is_multiple_of(20) {
                start.wait();
            }
            host(&format!("h{name}"))?.listen("").map(drop)
        };
        (0..names).map(use_host).filter_map(Result::err).collect::<Vec<_>>()
    };
    let failures: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(failures, []);
}
