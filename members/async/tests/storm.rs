//! Tokio tasks beside threads over one network: they listen, accept, dial, move bytes and close shared sockets. The
//! threads are those of virtnet's own test `storm`.

#[path = "../../../tests/storm/chat.rs"]
mod chat;
#[path = "../../../tests/storm/end.rs"]
#[allow(dead_code, reason = "there is no fixed network here")]
mod end;
mod guest;
#[path = "../../../tests/storm/rng.rs"]
mod rng;
#[path = "../../../tests/storm/run.rs"]
mod run;
#[path = "../../../tests/storm/stream.rs"]
mod stream;
#[path = "../../../tests/storm/watch.rs"]
mod watch;
#[path = "../../../tests/storm/worker.rs"]
mod worker;
#[path = "../../../tests/storm/world.rs"]
mod world;

use std::sync::Arc;

use guest::Guest;
use rng::Rng;
use tokio::runtime::Builder;
use virtnet::pipenet::Network;
use world::World;

/// The number of threads, and of tasks.
const EACH: usize = 5;

#[test]
fn a_storm_of_tasks_and_threads() {
    run::storm("growing, tasks beside threads", |title, rng| {
        let rendezvous = rng.once_in(2);
        let net = Network::builder("storm").rendezvous(rendezvous).buffer(300).build().expect("valid options");
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().expect("a runtime");
        let world = Arc::new(World::new(net.subnetwork().clone(), title, rng.next(), EACH, EACH, rendezvous));
        let guests: Vec<_> = (EACH + 1..=2 * EACH)
            .map(|number| {
                world.watch.at(number, Some("start"));
                runtime.spawn(Guest::new(world.clone(), number, Rng::new(rng.next())).run())
            })
            .collect();
        let mut tally = run::round(&world, rng, &|_| {});
        for guest in guests {
            tally.add(&runtime.block_on(guest).expect("no task panics"));
        }
        let weak = net.subnetwork().downgrade();
        drop((world, runtime, net));
        assert!(weak.upgrade().is_none(), "something still holds the network");
        tally
    });
}
