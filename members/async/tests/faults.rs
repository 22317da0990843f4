//! hyper's and tonic's clients, with their own time limits and retries, on slow and broken links. The runtime is paused,
//! and its time is that of the network, so that each outcome comes at an exact instant.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Server};
use virtnet::pipenet::{self, Network};
use virtnet::sim::{Faults, Route};
use virtnet::{Bare, Clock};

use crate::chat::{ChatClient, ChatServer, Greeting};
use crate::support::with_paused_clock;

type Layers = (Faults, Bare);
type Host = pipenet::Host<Layers>;

/// The one-way latency.
const L: Duration = ms(50);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The hosts `a`, which serves, and `b`, with a latency between them.
struct Lab {
    start: Instant,
    faults: Faults,
    a: Host,
    b: Host,
}

impl Lab {
    fn new() -> Self {
        let faults = Faults::new().clock(Clock::tokio());
        let net = Network::builder("t").layer(faults.clone()).build().expect("a valid name");
        let [a, b] = ["a", "b"].map(|name| net.host(name).expect("a new host"));
        faults.route("a", "b").latency(L);
        Self { start: Instant::now(), faults, a, b }
    }

    fn route(&self) -> Route {
        self.faults.route("a", "b")
    }

    /// How long it is since the start.
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Serves HTTP/1 at port 80 of `a`, and counts the requests.
    fn serve(&self) -> Arc<AtomicUsize> {
        let listener = self.a.listen(":80").expect("a free port");
        let served = Arc::new(AtomicUsize::new(0));
        let count = served.clone();
        tokio::spawn(async move {
            while let Ok(conn) = listener.accept().await {
                let count = count.clone();
                let service = service_fn(move |_: Request<Incoming>| {
                    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                    async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("request {number}")))) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(conn), service));
            }
        });
        served
    }

    /// A client of hyper's with a pool of connections.
    fn client(&self) -> Client<impl Connect + Clone + Send + Sync + use<>, Empty<Bytes>> {
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(self.b.connector())
    }

    /// Serves gRPC at port 80 of `a`.
    fn serve_grpc(&self) {
        let incoming = self.a.listen(":80").expect("a free port").into_stream();
        tokio::spawn(Server::builder().add_service(ChatServer).serve_with_incoming(incoming));
    }

    async fn channel(&self, endpoint: Endpoint) -> Result<Channel, tonic::transport::Error> {
        endpoint.connect_with_connector(self.b.connector()).await
    }
}

async fn get(client: &Client<impl Connect + Clone + Send + Sync + 'static, Empty<Bytes>>) -> Result<String, String> {
    let response = client.get("http://a/".parse().expect("a URI")).await.map_err(|error| root(&error))?;
    let body = response.into_body().collect().await.map_err(|error| root(&error))?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).expect("it is text"))
}

/// The innermost cause of an error.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

fn endpoint() -> Endpoint {
    Endpoint::from_static("http://a")
}

#[test]
fn a_request_takes_a_round_trip_and_a_new_connection_another() {
    with_paused_clock(|| async {
        let lab = Lab::new();
        lab.serve();
        let client = lab.client();
        assert_eq!((get(&client).await, lab.now()), (Ok("request 1".into()), ms(200)));
        assert_eq!((get(&client).await, lab.now()), (Ok("request 2".into()), ms(300)));
        // The pool dials anew once its connection has been reset.
        lab.route().reset_peer();
        tokio::task::yield_now().await;
        assert_eq!((get(&client).await, lab.now()), (Ok("request 3".into()), ms(500)));
    });
}

#[test]
fn a_client_that_tries_again_gets_through_once_a_partition_has_ended() {
    with_paused_clock(|| async {
        let lab = Lab::new();
        let served = lab.serve();
        let client = lab.client();
        assert_eq!(get(&client).await, Ok("request 1".into()));
        assert_eq!(lab.now(), ms(200));
        lab.route().partition_for(ms(3000));
        let (mut pause, mut tried) = (ms(100), Vec::new());
        let answer = loop {
            tried.push(lab.now().as_millis());
            match timeout(ms(1000), get(&client)).await {
                Ok(answer) => break answer,
                Err(_) => sleep(pause).await,
            }
            pause *= 2;
        };
        // The repair is at 3200. Dial, answer, request and response take a latency each from then on.
        assert_eq!((tried, lab.now()), (vec![200, 1300, 2500], ms(3400)));
        // The first try arrived in the end, though its client had given it up.
        assert_eq!((answer, served.load(Ordering::Relaxed)), (Ok("request 3".into()), 3));
    });
}

#[test]
fn a_call_ends_at_the_time_limit_of_its_channel() {
    with_paused_clock(|| async {
        let lab = Lab::new();
        lab.serve_grpc();
        let mut client = ChatClient::new(lab.channel(endpoint().timeout(ms(300))).await.unwrap());
        let greeting = Greeting { text: "hello tester at b:1, this is a:1".into() };
        let begin = lab.now();
        assert_eq!(client.greet("tester").await.unwrap(), greeting);
        assert_eq!(lab.now() - begin, ms(100));

        lab.route().partition();
        let begin = lab.now();
        let status = client.greet("tester").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Cancelled, "Timeout expired"));
        assert_eq!(lab.now() - begin, ms(300));

        // The channel goes on with the same connection.
        lab.route().repair();
        let begin = lab.now();
        assert_eq!(client.greet("tester").await.unwrap(), greeting);
        assert_eq!(lab.now() - begin, ms(100));
    });
}

#[test]
fn a_channel_gives_up_a_dial_that_does_not_arrive() {
    with_paused_clock(|| async {
        let lab = Lab::new();
        lab.serve_grpc();
        lab.route().blackhole(true);
        let error = lab.channel(endpoint().connect_timeout(ms(1000))).await.map(drop).unwrap_err();
        assert_eq!((root(&error).as_str(), lab.now()), ("deadline has elapsed", ms(1000)));
        assert_eq!(lab.b.sockets(), 0);
        lab.route().blackhole(false);
        let channel = lab.channel(endpoint().connect_timeout(ms(1000))).await.unwrap();
        assert_eq!(lab.now(), ms(1100));
        drop(channel);
    });
}

#[test]
fn keep_alive_finds_a_half_open_connection() {
    with_paused_clock(|| async {
        let lab = Lab::new();
        lab.serve_grpc();
        let endpoint = endpoint().http2_keep_alive_interval(ms(2000)).keep_alive_timeout(ms(500));
        let mut client = ChatClient::new(lab.channel(endpoint).await.unwrap());
        client.greet("tester").await.unwrap();
        let begin = lab.now();
        lab.route().partition();
        let status = client.greet("tester").await.unwrap_err();
        // The ping is sent after two seconds without a frame, and half a second later its answer is missed.
        assert_eq!((status.code(), root(&status).as_str()), (Code::Unavailable, "operation timed out"));
        assert_eq!(lab.now() - begin, ms(2500));
    });
}
