//! What connections and hosts take: counted by a program of its own.

use std::collections::BTreeMap;
use std::process::Command;

use crate::result::Unit;
use crate::sample::{Bench, OURS, Work};

pub(crate) fn run(bench: &mut Bench) {
    if !bench.wants("memory") {
        return;
    }
    let out = Command::new(env!("CARGO_BIN_EXE_peers_memory")).output().expect("it was built beside this");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let counts: BTreeMap<&str, f64> =
        text.lines().filter_map(|line| line.split_once('\t')).map(|(what, bytes)| (what, number(bytes))).collect();
    let of = |peer: &str, what: &str| counts[format!("{peer}: {what}").as_str()];

    let work = |name: &str| Work::new(&format!("memory: {name}"), Unit::Bytes);
    for (name, what, kib) in [
        ("a connection, both ends, new", "new", 0.4),
        ("a connection, after a byte each way", "after a byte", 1.0),
        ("a connection, after 64 KiB each way", "after 64 KiB", 0.5),
    ] {
        let mut work = work(name).chart();
        work.below(kib, "KiB", 1024.0, OURS);
        let peers = [OURS, "tokio duplex", "turmoil-net"];
        bench.count(work, &peers.map(|peer| (peer, of(peer, what))));
    }
    let mut hosts = work("a host").chart();
    hosts.at_most(0.7, OURS, "turmoil-net");
    bench.count(hosts, &[OURS, "turmoil-net"].map(|peer| (peer, of(peer, "a host"))));
    let mut all = work("100,000 idle connections and 10,000 hosts");
    all.below(150.0, "MB", 1e6, OURS);
    bench.count(all, &[(OURS, of(OURS, "all"))]);
}

fn number(text: &str) -> f64 {
    text.parse().expect("the program prints numbers")
}
