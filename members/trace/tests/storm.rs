//! Captures of threads, and of networks with rendezvous.

use std::io::{Read, Write};
use std::thread;

use virtnet::pipenet::Network;
use virtnet::trace::Trace;

use crate::capture::{Capture, capture};

/// Clients on threads: each connection ends in another way, and takes the ports of an earlier one.
fn storm(rendezvous: bool) -> Trace {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 40;
    let trace = Trace::builder().bytes(u32::MAX).build();
    let net = Network::builder("t").layer(trace.clone()).rendezvous(rendezvous).build().expect("valid options");
    let listener = net.host("server").unwrap().listen(":900").unwrap();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            // All on one host, so that they use the same ports.
            let (client, addr) = (net.host("client").unwrap(), listener.local_addr());
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut conn = client.dial(addr).wait().unwrap();
                    // The server may have closed by then.
                    let _ = conn.write_all(&vec![b'a' + number as u8; 1 + 20 * round]);
                    match round % 4 {
                        0 => conn.abort(),
                        1 => drop(conn),
                        2 => {
                            let _ = conn.close_write();
                            let _ = conn.read_to_end(&mut Vec::new());
                        }
                        _ => {
                            let _ = conn.read(&mut [0; 10]);
                        }
                    }
                }
            });
        }
        for _ in 0..CLIENTS {
            let listener = &listener;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut conn = listener.accept().wait().unwrap();
                    let mut buf = [0; 1000];
                    let _ = conn.read(&mut buf);
                    let _ = conn.write(b"some bytes");
                    if round % 3 == 0 {
                        let _ = conn.read_to_end(&mut Vec::new());
                    }
                }
            });
        }
    });
    trace
}

fn check(name: &str, rendezvous: bool) {
    let trace = storm(rendezvous);
    let Some(capture) = Capture::new(name, &capture(&trace, "")) else { return };
    capture.is_clean();
    let streams = capture.lines(&["-Y", "tcp.flags.syn==1 && tcp.flags.ack==0", "-T", "fields", "-e", "tcp.stream"]);
    assert_eq!(streams.len(), trace.count("dial *"));
    assert!(streams.windows(2).all(|pair| pair[0] != pair[1]), "two connections are one stream");
}

#[test]
fn a_capture_of_threads_is_clean() {
    check("threads", false);
}

#[test]
fn a_capture_of_rendezvous_is_clean() {
    check("rendezvous", true);
}
