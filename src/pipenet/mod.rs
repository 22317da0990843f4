//! Networks within a process: every host is in one subnetwork, every connection a pipe in memory.
//!
//! [`Network`] grows as needed; [`fixed::Network`] lives in a static and needs no heap. Both have the same methods, and
//! their hosts, listeners and connections are the same types of the core with another way to their network.

use crate::error::Error;
use crate::handle::publish;
use crate::name::HostName;
use crate::wait::Op;

mod engine;
pub mod fixed;
#[cfg(feature = "alloc")]
mod heap;
mod memory;
mod pipe;
mod ram;
mod ring;

pub use engine::Pipes;
#[cfg(feature = "alloc")]
pub use heap::{Builder, Conn, Handle, Host, Listener, Network, SubNetwork};
pub use memory::FixedPipes;
#[cfg(feature = "alloc")]
pub use memory::HeapPipes;
pub use ram::Ram;

/// What the full names of in-process networks begin with.
const PREFIX: &str = "pipe";

/// The host of this name: the one that was made before, or a new one.
fn host<N: crate::Handle>(net: N, name: &str) -> Result<crate::Host<N>, Error> {
    loop {
        if let Some(host) = net.get_host(name) {
            return Ok(host);
        }
        match at_once(net.new_host(name)) {
            // Somebody else was faster, with the name or with all of it. What is left of it is done here, so that nobody
            // waits for a thread that lost its CPU, or for what an interrupt interrupted.
            Err(error) if error.kind() == crate::ErrorKind::HostExists => {
                let made = HostName::valid(name, "").and_then(|name| publish(net.clone(), &name, Ok(())).ok());
                if let Some(host) = made {
                    return Ok(host);
                }
            }
            made => return made,
        }
    }
}

/// The outcome of an operation that never waits, as in-process networks have none that do.
fn at_once<F: Future>(operation: Op<F>) -> F::Output {
    operation.wait_with(core::hint::spin_loop)
}
