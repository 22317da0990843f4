//! The conformance suite over traced networks: that grow and of a fixed size, recorded by a trace and by a ring.

use virtnet::pipenet::fixed::Traced;
use virtnet::pipenet::{self, fixed};
use virtnet::testing::{Capacity, Setup, Waiting, links_by_dial};
use virtnet::trace::{EventRing, Recorder, Trace};
use virtnet::{Bare, Layer};

use crate::counting::Calls;

/// A network that grows with these layers.
fn layered<L: Layer>(layers: L, rendezvous: bool) -> Setup<pipenet::NetHandle<(L, Bare)>> {
    let net = pipenet::Network::builder("t").rendezvous(rendezvous).buffer(16).layer(layers).build();
    let setup = Setup::new(net.expect("valid options").subnetwork().clone()).restarts().buffer(16).links(links_by_dial);
    if rendezvous { setup.waiting(Waiting::Futures) } else { setup.resets_unread() }
}

/// A network with a trace.
fn heap(rendezvous: bool) -> Setup<pipenet::NetHandle<(Trace, Bare)>> {
    let trace = Trace::new();
    layered(trace.clone(), rendezvous).traced(move || {
        assert_eq!(trace.open_tickets(), 0);
        trace.view().reads(true).to_string()
    })
}

fn heap_buffered() -> Setup<pipenet::NetHandle<(Trace, Bare)>> {
    heap(false)
}

fn heap_rendezvous() -> Setup<pipenet::NetHandle<(Trace, Bare)>> {
    heap(true)
}

type Between = (Trace, (Calls, Trace));

/// A trace outside of another layer, and one inside.
fn between() -> Setup<pipenet::NetHandle<(Between, Bare)>> {
    let trace = Trace::new();
    layered((trace.clone(), (Calls::default(), Trace::new())), false)
        .traced(move || trace.view().reads(true).to_string())
}

/// A ring that is never freed, like a static.
fn ring() -> &'static EventRing<1024> {
    Box::leak(Box::new(EventRing::new()))
}

const HOSTS: [&str; 2] = ["a", "b"];

/// A network that grows, recorded by a ring.
fn heap_ring() -> Setup<pipenet::NetHandle<(Recorder, Bare)>> {
    let ring = ring();
    layered::<Recorder>(ring, false).traced_without_bytes(move || ring.show(&HOSTS).to_string())
}

/// A network of a fixed size, like one in a static, recorded by a ring.
fn fixed_ring(
    options: fn(fixed::Network<'static, Traced>) -> fixed::Network<'static, Traced>,
) -> Setup<fixed::NetHandle<'static, 'static, Traced>> {
    let memory = Box::leak(Box::new(fixed::Memory::<3, 8, 4, 16, Traced>::layered()));
    let ring = ring();
    let net: &fixed::Network<'_, Traced> = Box::leak(Box::new(options(fixed::Network::traced("t", memory, ring))));
    let capacity = Capacity { hosts: 3, ports: 8, pipes: 4 };
    let setup = Setup::new(net.subnetwork()).buffer(16).capacity(capacity).held(|| net.pipes()).links(links_by_dial);
    setup.traced_without_bytes(move || ring.show(net).to_string())
}

fn fixed_buffered() -> Setup<fixed::NetHandle<'static, 'static, Traced>> {
    fixed_ring(|net| net).waiting(Waiting::Futures).resets_unread()
}

fn fixed_rendezvous() -> Setup<fixed::NetHandle<'static, 'static, Traced>> {
    fixed_ring(|net| net.rendezvous(true))
}

fn fixed_polite_shared_port() -> Setup<fixed::NetHandle<'static, 'static, Traced>> {
    fixed_ring(|net| net.share_port(true).reset_unread(false))
}

virtnet::conformance!(
    heap_buffered_on_threads,
    heap_buffered,
    [buffered, unread_resets, fresh_port, sized_buffer, death, links, trace]
);
virtnet::conformance!(
    heap_rendezvous_as_futures,
    heap_rendezvous,
    [rendezvous, fresh_port, sized_buffer, death, links, trace_rendezvous]
);
virtnet::conformance!(
    between_on_threads,
    between,
    [buffered, unread_resets, fresh_port, sized_buffer, death, links, trace]
);
virtnet::conformance!(
    heap_ring_on_threads,
    heap_ring,
    [buffered, unread_resets, fresh_port, sized_buffer, death, links, trace]
);
virtnet::conformance!(
    fixed_buffered_as_futures,
    fixed_buffered,
    [buffered, unread_resets, fresh_port, sized_buffer, fixed, links, trace]
);
virtnet::conformance!(
    fixed_rendezvous_on_threads,
    fixed_rendezvous,
    [rendezvous, fresh_port, sized_buffer, fixed, links, trace_rendezvous]
);
virtnet::conformance!(
    fixed_polite_shared_port_on_threads,
    fixed_polite_shared_port,
    [buffered, shared_port, sized_buffer, fixed, links]
);
