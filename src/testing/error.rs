//! Errors: their contents, and their conversions to the errors of `std` and `embedded-io`.

use std::format;
use std::io;
use std::string::{String, ToString};
use std::vec::Vec;

use super::setup::Setup;
use super::step::{read, write};
use crate::error::Operation;
use crate::error::kind::ErrorKind;
use crate::net::net_ref::NetRef;
use crate::net::network::NetRefExt as _;

pub(super) fn an_error_names_operation_addresses_and_cause<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    let port = a.local_addr().port();
    a.close();
    let reading = net.wait(read(a, 9)).expect_err("it is closed");
    assert_eq!((reading.operation(), reading.kind()), (Operation::Read, ErrorKind::SocketDown));
    assert_eq!((reading.source_addr(), reading.addr()), (Some(("b".into(), 1)), Some(("a".into(), port))));
    net.closed_at_peer(b);
    let writing = net.wait(write(b, b"x")).expect_err("the peer does not read");
    assert_eq!((writing.operation(), writing.kind()), (Operation::Write, ErrorKind::BrokenPipe));
    assert_eq!((writing.source_addr(), writing.addr()), (Some(("b".into(), 1)), Some(("a".into(), port))));
    assert_eq!(writing.network_name(), net.name());
    let listening = pair.a.listen(":1").expect_err("the port has a listener");
    assert_eq!((listening.source_addr(), listening.addr()), (None, Some(("a".into(), 1))));
    assert_eq!(listening.cause().to_string(), "address already in use");
    assert_eq!(format!("{listening:?}"), format!("Error(AddrInUse: {listening})"));
}

pub(super) fn an_error_marks_truncated_names<N: NetRef + 'static>(net: &Setup<N>) {
    // The longest permitted name: two of them do not fit, and one fits beside a short name.
    let (short, long) = (String::from("s"), "l".repeat(63));
    let hosts = [net.host(&short), net.host(&long)];
    for (host, name) in hosts.iter().zip([&short, &long]) {
        for peer in [&short, &long] {
            let error = net.wait(host.dial((peer.as_str(), 9))).expect_err("the port has no listener");
            let named = [error.source_addr(), error.addr()].map(|addr| addr.expect("both are known"));
            let network = (error.network_name(), net.name());
            for (kept, whole) in [(named[0].0, name.as_str()), (named[1].0, peer), network] {
                let head = whole.strip_prefix(kept.as_str()).map(|rest| !rest.is_empty());
                assert_eq!(head, Some(kept.is_cut()), "{kept:?} of {whole:?}");
                assert_eq!(kept == *whole, !kept.is_cut(), "{kept:?} and {whole:?}");
            }
            let ports = format!("{}:{}->{}:9", named[0].0, named[0].1, named[1].0);
            assert!(error.to_string().contains(&ports), "{error} names {ports}");
            assert_eq!(named[0].0.is_cut() && named[1].0.is_cut(), (name, peer) == (&long, &long), "{error}");
        }
    }
    let one = net.wait(hosts[0].dial((short.as_str(), 9))).expect_err("the port has no listener");
    assert!(one.addr() == Some(("s".into(), 9)), "{one}");
}

pub(super) fn an_error_is_one_of_std_and_of_embedded_io<N: NetRef + 'static>(net: &Setup<N>) {
    let pair = net.pair();
    let (a, b) = (&pair.accepted, &pair.dialled);
    let mut errors = Vec::new();
    let mut note = |error: crate::error::Error| {
        let (std, text) = (io::Error::from(error), error.to_string());
        assert_eq!(std.to_string(), text);
        errors.push((error.kind(), std.kind(), embedded_io::Error::kind(&error)));
    };
    note(a.try_read(&mut [0]).expect_err("nothing is there"));
    note(pair.b.dial("a:9").wait().expect_err("the port has no listener"));
    note(pair.b.dial("γ:9").wait().expect_err("no host has that name"));
    note(pair.b.dial("a:b").wait().expect_err("no address"));
    note(pair.a.listen(":1").expect_err("the port has a listener"));
    note(pair.a.listen("b:7").expect_err("another host's"));
    note(net.wait(net.net.new_host("a")).expect_err("the name is taken"));
    note(pair.listener.accept().wait_timeout(super::step::SHORT).expect_err("no dial arrives"));
    b.close();
    net.closed_at_peer(a);
    note(net.wait(write(a, b"x")).expect_err("the peer does not read"));
    note(net.wait(write(b, b"x")).expect_err("it is closed"));
    let (dialled, accepted) = net.connect(&pair.b, &pair.listener);
    dialled.abort();
    note(net.wait(read(&accepted, 9)).expect_err("the peer aborted"));
    net.wait(pair.b.close()).expect("closing goes well");
    note(pair.b.listen("").expect_err("the host is down"));
    net.wait(net.net.close()).expect("closing goes well");
    note(pair.b.listen("").expect_err("the network is down"));
    note(net.net.auto_close().expect_err("the network is down"));
    use embedded_io::ErrorKind as Embedded;
    let want = [
        (ErrorKind::WouldBlock, io::ErrorKind::WouldBlock, Embedded::Other),
        (ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionRefused, Embedded::ConnectionRefused),
        (ErrorKind::NoSuchHost, io::ErrorKind::NotFound, Embedded::NotFound),
        (ErrorKind::InvalidInput, io::ErrorKind::InvalidInput, Embedded::InvalidInput),
        (ErrorKind::AddrInUse, io::ErrorKind::AddrInUse, Embedded::AddrInUse),
        (ErrorKind::AddrNotAvailable, io::ErrorKind::AddrNotAvailable, Embedded::AddrNotAvailable),
        (ErrorKind::HostExists, io::ErrorKind::AlreadyExists, Embedded::AlreadyExists),
        (ErrorKind::TimedOut, io::ErrorKind::TimedOut, Embedded::TimedOut),
        (ErrorKind::BrokenPipe, io::ErrorKind::BrokenPipe, Embedded::BrokenPipe),
        (ErrorKind::SocketDown, io::ErrorKind::NotConnected, Embedded::NotConnected),
        (ErrorKind::ConnectionReset, io::ErrorKind::ConnectionReset, Embedded::ConnectionReset),
        (ErrorKind::HostDown, io::ErrorKind::HostUnreachable, Embedded::NotConnected),
        (ErrorKind::NetworkDown, io::ErrorKind::NetworkDown, Embedded::NotConnected),
        (ErrorKind::NetworkDown, io::ErrorKind::NetworkDown, Embedded::NotConnected),
    ];
    assert_eq!(errors, want);
}
