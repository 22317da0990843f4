//! Bridges on threads, between virtual networks and to the operating system's TCP.
#![cfg(all(feature = "bridge", feature = "pipenet"))]

use std::io::{ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use virtnet::bridge::Bridge;
use virtnet::pipenet::{Conn, Host, Listener, Network};
use virtnet::{NetListener, NetStream, Networker, Tcp};

/// The time limit of a test.
const LIMIT: Duration = Duration::from_secs(60);

/// Larger than all buffers on the way together.
const LARGE: usize = 400_000;

/// Runs a test on a thread of its own, within the time limit.
fn within_limit(test: impl FnOnce() + Send + 'static) {
    let (done, outcome) = mpsc::channel();
    let test = thread::spawn(move || {
        test();
        done.send(()).expect("the test waits");
    });
    match outcome.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done after {LIMIT:?}"),
        _ => test.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// Waits for a condition that other threads bring about, and of which they do not notify.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

fn host(net: &Network, name: &str) -> Host {
    net.host(name).expect("the network is up")
}

fn tcp() -> Tcp {
    Tcp::new("127.0.0.1").expect("an IP address")
}

/// Bytes in which any piece shows its position.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
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
    bridge: Bridge,
}

impl Bridged {
    fn new() -> Self {
        Self::with_limit(1024)
    }

    fn with_limit(limit: usize) -> Self {
        let (near, far) = (Network::new("near"), Network::new("far"));
        let (client, gate) = (host(&near, "client"), host(&near, "gate"));
        let (back, web) = (host(&far, "back"), host(&far, "web"));
        let server = web.listen(":80").expect("a free port");
        let listener = gate.listen(":1").expect("a free port");
        let bridge = Bridge::start_with_limit(limit, listener, back.clone(), "web:80").expect("it starts");
        Self { client, gate, back, web, server, bridge }
    }

    /// Both ends of a connection through the bridge.
    fn connect(&self) -> (Conn, Conn) {
        let near = self.client.dial("gate:1").wait().expect("the bridge accepts");
        (near, self.server.accept().wait().expect("the bridge dials"))
    }

    fn counts(&self) -> (usize, u64, u64) {
        counts(&self.bridge)
    }

    /// The sockets in use that are the bridge's.
    fn sockets(&self) -> usize {
        self.gate.sockets() + self.back.sockets()
    }
}

fn counts(bridge: &Bridge) -> (usize, u64, u64) {
    let counts = bridge.counts();
    (counts.open, counts.total, counts.failed)
}

/// Reads one byte.
fn read<C>(conn: &C) -> Result<usize, ErrorKind>
where
    for<'a> &'a C: Read,
{
    let mut reader = conn;
    reader.read(&mut [0]).map_err(|error| error.kind())
}

/// Sends a byte and awaits it at the other end.
fn pass(mut from: &Conn, mut to: &Conn) {
    let mut byte = [0];
    from.write_all(&[7]).expect("the bridge reads");
    to.read_exact(&mut byte).expect("the bridge writes");
    assert_eq!(byte, [7]);
}

/// A server that reads to the end, and only then answers with the same bytes.
fn echo<L: NetListener<Conn: NetStream + Read + Write> + 'static>(listener: L) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut conn = listener.accept().wait().expect("the bridge dials");
        let mut bytes = Vec::new();
        conn.read_to_end(&mut bytes).expect("the stream ends");
        conn.write_all(&bytes).expect("the bridge reads");
    })
}

/// Sends many bytes through a bridge from a port of `near` to a port of `server`, and receives them back.
fn carries<C, G, H, S>(client: &C, near: &G, far: H, server: &S)
where
    C: Networker<Conn: Read + Write>,
    G: Networker<Conn: 'static, Listener: 'static>,
    H: Networker<Conn: 'static> + 'static,
    S: Networker<Conn: Read + Write, Listener: 'static>,
    for<'a> &'a G::Conn: Read + Write,
    for<'a> &'a H::Conn: Read + Write,
{
    let listener = server.listen("").expect("a free port");
    let to = listener.local_addr();
    let echoing = echo(listener);
    let bridge = Bridge::start(near.listen("").expect("a free port"), far, to).expect("it starts");
    assert_eq!(bridge.local_addr().host(), &*near.name());

    let mut conn = client.dial(bridge.local_addr()).wait().expect("the bridge accepts");
    let (sent, mut received) = (pattern(LARGE), Vec::new());
    conn.write_all(&sent).expect("the bridge reads");
    conn.close_write().expect("it is open");
    conn.read_to_end(&mut received).expect("the stream ends");
    assert!(received == sent, "{} bytes came back, of {LARGE}", received.len());
    echoing.join().expect("the server does not panic");
    until(|| bridge.counts().open == 0);
    assert_eq!((counts(&bridge), bridge.last_error()), ((0, 1, 0), None));
}

