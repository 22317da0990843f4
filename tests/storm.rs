//! Many threads over one network, that listen, accept, dial, move bytes and close what they find: no byte is lost, doubled
//! or moved elsewhere, nobody waits forever, and in the end everything is free.
//!
//! All storms together take about `VIRTNET_STORM_SECONDS`, 2 by default. `VIRTNET_STORM_SEED` makes the threads choose as
//! they did in the run that printed that seed; what comes of it depends on how they are scheduled, too.
#![cfg(all(feature = "std", feature = "pipenet"))]

#[path = "storm/chat.rs"]
mod chat;
#[path = "storm/end.rs"]
mod end;
#[path = "storm/name.rs"]
mod name;
#[path = "storm/rng.rs"]
mod rng;
#[path = "storm/stream.rs"]
mod stream;
#[path = "storm/watch.rs"]
mod watch;
#[path = "storm/worker.rs"]
mod worker;
#[path = "storm/world.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use rng::Rng;
use virtnet::Handle;
use virtnet::pipenet::{Network, fixed};
use worker::Worker;
use world::{Tally, World};

/// Threads in a storm: more than most machines have cores to spare.
const THREADS: usize = 8;

/// How many storms share the time: those here, and the one with tasks of `virtnet-async`.
const STORMS: u32 = 8;

#[test]
fn a_storm_over_a_growing_network() {
    heap("growing", Network::new, false);
}

#[test]
fn a_storm_over_small_buffers() {
    heap(
        "growing, buffers of 37 bytes",
        |name| Network::builder(name).buffer(37).build().expect("valid options"),
        false,
    );
}

#[test]
fn a_storm_over_a_rendezvous_network() {
    heap("growing, rendezvous", |name| Network::builder(name).rendezvous(true).build().expect("valid options"), true);
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

/// Storms over networks that grow.
fn heap(title: &str, make: impl Fn(&str) -> Network, rendezvous: bool) {
    storm(title, |title, rng| {
        let net = make("storm");
        let tally = round(net.subnetwork().clone(), title, rng, rendezvous, &|_| {});
        assert_eq!(Arc::strong_count(net.subnetwork()), 1, "something still holds the network");
        tally
    });
}

/// Sockets of the fixed networks.
const SOCKETS: usize = 40;
/// Connections of the fixed networks.
const PIPES: usize = 12;

/// Storms over networks of a fixed size.
fn fixed(title: &str, options: impl Fn(fixed::Network<'_>) -> fixed::Network<'_>, rendezvous: bool) {
    storm(title, |title, rng| {
        let memory = fixed::Memory::<24, SOCKETS, PIPES, 64>::new();
        let net = options(fixed::Network::new("storm", &memory));
        let all_free = |quiet: &World<_>| {
            assert_eq!(net.pipes(), 0, "a pipe is still taken");
            end::all_can_be_used_again(quiet, SOCKETS, PIPES);
        };
        let tally = round(net.subnetwork(), title, rng, rendezvous, &all_free);
        assert_eq!(net.pipes(), 0, "a pipe is still taken");
        tally
    });
}

/// Storms over one network after the other, until their time is over.
fn storm(title: &str, round: impl Fn(&str, &mut Rng) -> Tally) {
    let end = Instant::now() + seconds() / STORMS;
    let seed = rng::seed();
    let title = format!("storm over a network, {title}: VIRTNET_STORM_SEED={seed}");
    println!("{title}");
    let (mut rng, mut tally, mut rounds, start) = (Rng::new(seed), Tally::default(), 0, Instant::now());
    while rounds == 0 || Instant::now() < end {
        tally.add(&round(&title, &mut rng));
        rounds += 1;
    }
    let bytes = tally.0.remove("bytes").unwrap_or_default();
    let operations: u64 = tally.0.values().sum();
    let each: Vec<_> = tally.0.iter().map(|(what, count)| format!("{what} {count}")).collect();
    println!("{title}\n  {}", each.join(", "));
    println!("| {operations} operations, {bytes} bytes, {rounds} networks, {:.1?}", start.elapsed());
}

/// How long all storms together take.
fn seconds() -> Duration {
    let seconds = std::env::var("VIRTNET_STORM_SECONDS");
    Duration::from_secs(seconds.map_or(2, |text| text.parse().expect("VIRTNET_STORM_SECONDS is a number")))
}

/// One storm over one network, from its first host to its end.
fn round<N: Handle>(net: N, title: &str, rng: &mut Rng, rendezvous: bool, all_free: &dyn Fn(&World<N>)) -> Tally {
    let world = World::new(net, title, rng.next(), THREADS, rendezvous);
    let mut tally = world.watch.over(
        || world.tell(),
        || {
            thread::scope(|scope| {
                let run = |number| {
                    let worker = Worker::new(&world, number, Rng::new(rng.next()));
                    world.watch.at(number, Some("start"));
                    scope.spawn(|| worker.run())
                };
                let threads: Vec<_> = (0..THREADS).map(run).collect();
                let mut tally = chaos(&world, Rng::new(rng.next()));
                threads.into_iter().for_each(|thread| match thread.join() {
                    Ok(done) => tally.add(&done),
                    Err(panic) => std::panic::resume_unwind(panic),
                });
                tally
            })
        },
    );
    *tally.0.entry("bytes").or_default() += world.ledger.check();
    end::no_socket_is_left(&world);
    if !world.down.load(SeqCst) {
        end::all_ports_can_be_used_again(&world);
        all_free(&world);
    }
    tally
}

/// Closes one thing after the other, so that none of the others waits for long, and brings the storm to its end.
fn chaos<N: Handle>(world: &World<N>, mut rng: Rng) -> Tally {
    let end = Instant::now() + Duration::from_millis(40 + rng.below(60));
    let ending = rng.below(4);
    let mut worker = Worker::new(world, THREADS, rng);
    let _rescue = Rescue(world);
    while !world.stopped() {
        let now = Instant::now();
        thread::park_timeout(Duration::from_micros(worker.rng.below(400)));
        worker.close_listener();
        if worker.rng.once_in(8) {
            worker.disturb();
        }
        if now < end {
            continue;
        }
        match ending {
            0 => close_network(world),
            1 => close_with_the_last_host(world),
            _ => {}
        }
        world.stop.store(true, SeqCst);
    }
    world.watch.at(THREADS, None);
    while !world.watch.all_done() {
        world.listeners.all().iter().for_each(|listener| listener.close());
        thread::park_timeout(Duration::from_micros(100));
    }
    worker.finish()
}

/// Sets the others free if this thread panics.
struct Rescue<'w, N: Handle>(&'w World<N>);

impl<N: Handle> Drop for Rescue<'_, N> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop.store(true, SeqCst);
            close_network(self.0);
        }
    }
}

fn close_network<N: Handle>(world: &World<N>) {
    world.down.store(true, SeqCst);
    world.net.close().wait().expect("nothing fails to close");
}

fn close_with_the_last_host<N: Handle>(world: &World<N>) {
    world.down.store(true, SeqCst);
    world.net.auto_close().expect("there are open hosts");
    let nodes: Vec<_> = world.all.lock().expect("nobody panics with the hosts").clone();
    nodes.iter().for_each(|node| world.close_host(node));
}
