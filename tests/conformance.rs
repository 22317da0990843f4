//! The conformance suite, over each kind of in-process network and each way of waiting.
#![cfg(all(feature = "testing", feature = "pipenet"))]

use virtnet::pipenet::{self, fixed};
use virtnet::testing::{Capacity, Setup, Waiting, links_by_dial};

fn heap_buffered() -> Setup<pipenet::NetHandle> {
    Setup::new(pipenet::Network::new("t").subnetwork().clone())
        .restarts()
        .buffer(64 << 10)
        .links(links_by_dial)
        .resets_unread()
}

fn heap_rendezvous() -> Setup<pipenet::NetHandle> {
    let net = pipenet::Network::builder("t").rendezvous(true).build().expect("valid options");
    Setup::new(net.subnetwork().clone()).restarts().waiting(Waiting::Futures).links(links_by_dial)
}

fn heap_small() -> Setup<pipenet::NetHandle> {
    let net = pipenet::Network::builder("t").buffer(3).backlog(2).build().expect("valid options");
    Setup::new(net.subnetwork().clone()).restarts().buffer(3).links(links_by_dial).resets_unread()
}

fn heap_small_rendezvous() -> Setup<pipenet::NetHandle> {
    let net = pipenet::Network::builder("t").buffer(3).rendezvous(true).build().expect("valid options");
    Setup::new(net.subnetwork().clone()).restarts().buffer(3).links(links_by_dial)
}

fn heap_shared_port() -> Setup<pipenet::NetHandle> {
    let net = pipenet::Network::builder("t").share_port(true).build().expect("valid options");
    Setup::new(net.subnetwork().clone()).restarts().waiting(Waiting::Futures).links(links_by_dial).resets_unread()
}

/// Timeouts are measured on a clock of its own.
#[cfg(feature = "sim")]
fn heap_on_a_clock() -> Setup<pipenet::NetHandle> {
    let net = pipenet::Network::builder("t").clock(virtnet::Clock::real()).build().expect("valid options");
    Setup::new(net.subnetwork().clone()).buffer(64 << 10).links(links_by_dial).resets_unread()
}

fn heap_polite() -> Setup<pipenet::NetHandle> {
    let net = pipenet::Network::builder("t").reset_unread(false).build().expect("valid options");
    Setup::new(net.subnetwork().clone()).restarts().links(links_by_dial)
}

/// A new network that is never freed, like a static.
fn fixed_network(options: fn(fixed::Network<'static>) -> fixed::Network<'static>) -> &'static fixed::Network<'static> {
    let memory = Box::leak(Box::new(fixed::Memory::<3, 8, 4, 16>::new()));
    Box::leak(Box::new(options(fixed::Network::new("t", memory))))
}

fn fixed_setup(net: &'static fixed::Network<'static>) -> Setup<fixed::NetHandle<'static, 'static>> {
    let capacity = Capacity { hosts: 3, ports: 8, pipes: 4 };
    Setup::new(net.subnetwork()).buffer(16).capacity(capacity).held(|| net.pipes()).links(links_by_dial)
}

fn fixed_buffered() -> Setup<fixed::NetHandle<'static, 'static>> {
    fixed_setup(fixed_network(|net| net)).waiting(Waiting::Futures).resets_unread()
}

fn fixed_rendezvous() -> Setup<fixed::NetHandle<'static, 'static>> {
    fixed_setup(fixed_network(|net| net.rendezvous(true)))
}

fn fixed_shared_port() -> Setup<fixed::NetHandle<'static, 'static>> {
    fixed_setup(fixed_network(|net| net.share_port(true).backlog(2))).resets_unread()
}

fn fixed_polite() -> Setup<fixed::NetHandle<'static, 'static>> {
    fixed_setup(fixed_network(|net| net.reset_unread(false)))
}

virtnet::conformance!(
    heap_buffered_on_threads,
    heap_buffered,
    [buffered, unread_resets, fresh_port, sized_buffer, death, links]
);
virtnet::conformance!(heap_rendezvous_as_futures, heap_rendezvous, [rendezvous, fresh_port, death, links]);
virtnet::conformance!(
    heap_small_on_threads,
    heap_small,
    [buffered, unread_resets, fresh_port, sized_buffer, small_backlog, death, links]
);
virtnet::conformance!(
    heap_small_rendezvous_on_threads,
    heap_small_rendezvous,
    [rendezvous, fresh_port, sized_buffer, death, links]
);
virtnet::conformance!(heap_polite_on_threads, heap_polite, [buffered, fresh_port, death, links]);
virtnet::conformance!(
    heap_shared_port_as_futures,
    heap_shared_port,
    [buffered, unread_resets, shared_port, death, links]
);
#[cfg(feature = "sim")]
virtnet::conformance!(
    heap_on_a_clock_on_threads,
    heap_on_a_clock,
    [buffered, unread_resets, fresh_port, sized_buffer, links]
);
virtnet::conformance!(
    fixed_buffered_as_futures,
    fixed_buffered,
    [buffered, unread_resets, fresh_port, sized_buffer, fixed, links]
);
virtnet::conformance!(
    fixed_rendezvous_on_threads,
    fixed_rendezvous,
    [rendezvous, fresh_port, sized_buffer, fixed, links]
);
virtnet::conformance!(
    fixed_shared_port_on_threads,
    fixed_shared_port,
    [buffered, unread_resets, shared_port, sized_buffer, small_backlog, fixed, links]
);
virtnet::conformance!(fixed_polite_on_threads, fixed_polite, [buffered, fresh_port, sized_buffer, fixed, links]);
