//! The conformance suite over networks of several processes: in one subnetwork, and in two.
#![cfg(all(feature = "lonet", feature = "testing", unix))]

#[path = "lonet/support.rs"]
mod support;

use std::time::Duration;

use support::Folder;
use virtnet::lonet::NetHandle;
use virtnet::testing::{Setup, Waiting};

fn setup(subnetworks: usize) -> Setup<NetHandle> {
    let folder = Folder::new();
    let nets: Vec<_> = (0..subnetworks).map(|_| folder.join("net").subnetwork().clone()).collect();
    let counted = nets.iter().map(NetHandle::downgrade).collect::<Vec<_>>();
    let held = move || {
        let _ = folder.path();
        counted.iter().filter_map(|net| net.upgrade()).map(|net| net.engine().open_sockets()).sum()
    };
    let mut nets = nets.into_iter();
    let setup =
        Setup::new(nets.next().expect("at least one")).held(held).limit(Duration::from_secs(30)).resets_unread().raw();
    nets.fold(setup, Setup::second)
}

fn one() -> Setup<NetHandle> {
    setup(1)
}

fn two() -> Setup<NetHandle> {
    setup(2).waiting(Waiting::Futures)
}

virtnet::conformance!(one_on_threads, one, [buffered, unread_resets, fresh_port, raw]);
virtnet::conformance!(two_as_futures, two, [buffered, unread_resets, fresh_port, raw, two_subnetworks]);
