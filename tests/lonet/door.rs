//! Threads that block in an accept, and do the handshakes of their subnetwork meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use virtnet::lonet::{Conn, Listener};

use crate::support::{Folder, LIMIT};

/// Accepts a connection on a thread.
fn accept(listener: &Arc<Listener>) -> thread::JoinHandle<Conn> {
    let listener = listener.clone();
    thread::spawn(move || listener.accept().wait_timeout(LIMIT).unwrap())
}

#[test]
fn a_thread_that_waits_at_a_listener_serves_the_others() {
    let folder = Folder::new();
    let (net, other) = (folder.join("net"), folder.join("net"));
    let (a, b) = (net.host("a").wait().unwrap(), other.host("b").wait().unwrap());
    let [first, second] = [":1", ":2"].map(|addr| Arc::new(a.listen(addr).unwrap()));
    let waiting = accept(&first);
    for _ in 0..100 {
        let refused = b.dial("a:9").wait_timeout(LIMIT).unwrap_err();
        assert_eq!(refused.to_string(), "dial lonetnet b:1->a:9: connection refused");
        let accepting = accept(&second);
        let dialled = b.dial("a:2").wait_timeout(LIMIT).unwrap();
        assert_eq!(accepting.join().unwrap().peer_addr(), dialled.local_addr());
    }
    let dialled = b.dial("a:1").wait_timeout(LIMIT).unwrap();
    assert_eq!(waiting.join().unwrap().peer_addr(), dialled.local_addr());
    // No thread waits any more.
    let refused = b.dial("a:9").wait_timeout(LIMIT).unwrap_err();
    assert_eq!(refused.to_string(), "dial lonetnet b:2->a:9: connection refused");
}

#[test]
fn handshakes_that_a_thread_leaves_behind_are_finished() {
    let folder = Folder::new();
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    let listener = Arc::new(a.listen(":1").unwrap());
    for timed_out in [false, true] {
        let waiting = (!timed_out).then(|| accept(&listener));
        // More than one thread has under way at once.
        let mut slow: Vec<_> = (0..10).map(|_| TcpStream::connect(net.subnetwork().engine().addr()).unwrap()).collect();
        slow.iter_mut().for_each(|stream| stream.write_all(b"> lonet \"lonetnet\"").unwrap());
        match waiting {
            Some(waiting) => {
                let dialled = a.dial("a:1").wait_timeout(LIMIT).unwrap();
                assert_eq!(waiting.join().unwrap().peer_addr(), dialled.local_addr());
            }
            None => drop(listener.accept().wait_timeout(Duration::from_millis(50)).unwrap_err()),
        }
        for mut stream in slow {
            stream.write_all(b" dial \"x:1\" \"a:9\"\n").unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "< lonet \"lonetnet\" E \"connection refused\"\n");
        }
    }
}

#[test]
fn a_close_ends_the_accept_of_a_thread_that_attends() {
    let folder = Folder::new();
    let net = folder.join("net");
    let listener = Arc::new(net.host("a").wait().unwrap().listen(":1").unwrap());
    let waiting = thread::spawn(move || listener.accept().wait_timeout(LIMIT).map(drop));
    let mut silent = TcpStream::connect(net.subnetwork().engine().addr()).unwrap();
    net.close().wait().unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "accept lonetnet a:1: network is down");
    silent.set_read_timeout(Some(LIMIT)).unwrap();
    let mut answer = String::new();
    // It may not have been accepted by the system yet.
    let _ = silent.read_to_string(&mut answer);
    assert!(["", "< lonet \"lonetnet\" E \"connection refused\"\n"].contains(&&*answer), "{answer:?}");
}