#[test]
fn a_bridge_carries_both_directions_and_half_closes() {
    within_limit(|| {
        let (one, other) = (Network::new("one"), Network::new("other"));
        let (a, b, c, d) = (host(&one, "a"), host(&one, "b"), host(&other, "c"), host(&other, "d"));
        carries(&a, &b, c.clone(), &d);
        carries(&a, &b, tcp(), &tcp());
        carries(&tcp(), &tcp(), c.clone(), &d);
        assert_eq!([a, b, c, d].map(|host| host.sockets()), [0; 4]);
    });
}

#[test]
fn a_bridge_carries_rendezvous_networks() {
    within_limit(|| {
        let net = |name| Network::builder(name).rendezvous(true).build().expect("a valid name");
        let (one, other) = (net("one"), net("other"));
        carries(&host(&one, "a"), &host(&one, "b"), host(&other, "c"), &host(&other, "d"));
    });
}

#[test]
fn an_abort_of_the_client_aborts_the_server() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (near, far) = bridged.connect();
        pass(&near, &far);
        near.abort();
        assert_eq!(read(&far), Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts() == (0, 1, 0));
        assert_eq!(bridged.sockets(), 1);
    });
}

#[test]
fn an_abort_of_the_server_aborts_the_client() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (near, far) = bridged.connect();
        pass(&far, &near);
        far.abort();
        assert_eq!(read(&near), Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts() == (0, 1, 0));
    });
}

#[test]
fn an_abort_after_a_half_close_is_passed_on_by_the_next_write() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (near, far) = bridged.connect();
        far.close_write().expect("it is open");
        assert_eq!(read(&near), Ok(0));
        far.abort();
        let error = loop {
            if let Err(error) = (&near).write(&[7]) {
                break error.kind();
            }
        };
        assert_eq!(error, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_server_that_answers_and_leaves_breaks_the_pipe_of_the_client() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (mut near, mut far) = bridged.connect();
        far.write_all(b"no").expect("the bridge reads");
        drop(far);
        let mut text = String::new();
        near.read_to_string(&mut text).expect("the stream ends");
        assert_eq!(text, "no");
        let error = loop {
            if let Err(error) = near.write(&[7]) {
                break error.kind();
            }
        };
        assert_eq!(error, ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_client_that_writes_to_a_server_that_left_still_gets_its_answer() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (mut near, mut far) = bridged.connect();
        // It fills the buffers of the client's connection and of the bridge, so that some of it is still on the way.
        let answer = pattern(140_000);
        far.write_all(&answer).expect("the bridge reads");
        drop(far);
        near.write_all(&pattern(LARGE)).expect("it is read or dropped");
        let mut received = Vec::new();
        near.read_to_end(&mut received).expect("the stream ends");
        assert!(received == answer, "{} bytes came, of {}", received.len(), answer.len());
    });
}

#[test]
fn a_far_side_that_refuses_resets_the_client_and_is_counted() {
    within_limit(|| {
        let mut bridged = Bridged::new();
        bridged.server = bridged.web.listen(":81").expect("a free port");
        let near = bridged.client.dial("gate:1").wait().expect("the bridge accepts");
        assert_eq!(read(&near), Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts() == (0, 1, 1));
        let error = bridged.bridge.last_error().expect("the dial failed");
        assert_eq!(error.to_string(), "dial pipefar back:1->web:80: connection refused");
        assert_eq!(bridged.sockets(), 1);

        // The bridge goes on.
        bridged.server = bridged.web.listen(":80").expect("a free port");
        let (near, far) = bridged.connect();
        pass(&near, &far);
        assert_eq!(bridged.counts(), (1, 2, 1));
    });
}

#[test]
fn a_refused_real_port_ends_the_connection_of_a_virtual_client() {
    within_limit(|| {
        let net = Network::new("t");
        let closed = tcp().listen("").expect("a free port").local_addr();
        let listener = host(&net, "db").listen(":5432").expect("a free port");
        let bridge = Bridge::start(listener, tcp(), closed).expect("it starts");
        let near = host(&net, "client").dial("db:5432").wait().expect("the bridge accepts");
        assert_eq!(read(&near), Err(ErrorKind::ConnectionReset));
        let error = bridge.last_error().expect("the dial failed");
        assert_eq!(error.to_string(), format!("dial tcp {closed}: connection refused"));
    });
}

