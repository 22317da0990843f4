//! A program uses a network over an arbitrary backend: the backend returns garbage, fails late, accepts twice, never
//! acknowledges, reports wrong addresses, wakes arbitrary tasks, and calls the network from within its own calls.
//!
//! In every case nothing panics or waits for the backend, and errors are as documented. In the end every link handed
//! over was released, and all ports are free.

mod backend;
mod script;
mod talk;

use std::sync::Arc;

pub use backend::{Hostile, Rogue};
pub use script::Link;
use script::Script;
use talk::Talk;
use virtnet::SubNetwork;
use virtnet::table::{Fixed, FixedMemory, Heap};

/// Runs a program on a backend that behaves as `data` determines.
///
/// # Panics
///
/// If a check fails.
pub fn hostile(data: &[u8]) {
    let (&kind, data) = data.split_first().unwrap_or((&0, &[]));
    let script = Script::new(data);
    let engine = Hostile::new(script.clone());
    if kind % 2 == 0 {
        let net = Arc::new(SubNetwork::new("x", engine, Rogue(script.clone()), Heap::new()).backlog(3));
        net.engine().set_net(&net);
        Talk::new(net.clone(), &script).run();
        assert_eq!(Arc::strong_count(&net), 1, "nothing keeps the network");
        drop(net);
    } else {
        let memory = FixedMemory::<Link, 3, 6>::new();
        let net = SubNetwork::new("x", engine, Rogue(script.clone()), Fixed::new(&memory)).share_port(kind >= 128);
        Talk::new(&net, &script).run();
        drop(net);
    }
    script.check();
}
