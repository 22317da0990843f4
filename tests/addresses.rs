//! Addresses that programs written for TCP use, in a growing network.
#![cfg(all(feature = "std", feature = "pipenet"))]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::pin;

use virtnet::pipenet::{Conn, Host, Listener, Network};
use virtnet::{Error, ToAddr};

/// Hosts of a new network.
fn hosts<const COUNT: usize>(names: [&str; COUNT]) -> [Host; COUNT] {
    let net = Network::new("t");
    names.map(|name| net.host(name).unwrap())
}

/// Both ends of a connection that is dialled at `addr`.
fn connect(from: &Host, addr: impl ToAddr, listener: &Listener) -> (Conn, Conn) {
    let mut dial = pin!(from.dial(addr));
    assert!(dial.as_mut().try_wait().is_none(), "it waits to be accepted");
    let accepted = listener.try_accept().unwrap();
    (dial.try_wait().unwrap().unwrap(), accepted)
}

fn dial(from: &Host, addr: impl ToAddr) -> Error {
    pin!(from.dial(addr)).try_wait().expect("it fails").unwrap_err()
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

#[test]
fn wildcard_loopback_and_localhost_mean_the_own_host() {
    let [a] = hosts(["a"]);
    for host in ["0.0.0.0", "[::]", "127.0.0.1", "[::1]", "localhost", "[::ffff:127.0.0.1]"] {
        let listener = a.listen(format!("{host}:80")).unwrap();
        assert_eq!(listener.local_addr(), "a:80", "{host}");
        let (dialled, accepted) = connect(&a, format!("{host}:80"), &listener);
        assert_eq!([dialled.peer_addr(), accepted.local_addr()], ["a:2"; 2], "{host}");
        assert_eq!(dial(&a, format!("{host}:81")).to_string(), "dial pipet a:3->a:81: connection refused");
    }
    assert_eq!(a.listen("0.0.0.0:0").unwrap().local_addr(), "a:1");
}

#[test]
fn an_ip_address_of_a_host_is_dialled_and_listened_at() {
    let [a, b] = hosts(["a", "b"]);
    let listener = a.listen("10.0.0.1:80").unwrap();
    let (dialled, accepted) = connect(&b, "10.0.0.1:80", &listener);
    assert_eq!((dialled.local_addr().to_string(), accepted.peer_addr().to_string()), ("b:1".into(), "b:1".into()));
    assert_eq!(dialled.peer_addr(), "a:1");
    drop((dialled, accepted));
    connect(&b, "[::ffff:10.0.0.1]:80", &listener);
    assert_eq!(
        a.listen("10.0.0.2:80").unwrap_err().to_string(),
        "listen pipet b:80: cannot listen on requested address"
    );
    assert_eq!(dial(&b, "10.0.0.1:81").to_string(), "dial pipet b:1->a:81: connection refused");
}

#[test]
fn an_ip_address_that_no_host_has_is_refused_as_it_was_given() {
    let [a] = hosts(["a"]);
    for host in ["10.0.0.0", "10.0.0.2", "10.128.0.0", "10.128.0.1", "10.128.0.2", "10.255.255.255", "9.255.255.255"] {
        assert_eq!(
            dial(&a, (host, 80)).to_string(),
            format!(r#"dial pipet a:1->{host}:80: ram(pipet): query ["{host}"]: no such host"#)
        );
        assert_eq!(
            a.listen((host, 80)).unwrap_err().to_string(),
            format!("listen pipet {host}:80: cannot listen on requested address")
        );
    }
    assert_eq!(
        dial(&a, "[2001:db8::1]:80").to_string(),
        r#"dial pipet a:1->[2001:db8::1]:80: ram(pipet): query ["2001:db8::1"]: no such host"#
    );
}

#[test]
fn a_name_wins_over_an_ip_address() {
    let [a, _, localhost, second] = hosts(["a", "b", "localhost", "10.0.0.2"]);
    let listeners = [localhost.listen(80).unwrap(), second.listen(80).unwrap()];
    assert_eq!(connect(&a, "localhost:80", &listeners[0]).0.peer_addr(), "localhost:1");
    assert_eq!(connect(&a, "10.0.0.2:80", &listeners[1]).0.peer_addr(), "10.0.0.2:1");
    for host in ["localhost", "10.0.0.2"] {
        let error = a.listen((host, 80)).unwrap_err().to_string();
        assert_eq!(error, format!("listen pipet {host}:80: cannot listen on requested address"));
    }
    assert_eq!(second.ip_addr(), ip(4));
    assert_eq!(second.listen("10.0.0.4:81").unwrap().local_addr(), "10.0.0.2:81");
}

#[cfg(all(feature = "edge-nal", feature = "embedded-nal-async"))]
#[test]
fn a_name_wins_over_an_ip_address_for_embedded_programs() {
    use std::task::{Context, Poll, Waker};

    use edge_nal::TcpBind as _;
    use embedded_nal_async::{AddrType, Dns as _, TcpConnect as _};

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }
    let at = |last, port| SocketAddr::from((ip(last), port));
    let [a, _, named] = hosts(["a", "b", "10.0.0.2"]);
    let Poll::Ready(Ok(listener)) = poll(named.bind(at(3, 80))) else { panic!("listening never waits") };
    assert_eq!(listener.local_addr(), "10.0.0.2:80");
    let mut dial = pin!(a.connect(at(2, 80)));
    assert!(dial.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(listener.try_accept().unwrap().local_addr(), "10.0.0.2:1");
    assert_eq!(poll(a.get_host_by_name("10.0.0.2", AddrType::IPv4)), Poll::Ready(Ok(named.ip_addr().into())));
    assert_eq!(poll(a.get_host_by_name("10.0.0.1", AddrType::IPv4)), Poll::Ready(Ok(a.ip_addr().into())));
    let Poll::Ready(Err(error)) = poll(a.bind(at(2, 80))) else { panic!("it fails at once") };
    assert_eq!(error.to_string(), "listen pipet 10.0.0.2:80: cannot listen on requested address");
}

#[test]
fn each_host_made_has_the_next_ip_address() {
    let net = Network::new("t");
    let made = |name: &str| net.host(name).unwrap().ip_addr();
    assert_eq!(["c", "a", "b", "a"].map(made), [1, 2, 3, 2].map(ip));
    net.new_host("a").unwrap_err();
    net.new_host("[").unwrap_err();
    assert_eq!(dial(&net.host("a").unwrap(), "γ:1").kind(), virtnet::ErrorKind::NoSuchHost);
    assert_eq!(made("d"), ip(4));
}

#[test]
fn a_thousand_hosts_are_found_by_their_ip_addresses() {
    let net = Network::new("t");
    let hosts: Vec<Host> = (0..1000).map(|i| net.host(&format!("h{i}")).unwrap()).collect();
    for (host, at) in hosts.iter().zip(1..) {
        assert_eq!(host.ip_addr(), Ipv4Addr::from(0x0a00_0000 + at));
        let error = dial(&hosts[0], (host.ip_addr(), 7));
        assert_eq!(error.to_string(), format!("dial pipet h0:1->{}:7: connection refused", host.name()));
    }
}

#[test]
fn sockets_have_socket_addresses() {
    let [a, b] = hosts(["a", "b"]);
    let listener = a.listen(80).unwrap();
    let at = |last, port| SocketAddr::new(ip(last).into(), port);
    assert_eq!(listener.local_socket_addr(), at(1, 80));
    let (dialled, accepted) = connect(&b, listener.local_socket_addr(), &listener);
    assert_eq!([dialled.local_socket_addr(), dialled.peer_socket_addr()], [at(2, 1), at(1, 1)]);
    assert_eq!([accepted.local_socket_addr(), accepted.peer_socket_addr()], [at(1, 1), at(2, 1)]);
}

#[test]
fn a_socket_address_of_any_type_is_accepted() {
    let [a, b] = hosts(["a", "b"]);
    let refused = |addr: &dyn ToAddr| dial(&b, addr).to_string();
    let v4 = SocketAddrV4::new(ip(1), 9);
    let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9, 0, 0);
    for addr in [&v4 as &dyn ToAddr, &SocketAddr::V4(v4), &(ip(1), 9), &(IpAddr::V4(ip(1)), 9)] {
        assert_eq!(refused(addr), "dial pipet b:1->a:9: connection refused");
    }
    for addr in
        [&v6 as &dyn ToAddr, &SocketAddr::V6(v6), &(Ipv6Addr::LOCALHOST, 9), &(IpAddr::from(v6.ip().octets()), 9)]
    {
        assert_eq!(refused(addr), "dial pipet b:1->b:9: connection refused");
    }
    assert_eq!(a.listen((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr(), "a:1");
}

#[test]
fn a_shared_port_is_exchanged_for_a_host_that_was_dialled_by_its_ip_address() {
    let net = Network::builder("t").share_port(true).build().unwrap();
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(80).unwrap();
    let (dialled, accepted) = connect(&b, "10.0.0.1:80", &listener);
    drop(dialled);
    // The accepted end keeps the pair.
    let (again, _accepted) = connect(&b, "10.0.0.1:80", &listener);
    assert_eq!([again.local_addr(), accepted.peer_addr()], ["b:2", "b:1"]);
}

#[test]
fn localhost_of_a_closed_host_or_network_is_down() {
    let net = Network::new("t");
    let a = net.host("a").unwrap();
    a.close().wait().unwrap();
    assert_eq!(dial(&a, "localhost:1").to_string(), "dial pipet a:1->a:1: host is down");
    assert_eq!(a.listen("localhost:1").unwrap_err().to_string(), "listen pipet a:1: host is down");
    net.close().unwrap();
    assert_eq!(a.listen("0.0.0.0:1").unwrap_err().to_string(), "listen pipet a:1: network is down");
}

#[test]
fn a_fixed_network_has_no_host_by_an_ip_address() {
    static NET: virtnet::pipenet::fixed::Network<'static> = virtnet::fixed!("t", 1, 2, 1, 8);
    let a = NET.host("a").unwrap();
    let error = a.listen(SocketAddr::new(ip(1).into(), 80)).unwrap_err();
    assert_eq!(error.to_string(), "listen pipet 10.0.0.1:80: cannot listen on requested address");
    let error = pin!(a.dial((ip(1), 80))).try_wait().unwrap().unwrap_err();
    assert_eq!(error.to_string(), r#"dial pipet a:1->10.0.0.1:80: ram(pipet): query ["10.0.0.1"]: no such host"#);
}
