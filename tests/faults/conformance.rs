//! The conformance suite with all faults off, and with everything through lanes though nothing delays it.

use virtnet::pipenet::{Builder, NetHandle, Network};
use virtnet::sim::Faults;
use virtnet::testing::{Setup, Waiting, links_by_dial};
use virtnet::trace::Trace;
use virtnet::{Bare, Layer};

type Net = NetHandle<(Faults, Bare)>;

fn net<L: Layer>(builder: Builder<'_, L>, faults: Faults) -> NetHandle<(Faults, L)> {
    builder.layer(faults).build().expect("valid options").subnetwork().clone()
}

fn over<L: Layer>(builder: Builder<'_, L>, faults: Faults) -> Setup<NetHandle<(Faults, L)>> {
    Setup::new(net(builder, faults)).restarts().links(links_by_dial)
}

fn buffered() -> Builder<'static> {
    Network::builder("t")
}

/// Faults within a trace.
fn traced() -> Setup<NetHandle<(Trace, (Faults, Bare))>> {
    let make = |faults| {
        let net = buffered().layer(faults).layer(Trace::new()).build().expect("valid options");
        net.subnetwork().clone()
    };
    Setup::new(make(Faults::new()))
        .restarts()
        .links(links_by_dial)
        .resets_unread()
        .faults(make)
        .dials_in_flight()
        .bytes_in_flight()
}

/// Everything goes through lanes, though no fault delays it.
fn lanes() -> Faults {
    let faults = Faults::new();
    faults.all().lanes(true);
    faults
}

fn off_buffered() -> Setup<Net> {
    let setup = over(buffered(), Faults::new()).buffer(64 << 10).resets_unread();
    setup.faults(|faults| net(buffered(), faults)).dials_in_flight().bytes_in_flight().thorough()
}

fn off_rendezvous() -> Setup<Net> {
    let make = || buffered().rendezvous(true);
    over(make(), Faults::new()).waiting(Waiting::Futures).faults(move |faults| net(make(), faults)).dials_in_flight()
}

fn lanes_buffered() -> Setup<Net> {
    over(buffered(), lanes()).buffer(64 << 10).resets_unread()
}

fn lanes_buffered_futures() -> Setup<Net> {
    over(buffered(), lanes()).waiting(Waiting::Futures).resets_unread()
}

fn lanes_small() -> Setup<Net> {
    over(buffered().buffer(3).backlog(2), lanes()).buffer(3).resets_unread()
}

fn lanes_polite() -> Setup<Net> {
    let make = || buffered().reset_unread(false);
    over(make(), lanes()).faults(move |faults| net(make(), faults)).dials_in_flight().bytes_in_flight()
}

fn lanes_shared_port() -> Setup<Net> {
    let make = || buffered().share_port(true);
    let setup = over(make(), lanes()).waiting(Waiting::Futures).resets_unread();
    setup.faults(move |faults| net(make(), faults)).dials_in_flight().bytes_in_flight()
}

fn lanes_rendezvous() -> Setup<Net> {
    over(buffered().rendezvous(true), lanes())
}

fn lanes_rendezvous_futures() -> Setup<Net> {
    over(buffered().rendezvous(true), lanes()).waiting(Waiting::Futures)
}

virtnet::conformance!(
    off_on_threads,
    off_buffered,
    [
        buffered,
        unread_resets,
        fresh_port,
        sized_buffer,
        death,
        links,
        faults,
        dials_in_flight,
        bytes_in_flight,
        death_in_flight,
        time
    ]
);
virtnet::conformance!(
    off_in_rendezvous,
    off_rendezvous,
    [rendezvous, fresh_port, death, links, faults, dials_in_flight, death_in_flight, time]
);
virtnet::conformance!(
    within_a_trace,
    traced,
    [
        buffered,
        unread_resets,
        fresh_port,
        death,
        links,
        faults,
        dials_in_flight,
        bytes_in_flight,
        death_in_flight,
        time
    ]
);
virtnet::conformance!(
    lanes_on_threads,
    lanes_buffered,
    [buffered, unread_resets, fresh_port, sized_buffer, death, links]
);
virtnet::conformance!(lanes_as_futures, lanes_buffered_futures, [buffered, unread_resets, fresh_port, death, links]);
virtnet::conformance!(
    lanes_of_3_bytes,
    lanes_small,
    [buffered, unread_resets, fresh_port, sized_buffer, small_backlog, death, links]
);
virtnet::conformance!(
    lanes_that_are_polite,
    lanes_polite,
    [buffered, fresh_port, death, links, faults, dials_in_flight, bytes_in_flight, death_in_flight, time]
);
virtnet::conformance!(
    lanes_with_shared_ports,
    lanes_shared_port,
    [
        buffered,
        unread_resets,
        shared_port,
        death,
        links,
        faults,
        dials_in_flight,
        bytes_in_flight,
        death_in_flight,
        time
    ]
);
virtnet::conformance!(lanes_in_rendezvous, lanes_rendezvous, [rendezvous, fresh_port, death, links]);
virtnet::conformance!(lanes_in_rendezvous_as_futures, lanes_rendezvous_futures, [rendezvous, fresh_port, death, links]);
