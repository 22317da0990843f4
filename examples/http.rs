//! A client, a proxy and a web server, each on a host of its own, on a network that exists only in this process.
//!
//! The server is `axum`, the client is that of `hyper-util`, and the proxy uses `tokio::io::copy_bidirectional`, all as
//! published. They find each other by name, and every address is known beforehand. The proxy accepts the client's
//! `CONNECT` and passes on the bytes after it, as for TLS, so it sees nothing but an address.
//!
//! ```sh
//! cargo run --all-features --example http
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use axum::extract::{ConnectInfo, Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Router, serve};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::sync::oneshot;
use virtnet::Addr;
use virtnet::pipenet::{Conn, Host, Listener, Network};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let net = Network::new("lab");
    let (server, proxy, client) = (net.host("server")?, net.host("proxy")?, net.host("client")?);

    // This differs from a program on TCP only in listening and dialling.
    let (stop, stopped) = oneshot::channel::<()>();
    let app = app().into_make_service_with_connect_info::<Addr>();
    let serving = serve(server.listen(":80")?, app).with_graceful_shutdown(async { drop(stopped.await) });
    let serving = tokio::spawn(serving.into_future());
    let passing = tokio::spawn(pass_on(proxy.listen(":3128")?, proxy.clone()));

    let direct = ask_directly(&client).await?;
    // Only the server's listener is left, so the next port is known.
    client.idle().await?;
    while server.sockets() > 1 {
        tokio::task::yield_now().await;
    }
    let proxied = ask_through_proxy(&client).await?;

    stop.send(()).map_err(|()| "the server is gone")?;
    serving.await??;
    let passed = passing.await??;

    for line in direct.iter().chain(&proxied).chain([&passed]) {
        println!("{line}");
    }
    assert_eq!(
        direct,
        [
            "PUT http://server:80/notes/one: 201 Created, client:1 wrote \"first\"",
            "GET http://server/notes/none: 404 Not Found, ",
            "GET http://server/notes/one: 200 OK, \"first\"",
        ]
    );
    assert_eq!(
        proxied,
        ["PUT /notes/two: 201 Created, proxy:2 wrote \"second\"", "GET /notes/one: 200 OK, \"first\""],
        "to the server, it was the proxy that asked"
    );
    assert_eq!(passed, "proxied client:1 at proxy:1 to server:1 from proxy:2");
    // The libraries' tasks drop their connections with a delay.
    net.idle().await?;
    println!("all as expected, and all ports are free again");
    Ok(())
}

type Notes = Arc<Mutex<BTreeMap<String, String>>>;

/// Stores notes, and reports the address of their author.
fn app() -> Router {
    let write = async |State(notes): State<Notes>,
                       ConnectInfo(from): ConnectInfo<Addr>,
                       Path(name): Path<String>,
                       Json(text): Json<String>| {
        let answer = format!("{from} wrote {text:?}");
        notes.lock().expect("no holder panics").insert(name, text);
        (StatusCode::CREATED, answer)
    };
    let read = async |State(notes): State<Notes>, Path(name): Path<String>| {
        let notes = notes.lock().expect("no holder panics");
        notes.get(&name).map(|text| Json(text.clone())).ok_or(StatusCode::NOT_FOUND)
    };
    Router::new().route("/notes/{name}", put(write)).route("/notes/{name}", get(read)).with_state(Notes::default())
}

/// Three requests of a client with a pool of connections, to a server by its name.
async fn ask_directly(host: &Host) -> Result<Vec<String>, Failure> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(host.connector());
    let mut log = Vec::new();
    for (method, uri, body) in [
        (Method::PUT, "http://server:80/notes/one", "\"first\""),
        (Method::GET, "http://server/notes/none", ""),
        (Method::GET, "http://server/notes/one", ""),
    ] {
        let request = request(&method, uri, body)?;
        let response = client.request(request).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        log.push(format!("{method} {uri}: {status}, {}", str::from_utf8(&text)?));
    }
    Ok(log)
}

/// Two requests on a connection through the proxy.
async fn ask_through_proxy(host: &Host) -> Result<Vec<String>, Failure> {
    let mut conn = host.dial("proxy:3128").await?;
    conn.write_all(b"CONNECT server:80 HTTP/1.1\r\nHost: server:80\r\n\r\n").await?;
    let mut established = [0; ESTABLISHED.len()];
    conn.read_exact(&mut established).await?;
    assert_eq!(&established, ESTABLISHED);

    let (mut requests, connection) = handshake(TokioIo::new(conn)).await?;
    let connection = tokio::spawn(connection);
    let mut log = Vec::new();
    for (method, path, body) in [(Method::PUT, "/notes/two", "\"second\""), (Method::GET, "/notes/one", "")] {
        requests.ready().await?;
        let response = requests.send_request(request(&method, path, body)?).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        log.push(format!("{method} {path}: {status}, {}", str::from_utf8(&text)?));
    }
    drop(requests);
    connection.await??;
    Ok(log)
}

fn request(method: &Method, uri: &str, body: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("host", "server").header("content-type", "application/json");
    request.body(Full::from(body.to_owned()))
}

const ESTABLISHED: &[u8; 39] = b"HTTP/1.1 200 Connection Established\r\n\r\n";

/// The proxy: accepts one connection, forwards it to the requested address, and returns both addresses.
async fn pass_on(listener: Listener, host: Host) -> Result<String, Failure> {
    let mut near = BufReader::new(listener.accept().await?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if near.read_line(&mut head).await? == 0 {
            return Err("the client is gone".into());
        }
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).ok_or("not a CONNECT")?;
    let mut far = host.dial(target).await?;
    near.write_all(ESTABLISHED).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    let ends = |conn: &Conn| (conn.peer_addr(), conn.local_addr());
    let ((client, at), (server, from)) = (ends(near.get_ref()), ends(&far));
    Ok(format!("proxied {client} at {at} to {server} from {from}"))
}
