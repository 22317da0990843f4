//! hyper's HTTP/1 server and clients.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::{JoinHandle, JoinSet};
use tower::{Service, ServiceExt};
use virtnet::ConnInfo;
use virtnet::pipenet::{Conn, Listener, Network};

use crate::support::{all_ports_free, assert_all_ports_free, ends, host, on_each_runtime, on_one_thread, pattern};

type Body = BoxBody<Bytes, hyper::Error>;

/// Echoes requests to `/echo`. For any other path, reports the client and the number of the request on its connection.
async fn answer(request: Request<Incoming>, ends: [String; 2], count: usize) -> Result<Response<Body>, Infallible> {
    if (request.method(), request.uri().path()) == (&Method::POST, "/echo") {
        return Ok(Response::new(request.into_body().boxed()));
    }
    let [at, from] = ends;
    let target = request.headers().get("host").map_or("?", |host| host.to_str().unwrap());
    let text = format!("{target}{} at {at} from {from}: {count}", request.uri().path());
    Ok(Response::new(Full::from(text).map_err(|never| match never {}).boxed()))
}

async fn serve_connection(conn: Conn) -> hyper::Result<()> {
    let (ends, count) = (ends(&conn), AtomicUsize::new(0));
    let service = service_fn(move |request| answer(request, ends.clone(), count.fetch_add(1, Ordering::Relaxed) + 1));
    http1::Builder::new().serve_connection(TokioIo::new(conn), service).await
}

/// A server that serves until its listener is closed and all clients are disconnected.
struct Server {
    listener: Arc<Listener>,
    serving: JoinHandle<usize>,
}

impl Server {
    fn start(listener: Listener) -> Self {
        let listener = Arc::new(listener);
        let accepting = listener.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok(conn) = accepting.accept().await {
                connections.spawn(serve_connection(conn));
            }
            let outcomes = connections.join_all().await;
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            outcomes.len()
        });
        Self { listener, serving }
    }

    /// Stops the server; returns the number of clients.
    async fn stop(self) -> usize {
        self.listener.close();
        self.serving.await.unwrap()
    }
}

async fn text_of(response: Response<Incoming>) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[test]
fn a_connection_is_kept_alive() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let server = Server::start(a.listen(":80").unwrap());

        let conn = b.dial("a:80").await.unwrap();
        assert_eq!(ends(&conn), ["b:1", "a:1"]);
        let (mut requests, connection) = handshake(TokioIo::new(conn)).await.unwrap();
        let connection = tokio::spawn(connection);
        for count in 1..=20 {
            requests.ready().await.unwrap();
            let request = Request::get("/x").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
            let text = text_of(requests.send_request(request).await.unwrap()).await;
            assert_eq!(text, format!("a/x at a:1 from b:1: {count}"));
        }
        drop(requests);
        connection.await.unwrap().unwrap();
        assert_all_ports_free(&[&b]);
        assert_eq!(server.stop().await, 1);
        assert_all_ports_free(&[&a]);
    });
}

#[test]
fn a_large_body_is_streamed_both_ways() {
    const FRAMES: usize = 300;
    const FRAME: usize = 50_000;

    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let server = Server::start(a.listen(":80").unwrap());

        let conn = b.dial("a:80").await.unwrap();
        let (mut requests, connection) = handshake(TokioIo::new(conn)).await.unwrap();
        let connection = tokio::spawn(connection);
        let frame = Bytes::from(pattern(FRAME));
        let frames = futures::stream::iter((0..FRAMES).map({
            let frame = frame.clone();
            move |_| Ok::<_, Infallible>(Frame::data(frame.clone()))
        }));
        let request = Request::post("/echo").header("host", "a").body(StreamBody::new(frames)).unwrap();
        let mut echo = requests.send_request(request).await.unwrap().into_body();
        let mut expected = frame.iter().cycle();
        let mut received = 0;
        while let Some(data) = echo.frame().await {
            let data = data.unwrap().into_data().unwrap();
            received += data.len();
            assert!(expected.by_ref().take(data.len()).eq(&data), "what was sent is not what came back");
        }
        assert_eq!(received, FRAMES * FRAME);
        drop((requests, echo));
        connection.await.unwrap().unwrap();
        assert_eq!(server.stop().await, 1);
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn a_closed_server_ends_a_response_early() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":80").unwrap();
        let server = tokio::spawn(async move {
            let service = service_fn(|_| async {
                let first = futures::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"begin")))]);
                Ok::<_, Infallible>(Response::new(StreamBody::new(futures::StreamExt::chain(
                    first,
                    futures::stream::pending(),
                ))))
            });
            http1::Builder::new().serve_connection(TokioIo::new(listener.accept().await.unwrap()), service).await
        });
        let conn = b.dial("a:80").await.unwrap();
        let (mut requests, connection) = handshake(TokioIo::new(conn)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
        let mut body = requests.send_request(request).await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begin");
        a.close().await.unwrap();
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "error reading a body from connection");
        assert!(server.await.unwrap().is_err());
        drop((requests, body));
        connection.await.unwrap().unwrap();
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn a_pooled_client_finds_servers_by_name() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let servers = [("alpha", 80), ("beta", 80), ("gamma", 8080), ("δ:δ", 80)];
        let mut serving = Vec::new();
        for (name, port) in servers {
            serving.push(Server::start(host(&net, name).listen(port).unwrap()));
        }
        let user = host(&net, "user");
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(user.connector());
        for (uri, expected) in [
            ("http://alpha:80/1", "alpha/1 at alpha:1 from user:1: 1"),
            ("http://beta/2", "beta/2 at beta:1 from user:2: 1"),
            ("http://gamma:8080/3", "gamma:8080/3 at gamma:1 from user:3: 1"),
        ] {
            let response = client.get(uri.parse().unwrap()).await.unwrap();
            let ConnInfo { local_addr, peer_addr, .. } = *response.extensions().get().unwrap();
            let text = text_of(response).await;
            assert_eq!(text, expected);
            assert!(text.contains(&format!("at {peer_addr} from {local_addr}:")), "{text}");
        }
        let error = client.get("http://gamma/".parse().unwrap()).await.unwrap_err();
        assert!(error.is_connect());
        let cause = std::error::Error::source(&error).unwrap().downcast_ref::<virtnet::Error>().unwrap();
        assert_eq!(cause.to_string(), "dial pipet user:4->gamma:80: connection refused");

        drop(client);
        all_ports_free(&[&user]).await;
        for (server, connections) in serving.into_iter().zip([1, 1, 1, 0]) {
            assert_eq!(server.stop().await, connections);
        }
        for (name, _) in servers {
            assert_all_ports_free(&[&host(&net, name)]);
        }
    });
}

