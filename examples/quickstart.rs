//! A WebSocket server and its clients, in threads, on a network that exists only in this process.
//!
//! The protocol is that of the published `tungstenite`: it works on anything that is `Read + Write`, and so on a
//! [`virtnet`] connection. Nothing here opens a socket of the operating system, and every address is known beforehand.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

use std::error::Error;
use std::thread;

use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};
use virtnet::pipenet::{Conn, Network};

/// Larger than a connection's buffer, so that the sender has to wait for the receiver.
const LARGE: usize = 200_000;

fn main() -> Result<(), Failure> {
    let net = Network::new("lab");
    let server = net.host("server")?;
    let listener = server.listen(":80")?;
    println!("{} listens on the network {:?}", listener.local_addr(), net.network_name());

    // The server: one thread accepts, and each connection has a thread of its own.
    let accepting = thread::spawn(move || {
        let sessions: Vec<_> =
            listener.incoming().map_while(Result::ok).map(|conn| thread::spawn(|| serve(conn))).collect();
        sessions.into_iter().map(joined).collect::<Result<Vec<_>, _>>()
    });

    // The clients connect one after the other, so that the order of the accepts is known; then they all talk
    // concurrently.
    let mut conns = Vec::new();
    for name in ["alice", "bob", "carol", "alice"] {
        conns.push((name, net.host(name)?.dial("server:80").wait()?));
    }
    let clients: Vec<_> = conns.into_iter().map(|(name, conn)| thread::spawn(move || talk(name, conn))).collect();
    let clients: Vec<Client> = clients.into_iter().map(joined).collect::<Result<_, _>>()?;

    // Closing the server ends its listener; the sessions end by themselves.
    server.close().wait()?;
    let sessions = joined(accepting)?;

    for Session { at, from, path, received } in &sessions {
        println!("{at} was connected to by {from}, asked for {path} and received {received:?}");
    }
    for Client { from, to, received } in &clients {
        println!("{from} connected to {to} and received {received:?}");
    }
    verify(&sessions, &clients);
    assert_eq!(net.host("alice")?.sockets(), 0, "all of her ports are free again");
    println!("all as expected");
    Ok(())
}

/// The server's view of one connection.
#[derive(Debug, PartialEq)]
struct Session {
    at: String,
    from: String,
    path: String,
    received: Vec<String>,
}

/// A client's view of its connection.
#[derive(Debug, PartialEq)]
struct Client {
    from: String,
    to: String,
    received: Vec<String>,
}

type Failure = Box<dyn Error + Send + Sync>;

/// Answers every text with a greeting and echoes everything else, until the client closes.
fn serve(conn: Conn) -> Result<Session, Failure> {
    let (at, from) = (conn.local_addr().to_string(), conn.peer_addr().to_string());
    let (mut path, mut received) = (String::new(), Vec::new());
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let mut socket = tungstenite::accept_hdr(conn, |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    })
    .map_err(|error| error.to_string())?;
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                received.push(text.to_string());
                socket.send(Message::text(format!("hello {from}, you said: {text}")))?;
            }
            Ok(Message::Binary(bytes)) => {
                received.push(format!("{} bytes", bytes.len()));
                socket.send(Message::Binary(bytes))?;
            }
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return Ok(Session { at, from, path, received }),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Upgrades the connection, sends a text, sends a large message, and closes.
fn talk(name: &str, conn: Conn) -> Result<Client, Failure> {
    let (from, to) = (conn.local_addr().to_string(), conn.peer_addr().to_string());
    let (mut socket, _) = tungstenite::client(format!("ws://server:80/rooms/{name}"), conn)?;
    let mut received = Vec::new();

    socket.send(Message::text(format!("it is {name}")))?;
    received.push(socket.read()?.into_text()?.to_string());

    let large: Vec<u8> = name.bytes().cycle().take(LARGE).collect();
    socket.send(Message::binary(large.clone()))?;
    let echo = socket.read()?.into_data();
    assert_eq!(echo, large, "what comes back is what was sent");
    received.push(format!("{} bytes", echo.len()));

    socket.close(None)?;
    loop {
        match socket.read() {
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return Ok(Client { from, to, received }),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Compares the transcript with the known one: a host's ports are assigned from 1, the lowest free one first.
fn verify(sessions: &[Session], clients: &[Client]) {
    let connections = [
        ("alice", "alice:1", "server:1"),
        ("bob", "bob:1", "server:2"),
        ("carol", "carol:1", "server:3"),
        // Her second connection while the first is open.
        ("alice", "alice:2", "server:4"),
    ];
    assert_eq!((sessions.len(), clients.len()), (connections.len(), connections.len()));
    for (((name, client, server), session), talked) in connections.iter().zip(sessions).zip(clients) {
        let large = format!("{LARGE} bytes");
        let said = format!("it is {name}");
        let greeting = format!("hello {client}, you said: {said}");
        let (at, from) = (server.to_string(), client.to_string());
        let received = vec![said, large.clone()];
        assert_eq!(session, &Session { at: at.clone(), from: from.clone(), path: format!("/rooms/{name}"), received });
        assert_eq!(talked, &Client { from, to: at, received: vec![greeting, large] });
    }
}

fn joined<T>(thread: thread::JoinHandle<Result<T, Failure>>) -> Result<T, Failure> {
    thread.join().expect("no thread panics")
}
