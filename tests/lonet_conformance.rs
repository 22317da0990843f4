//! The conformance suite over networks of several processes: in one subnetwork, in two, with a trace, and with faults.
#![cfg(all(feature = "lonet", feature = "testing", unix))]

#[path = "lonet/support.rs"]
mod support;

use std::time::Duration;

use support::{Folder, joining};
use virtnet::Layer;
use virtnet::lonet::{Join, NetHandle, SubNetwork};
use virtnet::testing::{Setup, Waiting};

/// A network of so many subnetworks. `layered` adds layers, `open` counts the sockets of a subnetwork.
fn setup<L: Layer>(
    subnetworks: usize,
    layered: impl Fn(Join) -> Join<L>,
    open: fn(&SubNetwork<L>) -> usize,
) -> Setup<NetHandle<L>> {
    let folder = Folder::new();
    let join = |_| layered(joining(folder.path(), "net")).wait().expect("joined").subnetwork().clone();
    let nets: Vec<NetHandle<L>> = (0..subnetworks).map(join).collect();
    let counted: Vec<_> = nets.iter().map(NetHandle::downgrade).collect();
    let held = move || {
        let _ = folder.path();
        counted.iter().filter_map(|net| net.upgrade()).map(|net| open(&net)).sum()
    };
    let mut nets = nets.into_iter();
    let setup = Setup::new(nets.next().expect("at least one")).held(held).limit(Duration::from_secs(30));
    nets.fold(setup.resets_unread().raw(), Setup::second)
}

/// A network without layers.
fn bare(subnetworks: usize, options: impl Fn(Join) -> Join) -> Setup<NetHandle> {
    let setup = setup(subnetworks, options, |net| net.engine().open_sockets());
    setup.links(|net| net.engine().link_pair().expect("a connection")).restarts()
}

fn one() -> Setup<NetHandle> {
    bare(1, |join| join)
}

fn one_shared_port() -> Setup<NetHandle> {
    bare(1, |join| join.share_port(true).backlog(2))
}

fn two() -> Setup<NetHandle> {
    bare(2, |join| join).waiting(Waiting::Futures)
}

virtnet::conformance!(one_on_threads, one, [buffered, unread_resets, fresh_port, raw, links, death]);
virtnet::conformance!(
    one_shared_port_on_threads,
    one_shared_port,
    [buffered, unread_resets, shared_port, small_backlog, raw, links, death]
);
virtnet::conformance!(two_as_futures, two, [buffered, unread_resets, fresh_port, raw, links, death, two_subnetworks]);

#[cfg(feature = "trace")]
mod traced {
    use virtnet::Bare;
    use virtnet::trace::Trace;

    use super::*;

    fn two() -> Setup<NetHandle<(Trace, Bare)>> {
        let trace = Trace::new();
        setup(2, |join| join.layer(trace.clone()), |net| net.engine().inner().open_sockets())
    }

    virtnet::conformance!(two_on_threads, two, [buffered, unread_resets, fresh_port, raw, two_subnetworks]);

    #[test]
    fn each_subnetwork_records_its_side() {
        let folder = Folder::new();
        let (left, right) = (Trace::new(), Trace::new());
        let join = |trace: &Trace| joining(folder.path(), "net").layer(trace.clone()).wait().expect("joined");
        let (to, from) = (join(&left), join(&right));
        let a = to.host("a").wait().unwrap();
        let b = from.host("b").wait().unwrap();
        let listener = a.listen(":10").unwrap();
        let dialling = std::thread::spawn(move || b.dial("a:10").wait().unwrap());
        let accepted = listener.accept().wait().unwrap();
        let dialled = dialling.join().unwrap();
        dialled.try_write(b"x").unwrap();
        accepted.readable().wait().unwrap();
        assert_eq!(accepted.try_read(&mut [0]).unwrap(), 1);
        drop((dialled, accepted));
        assert_eq!(
            left.view().reads(true).to_string(),
            "\
host a
listen a:10
accept a:10: a:1<-b:1
read b:1->a:1: 1 \"x\"
drop a:1->b:1
"
        );
        assert_eq!(
            right.view().to_string(),
            "\
host b
dial b:1->a:10
connect b:1->a:10: a:1
write b:1->a:1: 1 \"x\"
drop b:1->a:1
"
        );
    }
}

#[cfg(feature = "sim")]
mod faulty {
    use std::io::{Read, Write};

    use virtnet::Bare;
    use virtnet::sim::Faults;

    use super::*;

    fn two() -> Setup<NetHandle<(Faults, Bare)>> {
        let faults = Faults::new();
        setup(2, |join| join.layer(faults.clone()), |net| net.engine().inner().open_sockets())
    }

    virtnet::conformance!(two_on_threads, two, [buffered, unread_resets, fresh_port, raw, two_subnetworks]);

    #[test]
    fn a_partition_stalls_bytes_and_loses_none() {
        let folder = Folder::new();
        // Each subnetwork, as each process, has faults of its own for what it sends.
        let (left, right) = (Faults::new(), Faults::new());
        let join = |faults: &Faults| joining(folder.path(), "net").layer(faults.clone()).wait().expect("joined");
        let (to, from) = (join(&left), join(&right));
        let a = to.host("a").wait().unwrap();
        let b = from.host("b").wait().unwrap();
        let listener = a.listen(":10").unwrap();
        let dialling = std::thread::spawn(move || b.dial("a:10").wait().unwrap());
        let mut accepted = listener.accept().wait().unwrap();
        let mut dialled = dialling.join().unwrap();

        right.oneway("b", "a").partition();
        dialled.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        assert!(dialled.write(b"x").is_err(), "it waits until the partition ends");
        // The other way is open.
        accepted.write_all(b"hi").unwrap();
        let mut two = [0; 2];
        dialled.read_exact(&mut two).unwrap();
        right.oneway("b", "a").repair();
        dialled.set_write_timeout(None).unwrap();
        dialled.write_all(b"xy").unwrap();
        accepted.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"xy");
    }
}
