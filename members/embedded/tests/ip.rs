//! IP addresses and names, sockets of edge-nal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use edge_nal::{Close, Readable, TcpAccept, TcpBind, TcpShutdown, TcpSplit};
use embassy_futures::block_on;
use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use virtnet::pipenet::fixed::{Conn, Host, Network};

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), port)
}

#[test]
fn hosts_are_numbered_in_the_order_of_their_creation() {
    static NET: Network<'static> = virtnet::fixed!("t", 3, 4, 1, 8);
    let hosts = ["c", "a", "b"].map(|name| NET.host(name).unwrap());
    assert_eq!(hosts.each_ref().map(Host::ip_addr), [1, 2, 3].map(|last| Ipv4Addr::new(10, 0, 0, last)));
    assert_eq!(NET.host("c").unwrap().ip_addr(), Ipv4Addr::new(10, 0, 0, 1));
}

#[test]
fn names_resolve_both_ways() {
    static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 8);
    let (a, b) = (NET.host("a").unwrap(), NET.host("bee").unwrap());
    block_on(async {
        use embedded_nal_async::{AddrType, Dns};
        assert_eq!(a.get_host_by_name("bee", AddrType::Either).await, Ok(IpAddr::V4(b.ip_addr())));
        let mut name = [0; 8];
        assert_eq!(a.get_host_by_address(b.ip_addr().into(), &mut name).await, Ok(3));
        assert_eq!(&name[..3], b"bee");

        let unknown = a.get_host_by_name("γ", AddrType::IPv4).await.unwrap_err();
        assert_eq!(unknown.to_string(), r#"virtnet "pipet": resolve "γ": ram(pipet): query ["γ"]: no such host"#);
        let six = a.get_host_by_name("bee", AddrType::IPv6).await.unwrap_err();
        assert_eq!(six.to_string(), r#"virtnet "pipet": resolve "bee": no such host"#);
        let nobody = a.get_host_by_address(Ipv4Addr::new(10, 0, 0, 3).into(), &mut name).await.unwrap_err();
        assert_eq!(nobody.to_string(), r#"virtnet "pipet": resolve "10.0.0.3": no such host"#);
        let short = a.get_host_by_address(b.ip_addr().into(), &mut name[..2]).await.unwrap_err();
        assert_eq!(short.to_string(), r#"virtnet "pipet": resolve "10.0.0.2": invalid buffer size"#);
    });
    block_on(async {
        use edge_nal::{AddrType, Dns};
        assert_eq!(a.get_host_by_name("bee", AddrType::IPv4).await, Ok(IpAddr::V4(b.ip_addr())));
        assert_eq!(a.get_host_by_address(a.ip_addr().into(), &mut [0; 8]).await, Ok(1));
    });
}

/// Both ends of a connection from the second host to the first.
async fn connect(a: &Host, b: &Host) -> (Conn, Conn) {
    let listener = a.bind(at(1, 80)).await.unwrap();
    let (accepted, dialled) = join(TcpAccept::accept(&listener), edge_nal::TcpConnect::connect(b, at(1, 80))).await;
    let (peer, accepted) = accepted.unwrap();
    assert_eq!(peer, at(2, 1));
    (dialled.unwrap(), accepted)
}

#[test]
fn addresses_that_no_host_has_are_errors() {
    static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 8);
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    block_on(async {
        let error = a.bind(at(2, 80)).await.unwrap_err();
        assert_eq!(error.to_string(), "listen pipet b:80: cannot listen on requested address");
        let error = edge_nal::TcpConnect::connect(&a, at(3, 80)).await.unwrap_err();
        assert_eq!(error.to_string(), "dial pipet: address 10.0.0.3:80: no such host");
        let six = SocketAddr::new(Ipv6Addr::new(1, 0, 0, 0, 0, 0, 0, 1).into(), 80);
        let error = embedded_nal_async::TcpConnect::connect(&a, six).await.unwrap_err();
        assert_eq!(error.to_string(), "dial pipet: address IPv6:80: no such host");
        // The loopback address is the host itself.
        let listener = a.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).await.unwrap();
        assert_eq!(listener.local_addr().to_string(), "a:1");
        drop((listener, connect(&a, &b).await));
    });
}

#[test]
fn sockets_split_and_shut_down() {
    static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 1, 8);
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    block_on(async {
        let (mut dialled, mut accepted) = connect(&a, &b).await;
        let asking = async {
            let (mut read, mut write) = TcpSplit::split(&mut dialled);
            write.write_all(b"a question longer than the buffer").await.unwrap();
            Readable::readable(&mut read).await.unwrap();
            let mut answer = [0; 2];
            read.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"42");
            // The close waits for the peer, too.
            TcpShutdown::close(&mut dialled, Close::Both).await.unwrap();
        };
        let answering = async {
            let mut question = [0; 33];
            accepted.read_exact(&mut question).await.unwrap();
            accepted.write_all(b"42 and more").await.unwrap();
            assert_eq!(accepted.read(&mut question).await, Ok(0));
            TcpShutdown::close(&mut accepted, Close::Write).await.unwrap();
        };
        join(asking, answering).await;

        TcpShutdown::abort(&mut accepted).await.unwrap();
        let error = Read::read(&mut dialled, &mut [0]).await.unwrap_err();
        assert_eq!(error.to_string(), "read pipet a:1->b:1: connection reset");
    });
}
