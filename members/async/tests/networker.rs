//! One function over virtual networks and over TCP.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use virtnet::pipenet::Network;
use virtnet::{Addr, ErrorKind, NetListener, NetStream, Networker, TokioTcp};

use crate::support::{assert_all_ports_free, host, on_each_runtime, pattern};

const CLIENTS: usize = 10;
const LARGE: usize = 200_000;

/// A connection with the bounds that programs generic over the network need.
trait AsyncConn: NetStream + AsyncRead + AsyncWrite + Unpin + 'static {}

impl<C: NetStream + AsyncRead + AsyncWrite + Unpin + 'static> AsyncConn for C {}

/// Echoes bytes to several clients concurrently; returns their addresses.
async fn serve<L: NetListener<Conn: AsyncConn>>(listener: L) -> Vec<Addr> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let conn = listener.accept().await.unwrap();
        clients.spawn(async move {
            let peer = conn.peer_addr();
            let (mut read, mut write) = split(conn);
            assert_eq!(copy(&mut read, &mut write).await.unwrap(), LARGE as u64);
            write.shutdown().await.unwrap();
            peer
        });
    }
    clients.join_all().await
}

/// Sends many bytes and receives them back; returns the local address.
async fn ask<H: Networker<Conn: AsyncConn>>(host: H, server: Addr) -> Addr {
    let mut conn = host.dial(server).await.unwrap();
    let local = conn.local_addr();
    let sent = pattern(LARGE);
    let mut received = Vec::new();
    let (mut read, mut write) = split(&mut conn);
    let (writing, reading) = tokio::join!(
        async {
            write.write_all(&sent).await?;
            write.shutdown().await
        },
        read.read_to_end(&mut received)
    );
    writing.unwrap();
    assert_eq!(reading.unwrap(), LARGE);
    assert!(received == sent, "what was sent is not what came back");
    local
}

/// Runs server and clients in separate tasks.
async fn echo<S, C>(server: S, client: C)
where
    S: Networker<Conn: AsyncConn, Listener: 'static>,
    C: Networker<Conn: AsyncConn> + Clone + 'static,
{
    let listener = server.listen("").unwrap();
    let addr = listener.local_addr();
    assert_eq!((addr.network_name(), addr.host()), (server.network_name(), server.name().as_str()));
    let serving = tokio::spawn(serve(listener));
    let asking: JoinSet<_> = (0..CLIENTS).map(|_| ask(client.clone(), addr)).collect();
    let sorted = |mut addrs: Vec<Addr>| {
        addrs.sort_by_key(|addr| addr.port());
        addrs
    };
    assert_eq!(sorted(asking.join_all().await), sorted(serving.await.unwrap()));
}

/// A close wakes the tasks that wait to accept and to read. `read_ends` is how the read ends then.
async fn close<H>(host: H, read_ends: Result<usize, ErrorKind>)
where
    H: Networker<Conn: AsyncConn + Debug, Listener: 'static>,
{
    let listener = host.listen("").unwrap();
    let (mut dialled, accepted) = tokio::try_join!(host.dial(listener.local_addr()), listener.accept()).unwrap();
    let to = dialled.peer_addr();
    let (waits, mut waiting) = mpsc::channel(2);
    let accepting = tokio::spawn({
        let waits = waits.clone();
        async move {
            let mut accept = pin!(listener.accept());
            assert!(futures::poll!(&mut accept).is_pending());
            waits.send(()).await.unwrap();
            accept.await.unwrap_err().kind()
        }
    });
    let reading = tokio::spawn(async move {
        let mut buf = [0];
        let mut read = pin!(dialled.read(&mut buf));
        assert!(futures::poll!(&mut read).is_pending());
        waits.send(()).await.unwrap();
        read.await.map_err(|error| error.downcast::<virtnet::Error>().unwrap().kind())
    });
    let _ = (waiting.recv().await.unwrap(), waiting.recv().await.unwrap());
    host.close().await.unwrap();
    assert_eq!(accepting.await.unwrap(), ErrorKind::HostDown);
    assert_eq!(reading.await.unwrap(), read_ends);
    assert_eq!(host.listen("").map(drop).unwrap_err().kind(), ErrorKind::HostDown);
    assert_eq!(host.dial(to).await.map(drop).unwrap_err().kind(), ErrorKind::HostDown);
    drop(accepted);
}

