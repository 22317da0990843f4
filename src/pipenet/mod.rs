//! Networks within a process: every host is in one subnetwork, every connection a pipe in memory.
//!
//! [`Network`] grows as needed; [`fixed::Network`] lives in a static and needs no heap. Both have the same methods, and
//! their hosts, listeners and connections are the same types of the core with another way to their network.

use core::pin::pin;

use crate::close::CloseError;
use crate::error::Error;
use crate::handle::{closed, publish};
use crate::name::HostName;

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
        match new_host(&net, name) {
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

/// Makes a host of a name that no host has had. There is nothing in it that waits.
fn new_host<N: crate::Handle>(net: &N, name: &str) -> Result<crate::Host<N>, Error> {
    net.new_host(name).wait_with(core::hint::spin_loop)
}

/// Closes the network. Only somebody who does the same can be in the way, in another thread or below an interrupt, and
/// need not be waited for: engine and registry have nothing that could go wrong.
fn close<N: crate::Handle>(net: &N) -> Result<(), CloseError> {
    pin!(net.close()).try_wait().unwrap_or_else(|| closed(net, HostName::EMPTY))
}
