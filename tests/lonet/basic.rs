//! Hosts dial each other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use virtnet::{Engine as _, Op};

use crate::support::{Folder, LIMIT};

#[test]
fn hosts_of_two_subnetworks_dial_each_other() {
    let folder = Folder::new();
    let (left, right) = (folder.join("net"), folder.join("net"));
    assert_eq!((left.short_name(), left.network_name()), ("net", "lonetnet"));
    let listener = left.host("α").wait().unwrap().listen(":10").unwrap();
    let server = thread::spawn(move || {
        let mut conn = listener.accept().wait_timeout(LIMIT).unwrap();
        let mut got = [0; 4];
        conn.read_exact(&mut got).unwrap();
        conn.write_all(b"pong").unwrap();
        (conn.local_addr().to_string(), conn.peer_addr().to_string(), got)
    });
    right.wait_for("α").wait_timeout(LIMIT).unwrap();
    let mut conn = right.host("β").wait().unwrap().dial("α:10").wait_timeout(LIMIT).unwrap();
    conn.write_all(b"ping").unwrap();
    let mut got = String::new();
    conn.read_to_string(&mut got).unwrap();
    assert_eq!(
        (conn.local_addr().to_string(), conn.peer_addr().to_string(), &*got),
        ("β:1".into(), "α:1".into(), "pong")
    );
    assert_eq!(server.join().unwrap(), ("α:1".into(), "β:1".into(), *b"ping"));
}

#[test]
fn a_host_that_is_announced_and_not_made_yet_refuses() {
    let folder = Folder::new();
    let (left, right) = (folder.join("net"), folder.join("net"));
    let net = left.subnetwork();
    Op::new(net.engine().new_host("a", net.registry())).wait().unwrap();
    let b = right.host("b").wait().unwrap();
    let refused = |addr: &str| b.dial(addr).wait_timeout(LIMIT).unwrap_err().to_string();
    assert_eq!(refused("a:1"), "dial lonetnet b:1->a:1: connection refused");
    // One that this subnetwork could not announce is none of its hosts.
    Op::new(net.engine().new_host("b", net.registry())).wait().unwrap_err();
    let mut stream = TcpStream::connect(net.engine().addr()).unwrap();
    stream.write_all(b"> lonet \"lonetnet\" dial \"x:1\" \"b:1\"\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "< lonet \"lonetnet\" E \"address b:1: no such host\"\n");
}

#[test]
fn errors_are_those_of_the_contract() {
    let folder = Folder::new();
    let (left, right) = (folder.join("net"), folder.join("net"));
    let (a, b) = (left.host("a").wait().unwrap(), right.host("b").wait().unwrap());
    let told = |outcome: Result<_, virtnet::Error>| outcome.map(|_: virtnet::lonet::Conn| ()).unwrap_err().to_string();
    assert_eq!(told(b.dial("a:1").wait_timeout(LIMIT)), "dial lonetnet b:1->a:1: connection refused");
    assert_eq!(told(b.dial("γ:1").wait()), r#"dial lonetnet b:1->γ:1: lonet/net: query ["γ"]: no such host"#);
    let taken = right.new_host("a").wait().unwrap_err().to_string();
    let start = r#"virtnet "lonetnet": new host "a": lonet/net: announce ["a" "127.0.0.1:"#;
    assert!(taken.starts_with(start) && taken.ends_with(r#""]: host already registered"#), "{taken}");
    left.close().wait().unwrap();
    assert_eq!(told(b.dial("a:1").wait_timeout(LIMIT)), "dial lonetnet b:1->a:1: connection refused");
    assert_eq!(told(a.dial("b:1").wait()), "dial lonetnet a:1->b:1: network is down");
}
