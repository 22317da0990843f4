//! The resources that must be free when a storm is over.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use virtnet::{Host, NetRef};

use super::world::{Node, World};

/// Asserts that no host has a socket left.
pub(crate) fn no_socket_is_left<N: NetRef>(world: &World<N>) {
    for node in &*world.all.lock().expect("nobody panics with the hosts") {
        assert_eq!(node.host.sockets(), 0, "{:?} still has sockets", node.host);
    }
}

/// Asserts that the lowest ports of every open host can be listened on.
pub(crate) fn all_ports_can_be_used_again<N: NetRef>(world: &World<N>) {
    for host in open_hosts(world) {
        let listeners: Vec<_> = (0..PORTS).map(|_| host.listen("").expect("a free port")).collect();
        let ports: BTreeSet<_> = listeners.iter().map(|listener| listener.local_addr().port()).collect();
        assert_eq!(ports, (1..=PORTS).collect(), "{host:?} lacks ports");
    }
}

/// The number of ports to listen on at once.
pub(crate) const PORTS: u16 = 40;

/// Asserts that a fixed-size network has room for as many sockets and connections as in the beginning.
pub(crate) fn all_can_be_used_again<N: NetRef>(world: &World<N>, sockets: usize, pipes: usize) {
    let host = open_hosts(world).remove(0);
    let listeners: Vec<_> = (0..sockets).map(|_| host.listen("").expect("a free place")).collect();
    let full = host.listen("").expect_err("there is no other place");
    assert_eq!(
        full.to_string(),
        format!("listen {} {}:0: port table is full ({sockets})", host.network_name(), &*host.name())
    );
    drop(listeners);

    let listener = host.listen("").expect("a free place");
    let connect = || {
        let mut dial = pin!(host.dial(listener.local_addr()));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = listener.try_accept().expect("a dial waits");
        (dial.try_wait().expect("it is accepted").expect("it is accepted"), accepted)
    };
    let connections: Vec<_> = (0..pipes).map(|_| connect()).collect();
    let full = host.dial(listener.local_addr()).wait().expect_err("there is no other pipe");
    assert!(full.to_string().ends_with(&format!(": pipe pool is full ({pipes})")), "{full}");
    let mut buf = [0; 1];
    for (dialled, accepted) in &connections {
        // In a rendezvous network, a write is done when its byte was read.
        let _ = dialled.try_write(b"x");
        assert_eq!(accepted.try_read(&mut buf).map(|count| (count, buf)), Ok((1, *b"x")));
    }
}

fn open_hosts<N: NetRef>(world: &World<N>) -> Vec<Host<N>> {
    let all = world.all.lock().expect("nobody panics with the hosts");
    let is_open = |node: &&Arc<Node<N>>| !node.closing.load(std::sync::atomic::Ordering::SeqCst);
    all.iter().filter(is_open).map(|node| node.host.clone()).collect()
}
