//! tokio-tungstenite.

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{accept_hdr_async, client_async};
use virtnet::pipenet::Conn;

use crate::support::{assert_all_ports_free, ends, host, on_each_network};

/// Larger than the buffer of a connection.
const LARGE: usize = 200_000;

/// Sends every message back until the client closes; says what was asked for, and how many messages there were.
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
