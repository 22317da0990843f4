//! Runs models, and counts the runs.

use std::any::type_name_of_val;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use virtnet::NetRef;
use virtnet::pipenet::{self, fixed};

use crate::act::made;

/// A network handle that threads can use.
pub(crate) trait Net: NetRef + 'static {}

impl<N: NetRef + 'static> Net for N {}

/// The orders to try.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Orders {
    All,
    /// Orders with up to this many preemptions.
    Preemptions(usize),
}

pub(crate) use Orders::{All, Preemptions};

/// The outcomes of all runs of a model.
pub(crate) type Seen = BTreeSet<String>;

/// Runs a model in each order; returns the outcomes.
pub(crate) fn explore(orders: Orders, model: impl Fn() -> String + Send + Sync + 'static) -> Seen {
    explore_named(type_name_of_val(&model), orders, model)
}

/// As [`explore`], under the name of the function that `path` is in.
pub(crate) fn explore_named(path: &str, orders: Orders, model: impl Fn() -> String + Send + Sync + 'static) -> Seen {
    let name = path.split("::").skip(1).take(2).collect::<Vec<_>>().join("::");
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = match orders {
        All => None,
        Preemptions(most) => Some(builder.preemption_bound.map_or(most, |asked| asked.max(most))),
    };
    builder.checkpoint_interval = 1000;
    // A run that makes a dozen hosts first takes more than the thousand branches that loom expects.
    builder.max_branches = 5000;
    builder.max_duration.get_or_insert(LIMIT);

    let (start, seen) = (Instant::now(), Arc::new(Mutex::new((0, Seen::new()))));
    let record = seen.clone();
    builder.check(move || {
        let outcome = model();
        let mut seen = record.lock().expect("no panic under this lock");
        seen.0 += 1;
        seen.1.insert(outcome);
    });

    let (runs, outcomes) = std::mem::take(&mut *seen.lock().expect("no panic under this lock"));
    let bound = builder.preemption_bound.map_or("all orders".into(), |most| format!("up to {most} preemptions"));
    println!("| {name}: {runs} executions, {bound}, {:.1} s", start.elapsed().as_secs_f32());
    assert!(Some(start.elapsed()) < builder.max_duration, "too slow to try all that was asked for");
    assert!(runs > 1, "nothing happens at once in this model");
    outcomes
}

/// The time limit of a model, even on a busy machine: the largest models take two minutes on an idle one.
const LIMIT: Duration = Duration::from_secs(600);

/// How the networks of a model move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Through a buffer of one byte.
    Buffered,
    /// By a rendezvous with room for two bytes.
    Rendezvous,
    /// As `Buffered`, with connections that share the listener's port.
    Shared,
}

pub(crate) use Mode::{Buffered, Rendezvous, Shared};

/// The fixed-size network.
pub(crate) type Fixed = fixed::NetHandle<'static, 'static>;

/// Runs a model in each order on networks of both kinds, and asserts that the possible outcomes are the same. The
/// networks have the hosts `a` and `b`, and the model must leave nothing on them.
pub(crate) fn explore_both(
    orders: Orders,
    mode: Mode,
    heap: impl Fn(pipenet::NetHandle) -> String + Send + Sync + 'static,
    fixed: impl Fn(Fixed) -> String + Send + Sync + 'static,
) -> Seen {
    let seen = explore_heap(orders, mode, heap);
    assert_eq!(explore_fixed(orders, mode, fixed), seen, "the fixed network differs");
    seen
}

/// As [`explore_both`], on the growable network.
pub(crate) fn explore_heap(
    orders: Orders,
    mode: Mode,
    model: impl Fn(pipenet::NetHandle) -> String + Send + Sync + 'static,
) -> Seen {
    explore_named(type_name_of_val(&model), orders, move || {
        let rendezvous = mode == Rendezvous;
        let builder = pipenet::Network::builder("t").buffer(1 + usize::from(rendezvous)).rendezvous(rendezvous);
        let builder = builder.share_port(mode == Shared);
        run(builder.build().expect("valid options").subnetwork(), &model)
    })
}

/// As [`explore_both`], on the fixed-size network.
pub(crate) fn explore_fixed(
    orders: Orders,
    mode: Mode,
    model: impl Fn(Fixed) -> String + Send + Sync + 'static,
) -> Seen {
    explore_named(type_name_of_val(&model), orders, move || {
        // The compiler assumes that a thread may outlive the model, so each run leaks its network, which is some
        // kilobytes.
        let net: &fixed::Network<'_> = Box::leak(Box::new(match mode {
            Buffered => fixed::Network::new("t", Box::leak(Box::new(fixed::Memory::<2, 6, 2, 1>::new()))),
            Shared => {
                fixed::Network::new("t", Box::leak(Box::new(fixed::Memory::<2, 6, 4, 1>::new()))).share_port(true)
            }
            Rendezvous => {
                fixed::Network::new("t", Box::leak(Box::new(fixed::Memory::<2, 6, 2, 2>::new()))).rendezvous(true)
            }
        }));
        let outcome = run(&net.subnetwork(), &model);
        assert_eq!(net.pipes(), 0, "no pipe is left");
        outcome
    })
}

fn run<N: Net>(net: &N, model: impl Fn(N) -> String) -> String {
    let hosts = ["a", "b"].map(|name| made(net, name));
    let outcome = model(net.clone());
    assert_eq!(hosts.map(|host| host.sockets()), [0; 2], "no socket is left");
    outcome
}
