//! In-process networks: their names, options and limits, and the texts of their errors, byte for byte.
#![cfg(all(feature = "std", feature = "pipenet"))]

#[path = "pipenet/conn.rs"]
mod conn;

use std::fmt::Display;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use virtnet::pipenet::{Network, fixed};
use virtnet::{Cause, Conn, Engine, Error, ErrorKind, Host, Listener, NetRef, NetRefExt as _, Notifier, Op, Registry};

/// The text of an error.
#[track_caller]
fn text<T, E: Display>(outcome: Result<T, E>) -> String {
    match outcome {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

/// The dialled and the accepted end of a connection, made on one thread.
fn connect<N: NetRef>(from: &Host<N>, listener: &Listener<N>) -> (Conn<N>, Conn<N>) {
    let mut dial = pin!(from.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("accepted").expect("connected"), accepted)
}

#[test]
fn errors_of_listening_and_dialling() {
    static FIXED: fixed::Network<'_> = virtnet::fixed!("t", 3, 8, 4, 64);
    let heap = Network::new("t");
    texts_of_listening_and_dialling(heap.subnetwork().clone());
    texts_of_listening_and_dialling(FIXED.subnetwork());
}

fn texts_of_listening_and_dialling<N: NetRef>(net: N) {
    let (a, b) = (net.new_host("a").wait().expect("a new name"), net.new_host("b").wait().expect("a new name"));
    let _listener = a.listen(":5").expect("a free port");
    assert_eq!(text(a.listen("a:5")), "listen pipet a:5: address already in use");
    assert_eq!(text(a.listen("b:1")), "listen pipet b:1: cannot listen on requested address");
    assert_eq!(text(a.listen("a:b")), "listen pipet: address a:b: invalid port");
    assert_eq!(text(b.dial("a:1").wait()), "dial pipet b:1->a:1: connection refused");
    assert_eq!(text(b.dial("γ:1").wait()), r#"dial pipet b:1->γ:1: ram(pipet): query ["γ"]: no such host"#);
    let refused = r#"virtnet "pipet": new host "a": ram(pipet): announce ["a" ""]: host already registered"#;
    assert_eq!(text(net.new_host("a").wait()), refused);
    let timeout = b.dial("a:5").wait_timeout(Duration::from_millis(1));
    assert_eq!(text(timeout), "dial pipet b:1->a:5: timed out");
    net.close().wait().expect("closing goes well");
    assert_eq!(text(net.new_host("γ").wait()), r#"virtnet "pipet": new host "γ": network is down"#);
    assert_eq!(text(net.new_host("a").wait()), r#"virtnet "pipet": new host "a": network is down"#);
    assert_eq!(text(b.dial("γ:1").wait()), "dial pipet b:1->γ:1: network is down");
}

#[test]
fn errors_of_closed_hosts_listeners_and_connections() {
    let net = Network::new("t");
    let (a, b) = (net.host("α").unwrap(), net.host("β").unwrap());
    let listener = b.listen(":1").unwrap();
    let (own, ports) = (a.listen("").unwrap(), b.listen(":3").unwrap());
    let (mut dialled, mut accepted) = connect(&a, &listener);
    assert_eq!((dialled.local_addr().to_string(), accepted.local_addr().to_string()), ("α:2".into(), "β:2".into()));
    accepted.close();
    assert_eq!(text(dialled.write(b"x")), "write pipet α:2->β:2: broken pipe");
    assert_eq!(dialled.read(&mut [0]).unwrap(), 0);
    assert_eq!(text(accepted.read(&mut [0])), "read pipet α:2->β:2: socket is down");
    assert_eq!(text(accepted.write(b"x")), "write pipet β:2->α:2: socket is down");
    own.close();
    assert_eq!(text(own.accept().wait()), "accept pipet α:1: socket is down");
    a.close().wait().unwrap();
    assert_eq!(text(a.listen("")), "listen pipet α:0: host is down");
    assert_eq!(text(own.accept().wait()), "accept pipet α:1: host is down");
    assert_eq!(text(dialled.read(&mut [0])), "read pipet β:2->α:2: host is down");
    net.close().unwrap();
    assert_eq!(text(a.dial("β:1").wait()), "dial pipet α:1->β:1: network is down");
    assert_eq!(text(dialled.read(&mut [0])), "read pipet β:2->α:2: network is down");
    drop(ports);
}

#[test]
fn a_network_of_the_empty_name() {
    static NET: fixed::Network<'_> = virtnet::fixed!("", 2, 4, 2, 64);
    let a = NET.host("a").unwrap();
    assert_eq!(text(a.listen("a:b")), "listen pipe: address a:b: invalid port");
    assert_eq!(text(a.dial("a:b").wait()), "dial pipe a:1: address a:b: invalid port");
    let listeners = [(); 4].map(|()| a.listen("").unwrap());
    assert_eq!(text(a.dial("a:1").wait()), "dial pipe: port table is full (4)");
    assert_eq!(text(a.listen("")), "listen pipe a:0: port table is full (4)");
    drop(listeners);
    assert_eq!(a.sockets(), 0);
}

#[test]
fn a_fixed_network_names_the_full_table() {
    static NET: fixed::Network<'_> = virtnet::fixed!("t", 2, 8, 2, 64);
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    assert_eq!(text(NET.host("c")), r#"virtnet "pipet": new host "c": host table is full (2)"#);
    let listener = a.listen(":1").unwrap();
    let pairs = [connect(&b, &listener), connect(&b, &listener)];
    assert_eq!(NET.pipes(), 2);
    assert_eq!(text(b.dial("a:1").wait()), "dial pipet b:3->a:1: pipe pool is full (2)");
    let [first, second] = pairs;
    drop(first.0);
    // A pipe is in use until both of its ends are dropped.
    assert_eq!(text(b.dial("a:1").wait()), "dial pipet b:1->a:1: pipe pool is full (2)");
    drop(first.1);
    assert_eq!(NET.pipes(), 1);
    drop((connect(&b, &listener), second, listener));
    assert_eq!((NET.pipes(), a.sockets(), b.sockets()), (0, 0, 0));
}

#[test]
fn a_host_is_made_with_or_without_an_announcement() {
    static FIXED: fixed::Network<'_> = virtnet::fixed!("t", 2, 4, 2, 64);
    let heap = Network::new("t");
    announced_hosts(heap.subnetwork(), |name| heap.host(name), |name| heap.new_host(name));
    announced_hosts(&FIXED.subnetwork(), |name| FIXED.host(name), |name| FIXED.new_host(name));
}

fn announced_hosts<N: NetRef<Engine: Engine<Data = &'static str>>>(
    net: &N,
    host: impl Fn(&str) -> Result<Host<N>, Error>,
    new_host: impl Fn(&str) -> Result<Host<N>, Error>,
) {
    let announce = |name| Op::new(net.registry().announce(name, "")).wait();
    announce("a").expect("a new name");
    let taken = r#"virtnet "pipet": new host "a": ram(pipet): announce ["a" ""]: host already registered"#;
    assert_eq!(text(new_host("a")), taken);
    assert!(net.get_host("a").is_none());
    let a = host("a").expect("it is announced, and nobody has it");
    assert_eq!((host("a"), net.get_host("a")), (Ok(a.clone()), Some(a)));
    assert_eq!((text(new_host("a")), text(net.new_host("a").wait())), (taken.into(), taken.into()));
    Op::new(net.registry().close()).wait().expect("nothing can go wrong");
    assert_eq!(text(host("b")), r#"virtnet "pipet": new host "b": ram(pipet): announce ["b" ""]: registry is down"#);
    assert!(host("a").is_ok());
}

#[test]
fn the_task_that_polled_a_dial_last_is_woken() {
    static FIXED: fixed::Network<'_> = virtnet::fixed!("t", 2, 4, 2, 64);
    dial_of_two_tasks(Network::new("t").subnetwork().clone());
    dial_of_two_tasks(FIXED.subnetwork());
}

fn dial_of_two_tasks<N: NetRef>(net: N) {
    let hosts = ["a", "b"].map(|name| net.new_host(name).wait().expect("a new name"));
    let _listener = hosts[0].listen(":1").expect("a free port");
    let mut dial = pin!(hosts[1].dial("a:1"));
    let [first, second] = [(), ()].map(|()| Arc::new(Woken::default()));
    for task in [&first, &second, &first] {
        assert!(dial.as_mut().poll(&mut Context::from_waker(&Waker::from(task.clone()))).is_pending());
    }
    first.0.store(false, Ordering::Relaxed);
    hosts[1].close().wait().expect("closing goes well");
    assert!(first.0.load(Ordering::Relaxed));
}

/// Whether the waker was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_network_of_an_invalid_name_has_no_host() {
    let long = "n".repeat(27);
    let refused = |name: &str| text(Network::builder(name).build());
    assert_eq!(Network::builder(&long).build().unwrap().network_name(), format!("pipe{long}"));
    assert!(refused(&format!("{long}n")).ends_with(": new network: invalid network name"));
    assert_eq!(refused("["), r#"virtnet "pipe[": new network: invalid network name"#);
    let error = Network::new("a\n").host("a").unwrap_err();
    assert_eq!((error.kind(), error.to_string().ends_with("invalid network name")), (ErrorKind::InvalidInput, true));
    let memory = fixed::Memory::<1, 1, 1, 1>::new();
    let net = fixed::Network::new("]", &memory);
    assert!(text(net.host("a")).ends_with(r#"new host "a": invalid network name"#));
    assert_eq!(text(Network::builder("t").buffer(0).build()), r#"virtnet "pipet": new network: invalid buffer size"#);
}

#[test]
fn networks_of_one_name_are_two() {
    let (one, two) = (Network::new("t"), Network::new("t"));
    let (a, b) = (one.host("a").unwrap(), two.host("b").unwrap());
    let _listener = a.listen(":1").unwrap();
    assert_eq!(b.dial("a:1").wait().unwrap_err().kind(), ErrorKind::NoSuchHost);
    assert!(two.host("a").unwrap() != a);
    one.close().unwrap();
    b.listen("").unwrap();
}

#[test]
fn host_gets_or_makes() {
    static FIXED: fixed::Network<'_> = virtnet::fixed!("t", 2, 4, 2, 64);
    let net = Network::new("t");
    let a = net.host("a").unwrap();
    a.close().wait().unwrap();
    assert_eq!((net.host("a").unwrap(), net.get_host("a")), (a.clone(), Some(a.clone())));
    assert_eq!(net.get_host("b"), None);
    assert_eq!(net.new_host("a").unwrap_err().kind(), ErrorKind::HostExists);
    net.close().unwrap();
    assert_eq!(net.host("a").unwrap(), a);
    assert_eq!(net.host("b").unwrap_err().kind(), ErrorKind::NetworkDown);
    let a = FIXED.host("a").unwrap();
    assert_eq!((FIXED.host("a").unwrap(), FIXED.get_host("a"), FIXED.network_name()), (a.clone(), Some(a), "pipet"));
}

#[test]
fn a_dial_for_which_no_port_is_left_fails_and_accept_waits_on() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let mut taken: Vec<_> = (1..=u16::MAX).map(|_| a.listen("").unwrap()).collect();
    assert_eq!(taken.last().unwrap().local_addr().to_string(), "a:65535");
    assert_eq!(text(a.listen("")), "listen pipet a:0: port table is full (65535)");
    assert_eq!(text(a.dial("a:1").wait()), "dial pipet: port table is full (65535)");
    let mut failed = pin!(b.dial("a:1"));
    assert!(failed.as_mut().try_wait().is_none());
    let listener = taken.swap_remove(0);
    {
        let mut accepting = pin!(listener.accept());
        assert!(accepting.as_mut().try_wait().is_none());
        let full = failed.try_wait().expect("refused");
        assert_eq!(text(full), r#"dial pipet b:1->a:1: port table of "a" is full (65535)"#);
        taken.pop();
        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = accepting.try_wait().expect("a dial waits").unwrap();
        assert_eq!(accepted.peer_addr(), dial.try_wait().expect("accepted").unwrap().local_addr());
    }
    drop((listener, taken));
    assert_eq!((a.sockets(), b.sockets()), (0, 0));
}

#[test]
fn a_backlog_is_bounded_by_default() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    let mut waiting: Vec<_> = (0..4096).map(|_| Box::pin(b.dial("a:1"))).collect();
    assert!(waiting.iter_mut().all(|dial| dial.as_mut().try_wait().is_none()));
    assert_eq!(text(b.dial("a:1").wait()), "dial pipet b:4097->a:1: backlog is full (4096)");
    let accepted = listener.try_accept().unwrap();
    assert_eq!(accepted.peer_addr().to_string(), "b:1");
    drop((waiting, accepted, listener));
    assert_eq!((a.sockets(), b.sockets()), (0, 0));
}

#[test]
fn a_queued_connection_wins_over_an_expired_timeout() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    let mut dial = pin!(b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.accept().wait_timeout(Duration::ZERO).unwrap();
    assert_eq!(dial.try_wait().expect("accepted").unwrap().peer_addr(), accepted.local_addr());
}

#[test]
fn a_weak_notifier_keeps_no_network_alive() {
    let net = Network::new("t");
    let weak = net.subnetwork().downgrade();
    let a = net.host("a").unwrap();
    drop(net);
    Op::new(weak.down(Cause::backend(&"cable unplugged"))).wait();
    assert_eq!(text(a.listen("")), "listen pipet a:0: network is down");
    drop(a);
    assert!(weak.upgrade().is_none());
    Op::new(weak.down(Cause::NetworkDown)).wait();
}

#[test]
fn a_failed_network_reports_the_cause() {
    let net = Network::new("t");
    let a = net.host("a").unwrap();
    net.auto_close().unwrap();
    Op::new(net.subnetwork().notifier().down(Cause::backend(&"cable unplugged"))).wait();
    assert_eq!(text(net.close()), r#"virtnet "pipet": close: cable unplugged"#);
    assert_eq!(text(net.close()), r#"virtnet "pipet": close: cable unplugged"#);
    assert!(a.close().wait().is_ok());
    assert_eq!(text(net.auto_close()), r#"virtnet "pipet": auto close: network is down"#);
}

#[test]
fn auto_close_asks_for_an_open_host() {
    let net = Network::new("t");
    assert_eq!(text(net.auto_close()), r#"virtnet "pipet": auto close: no open host"#);
    net.host("a").unwrap();
    net.auto_close().unwrap();
}

#[test]
fn handles_print_their_names() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    let (dialled, _accepted) = connect(&b, &listener);
    assert_eq!(format!("{a:?}"), r#"Host(pipet "a")"#);
    assert_eq!(format!("{listener:?}"), "Listener(pipet a:1)");
    assert_eq!(format!("{dialled:?}"), "Conn(pipet b:1->a:2)");
    let (read, write) = dialled.into_split();
    assert_eq!(
        format!("{read:?} {write:?}"),
        "OwnedReadHalf(Conn(pipet b:1->a:2)) OwnedWriteHalf(Conn(pipet b:1->a:2))"
    );
}

#[test]
fn the_handles_of_a_network_keep_it_alive() {
    let listener = Network::new("t").host("a").unwrap().listen(":1").unwrap();
    let b = listener.host();
    let (mut dialled, mut accepted) = connect(&b, &listener);
    dialled.write_all(b"hi").unwrap();
    let mut buf = [0; 2];
    accepted.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"hi");
}

#[test]
fn an_invalid_network_name_is_reported_by_the_first_host_and_by_the_builder() {
    static FIXED: fixed::Network<'_> = virtnet::fixed!("[", 1, 1, 1, 1);
    let told = r#"virtnet "pipe[": new host "a": invalid network name"#;
    assert_eq!((text(Network::new("[").host("a")), text(FIXED.host("a"))), (told.into(), told.into()));
    assert_eq!(text(Network::builder("[").build()), r#"virtnet "pipe[": new network: invalid network name"#);
    let long = Network::new(&"ä".repeat(14)).host("a").unwrap_err();
    assert_eq!(long.to_string(), format!(r#"virtnet "pipe{}"…: new host "a": invalid network name"#, "ä".repeat(13)));
    assert!(long.network_name().is_cut(), "what is left of an overlong name is not all of it");
}

#[test]
fn hosts_listeners_and_connections_go_into_lists() {
    static FIXED: fixed::Network<'_> = virtnet::fixed!("t", 2, 8, 2, 64);
    fn check<N: NetRef>(net: N) {
        let hosts = ["a", "b"].map(|name| net.new_host(name).wait().expect("a new name"));
        let hosts = Vec::from(hosts);
        let listeners: Vec<_> = hosts.iter().map(|host| host.listen("").expect("a free port")).collect();
        let mut conns: Vec<Conn<N>> = Vec::new();
        for (host, listener) in hosts.iter().zip(&listeners) {
            conns.extend(<[_; 2]>::from(connect(host, listener)));
        }
        assert_eq!(conns.iter().map(|conn| conn.local_addr().port()).collect::<Vec<_>>(), [2, 3, 2, 3]);
        for conn in conns {
            conn.close();
        }
        for listener in listeners {
            listener.close();
        }
        for host in &hosts {
            assert_eq!(host.sockets(), 0);
        }
    }
    check(Network::new("t").subnetwork().clone());
    check(FIXED.subnetwork());

    // A list of a non-generic type crashed rustc 1.95.
    let net = Network::new("t");
    let hosts = vec![net.host("a").expect("a new name")];
    let listeners = vec![hosts[0].listen("").expect("a free port")];
    for host in &hosts {
        assert_eq!(host.sockets(), 1);
    }
    for listener in &listeners {
        assert_eq!(listener.local_addr().port(), 1);
    }
    drop(listeners.into_iter().map(|listener| listener.close()).collect::<Vec<_>>());
    for host in hosts {
        assert_eq!(host.sockets(), 0);
    }
}

/// Large writes and reads copy outside of the lock, and small ones under it.
#[test]
fn bytes_keep_their_order_whatever_the_sizes_of_writes_and_reads() {
    let net = Network::new("t");
    let listener = net.host("a").and_then(|host| host.listen("")).expect("a free port");
    let (mut writer, mut reader) = connect(&net.host("b").expect("a valid name"), &listener);
    let sizes = [1, 100, 8 << 10, 64 << 10, 3, 200_000, 4096, 9000, 65_537, 1 << 20];
    let byte = |at: usize| (at % 251) as u8;
    let total: usize = sizes.iter().sum::<usize>() * 8;
    let sent = std::thread::spawn(move || {
        let mut at = 0;
        for size in sizes.iter().cycle().take(sizes.len() * 8) {
            let bytes: Vec<_> = (at..at + size).map(byte).collect();
            writer.write_all(&bytes)?;
            at += size;
        }
        Ok::<_, std::io::Error>(at)
    });
    let (mut at, mut buf) = (0, vec![0; 1 << 20]);
    for size in sizes.iter().rev().cycle() {
        let count = reader.read(&mut buf[..*size]).expect("the writer is there, or all was read");
        if count == 0 {
            break;
        }
        assert!(buf[..count].iter().enumerate().all(|(offset, &found)| found == byte(at + offset)), "after {at} bytes");
        at += count;
    }
    assert_eq!((at, sent.join().expect("it does not panic").expect("the reader is there")), (total, total));
}

#[test]
fn an_abort_after_the_host_closed_drops_nothing() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let (dialled, accepted) = connect(&a, &b.listen(":9").expect("a free port"));
    assert_eq!(dialled.try_write(b"unread").ok(), Some(6));
    assert_eq!(accepted.try_write(b"rest").ok(), Some(4));
    b.close().wait().expect("closing goes well");
    accepted.abort();
    let mut buf = [0; 9];
    assert_eq!(dialled.try_read(&mut buf).ok(), Some(4));
    assert_eq!(text(dialled.try_read(&mut buf)), "read pipet b:1->a:1: connection reset");
}

#[test]
fn an_accepted_dial_of_a_host_that_crashed_is_reset() {
    let net = Network::new("t");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = b.listen(":9").expect("a free port");
    let mut dial = pin!(a.dial("b:9"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().expect("a dial waits");
    net.crash("a").expect("there is such a host");
    assert_eq!(text(dial.try_wait().expect("woken")), "dial pipet a:1->b:9: host is down");
    assert_eq!(text(accepted.try_read(&mut [0])), "read pipet a:1->b:1: connection reset");
}
