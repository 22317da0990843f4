//! The conformance suite: what every network does, as named behaviours that any backend can run.
//!
//! Each [`Behaviour`] gets a new network from the backend's author, runs under a time limit, and panics if something is
//! other than it must be: an outcome, a port, the text of an error, a wake-up that never comes, or something that is left
//! behind.
//!
//! Not every network has everything, so behaviours stand in groups. The group `always` is for every network; the others
//! are for those where
//!
//! | group | |
//! |---|---|
//! | `buffered` | a write is done when its bytes are in a buffer |
//! | `rendezvous` | a write is done when the peer has read its bytes |
//! | `fresh_port` | an accepted connection takes a port of its own |
//! | `shared_port` | an accepted connection keeps the listener's port |
//! | `sized_buffer` | [the size of the buffers](Setup::buffer) is known |
//! | `small_backlog` | at most 4 dials may wait at a listener |
//! | `fixed` | [there is room for so much](Setup::capacity), and no more |
//! | `links` | [both ends of a connection](Setup::links) can be made without a dial |
//! | `two_subnetworks` | there is [another subnetwork](Setup::second) of the same network |
//!
//! # Examples
//!
//! In a test file, [`conformance!`](crate::conformance) makes a module with a `#[test]` for each behaviour of the groups:
//!
//! ```
//! use virtnet::pipenet;
//! use virtnet::testing::{Setup, links_by_dial};
//!
//! fn heap() -> Setup<pipenet::Handle> {
//!     Setup::new(pipenet::Network::new("t").subnetwork().clone()).links(links_by_dial)
//! }
//!
//! virtnet::conformance!(heap, heap, [buffered, fresh_port, links]);
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
//! let make = || Setup::new(pipenet::Network::new("t").subnetwork().clone());
//! for behaviour in testing::suite(&make()) {
//!     println!("{}", behaviour.name());
//!     behaviour.run(make());
//! }
//! ```

use core::fmt;
use core::future::Future;
use std::string::String;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::vec::Vec;

use crate::addr::Addr;
use crate::cause::Cause;
use crate::engine::Engine;
use crate::notifier::{Accept, Notifier};
use crate::registry::Registry;
use crate::subnet::{Handle, LinkOf};
use crate::wait::Op;

mod port;
mod setup;
mod task;

use port::*;
pub use setup::{Capacity, Setup};
pub use task::Waiting;

/// Something that every network does, or every one of a group.
pub struct Behaviour<N: Handle> {
    name: &'static str,
    group: &'static str,
    body: fn(&Setup<N>),
}

impl<N: Handle + 'static> Behaviour<N> {
    /// What it is: `dial_to_closed_host_is_refused`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The group that it is in.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// Runs it on a network without hosts.
    ///
    /// # Panics
    ///
    /// If the network does not behave so within its time limit. What was at work then is left to itself.
    pub fn run(&self, setup: Setup<N>) {
        let (name, body, limit) = (self.name, self.body, setup.limit);
        let (done, outcome) = mpsc::channel();
        let work = move || {
            body(&setup);
            setup.check_nothing_is_left();
            // The time may be over.
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

impl<N: Handle> fmt::Debug for Behaviour<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Behaviour({}: {})", self.group, self.name)
    }
}

/// The behaviours that apply to a network, in a fixed order.
pub fn suite<N: Handle + 'static>(setup: &Setup<N>) -> impl Iterator<Item = Behaviour<N>> + use<N> {
    let groups = setup.groups();
    all().into_iter().filter(move |behaviour| behaviour.group == "always" || groups.contains(&behaviour.group))
}

/// Runs the behaviour of this name.
///
/// # Panics
///
/// As [`Behaviour::run`], and if there is none of that name.
pub fn run<N: Handle + 'static>(name: &str, make: impl FnOnce() -> Setup<N>) {
    let found = all().into_iter().find(|behaviour| behaviour.name == name);
    found.unwrap_or_else(|| panic!("no behaviour has the name {name}")).run(make());
}

/// Whether `groups` are those of the network, so that no behaviour is left out.
#[doc(hidden)]
pub fn check_groups<N: Handle + 'static>(groups: &[&str], setup: &Setup<N>) {
    let sorted = |groups: &[&str]| {
        let mut groups: Vec<_> = groups.iter().map(|&group| String::from(group)).collect();
        groups.sort();
        groups
    };
    assert_eq!(sorted(groups), sorted(&setup.groups()), "groups asked for, groups that apply to the network");
}

