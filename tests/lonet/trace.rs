//! Each process of a test records its own trace, and their files become one.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use virtnet::lonet::{Child, child_name};
use virtnet::trace::Trace;

use crate::support::{Folder, LIMIT, joining};

/// The processes, each with a host of its name.
const PROCESSES: [&str; 3] = ["server", "one", "two"];

fn file(folder: &Path, process: &str) -> PathBuf {
    folder.join(format!("{process}.jsonl"))
}

/// Serves both clients, one after the other, or is one of them. Then writes the lines of its trace.
fn take_part(name: &str) {
    let folder = PathBuf::from(env::var_os("FOLDER").expect("the parent tells it"));
    let trace = Trace::new();
    let net = joining(&folder, "net").layer(trace.clone()).wait().unwrap();
    let host = net.new_host(name).wait().unwrap();
    if name == PROCESSES[0] {
        let listener = host.listen(":10").unwrap();
        // From now on, the listener is there.
        net.new_host("ready").wait().unwrap();
        for _ in &PROCESSES[1..] {
            let mut conn = listener.accept().wait_timeout(LIMIT).unwrap();
            let mut text = [0; 3];
            conn.read_exact(&mut text).unwrap();
            conn.write_all(&text).unwrap();
        }
    } else {
        net.wait_for("ready").wait_timeout(LIMIT).unwrap();
        let mut conn = host.dial("server:10").wait_timeout(LIMIT).unwrap();
        conn.write_all(name.as_bytes()).unwrap();
        let mut text = String::new();
        conn.read_to_string(&mut text).unwrap();
        assert_eq!(text, name);
    }
    let mut lines = String::new();
    trace.view().reads(true).write_json(&mut lines).unwrap();
    fs::write(file(&folder, name), lines).unwrap();
}

#[test]
fn traces_of_three_processes_become_one_in_causal_order() {
    if let Some(name) = child_name() {
        return take_part(&name);
    }
    let folder = Folder::new();
    let start = |name| Child::this_test_with(name, |command| _ = command.env("FOLDER", folder.path())).unwrap();
    let children = PROCESSES.map(start);
    assert!(children.into_iter().all(|mut child| child.wait().unwrap().success()));
    let texts = PROCESSES.map(|name| fs::read_to_string(file(folder.path(), name)).unwrap());
    // Whatever the order of the files is.
    for order in [[0, 1, 2], [2, 1, 0]] {
        let trace = Trace::merge_json(&order.map(|at| (PROCESSES[at], texts[at].as_str()))).unwrap();
        let shown = trace.view().reads(true).to_string();
        let one = |pattern: &str| trace.one(pattern).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        for name in &PROCESSES[1..] {
            let accepted = one(&format!("accept server:10: server:*<-{name}:1"));
            let local = accepted.to_string().split([' ', '<']).nth(2).expect("its own address").to_owned();
            // Each of them is in another process than the one before.
            let chain = [
                one(&format!("dial {name}:1->server:10")),
                accepted,
                one(&format!("connect {name}:1->server:10: {local}")),
                one(&format!("write {name}:1->{local}: 3 {name:?}")),
                one(&format!("read {name}:1->{local}: 3 {name:?}")),
                one(&format!("write {local}->{name}:1: 3 {name:?}")),
                one(&format!("read {local}->{name}:1: 3 {name:?}")),
                one(&format!("read {local}->{name}:1: end")),
            ];
            for pair in chain.windows(2) {
                assert!(trace.before(&pair[0], &pair[1]), "{} before {}\n{shown}", pair[0], pair[1]);
                assert!(pair[0].seq < pair[1].seq, "{shown}");
            }
        }
        let [x, y] = ["dial one:1->server:10", "dial two:1->server:10"].map(one);
        assert!(trace.concurrent(x, y), "nothing is between the clients\n{shown}");
    }
}
