//! Bridges on tokio, between virtual networks and to the operating system's TCP.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::task::{JoinHandle, yield_now};
use virtnet::bridge::TokioBridge;
use virtnet::pipenet::{Conn, Host, Listener, Network};
use virtnet::{Addr, Error, NetListener, NetStream, Networker, OnTimeout, Op, TokioTcp};

use crate::support::{all_ports_free, host, on_each_runtime, pattern, within_limit};

/// Larger than all buffers on the way together.
const LARGE: usize = 400_000;

/// A connection with the bounds that generic programs need.
trait AsyncConn: NetStream + AsyncRead + AsyncWrite + Unpin + 'static {}

impl<C: NetStream + AsyncRead + AsyncWrite + Unpin + 'static> AsyncConn for C {}

fn tcp() -> TokioTcp {
    TokioTcp::new("127.0.0.1").unwrap()
}

/// Waits for a condition that other tasks bring about, and of which they do not notify.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Two networks, and a bridge from `gate:1` of one to `web:80` of the other.
struct Bridged {
    client: Host,
    /// The host of the bridge in the network of the client.
    gate: Host,
    /// The host of the bridge in the network of the server.
    back: Host,
    web: Host,
    server: Listener,
    bridge: TokioBridge,
}

impl Bridged {
    fn new() -> Self {
        Self::with_limit(1024)
    }

    fn with_limit(limit: usize) -> Self {
        let (near, far) = (Network::new("near"), Network::new("far"));
        let (client, gate) = (host(&near, "client"), host(&near, "gate"));
        let (back, web) = (host(&far, "back"), host(&far, "web"));
        let server = web.listen(":80").unwrap();
        let bridge = TokioBridge::start_with_limit(limit, gate.listen(":1").unwrap(), back.clone(), "web:80").unwrap();
        Self { client, gate, back, web, server, bridge }
    }

    /// Both ends of a connection through the bridge.
    async fn connect(&self) -> (Conn, Conn) {
        tokio::try_join!(self.client.dial("gate:1"), self.server.accept()).unwrap()
    }

    fn counts(&self) -> (usize, u64, u64) {
        counts(&self.bridge)
    }

    /// The sockets in use that are the bridge's.
    fn sockets(&self) -> usize {
        self.gate.sockets() + self.back.sockets()
    }
}

fn counts(bridge: &TokioBridge) -> (usize, u64, u64) {
    let counts = bridge.counts();
    (counts.open, counts.total, counts.failed)
}

/// Reads one byte.
async fn read(conn: &mut (impl AsyncRead + Unpin)) -> Result<usize, ErrorKind> {
    conn.read(&mut [0]).await.map_err(|error| error.kind())
}

/// Sends a byte and awaits it at the other end.
async fn pass(mut from: &Conn, mut to: &Conn) {
    from.write_all(&[7]).await.unwrap();
    assert_eq!(to.read_u8().await.unwrap(), 7);
}

/// A server that reads to the end, and only then answers with the same bytes.
fn echo<L: NetListener<Conn: AsyncConn> + 'static>(listener: L) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut conn = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        conn.read_to_end(&mut bytes).await.unwrap();
        conn.write_all(&bytes).await.unwrap();
    })
}

/// Sends many bytes through a bridge from a port of `near` to a port of `server`, and receives them back.
async fn carries<C, G, H, S>(client: C, near: G, far: H, server: S)
where
    C: Networker<Conn: AsyncConn>,
    G: Networker<Conn: AsyncConn, Listener: 'static>,
    H: Networker<Conn: AsyncConn> + 'static,
    S: Networker<Conn: AsyncConn, Listener: 'static>,
{
    let listener = server.listen("").unwrap();
    let to = listener.local_addr();
    let echoing = echo(listener);
    let bridge = TokioBridge::start(near.listen("").unwrap(), far, to).unwrap();
    assert_eq!(bridge.local_addr().host(), &*near.name());

    let mut conn = client.dial(bridge.local_addr()).await.unwrap();
    let (sent, mut received) = (pattern(LARGE), Vec::new());
    {
        let (mut reader, mut writer) = split(&mut conn);
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let (outcome, ()) = tokio::join!(reader.read_to_end(&mut received), write);
        outcome.unwrap();
    }
    assert!(received == sent, "{} bytes came back, of {LARGE}", received.len());
    echoing.await.unwrap();
    until(|| bridge.counts().open == 0).await;
    assert_eq!((counts(&bridge), bridge.last_error()), ((0, 1, 0), None));
    bridge.stop().await;
}