/// All behaviours of all groups.
fn all<N: Handle + 'static>() -> Vec<Behaviour<N>> {
    let mut list = Vec::new();
    macro_rules! add {
        ([] $group:ident $($name:ident)*) => {
            $(list.push(Behaviour { name: stringify!($name), group: stringify!($group), body: $name::<N> });)*
        };
    }
    crate::__virtnet_behaviours!([add] [] always);
    crate::__virtnet_behaviours!([add] [] buffered);
    crate::__virtnet_behaviours!([add] [] rendezvous);
    crate::__virtnet_behaviours!([add] [] fresh_port);
    crate::__virtnet_behaviours!([add] [] shared_port);
    crate::__virtnet_behaviours!([add] [] sized_buffer);
    crate::__virtnet_behaviours!([add] [] small_backlog);
    crate::__virtnet_behaviours!([add] [] fixed);
    crate::__virtnet_behaviours!([add] [] links);
    crate::__virtnet_behaviours!([add] [] two_subnetworks);
    list
}

/// The names of the behaviours of a group, handed to another macro with `args`.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtnet_behaviours {
    ([$($do:tt)*] $args:tt always) => {
        $($do)*! { $args always
            listen_takes_the_lowest_free_port
        }
    };
    ([$($do:tt)*] $args:tt buffered) => { $($do)*! { $args buffered } };
    ([$($do:tt)*] $args:tt rendezvous) => { $($do)*! { $args rendezvous } };
    ([$($do:tt)*] $args:tt fresh_port) => { $($do)*! { $args fresh_port } };
    ([$($do:tt)*] $args:tt shared_port) => { $($do)*! { $args shared_port } };
    ([$($do:tt)*] $args:tt sized_buffer) => { $($do)*! { $args sized_buffer } };
    ([$($do:tt)*] $args:tt small_backlog) => { $($do)*! { $args small_backlog } };
    ([$($do:tt)*] $args:tt fixed) => { $($do)*! { $args fixed } };
    ([$($do:tt)*] $args:tt links) => { $($do)*! { $args links } };
    ([$($do:tt)*] $args:tt two_subnetworks) => { $($do)*! { $args two_subnetworks } };
}

/// A test for each behaviour.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtnet_tests {
    ([$make:expr] $group:ident $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::testing::run(stringify!($name), $make);
            }
        )*
    };
}

/// Makes a module with a `#[test]` for each behaviour of the [suite](crate::testing) that is in one of the groups, and
/// always for those of `always`: the module's name, a function that makes a new [`Setup`](crate::testing::Setup), the
/// groups. One test fails if these are not the groups that apply to the network.
///
/// # Examples
///
/// See [`testing`](crate::testing).
#[macro_export]
macro_rules! conformance {
    ($module:ident, $make:expr, [$($group:ident),* $(,)?]) => {
        mod $module {
            #[allow(unused_imports, reason = "the function may be named by a whole path")]
            use super::*;

            #[test]
            fn the_groups_are_those_of_the_network() {
                $crate::testing::check_groups(&[$(stringify!($group)),*], &($make)());
            }

            $crate::__virtnet_behaviours!([$crate::__virtnet_tests] [$make] always);
            $($crate::__virtnet_behaviours!([$crate::__virtnet_tests] [$make] $group);)*
        }
    };
}

/// Makes the two ends of a connection by a dial of the engine: the near one, and the one that it hands over. For engines
/// that dial hosts of their own subnetwork through the notifier that they are given, and need no existing host for it.
///
/// # Panics
///
/// If the engine does otherwise.
pub fn links_by_dial<N: Handle + 'static>(net: &N) -> (LinkOf<N>, LinkOf<N>) {
    let addr = |port| Addr::new(net.name(), "a", port).expect("a valid address");
    let taken = Intercept(Arc::default());
    let data = Op::new(net.registry().query("a")).wait().expect("a behaviour has a host `a` before it needs links");
    let (near, _) = Op::new(net.engine().dial(&addr(1), &addr(1), data, &taken)).wait().expect("a dial of the engine");
    let far = taken.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    (near, far.expect("a dial through the notifier that the engine was given"))
}

/// A notifier that keeps what it is handed.
struct Intercept<L>(Arc<Mutex<Option<L>>>);

impl<L: Send> Notifier for Intercept<L> {
    type Link = L;
    type Accept = Intercepted;

    async fn accept(&self, _: &Addr, dst: &Addr, link: L) -> Result<Intercepted, Cause> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(link);
        Ok(Intercepted(*dst))
    }

    async fn connect(&self, src: &Addr, dst: &Addr, link: L) -> Result<Addr, Cause> {
        self.accept(src, dst, link).await.map(|accepted| accepted.0)
    }

    fn down(&self, _: Cause) -> impl Future<Output = ()> + Send {
        core::future::ready(())
    }
}

/// The address of what was intercepted.
struct Intercepted(Addr);

impl Accept for Intercepted {
    fn local_addr(&self) -> Addr {
        self.0
    }

    fn acknowledge(self) -> Result<(), Cause> {
        Ok(())
    }

    fn refuse(self) {}
}