#[test]
fn a_pooled_client_uses_a_connection_again() {
    // With several threads, the client may send a request before it knows that the connection is free.
    on_one_thread(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let server = Server::start(a.listen(":80").unwrap());
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(b.connector());
        for count in 1..=20 {
            let text = text_of(client.get("http://a/".parse().unwrap()).await.unwrap()).await;
            assert_eq!(text, format!("a/ at a:1 from b:1: {count}"));
        }
        drop(client);
        all_ports_free(&[&b]).await;
        assert_eq!(server.stop().await, 1);
        assert_all_ports_free(&[&a]);
    });
}

#[test]
fn concurrent_requests_of_a_pooled_client_have_connections_of_their_own() {
    const COUNT: usize = 8;

    on_each_runtime(|| async {
        let net = Network::builder("t").share_port(true).build().unwrap();
        let (alpha, user) = (host(&net, "alpha"), host(&net, "user"));
        let listener = alpha.listen(":80").unwrap();
        // The server answers after all requests have arrived.
        let all = Arc::new(tokio::sync::Barrier::new(COUNT));
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for _ in 0..COUNT {
                let (conn, all) = (listener.accept().await.unwrap(), all.clone());
                let ends = ends(&conn);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let (ends, all) = (ends.clone(), all.clone());
                        async move {
                            all.wait().await;
                            answer(request, ends, 1).await
                        }
                    });
                    http1::Builder::new().serve_connection(TokioIo::new(conn), service).await
                });
            }
            drop(listener);
            connections.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap().len()
        });
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(user.connector());
        let requests: JoinSet<_> = (0..COUNT)
            .map(|_| {
                let client = client.clone();
                async move { text_of(client.get("http://alpha/".parse().unwrap()).await.unwrap()).await }
            })
            .collect();
        let mut texts = requests.join_all().await;
        texts.sort();
        let expected: Vec<_> = (1..=COUNT).map(|port| format!("alpha/ at alpha:80 from user:{port}: 1")).collect();
        assert_eq!(texts, expected);
        drop(client);
        assert_eq!(server.await.unwrap(), COUNT);
        all_ports_free(&[&user]).await;
        assert_all_ports_free(&[&alpha]);
    });
}

#[test]
fn a_connector_takes_the_port_from_the_uri_or_its_scheme() {
    on_each_runtime(|| async {
        let net = Network::builder("t").share_port(true).build().unwrap();
        let (alpha, colon, user) = (host(&net, "alpha"), host(&net, "a:b"), host(&net, "user"));
        let listeners: Vec<_> = [80, 443, 8443].into_iter().map(|port| alpha.listen(port).unwrap()).collect();
        let listeners_of_colon = colon.listen(":80").unwrap();
        for (uri, peer) in [
            ("http://alpha/", "alpha:80"),
            ("https://alpha/", "alpha:443"),
            ("https://alpha:8443/", "alpha:8443"),
            ("https://alpha:80/", "alpha:80"),
            ("ws://alpha/", "alpha:80"),
            ("alpha:443", "alpha:443"),
            ("alpha", "alpha:80"),
        ] {
            let mut connector = user.connector();
            let dial = connector.ready().await.unwrap().call(uri.parse().unwrap());
            let accept = async {
                let accepts = listeners.iter().map(|listener| Box::pin(listener.accept()));
                futures::future::select_all(accepts).await.0
            };
            let (dialled, accepted) = tokio::try_join!(dial, accept).unwrap();
            assert_eq!(ends(&dialled.into_inner()), ["user:1", peer], "{uri}");
            assert_eq!(ends(&accepted), [peer, "user:1"], "{uri}");
        }
        let error = user.connector().oneshot("/no/host".parse().unwrap()).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "dial pipet user:1: missing port in address");
        drop((listeners, listeners_of_colon));
        assert_all_ports_free(&[&alpha, &colon, &user]);
    });
}
