//! The conformance suite over a network of a fixed size, with faults that are off, and with everything through lanes though
//! nothing delays it.

use virtnet::Clock;
use virtnet::pipenet::fixed::{Faulty, Memory, NetHandle, Network};
use virtnet::sim::FixedFaults;
use virtnet::testing::{Capacity, Setup, Waiting, links_by_dial};

/// New memory, clocks, faults and networks are never freed, like statics.
fn faults() -> FixedFaults<9> {
    FixedFaults::new(Box::leak(Box::new(Clock::real())))
}

fn over(
    faults: FixedFaults<9>,
    options: fn(Network<'static, Faulty>) -> Network<'static, Faulty>,
) -> Setup<NetHandle<'static, 'static, Faulty>> {
    let memory = Box::leak(Box::new(Memory::<3, 8, 4, 16, Faulty>::layered()));
    let net: &'static _ = Box::leak(Box::new(options(Network::faulty("t", memory, Box::leak(Box::new(faults))))));
    let capacity = Capacity { hosts: 3, ports: 8, pipes: 4 };
    Setup::new(net.subnetwork()).buffer(16).capacity(capacity).held(|| net.pipes()).links(links_by_dial)
}

fn off_buffered() -> Setup<NetHandle<'static, 'static, Faulty>> {
    over(faults(), |net| net).waiting(Waiting::Futures).resets_unread()
}

fn off_polite() -> Setup<NetHandle<'static, 'static, Faulty>> {
    over(faults(), |net| net.reset_unread(false).share_port(true).backlog(2))
}

/// Everything goes through lanes, though no fault delays it.
fn lanes_buffered() -> Setup<NetHandle<'static, 'static, Faulty>> {
    over(faults().with_lanes(), |net| net).resets_unread()
}

fn lanes_polite() -> Setup<NetHandle<'static, 'static, Faulty>> {
    over(faults().with_lanes(), |net| net.reset_unread(false)).waiting(Waiting::Futures)
}

virtnet::conformance!(off_as_futures, off_buffered, [buffered, unread_resets, fresh_port, sized_buffer, fixed, links]);
virtnet::conformance!(off_and_polite, off_polite, [buffered, shared_port, sized_buffer, small_backlog, fixed, links]);
virtnet::conformance!(
    lanes_on_threads,
    lanes_buffered,
    [buffered, unread_resets, fresh_port, sized_buffer, fixed, links]
);
virtnet::conformance!(lanes_that_are_polite, lanes_polite, [buffered, fresh_port, sized_buffer, fixed, links]);
