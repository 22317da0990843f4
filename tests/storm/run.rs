//! Runs of storms over one network after another, and a single storm from its first host to its end.

use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use virtnet::{NetRef, NetRefExt as _};

use super::end;
use super::rng::{self, Rng};
use super::worker::Worker;
use super::world::{Tally, World};

/// The number of storms that share the time: seven with threads alone, and one with tasks of tokio.
const STORMS: u32 = 8;

/// Runs storms over one network after another, until their time is over.
pub(crate) fn storm(title: &str, round: impl Fn(&str, &mut Rng) -> Tally) {
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

/// The time that all storms together take.
fn seconds() -> Duration {
    let seconds = std::env::var("VIRTNET_STORM_SECONDS");
    Duration::from_secs(seconds.map_or(2, |text| text.parse().expect("VIRTNET_STORM_SECONDS is a number")))
}

/// Runs one storm over one network. `all_free` is called when the storm is over, unless the network is closed.
pub(crate) fn round<N: NetRef>(world: &World<N>, rng: &mut Rng, all_free: &dyn Fn(&World<N>)) -> Tally {
    let mut tally = world.watch.over(|| world.tell(), || threads(world, rng));
    *tally.0.entry("bytes").or_default() += world.ledger.check();
    end::no_socket_is_left(world);
    if !world.down.load(SeqCst) {
        end::all_ports_can_be_used_again(world);
        all_free(world);
    }
    tally
}

/// Lets all threads run until the storm is over.
fn threads<N: NetRef>(world: &World<N>, rng: &mut Rng) -> Tally {
    thread::scope(|scope| {
        let run = |number| {
            let worker = Worker::new(world, number, Rng::new(rng.next()));
            world.watch.at(number, Some("start"));
            scope.spawn(|| worker.run())
        };
        let threads: Vec<_> = (0..world.threads).map(run).collect();
        let mut tally = chaos(world, Rng::new(rng.next()));
        for thread in threads {
            match thread.join() {
                Ok(done) => tally.add(&done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        tally
    })
}

/// Closes one object after another, so that no other thread waits for long, and ends the storm.
fn chaos<N: NetRef>(world: &World<N>, mut rng: Rng) -> Tally {
    let end = Instant::now() + Duration::from_millis(40 + rng.below(60));
    let ending = rng.below(4);
    let mut worker = Worker::new(world, world.threads, rng);
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
    world.watch.at(world.threads, None);
    while !world.watch.all_done() {
        world.listeners.all().iter().for_each(|listener| listener.close());
        thread::park_timeout(Duration::from_micros(100));
    }
    worker.finish()
}

/// Releases the other threads if this thread panics.
struct Rescue<'w, N: NetRef>(&'w World<N>);

impl<N: NetRef> Drop for Rescue<'_, N> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop.store(true, SeqCst);
            close_network(self.0);
        }
    }
}

fn close_network<N: NetRef>(world: &World<N>) {
    world.down.store(true, SeqCst);
    world.net.close().wait().expect("nothing fails to close");
}

fn close_with_the_last_host<N: NetRef>(world: &World<N>) {
    world.down.store(true, SeqCst);
    world.net.auto_close().expect("there are open hosts");
    let nodes: Vec<_> = world.all.lock().expect("nobody panics with the hosts").clone();
    nodes.iter().for_each(|node| world.close_host(node));
}
