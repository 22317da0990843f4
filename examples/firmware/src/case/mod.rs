//! The cases, each a function that panics if an expectation fails.
#![cfg_attr(
    any(feature = "faults", all(feature = "trace", not(target_has_atomic = "ptr"))),
    allow(dead_code, reason = "a small chip has room for the cases of one feature alone")
)]

mod close;
pub mod embassy;
#[cfg(feature = "faults")]
mod faults;
#[cfg(feature = "critical-section")]
pub mod interrupt;
mod port;
mod rendezvous;
mod stream;
mod table;
mod task;
#[cfg(feature = "trace")]
mod trace;

/// A case and its name.
type Case = (&'static str, fn());

/// Every case but the one of [`embassy`]. The 16 KiB of a Cortex-M0 have room for those of traces alone, and for all
/// others. Those of faults are run alone.
#[cfg(not(any(feature = "faults", all(feature = "trace", not(target_has_atomic = "ptr")))))]
pub const CASES: &[Case] = &[
    ("hosts get or make, ports from 1", port::hosts_and_ports),
    ("addresses that are none", port::addresses),
    ("dial and accept, in the order of arrival", port::dial_and_accept),
    ("a dropped dial is withdrawn", port::dropped_dial),
    ("bytes both ways, checked", stream::both_ways),
    ("half close", stream::half_close),
    ("split halves, peek and readiness", stream::halves),
    ("blocking traits wait by the relax hook", stream::blocking),
    ("a super-loop of try_ calls", stream::super_loop),
    ("closed: network", close::network),
    ("closed: own host, peer's host", close::host),
    ("closed: listener", close::listener),
    ("closed: own connection, peer's connection", close::connection),
    ("closed: by abort", close::abort),
    ("closed: network with its last host", close::auto_close),
    ("full tables, and room again", table::full),
    ("exhausted pipes, and room again", table::pipes),
    ("a full backlog", table::backlog),
    ("shared ports", table::shared_port),
    ("rendezvous: a write is done when it is read", rendezvous::write_waits),
    ("rendezvous: a close tells what was taken", rendezvous::close_tells),
    ("tasks on an own executor", task::side_by_side),
    ("tasks are woken by every close", task::woken_by_close),
    ("three tasks wait for one listener", task::three_acceptors),
    #[cfg(feature = "trace")]
    ("a ring has the events of a network", trace::lines),
    #[cfg(feature = "trace")]
    ("a ring has both ends of a write in a rendezvous", trace::rendezvous),
    #[cfg(feature = "critical-section")]
    ("an interrupt serves a connection", interrupt::serves),
    #[cfg(feature = "critical-section")]
    ("an interrupt wakes tasks", interrupt::wakes_tasks),
];

#[cfg(feature = "faults")]
pub const CASES: &[Case] = &[
    ("faults are exact to the nanosecond", faults::scenarios),
    ("a task waits for what is late, and the idle loop advances the clock", faults::tasks),
];

#[cfg(all(feature = "trace", not(feature = "faults"), not(target_has_atomic = "ptr")))]
pub const CASES: &[Case] = &[
    ("a ring has the events of a network", trace::lines),
    ("a ring has both ends of a write in a rendezvous", trace::rendezvous),
];
