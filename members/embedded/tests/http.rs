//! reqwless, an HTTP client over embedded-nal-async, and edge-http, a server over edge-nal.

use std::fmt::{Debug, Display};
use std::net::{Ipv4Addr, SocketAddr};

use edge_http::io::Error;
use edge_http::io::server::{Connection, Handler, Server};
use edge_nal::TcpBind;
use embassy_futures::block_on;
use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embedded_io_async::{Read, Write};
use reqwless::client::HttpClient;
use reqwless::request::{Method, RequestBuilder};
use virtnet::pipenet::fixed::{Host, Network};

/// Reports the caller and the path of a request, and echoes its body.
struct Echo;

impl Handler for Echo {
    type Error<E>
        = Error<E>
    where
        E: Debug;

    async fn handle<T, const N: usize>(
        &self,
        _: impl Display + Copy,
        conn: &mut Connection<'_, T, N>,
    ) -> Result<(), Error<T::Error>>
    where
        T: Read + Write,
    {
        let headers = conn.headers()?;
        let asked = format!("{:?} {} of {}: ", headers.method, headers.path, headers.headers.host().unwrap_or("?"));
        let (mut body, mut buf) = (asked.into_bytes(), [0; 100]);
        loop {
            match conn.read(&mut buf).await? {
                0 => break,
                count => body.extend(&buf[..count]),
            }
        }
        // reqwless does not reassemble chunked replies.
        conn.initiate_response(200, Some("OK"), &[("Content-Length", &body.len().to_string())]).await?;
        conn.write_all(&body).await
    }
}

/// Serves while the client runs.
async fn serve_during(host: &Host, client: impl Future<Output = ()>) {
    let mut server = Server::<2, 1024, 16>::new();
    let listener = host.bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 80)).await.unwrap();
    match select(server.run(None, listener, Echo), client).await {
        Either::First(ended) => panic!("the server has ended: {ended:?}"),
        Either::Second(()) => {}
    }
}

async fn ask(host: &Host, method: Method, url: &str, body: &[u8]) -> String {
    let mut client = HttpClient::new(host, host);
    let mut buf = [0; 2048];
    let request = client.request(method, url).await.unwrap();
    let mut request = request.body(body);
    let response = request.send(&mut buf).await.unwrap();
    assert_eq!(response.status.0, 200);
    String::from_utf8(response.body().read_to_end().await.unwrap().to_vec()).unwrap()
}

#[test]
fn client_and_server_talk_http() {
    static NET: Network<'static> = virtnet::fixed!("web", 2, 8, 3, 256);
    let (server, client) = (NET.host("server").unwrap(), NET.host("client").unwrap());
    let asking = async {
        assert_eq!(ask(&client, Method::GET, "http://server/a", b"").await, "Get /a of server: ");
        // The body is larger than the buffers of the connection.
        let body = [b'x'; 900];
        let answer = ask(&client, Method::POST, "http://server/b", &body).await;
        assert_eq!(answer, format!("Post /b of server: {}", "x".repeat(900)));
        // The server is found by its IP address.
        assert_eq!(server.ip_addr(), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(ask(&client, Method::GET, "http://10.0.0.1/c", b"").await, "Get /c of 10.0.0.1: ");
    };
    block_on(serve_during(&server, asking));
    assert_eq!((server.sockets(), client.sockets(), NET.pipes()), (0, 0, 0));
}

#[test]
fn two_clients_are_served_at_once() {
    static NET: Network<'static> = virtnet::fixed!("web", 3, 8, 3, 64);
    let (server, first, second) = (NET.host("server").unwrap(), NET.host("b").unwrap(), NET.host("c").unwrap());
    let asking = async {
        let answers =
            join(ask(&first, Method::GET, "http://server/1", b""), ask(&second, Method::GET, "http://server/2", b""));
        assert_eq!(answers.await, ("Get /1 of server: ".into(), "Get /2 of server: ".into()));
    };
    block_on(serve_during(&server, asking));
}

#[test]
fn unknown_names_and_closed_ports_are_errors() {
    static NET: Network<'static> = virtnet::fixed!("web", 2, 4, 1, 64);
    let (_server, client) = (NET.host("server").unwrap(), NET.host("client").unwrap());
    let mut http = HttpClient::new(&client, &client);
    block_on(async {
        let error = http.request(Method::GET, "http://nowhere/").await.map(drop).unwrap_err();
        assert!(matches!(error, reqwless::Error::Dns), "{error:?}");
        let error = http.request(Method::GET, "http://server:81/").await.map(drop).unwrap_err();
        let refused = reqwless::Error::Network(embedded_io_async::ErrorKind::ConnectionRefused);
        assert_eq!(format!("{error:?}"), format!("{refused:?}"));
    });
}