#[test]
fn a_bridge_carries_both_directions_and_half_closes() {
    on_each_runtime(|| async {
        let (one, other) = (Network::new("one"), Network::new("other"));
        let (a, b, c, d) = (host(&one, "a"), host(&one, "b"), host(&other, "c"), host(&other, "d"));
        carries(a.clone(), b.clone(), c.clone(), d.clone()).await;
        carries(a.clone(), b.clone(), tcp(), tcp()).await;
        carries(tcp(), tcp(), c.clone(), d.clone()).await;
        all_ports_free(&[&a, &b, &c, &d]).await;
    });
}

#[test]
fn a_bridge_carries_rendezvous_networks() {
    on_each_runtime(|| async {
        let net = |name| Network::builder(name).rendezvous(true).build().unwrap();
        let (one, other) = (net("one"), net("other"));
        carries(host(&one, "a"), host(&one, "b"), host(&other, "c"), host(&other, "d")).await;
    });
}

#[test]
fn an_abort_of_either_end_aborts_the_other() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (near, mut far) = bridged.connect().await;
        pass(&near, &far).await;
        near.abort();
        assert_eq!(read(&mut far).await, Err(ErrorKind::ConnectionReset));
        let (mut near, far) = bridged.connect().await;
        pass(&far, &near).await;
        far.abort();
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts() == (0, 2, 0)).await;
        assert_eq!(bridged.sockets(), 1);
    });
}

#[test]
fn an_abort_passes_from_and_to_real_tcp() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (listener, server) = (tcp().listen("").unwrap(), host(&net, "web").listen(":80").unwrap());
        let real = listener.local_addr();
        let out = TokioBridge::start(host(&net, "db").listen(":1").unwrap(), tcp(), real).unwrap();
        let into = TokioBridge::start(tcp().listen("").unwrap(), host(&net, "gate"), "web:80").unwrap();

        let (mut near, mut far) = tokio::try_join!(host(&net, "a").dial("db:1"), listener.accept()).unwrap();
        near.abort();
        assert_eq!(read(&mut far).await, Err(ErrorKind::ConnectionReset));
        (near, far) = tokio::try_join!(host(&net, "a").dial("db:1"), listener.accept()).unwrap();
        far.abort();
        drop(far);
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));

        let access = tcp();
        let (mut near, far) = tokio::try_join!(access.dial(into.local_addr()), server.accept()).unwrap();
        far.abort();
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));
        let (near, mut far) = tokio::try_join!(access.dial(into.local_addr()), server.accept()).unwrap();
        near.abort();
        drop(near);
        assert_eq!(read(&mut far).await, Err(ErrorKind::ConnectionReset));
        until(|| (out.counts().open, into.counts().open) == (0, 0)).await;
    });
}

#[test]
fn an_abort_after_a_half_close_is_passed_on_by_the_next_write() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (mut near, far) = bridged.connect().await;
        far.close_write().unwrap();
        assert_eq!(read(&mut near).await, Ok(0));
        far.abort();
        let error = loop {
            if let Err(error) = near.write(&[7]).await {
                break error.kind();
            }
            yield_now().await;
        };
        assert_eq!(error, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_server_that_answers_and_leaves_breaks_the_pipe_of_the_client() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (mut near, mut far) = bridged.connect().await;
        far.write_all(b"no").await.unwrap();
        drop(far);
        let mut text = String::new();
        near.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "no");
        let error = loop {
            if let Err(error) = near.write(&[7]).await {
                break error.kind();
            }
            yield_now().await;
        };
        assert_eq!(error, ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_client_that_writes_to_a_server_that_left_still_gets_its_answer() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (mut near, mut far) = bridged.connect().await;
        // It fills the buffers of the client's connection and of the bridge, so that some of it is still on the way.
        let answer = pattern(140_000);
        far.write_all(&answer).await.unwrap();
        drop(far);
        near.write_all(&pattern(LARGE)).await.unwrap();
        let mut received = Vec::new();
        near.read_to_end(&mut received).await.unwrap();
        assert!(received == answer, "{} bytes came, of {}", received.len(), answer.len());
    });
}

#[test]
fn a_far_side_that_refuses_resets_the_client_and_is_counted() {
    on_each_runtime(|| async {
        let mut bridged = Bridged::new();
        bridged.server = bridged.web.listen(":81").unwrap();
        let mut near = bridged.client.dial("gate:1").await.unwrap();
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts() == (0, 1, 1)).await;
        let error = bridged.bridge.last_error().unwrap();
        assert_eq!(error.to_string(), "dial pipefar back:1->web:80: connection refused");
        assert_eq!(bridged.sockets(), 1);

        // The bridge goes on.
        bridged.server = bridged.web.listen(":80").unwrap();
        let (near, far) = bridged.connect().await;
        pass(&near, &far).await;
        assert_eq!(bridged.counts(), (1, 2, 1));
    });
}

