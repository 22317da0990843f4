//! Many threads over one network listen, accept, dial, move bytes and close sockets. No byte is lost, duplicated or
//! misdelivered, no thread waits forever, and in the end all resources are free.
//!
//! All storms together take about `VIRTNET_STORM_SECONDS`, 2 by default. With `VIRTNET_STORM_SEED`, the threads choose
//! as they did in the run that printed that seed; the outcome also depends on their scheduling.
#![cfg(all(feature = "std", feature = "pipenet"))]

#[path = "storm/chat.rs"]
mod chat;
#[path = "storm/end.rs"]
mod end;
#[path = "storm/name.rs"]
mod name;
#[path = "storm/rng.rs"]
mod rng;
#[path = "storm/run.rs"]
mod run;
#[path = "storm/stream.rs"]
mod stream;
#[path = "storm/watch.rs"]
mod watch;
#[path = "storm/worker.rs"]
mod worker;
#[path = "storm/world.rs"]
mod world;

use run::{round, storm};
use virtnet::pipenet::{Network, fixed};
use world::World;

/// The number of threads in a storm, which is more than the cores of most machines.
const THREADS: usize = 8;

#[test]
fn a_storm_over_a_growing_network() {
    heap("growing", Network::new, false);
}

#[test]
fn a_storm_over_small_buffers() {
    let make = |name: &str| Network::builder(name).buffer(37).build().expect("valid options");
    heap("growing, buffers of 37 bytes", make, false);
}

#[test]
fn a_storm_over_a_rendezvous_network() {
    let make = |name: &str| Network::builder(name).rendezvous(true).build().expect("valid options");
    heap("growing, rendezvous", make, true);
}

#[test]
fn a_storm_over_shared_ports_and_a_short_backlog() {
    let make = |name: &str| Network::builder(name).share_port(true).backlog(2).build().expect("valid options");
    heap("growing, shared ports, a backlog of 2", make, false);
}

#[test]
fn a_storm_over_a_fixed_network() {
    fixed("fixed", |net| net, false);
}

#[test]
fn a_storm_over_a_fixed_rendezvous_network() {
    fixed("fixed, rendezvous", |net| net.rendezvous(true), true);
}

#[test]
fn a_storm_over_a_fixed_network_with_shared_ports() {
    fixed("fixed, shared ports", |net| net.share_port(true), false);
}

/// Storms over growable networks.
fn heap(title: &str, make: impl Fn(&str) -> Network, rendezvous: bool) {
    storm(title, |title, rng| {
        let net = make("storm");
        let world = World::new(net.subnetwork().clone(), title, rng.next(), THREADS, 0, rendezvous);
        let tally = round(&world, rng, &|_| {});
        let weak = net.subnetwork().downgrade();
        drop((world, net));
        assert!(weak.upgrade().is_none(), "something still holds the network");
        tally
    });
}

/// The number of sockets of the fixed-size networks.
const SOCKETS: usize = end::PORTS as usize;
/// The number of connections of the fixed-size networks.
const PIPES: usize = 12;

/// Storms over fixed-size networks.
fn fixed(title: &str, options: impl Fn(fixed::Network<'_>) -> fixed::Network<'_>, rendezvous: bool) {
    storm(title, |title, rng| {
        let memory = fixed::Memory::<24, SOCKETS, PIPES, 64>::new();
        let net = options(fixed::Network::new("storm", &memory));
        let world = World::new(net.subnetwork(), title, rng.next(), THREADS, 0, rendezvous);
        let tally = round(&world, rng, &|world| {
            assert_eq!(net.pipes(), 0, "a pipe is still taken");
            end::all_can_be_used_again(world, SOCKETS, PIPES);
        });
        assert_eq!(net.pipes(), 0, "a pipe is still taken");
        tally
    });
}
