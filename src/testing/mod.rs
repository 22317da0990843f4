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

mod dial;
mod notifier;
mod port;
mod setup;
mod subnet;
mod task;

use dial::*;
use notifier::*;
use port::*;
pub use setup::{Capacity, Setup};
use subnet::*;
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
            dials_and_listeners_share_one_space_of_ports
            a_closed_listeners_port_is_free
            closing_one_end_frees_only_that_ends_port
            a_dropped_connections_port_is_free
            a_second_close_does_not_disturb_the_new_owner
            a_closed_hosts_sockets_stay_until_each_is_dropped
            any_port_can_be_listened_on
            an_address_is_taken_in_any_shape
            dial_and_accept_connect
            a_host_dials_itself
            dial_where_nobody_listens_is_refused
            dial_to_closed_listener_is_refused
            dial_to_closed_host_is_refused
            dial_to_unknown_host_names_both_ends
            dial_takes_its_port_then_parses_then_looks_who_is_up
            listen_parses_then_looks_whose_address_it_is_then_who_is_up
            a_failed_dial_gives_its_port_back
            dial_takes_no_port_before_it_is_polled
            dials_are_accepted_in_the_order_in_which_they_arrived
            a_dropped_dial_is_withdrawn
            a_dropped_accept_loses_no_connection
            a_dropped_accept_passes_its_wake_up_on
            a_dial_that_timed_out_leaves_no_trace
            an_accept_that_timed_out_leaves_no_trace
            what_is_there_at_once_wins_over_an_expired_timeout
            try_accept_would_block_or_gives_the_next
            each_of_several_accepts_gets_a_connection
            incoming_ends_when_the_listener_is_closed
            a_failed_network_is_down_and_every_close_tells_why
            a_failure_after_the_close_is_ignored
            a_network_is_down_before_its_failure_is_awaited
        }
    };
    ([$($do:tt)*] $args:tt buffered) => { $($do)*! { $args buffered } };
    ([$($do:tt)*] $args:tt rendezvous) => { $($do)*! { $args rendezvous } };
    ([$($do:tt)*] $args:tt fresh_port) => {
        $($do)*! { $args fresh_port
            connections_take_the_lowest_free_ports
            a_queued_dial_reserves_no_port_at_its_listener
            dial_to_port_of_accepted_connection_is_refused
            a_claim_reserves_the_lowest_free_port
        }
    };
    ([$($do:tt)*] $args:tt shared_port) => {
        $($do)*! { $args shared_port
            an_accepted_connection_keeps_the_listeners_port
            a_shared_port_is_in_use_while_any_connection_lives
            dial_to_port_of_connections_without_listener_is_refused
        }
    };
    ([$($do:tt)*] $args:tt sized_buffer) => { $($do)*! { $args sized_buffer } };
    ([$($do:tt)*] $args:tt small_backlog) => {
        $($do)*! { $args small_backlog
            a_full_backlog_refuses
        }
    };
    ([$($do:tt)*] $args:tt fixed) => {
        $($do)*! { $args fixed
            a_full_port_table_refuses
            a_full_host_table_refuses
            a_full_pool_of_connections_refuses
        }
    };
    ([$($do:tt)*] $args:tt links) => {
        $($do)*! { $args links
            an_incoming_connection_is_claimed_and_then_acknowledged
            a_refused_or_dropped_claim_lets_accept_wait_on
            a_connection_acknowledged_late_goes_to_the_next_accept
            a_connection_acknowledged_when_nobody_listens_is_closed
            an_acknowledged_connection_that_nobody_took_is_closed_with_its_listener
            connections_from_outside_are_accepted_in_the_order_in_which_they_came
            claims_are_no_more_than_the_accepts_that_wait
            a_withdrawn_connection_is_never_seen
            a_connection_in_one_step_is_the_listeners_when_it_is_taken
            a_connection_to_nobody_is_refused
            a_connection_is_refused_when_its_listener_closes_meanwhile
            a_connection_to_a_network_that_is_down_is_refused
        }
    };
    ([$($do:tt)*] $args:tt two_subnetworks) => {
        $($do)*! { $args two_subnetworks
            hosts_of_two_subnetworks_dial_each_other
            a_name_of_the_other_subnetwork_is_taken
            a_dial_across_is_refused_where_nobody_listens
            a_dial_across_is_withdrawn_when_it_is_dropped
            the_end_of_one_subnetwork_is_the_end_of_the_stream_for_the_other
            closing_one_end_ends_the_stream_across
        }
    };
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