#[test]
fn a_stop_closes_the_listener_and_aborts_open_connections() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (idle, far) = bridged.connect();
        let (full, mut unread) = bridged.connect();
        // Fills all buffers, so that the bridge blocks in a write.
        let writing = thread::spawn(move || {
            let mut left = &pattern(LARGE)[..];
            while let Ok(count) = (&full).write(left) {
                left = &left[count..];
            }
            left.len()
        });
        unread.read_exact(&mut [0]).expect("the bridge writes");
        assert_eq!(bridged.counts(), (2, 2, 0));

        bridged.bridge.stop();
        assert_eq!((bridged.counts(), bridged.sockets()), ((0, 2, 0), 0));
        assert_eq!([read(&idle), read(&far)], [Err(ErrorKind::ConnectionReset); 2]);
        assert!(writing.join().expect("no panic") > 0);
        let error = bridged.client.dial("gate:1").wait().expect_err("the listener is closed");
        assert_eq!(error.to_string(), "dial pipenear client:2->gate:1: connection refused");
        bridged.bridge.stop();
    });
}

#[test]
fn a_stop_ends_connections_of_tcp() {
    within_limit(|| {
        let (listener, net) = (tcp().listen("").expect("a free port"), Network::new("t"));
        let to = listener.local_addr();
        let bridge = Bridge::start(tcp().listen("").expect("a free port"), tcp(), to).expect("it starts");
        let near = tcp().dial(bridge.local_addr()).wait().expect("the bridge accepts");
        let far = listener.accept().wait().expect("the bridge dials");
        bridge.stop();
        assert_eq!((read(&near), read(&far), counts(&bridge)), (Ok(0), Ok(0), (0, 1, 0)));
        let again = Bridge::start(host(&net, "a").listen("").expect("a free port"), tcp(), to).expect("it starts");
        assert_eq!(again.local_addr(), "a:1");
    });
}

#[test]
fn a_stop_withdraws_a_dial_that_waits() {
    within_limit(|| {
        let bridged = Bridged::new();
        let near = bridged.client.dial("gate:1").wait().expect("the bridge accepts");
        // The server does not accept, so its listener keeps the dial queued.
        until(|| bridged.web.sockets() == 2);
        bridged.bridge.stop();
        assert_eq!((bridged.web.sockets(), bridged.sockets()), (1, 0));
        assert_eq!(read(&near), Err(ErrorKind::ConnectionReset));
        assert_eq!((bridged.counts(), bridged.bridge.last_error()), ((0, 1, 0), None));
    });
}

#[test]
fn a_bridge_stops_while_clients_connect() {
    within_limit(|| {
        for _ in 0..50 {
            let bridged = Bridged::new();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| while bridged.client.dial("gate:1").wait().is_ok() {});
                }
                until(|| bridged.bridge.counts().total > 2);
                bridged.bridge.stop();
            });
            assert_eq!((bridged.bridge.counts().open, bridged.sockets()), (0, 0));
        }
    });
}

#[test]
fn a_dropped_bridge_has_stopped() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (near, _far) = bridged.connect();
        let Bridged { gate, back, bridge, .. } = bridged;
        drop(bridge);
        assert_eq!((gate.sockets(), back.sockets()), (0, 0));
        assert_eq!(read(&near), Err(ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_client_beyond_the_limit_waits_until_a_connection_closes() {
    within_limit(|| {
        let bridged = Bridged::with_limit(1);
        let (near, far) = bridged.connect();
        let mut second = pin!(bridged.client.dial("gate:1"));
        for _ in 0..1000 {
            assert!(second.as_mut().try_wait().is_none(), "the limit is 1");
            pass(&near, &far);
            pass(&far, &near);
        }
        assert_eq!(bridged.counts(), (1, 1, 0));
        drop((near, far));
        let second = loop {
            if let Some(second) = second.as_mut().try_wait() {
                break second.expect("the bridge accepts");
            }
            thread::yield_now();
        };
        pass(&second, &bridged.server.accept().wait().expect("the bridge dials"));
        assert_eq!(bridged.counts(), (1, 2, 0));
    });
}

#[test]
fn a_bridge_whose_host_closes_accepts_no_more() {
    within_limit(|| {
        let bridged = Bridged::new();
        let (_near, far) = bridged.connect();
        bridged.gate.close().wait().expect("nothing fails to close");
        assert_eq!(read(&far), Err(ErrorKind::ConnectionReset));
        until(|| bridged.counts().0 == 0 && bridged.bridge.last_error().is_some());
        let error = bridged.bridge.last_error().expect("the accept failed");
        assert_eq!(error.to_string(), "accept pipenear gate:1: host is down");
        until(|| bridged.sockets() == 0);
        assert_eq!(bridged.counts(), (0, 1, 0));
    });
}

#[test]
fn a_malformed_address_is_refused_at_the_start() {
    let net = Network::new("t");
    let listener = host(&net, "a").listen("").expect("a free port");
    let error = Bridge::start(listener, host(&net, "b"), "web:http").expect_err("no port of that name");
    assert_eq!(error.to_string(), "dial pipet: address web:http: invalid port");
    assert_eq!(host(&net, "a").sockets(), 0);
}
