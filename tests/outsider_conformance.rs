//! The conformance suite over an independent backend: in one subnetwork, and in two.
#![cfg(feature = "testing")]

mod outsider;

use outsider::{Handle, Lab, Net};
use virtnet::testing::{Setup, Waiting};

/// The properties of a lab's network.
fn setup(lab: &Lab, net: Handle, buffer: usize) -> Setup<Handle> {
    let wires = lab.clone();
    lab.setup(net, buffer).restarts().links(move |_| wires.wire())
}

/// A network of one subnetwork.
fn alone(buffer: usize, options: fn(Net) -> Net) -> Setup<Handle> {
    let lab = Lab::with_buffer(buffer);
    setup(&lab, lab.customized("only", options), buffer)
}

/// A network of two subnetworks.
fn divided(buffer: usize, options: fn(Net) -> Net) -> Setup<Handle> {
    let lab = Lab::with_buffer(buffer);
    setup(&lab, lab.customized("left", options), buffer).second(lab.customized("right", options))
}

fn one() -> Setup<Handle> {
    alone(4096, |net| net)
}

fn one_small() -> Setup<Handle> {
    alone(3, |net| net.backlog(2)).waiting(Waiting::Futures)
}

fn one_shared_port() -> Setup<Handle> {
    alone(16, |net| net.share_port(true))
}

fn two() -> Setup<Handle> {
    divided(4096, |net| net)
}

fn two_small() -> Setup<Handle> {
    divided(3, |net| net.backlog(2)).waiting(Waiting::Futures)
}

fn two_shared_port() -> Setup<Handle> {
    divided(16, |net| net.share_port(true)).waiting(Waiting::Futures)
}

virtnet::conformance!(one_on_threads, one, [buffered, unread_resets, fresh_port, sized_buffer, death, links]);
virtnet::conformance!(
    one_small_as_futures,
    one_small,
    [buffered, unread_resets, fresh_port, sized_buffer, small_backlog, death, links]
);
virtnet::conformance!(
    one_shared_port_on_threads,
    one_shared_port,
    [buffered, unread_resets, shared_port, sized_buffer, death, links]
);
virtnet::conformance!(
    two_on_threads,
    two,
    [buffered, unread_resets, fresh_port, sized_buffer, death, links, two_subnetworks]
);
virtnet::conformance!(
    two_small_as_futures,
    two_small,
    [buffered, unread_resets, fresh_port, sized_buffer, small_backlog, death, links, two_subnetworks]
);
virtnet::conformance!(
    two_shared_port_as_futures,
    two_shared_port,
    [buffered, unread_resets, shared_port, sized_buffer, death, links, two_subnetworks]
);
