//! One generic function over a virtual network and over the operating system's TCP.
#![cfg(all(feature = "std", feature = "pipenet"))]

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::thread;

use virtnet::{ErrorKind, NetListener, NetStream, Networker, Tcp, ToAddr, pipenet};

/// An echo server that answers once the client has shut down writing, two clients, and the transcript of both ends.
fn echo_twice<S, C>(server: &S, client: &C) -> std::io::Result<()>
where
    S: Networker<Conn: Read + Write>,
    C: Networker<Conn: Read + Write>,
{
    let listener = server.listen("")?;
    let addr = listener.local_addr();
    assert_eq!(addr.host(), &*server.name());
    thread::scope(|scope| {
        let serving = scope.spawn(|| -> std::io::Result<Vec<String>> {
            let mut peers = Vec::new();
            for _ in 0..2 {
                let mut conn = listener.accept().wait()?;
                let mut bytes = Vec::new();
                conn.read_to_end(&mut bytes)?;
                conn.write_all(&bytes)?;
                peers.push(conn.peer_addr().to_string());
            }
            Ok(peers)
        });
        let mut locals = Vec::new();
        for text in ["one", "two"] {
            let mut conn = client.dial(addr).wait()?;
            conn.write_all(text.as_bytes())?;
            conn.close_write()?;
            let mut answer = String::new();
            conn.read_to_string(&mut answer)?;
            assert_eq!(answer, text);
            locals.push(conn.local_addr().to_string());
        }
        assert_eq!(serving.join().expect("the server does not panic")?, locals);
        Ok(())
    })
}

/// Errors that have the same kind on any network.
fn fails_alike<N: Networker>(net: &N, closed_port: impl ToAddr + Send) {
    let kind = |error: virtnet::Error| (error.operation(), error.kind());
    let listener = net.listen("").expect("a free port");
    let taken = net.listen(listener.local_addr()).map(drop);
    assert_eq!(taken.map_err(|error| error.kind()), Err(ErrorKind::AddrInUse));
    let refused = net.dial(closed_port).wait().map(drop).map_err(kind);
    assert_eq!(refused, Err((virtnet::Operation::Dial, ErrorKind::ConnectionRefused)));
    assert_eq!(net.listen("a:b").map(drop).map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| listener.accept().wait().map(drop).map_err(|error| error.kind()));
        listener.close();
        assert_eq!(waiting.join().expect("no panic"), Err(ErrorKind::SocketDown));
    });
    let refused = net.dial(listener.local_addr()).wait().map(drop).map_err(kind);
    assert_eq!(refused, Err((virtnet::Operation::Dial, ErrorKind::ConnectionRefused)));
    let again = net.listen(listener.local_addr()).expect("a closed listener's port is free");
    net.close().wait().expect("nothing fails to close");
    assert_eq!(again.accept().wait().map(drop).map_err(|error| error.kind()), Err(ErrorKind::HostDown));
    assert_eq!(net.listen("").map(drop).map_err(|error| error.kind()), Err(ErrorKind::HostDown));
}

#[test]
fn one_function_runs_over_pipes_and_over_tcp() {
    let net = pipenet::Network::new("t");
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    echo_twice(&a, &b).expect("pipes carry it");
    assert_eq!((a.sockets(), b.sockets()), (0, 0));
    let tcp = Tcp::new("127.0.0.1").expect("an IP address");
    echo_twice(&tcp, &tcp).expect("TCP carries it");
}

#[test]
fn errors_have_the_same_kinds_on_pipes_and_on_tcp() {
    let net = pipenet::Network::new("t");
    fails_alike(&net.host("a").expect("a host"), ("a", 77));
    let free = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("it has an address").port()
    };
    fails_alike(&Tcp::new("127.0.0.1").expect("an IP address"), free);
}