#[test]
fn a_refused_real_port_resets_real_and_virtual_clients() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let closed = tcp().listen("").unwrap().local_addr();
        let bridge = TokioBridge::start(host(&net, "db").listen(":5432").unwrap(), tcp(), closed).unwrap();
        let mut near = host(&net, "client").dial("db:5432").await.unwrap();
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));
        let error = bridge.last_error().unwrap();
        assert_eq!(error.to_string(), format!("dial tcp {closed}: connection refused"));

        let bridge = TokioBridge::start(tcp().listen("").unwrap(), host(&net, "gate"), "db:1").unwrap();
        // The reset may be there before the operating system has reported the connection.
        let reset = match tcp().dial(bridge.local_addr()).await {
            Ok(mut near) => read(&mut near).await,
            Err(error) => Err(error.kind().into()),
        };
        assert_eq!(reset, Err(ErrorKind::ConnectionReset));
        assert_eq!(bridge.last_error().unwrap().to_string(), "dial pipet gate:1->db:1: connection refused");
    });
}

#[test]
fn a_stop_closes_the_listener_and_aborts_open_connections() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (mut idle, mut far) = bridged.connect().await;
        let (mut full, mut unread) = bridged.connect().await;
        // Fills all buffers, so that the bridge waits in a write.
        let writing = tokio::spawn(async move { full.write_all(&pattern(LARGE)).await.unwrap_err().kind() });
        unread.read_u8().await.unwrap();
        assert_eq!(bridged.counts(), (2, 2, 0));

        bridged.bridge.stop().await;
        assert_eq!((bridged.counts(), bridged.sockets()), ((0, 2, 0), 0));
        assert_eq!((read(&mut idle).await, read(&mut far).await), RESETS);
        assert_eq!(writing.await.unwrap(), ErrorKind::ConnectionReset);
        let error = bridged.client.dial("gate:1").await.unwrap_err();
        assert_eq!(error.to_string(), "dial pipenear client:2->gate:1: connection refused");
        bridged.bridge.stop().await;
    });
}

const RESETS: (Result<usize, ErrorKind>, Result<usize, ErrorKind>) =
    (Err(ErrorKind::ConnectionReset), Err(ErrorKind::ConnectionReset));

#[test]
fn a_stop_resets_connections_of_tcp() {
    on_each_runtime(|| async {
        let listener = tcp().listen("").unwrap();
        let bridge = TokioBridge::start(tcp().listen("").unwrap(), tcp(), listener.local_addr()).unwrap();
        let access = tcp();
        let (mut near, mut far) = tokio::try_join!(access.dial(bridge.local_addr()), listener.accept()).unwrap();
        // The connection to the server may be there before the bridge's dial is done, and a withdrawn dial resets nothing.
        near.write_all(&[7]).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 7);
        bridge.stop().await;
        assert_eq!((read(&mut near).await, read(&mut far).await, counts(&bridge)), (RESETS.0, RESETS.1, (0, 1, 0)));
    });
}

#[test]
fn a_stop_withdraws_a_dial_that_waits() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let mut near = bridged.client.dial("gate:1").await.unwrap();
        // The server does not accept, so its listener keeps the dial queued.
        until(|| bridged.web.sockets() == 2).await;
        bridged.bridge.stop().await;
        assert_eq!((bridged.web.sockets(), bridged.sockets()), (1, 0));
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));
        assert_eq!((bridged.counts(), bridged.bridge.last_error()), ((0, 1, 0), None));
    });
}

#[test]
fn a_bridge_stops_while_clients_connect() {
    on_each_runtime(|| async {
        for _ in 0..50 {
            let bridged = Bridged::new();
            let clients = [(); 3].map(|()| {
                let client = bridged.client.clone();
                tokio::spawn(async move { while client.dial("gate:1").await.is_ok() {} })
            });
            until(|| bridged.bridge.counts().total > 2).await;
            bridged.bridge.stop().await;
            assert_eq!(bridged.bridge.counts().open, 0);
            for client in clients {
                client.await.unwrap();
            }
            assert_eq!((bridged.bridge.counts().open, bridged.sockets()), (0, 0));
        }
    });
}

