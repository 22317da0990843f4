//! The conformance suite: named behaviours of every network, which any backend can run.
//!
//! Each [`Behaviour`] gets a new network from the backend's author and runs under a time limit. It panics if an
//! outcome, a port or the text of an error is wrong, if a wake-up is lost, or if a resource is left behind.
//!
//! Behaviours are grouped, because not every network supports all of them. The group `always` applies to every network;
//! each of the other groups applies to networks where
//!
//! | group | |
//! |---|---|
//! | `buffered` | a write is done when its bytes are in a buffer |
//! | `rendezvous` | a write is done when the peer has read its bytes |
//! | `fresh_port` | an accepted connection takes a port of its own |
//! | `unread_resets` | [an end that is closed with bytes unread resets](Setup::resets_unread) |
//! | `shared_port` | an accepted connection keeps the listener's port |
//! | `raw` | [connections are sockets](Setup::raw), and deviate as these behaviours say |
//! | `sized_buffer` | [the size of the buffers](Setup::buffer) is known |
//! | `small_backlog` | at most 4 dials may wait at a listener |
//! | `fixed` | [there is room for so much](Setup::capacity), and no more |
//! | `death` | [hosts can crash and come back](Setup::restarts) |
//! | `links` | [both ends of a connection](Setup::links) can be made without a dial |
//! | `two_subnetworks` | there is [another subnetwork](Setup::second) of the same network |
//! | `trace` | the events of a buffered network without shared ports are [recorded](Setup::traced) |
//! | `trace_rendezvous` | the same in a rendezvous |
//! | `faults` | a network [with faults](Setup::faults) can be made: what arrives, and when, on clocks that tests move |
//! | `dials_in_flight` | the same, where [dials take their way](Setup::dials_in_flight) |
//! | `bytes_in_flight` | the same, where [bytes on their way lie in a buffer](Setup::bytes_in_flight) |
//! | `death_in_flight` | the same, where dials take their way, and hosts can die and come back |
//! | `time` | the same: blocking operations on a clock that moves when all its threads wait |
//!
//! # Examples
//!
//! In a test file, [`conformance!`](crate::conformance) makes a module with a `#[test]` for each behaviour of the
//! groups:
//!
//! ```
//! use virtnet::pipenet;
//! use virtnet::testing::{Setup, links_by_dial};
//!
//! fn heap() -> Setup<pipenet::NetHandle> {
//!     Setup::new(pipenet::Network::new("t").subnetwork().clone()).resets_unread().links(links_by_dial)
//! }
//!
//! virtnet::conformance!(heap, heap, [buffered, unread_resets, fresh_port, links]);
//! # fn main() {
//! # testing::run("dial_and_accept_connect", heap);
//! # }
//! # use virtnet::testing;
//! ```
//!
//! Elsewhere, run them one after the other:
//!
//! ```
//! use virtnet::pipenet;
//! use virtnet::testing::{self, Setup};
//!
//! let make = || Setup::new(pipenet::Network::new("t").subnetwork().clone()).resets_unread();
//! for behaviour in testing::suite(&make()) {
//!     println!("{}", behaviour.name());
//!     behaviour.run(make());
//! }
//! ```

use core::fmt;
use std::string::String;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::vec::Vec;

use crate::net::net_ref::NetRef;

mod buffer;
mod close;
mod death;
mod dial;
mod error;
#[cfg(feature = "sim")]
mod faults;
mod half;
mod ip;
mod link;
mod list;
mod notifier;
mod port;
mod raw;
mod setup;
mod shut;
mod step;
mod stream;
mod subnet;
mod task;
#[cfg(feature = "trace")]
mod trace;

pub use link::links_by_dial;
use list::all;
pub use setup::{Capacity, Setup};
pub use task::Waiting;

/// A behaviour of every network, or of every network of a group.
pub struct Behaviour<N: NetRef> {
    name: &'static str,
    group: &'static str,
    body: fn(&Setup<N>),
}

impl<N: NetRef + 'static> Behaviour<N> {
    /// The name, such as `dial_to_closed_host_is_refused`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The group of the behaviour.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Runs the behaviour on a network without hosts.
    ///
    /// # Panics
    ///
    /// If the network does not show the behaviour within its time limit. The thread that was running it is then
    /// detached.
    pub fn run(&self, setup: Setup<N>) {
        let (name, body, limit) = (self.name, self.body, setup.limit);
        let (done, outcome) = mpsc::channel();
        let work = move || {
            body(&setup);
            setup.check_nothing_is_left();
            // The time limit may have passed.
            let _ = done.send(());
        };
        let thread = thread::Builder::new().name(name.into()).spawn(work).expect("a thread for the behaviour");
        match outcome.recv_timeout(limit) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => panic!("{name}: not done after {limit:?}"),
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a behaviour that did not panic says that it is done"),
            },
        }
    }
}

impl<N: NetRef> fmt::Debug for Behaviour<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Behaviour({}: {})", self.group, self.name)
    }
}

/// The behaviours that apply to a network, in a fixed order.
pub fn suite<N: NetRef + 'static>(setup: &Setup<N>) -> impl Iterator<Item = Behaviour<N>> + use<N> {
    let groups = setup.groups();
    all().into_iter().filter(move |behaviour| behaviour.group == "always" || groups.contains(&behaviour.group))
}

/// Runs the behaviour with this name.
///
/// # Panics
///
/// As [`Behaviour::run`], and if no behaviour has this name.
pub fn run<N: NetRef + 'static>(name: &str, make: impl FnOnce() -> Setup<N>) {
    let found = all().into_iter().find(|behaviour| behaviour.name == name);
    found.unwrap_or_else(|| panic!("no behaviour has the name {name}")).run(make());
}

/// Asserts that `groups` are those of the network, so that no behaviour is left out.
#[doc(hidden)]
pub fn check_groups<N: NetRef + 'static>(groups: &[&str], setup: &Setup<N>) {
    let sorted = |groups: &[&str]| {
        let mut groups: Vec<_> = groups.iter().map(|&group| String::from(group)).collect();
        groups.sort();
        groups
    };
    assert_eq!(sorted(groups), sorted(&setup.groups()), "groups asked for, groups that apply to the network");
}