#[test]
fn an_echo_on_a_virtual_network() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        tokio::spawn(echo(a.clone(), b.clone())).await.unwrap();
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn an_echo_on_loopback_tcp() {
    on_each_runtime(|| async {
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        tokio::spawn(echo(tcp.clone(), tcp)).await.unwrap();
    });
}

#[test]
fn a_close_on_a_virtual_network() {
    on_each_runtime(|| async {
        let a = host(&Network::new("t"), "a");
        tokio::spawn(close(a.clone(), Err(ErrorKind::HostDown))).await.unwrap();
        assert_all_ports_free(&[&a]);
    });
}

#[test]
fn a_close_on_loopback_tcp() {
    on_each_runtime(|| async {
        tokio::spawn(close(TokioTcp::new("127.0.0.1").unwrap(), Ok(0))).await.unwrap();
    });
}

#[test]
fn refusals_on_loopback_tcp_are_those_of_a_virtual_network() {
    on_each_runtime(|| async {
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        let listener = tcp.listen("").unwrap();
        let addr = listener.local_addr();
        assert_eq!(tcp.listen(addr).map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(tcp.listen("127.0.0.2:1").map(drop).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        let accepting = tokio::time::timeout(std::time::Duration::ZERO, listener.accept());
        assert!(accepting.await.is_err());
        drop(listener);
        tcp.close().await.unwrap();
        assert_eq!(tcp.listen("127.0.0.2:1").map(drop).unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(tcp.listen("").map(drop).unwrap_err().kind(), ErrorKind::HostDown);
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        assert_eq!(tcp.dial(addr).await.map(drop).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TokioTcp::new("a").unwrap_err().to_string(), r#"virtnet "tcp": new host "a": invalid host name"#);
    });
}

#[test]
fn each_of_two_accepts_on_loopback_tcp_gets_a_connection() {
    on_each_runtime(|| async {
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        let listener = Arc::new(tcp.listen("").unwrap());
        let (waits, mut waiting) = mpsc::channel(2);
        let accepts = [(); 2].map(|()| {
            let (listener, waits) = (listener.clone(), waits.clone());
            tokio::spawn(async move {
                let mut accept = pin!(listener.accept());
                assert!(futures::poll!(&mut accept).is_pending());
                waits.send(()).await.unwrap();
                accept.await.map(drop)
            })
        });
        let _ = (waiting.recv().await.unwrap(), waiting.recv().await.unwrap());
        let _dialled = (tcp.dial(listener.local_addr()).await.unwrap(), tcp.dial(listener.local_addr()).await.unwrap());
        for accept in accepts {
            accept.await.unwrap().unwrap();
        }
    });
}

#[test]
fn closing_loopback_tcp_wakes_a_dial() {
    on_each_runtime(|| async {
        // Nothing accepts, and at most two connections may wait.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let addr = full.local_addr().unwrap();
        let _waiting = (TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap());

        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        let mut dial = pin!(tcp.dial(addr));
        assert!(futures::poll!(&mut dial).is_pending());
        let close = async {
            tokio::task::yield_now().await;
            tcp.close().await.unwrap();
        };
        let (dialled, ()) = tokio::join!(dial, close);
        assert_eq!(dialled.map(drop).unwrap_err().to_string(), format!("dial tcp {addr}: host is down"));
    });
}

#[test]
fn a_vectored_write_of_tcp_takes_all_buffers() {
    on_each_runtime(|| async {
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        let listener = tcp.listen("").unwrap();
        let (mut dialled, mut accepted) = tokio::try_join!(tcp.dial(listener.local_addr()), listener.accept()).unwrap();
        assert!(dialled.is_write_vectored());
        let bufs = [&b""[..], b"one", b"two"].map(std::io::IoSlice::new);
        assert_eq!(dialled.write_vectored(&bufs).await.unwrap(), 6);
        let mut text = [0; 6];
        accepted.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"onetwo");
    });
}

#[test]
fn an_abort_resets_a_connection_of_tcp() {
    on_each_runtime(|| async {
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        let listener = tcp.listen("").unwrap();
        let (mut dialled, accepted) = tokio::try_join!(tcp.dial(listener.local_addr()), listener.accept()).unwrap();
        accepted.abort();
        drop(accepted);
        assert_eq!(dialled.read(&mut [0]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    });
}