/// Both ends of a connection to the local access point.
fn connect_to_itself<N: Networker>(net: &N) -> (N::Conn, N::Conn) {
    let listener = net.listen("").expect("a free port");
    thread::scope(|scope| {
        let accepting = scope.spawn(|| listener.accept().wait());
        let dialled = net.dial(listener.local_addr()).wait().expect("a listener waits");
        (dialled, accepting.join().expect("no panic").expect("a dial comes in"))
    })
}

/// Vectored writes and reads, on a connection and on a reference to it.
fn uses_all_buffers<N: Networker<Conn: Read + Write>>(net: &N)
where
    for<'a> &'a N::Conn: Read + Write,
{
    let (mut dialled, mut accepted) = connect_to_itself(net);
    assert_eq!((&dialled).write_vectored(&[&b""[..], b"on", b"e"].map(IoSlice::new)).expect("room"), 3);
    assert_eq!(dialled.write_vectored(&[b"tw", b"o!"].map(|text| IoSlice::new(text))).expect("room"), 4);
    let mut text = [0; 7];
    accepted.read_exact(&mut text).expect("it was sent");
    assert_eq!(&text, b"onetwo!");
    dialled.write_all(b"abc").expect("room");
    let (mut first, mut second) = ([0; 1], [0; 2]);
    accepted.read_exact(&mut first).expect("it was sent");
    assert_eq!(accepted.read_vectored(&mut [&mut first[..], &mut second].map(IoSliceMut::new)).expect("sent"), 2);
    assert_eq!((&first, &second), (b"b", b"c\0"));
    dialled.write_all(b"de").expect("room");
    assert_eq!((&accepted).read_vectored(&mut [&mut first[..], &mut second].map(IoSliceMut::new)).expect("sent"), 2);
    assert_eq!((&first, &second), (b"d", b"e\0"));
}

#[test]
fn vectored_reads_and_writes_use_all_buffers_on_pipes_and_on_tcp() {
    let net = pipenet::Network::new("t");
    uses_all_buffers(&net.host("a").expect("a host"));
    uses_all_buffers(&Tcp::new("127.0.0.1").expect("an IP address"));
}

#[test]
fn closing_tcp_ends_its_connections() {
    let (near, far) = (Tcp::new("127.0.0.1").expect("an address"), Tcp::new("127.0.0.1").expect("an address"));
    let listener = far.listen(0).expect("a free port");
    let mut conn = near.dial(listener.local_addr()).wait().expect("the address has a listener");
    let mut accepted = listener.accept().wait().expect("somebody dials");
    near.close().wait().expect("nothing fails to close");
    assert_eq!(accepted.read(&mut [0]).expect("the stream has ended"), 0);
    assert_eq!(conn.read(&mut [0]).expect("the stream has ended"), 0);
}

#[test]
fn a_name_other_than_an_ip_address_is_refused() {
    let error = Tcp::new("localhost").map(drop).map_err(|error| error.to_string());
    assert_eq!(error, Err(r#"virtnet "tcp": new host "localhost": invalid host name"#.into()));
}

/// The read of the peer of an aborted connection.
fn read_after_abort<N: Networker<Conn: Read + Write>>(net: &N) -> Result<usize, ErrorKind> {
    let (mut dialled, accepted) = connect_to_itself(net);
    accepted.abort();
    drop(accepted);
    dialled.read(&mut [0]).map_err(|error| error.downcast::<virtnet::Error>().expect("an error of this crate").kind())
}

#[test]
fn an_abort_resets_a_pipe_and_ends_both_streams_of_tcp() {
    let net = pipenet::Network::new("t");
    assert_eq!(read_after_abort(&net.host("a").expect("a host")), Err(ErrorKind::ConnectionReset));
    assert_eq!(read_after_abort(&Tcp::new("127.0.0.1").expect("an IP address")), Ok(0));
}

#[path = "../examples/decorator.rs"]
mod decorator;

#[test]
fn a_networker_around_another_one_sees_every_dial() {
    decorator::main().expect("all as expected");
}
