//! tokio-tungstenite, and tungstenite on threads.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{accept_hdr_async, client_async};
use virtnet::Clock;
use virtnet::clock::Time;
use virtnet::pipenet::{Conn, Network};
use virtnet::sim::Faults;

use crate::support::{assert_all_ports_free, connect, ends, host, on_each_network, within_limit};

/// Larger than the buffer of a connection.
const LARGE: usize = 200_000;

/// Echoes every message until the client closes; returns the requested path and the number of messages.
async fn serve(conn: Conn) -> (String, usize) {
    let mut path = String::new();
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let note = |request: &Request, response: Response| {
        path = request.uri().to_string();
        Ok(response)
    };
    let (mut sink, mut stream) = accept_hdr_async(conn, note).await.unwrap().split();
    let mut count = 0;
    while let Some(message) = stream.next().await {
        let message = message.unwrap();
        if message.is_text() || message.is_binary() {
            sink.send(message).await.unwrap();
            count += 1;
        }
    }
    (path, count)
}

#[test]
fn messages_come_back_until_the_socket_is_closed() {
    on_each_network(|net| async move {
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":80").unwrap();
        let server = tokio::spawn(async move {
            let conn = listener.accept().await.unwrap();
            assert_eq!(ends(&conn), ["a:1", "b:1"]);
            serve(conn).await
        });
        let conn = b.dial("a:80").await.unwrap();
        assert_eq!(ends(&conn), ["b:1", "a:1"]);
        let (mut socket, response) = client_async("ws://a/room", conn).await.unwrap();
        assert_eq!(response.status(), 101);
        let large = vec![7; LARGE];
        for message in [Message::text("hello"), Message::binary(large), Message::text("")] {
            socket.send(message.clone()).await.unwrap();
            assert!(socket.next().await.unwrap().unwrap() == message, "what was sent is not what came back");
        }
        socket.close(None).await.unwrap();
        while let Some(message) = socket.next().await {
            assert!(message.unwrap().is_close());
        }
        assert_eq!(server.await.unwrap(), ("/room".into(), 3));
        drop(socket);
        assert_all_ports_free(&[&a, &b]);
    });
}

/// Performs a handshake with a client that sends nothing until the server, whose reads time out, was interrupted. Then
/// the server sends a message.
fn shake_hands_slowly<S: Read + Write + Send + 'static>(server: S, client: S) {
    let (interrupted, has_been) = mpsc::channel();
    let serving = thread::spawn(move || {
        let mut outcome = tungstenite::accept(server);
        loop {
            match outcome {
                Ok(mut socket) => return socket.send(Message::text("hello")),
                Err(HandshakeError::Interrupted(unfinished)) => {
                    // The client may have received this before.
                    let _ = interrupted.send(());
                    outcome = unfinished.handshake();
                }
                Err(HandshakeError::Failure(error)) => return Err(error),
            }
        }
    });
    // If the server failed, its error is reported below.
    if has_been.recv().is_ok() {
        let (mut socket, _) = tungstenite::client("ws://a/", client).expect("the server goes on");
        assert_eq!(socket.read().expect("it was sent"), Message::text("hello"));
    }
    serving.join().expect("no panic").expect("an interrupted handshake can be resumed");
}

#[test]
fn threads_on_a_slow_link_that_breaks_have_one_time() {
    const MS: Duration = Duration::from_millis(1);

    within_limit(|| {
        let clock = Clock::auto();
        let _me = clock.enter();
        let faults = Faults::new().clock(clock.clone());
        let net = Network::builder("t").layer(faults.clone()).build().unwrap();
        let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
        faults.route("a", "b").latency(50 * MS);
        let listener = a.listen(":80").unwrap();
        let server = clock.spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().wait().unwrap()).unwrap();
            let mut echoed = 0;
            while let Ok(message) = socket.read() {
                if message.is_text() {
                    socket.send(message).unwrap();
                    echoed += 1;
                }
            }
            echoed
        });
        let now = || clock.now() - Time::ZERO;

        let conn = b.dial("a:80").wait().unwrap();
        assert_eq!(now(), 100 * MS);
        conn.set_read_timeout(Some(500 * MS)).unwrap();
        let (mut socket, _) = tungstenite::client("ws://a/", conn).unwrap();
        assert_eq!(now(), 200 * MS);
        socket.send(Message::text("one")).unwrap();
        assert_eq!((socket.read().unwrap(), now()), (Message::text("one"), 300 * MS));

        // Two read timeouts end within the partition. The message arrives as much later as that takes.
        faults.route("a", "b").partition_for(1000 * MS);
        socket.send(Message::text("two")).unwrap();
        for at in [800, 1300] {
            let tungstenite::Error::Io(error) = socket.read().unwrap_err() else { panic!("another error") };
            assert_eq!((error.to_string().as_str(), now()), ("read pipet a:1->b:1: timed out", at * MS));
        }
        assert_eq!((socket.read().unwrap(), now()), (Message::text("two"), 1400 * MS));

        socket.close(None).unwrap();
        while let Ok(message) = socket.read() {
            assert!(message.is_close());
        }
        assert_eq!((server.join().unwrap(), now()), (2, 1500 * MS));
        drop(socket);
        assert_eq!((b.sockets(), clock.timers()), (0, Ok(0)));
    });
}

/// On Windows, a timeout of TCP does not interrupt a handshake either.
#[cfg(unix)]
#[test]
fn a_read_timeout_interrupts_a_handshake_as_that_of_tcp_does() {
    const SHORT: Option<Duration> = Some(Duration::from_millis(5));

    within_limit(|| -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        server.set_read_timeout(SHORT)?;
        shake_hands_slowly(server, client);
        Ok(())
    })
    .unwrap();
    within_limit(|| -> io::Result<()> {
        let net = Network::new("t");
        let listener = host(&net, "a").listen(":80")?;
        let (client, server) = futures::executor::block_on(connect(&host(&net, "b"), &listener));
        server.set_read_timeout(SHORT)?;
        shake_hands_slowly(server, client);
        Ok(())
    })
    .unwrap();
}
