//! h2 on its own.

use bytes::Bytes;
use h2::client;
use h2::server;
use http::{Request, Response, StatusCode};
use tokio::task::JoinSet;
use virtnet::pipenet::{Conn, Network};

use crate::support::{assert_all_ports_free, ends, host, on_each_runtime, pattern};

/// Larger than the window of a stream, so that the sender has to wait for the receiver.
const LARGE: usize = 300_000;
const REQUESTS: usize = 5;

/// Receives a whole body, and releases capacity as its parts arrive.
async fn take(mut body: h2::RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all
}

/// Sends a whole body as capacity allows.
async fn give(mut stream: h2::SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        stream.send_data(body.split_to(room.min(body.len())), body.is_empty()).unwrap();
    }
}

/// Echoes the bodies of requests on one connection, and returns the number of requests.
async fn serve(conn: Conn) -> usize {
    let [at, from] = ends(&conn);
    let mut connection = server::handshake(conn).await.unwrap();
    let mut streams = JoinSet::new();
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted.unwrap();
        let response = Response::builder().header("at", &at).header("from", &from).body(()).unwrap();
        streams.spawn(async move {
            let body = take(request.into_body()).await;
            give(respond.send_response(response, false).unwrap(), body.into()).await;
        });
    }
    streams.join_all().await.len()
}

#[test]
fn streams_of_one_connection_progress_concurrently() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":80").unwrap();
        let server = tokio::spawn(async move { serve(listener.accept().await.unwrap()).await });

        let (requests, connection) = client::handshake(b.dial("a:80").await.unwrap()).await.unwrap();
        let connection = tokio::spawn(connection);
        let exchanges: JoinSet<_> = (0..REQUESTS)
            .map(|number| {
                let requests = requests.clone();
                async move {
                    let mut requests = requests.ready().await.unwrap();
                    let request = Request::post(format!("http://a/{number}")).body(()).unwrap();
                    let body = pattern(LARGE + number);
                    let (response, stream) = requests.send_request(request, false).unwrap();
                    let (response, ()) = tokio::join!(response, give(stream, body.clone().into()));
                    let response = response.unwrap();
                    let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
                    assert_eq!((response.status(), header("at"), header("from")), (StatusCode::OK, "a:1", "b:1"));
                    assert!(take(response.into_body()).await == body, "what was sent is not what came back");
                }
            })
            .collect();
        exchanges.join_all().await;
        drop(requests);
        connection.await.unwrap().unwrap();
        assert_eq!(server.await.unwrap(), REQUESTS);
        assert_all_ports_free(&[&a, &b]);
    });
}