#[test]
fn a_dropped_bridge_stops() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (mut near, _far) = bridged.connect().await;
        let Bridged { gate, back, bridge, .. } = bridged;
        drop(bridge);
        all_ports_free(&[&gate, &back]).await;
        assert_eq!(read(&mut near).await, Err(ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_client_beyond_the_limit_waits_until_a_connection_closes() {
    on_each_runtime(|| async {
        let bridged = Bridged::with_limit(1);
        let (near, far) = bridged.connect().await;
        let mut second = pin!(bridged.client.dial("gate:1"));
        for _ in 0..1000 {
            assert!(futures::poll!(&mut second).is_pending(), "the limit is 1");
            pass(&near, &far).await;
            pass(&far, &near).await;
        }
        assert_eq!(bridged.counts(), (1, 1, 0));
        drop((near, far));
        let (near, far) = tokio::try_join!(second, bridged.server.accept()).unwrap();
        pass(&near, &far).await;
        assert_eq!(bridged.counts(), (1, 2, 0));
    });
}

#[test]
fn a_bridge_whose_host_closes_accepts_no_more() {
    on_each_runtime(|| async {
        let bridged = Bridged::new();
        let (_near, mut far) = bridged.connect().await;
        bridged.gate.close().await.unwrap();
        assert_eq!(read(&mut far).await, Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts().0 == 0 && bridged.bridge.last_error().is_some()).await;
        let error = bridged.bridge.last_error().unwrap();
        assert_eq!(error.to_string(), "accept pipenear gate:1: host is down");
        assert_eq!(bridged.counts(), (0, 1, 0));
        all_ports_free(&[&bridged.gate, &bridged.back]).await;
        bridged.bridge.stop().await;
    });
}

/// A listener whose second accept fails, as that of a process without free file descriptors.
struct Short {
    listener: Listener,
    accepts: AtomicU32,
    error: Error,
}

struct Accept<'a>(Pin<Box<dyn Future<Output = Result<Conn, Error>> + Send + 'a>>, Error);

impl Future for Accept<'_> {
    type Output = Result<Conn, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl OnTimeout for Accept<'_> {
    fn expire(self: Pin<&mut Self>, _: &Waker) -> Self::Output {
        Err(self.1)
    }
}

impl NetListener for Short {
    type Conn = Conn;

    fn accept(&self) -> Op<impl OnTimeout<Output = Result<Conn, Error>> + Send> {
        let accept = async {
            if self.accepts.fetch_add(1, Ordering::Relaxed) == 1 {
                Err(self.error)
            } else {
                self.listener.accept().await
            }
        };
        Op::new(Accept(Box::pin(accept), self.error))
    }

    fn local_addr(&self) -> Addr {
        self.listener.local_addr()
    }

    fn close(&self) {
        self.listener.close();
    }
}

#[test]
fn a_bridge_whose_accept_fails_accepts_again_once_a_connection_has_closed() {
    on_each_runtime(|| async {
        // An error of the operating system's kind: outside of a runtime, a dial fails.
        let error = std::thread::spawn(|| tcp().dial("127.0.0.1:1").wait().map(drop).unwrap_err()).join().unwrap();
        assert_eq!(error.kind(), virtnet::ErrorKind::Backend);
        let mut bridged = Bridged::new();
        let listener = bridged.gate.listen(":2").unwrap();
        let short = Short { listener, accepts: AtomicU32::new(0), error };
        bridged.bridge = TokioBridge::start(short, bridged.back.clone(), "web:80").unwrap();

        let dial = || bridged.client.dial("gate:2");
        let (near, far) = tokio::try_join!(dial(), bridged.server.accept()).unwrap();
        until(|| bridged.bridge.last_error() == Some(error)).await;
        let mut second = pin!(dial());
        for _ in 0..1000 {
            assert!(futures::poll!(&mut second).is_pending(), "the connection is open");
            pass(&near, &far).await;
        }
        drop((near, far));
        let (near, far) = tokio::try_join!(second, bridged.server.accept()).unwrap();
        pass(&near, &far).await;
        assert_eq!(bridged.counts(), (1, 2, 0));
    });
}

#[test]
fn a_closed_access_point_ends_the_connections_of_its_bridge() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (web, access) = (host(&net, "web"), tcp());
        let server = web.listen(":80").unwrap();
        let bridge = TokioBridge::start(access.listen("").unwrap(), host(&net, "gate"), "web:80").unwrap();
        let dialler = tcp();
        let (mut near, mut far) = tokio::try_join!(dialler.dial(bridge.local_addr()), server.accept()).unwrap();
        access.close().await.unwrap();
        assert_eq!(read(&mut near).await, Ok(0));
        assert_eq!(read(&mut far).await, Ok(0));
        bridge.stop().await;
        assert_eq!(counts(&bridge), (0, 1, 0));
    });
}

#[test]
fn a_bridge_outside_a_runtime_is_refused() {
    within_limit(|| {
        let net = Network::new("t");
        let error = TokioBridge::start(host(&net, "a").listen("").unwrap(), host(&net, "b"), "web:80").unwrap_err();
        assert_eq!(error.to_string(), "accept pipet a:1: not within a tokio runtime");
        let error = TokioBridge::start(host(&net, "a").listen("").unwrap(), host(&net, "b"), "web:http").unwrap_err();
        assert_eq!(error.to_string(), "dial pipet: address web:http: invalid port");
        assert_eq!(host(&net, "a").sockets(), 0);
    });
}
