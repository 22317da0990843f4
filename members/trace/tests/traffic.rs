//! Traffic of real programs over a traced network, each on a port of its own.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, KeyLog, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};
use virtnet::pipenet::{self, Network};
use virtnet::trace::Trace;
use virtnet::{Bare, ErrorKind};

type Layers = (Trace, Bare);
type Host = pipenet::Host<Layers>;
type Conn = pipenet::Conn<Layers>;
type Listener = pipenet::Listener<Layers>;

/// A trace of all that the programs did, and the keys of TLS.
pub(crate) struct Traffic {
    pub(crate) trace: Trace,
    pub(crate) keys: String,
}

/// A body of several segments.
pub(crate) const BODY: usize = 5000;
/// Unread for a while.
pub(crate) const LATE: usize = 1 << 16;

impl Traffic {
    /// All programs in turn.
    pub(crate) fn new() -> Self {
        let trace = Trace::builder().bytes(u32::MAX).build();
        let net = Network::builder("t").layer(trace.clone()).build().expect("valid options");
        let keys = Arc::new(Keys::default());
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(&net, &trace, &keys));
        let keys = keys.0.lock().expect("no panic").clone();
        Self { trace, keys }
    }
}

async fn run(net: &Network<Layers>, trace: &Trace, keys: &Arc<Keys>) {
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    plain(&a, &b).await;
    websocket(&a, &b).await;
    http2(&a, &b).await;
    tls(&a, &b, keys).await;
    failures(&a, &b).await;
    trace.fault("partition a | b");
    // A host to itself.
    let listener = a.listen(":90").unwrap();
    let (mut dialled, mut accepted) = pair(&listener, &a).await;
    exchange(&mut dialled, &mut accepted, b"to myself").await;
    drop((dialled, accepted));
    trace.fault_ended("partition a | b");
    late(&a, &b).await;
    // Both close before either has seen the other's close.
    let (dialled, accepted) = pair(&listener, &b).await;
    dialled.close_write().unwrap();
    accepted.close_write().unwrap();
    drop((dialled, accepted));
    trace.note("the end");
}

/// A connection from `from` to the listener.
async fn pair(listener: &Listener, from: &Host) -> (Conn, Conn) {
    let (dialled, accepted) = tokio::join!(from.dial(listener.local_addr()), listener.accept());
    (dialled.unwrap(), accepted.unwrap())
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(from: &mut S, to: &mut S, bytes: &[u8]) {
    from.write_all(bytes).await.unwrap();
    let mut read = vec![0; bytes.len()];
    to.read_exact(&mut read).await.unwrap();
    assert!(read == bytes, "other bytes came");
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let len = request.into_body().collect().await.expect("a body").to_bytes().len();
    Ok(Response::new(Full::from(format!("{len} bytes"))))
}

async fn request<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, path: &str) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(path).header("host", "a").body(Full::new(Bytes::from(vec![b'x'; BODY]))).unwrap();
    let response = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(response.to_bytes(), format!("{BODY} bytes"));
    drop(sender);
    connection.await.unwrap().unwrap();
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    // A client that has its response may be gone when TLS says goodbye.
    let _ = serving.await;
}

/// Two connections, the second one between the ports of the first.
async fn plain(a: &Host, b: &Host) {
    let listener = a.listen(":80").unwrap();
    for path in ["/x", "/again"] {
        let (dialled, accepted) = pair(&listener, b).await;
        tokio::join!(request(dialled, path), serve(accepted));
    }
}

async fn websocket(a: &Host, b: &Host) {
    let listener = a.listen(":8080").unwrap();
    let (dialled, accepted) = pair(&listener, b).await;
    let client = async {
        let (mut socket, _) = client_async("ws://a/room", dialled).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
    };
    let server = async {
        let mut socket = accept_async(accepted).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    };
    tokio::join!(client, server);
}

async fn http2(a: &Host, b: &Host) {
    let listener = a.listen(":10").unwrap();
    let (dialled, accepted) = pair(&listener, b).await;
    let client = async {
        let (mut sender, connection) = h2::client::handshake(dialled).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get("http://a/").body(()).unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "hello");
        drop((body, sender));
        connection.await.unwrap().unwrap();
    };
    let server = async {
        let mut connection = h2::server::handshake(accepted).await.unwrap();
        while let Some(accepted) = connection.accept().await {
            let (_, mut respond) = accepted.unwrap();
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"hello"), true).unwrap();
        }
    };
    tokio::join!(client, server);
}

/// What rustls tells of its keys, as lines of an `SSLKEYLOGFILE`.
#[derive(Debug, Default)]
struct Keys(Mutex<String>);

impl KeyLog for Keys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().expect("no panic").push_str(&line);
    }
}

async fn tls(a: &Host, b: &Host, keys: &Arc<Keys>) {
    let listener = a.listen(":443").unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([String::from("a")]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.key_log = keys.clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let (connector, acceptor) = (TlsConnector::from(Arc::new(config)), TlsAcceptor::from(Arc::new(server)));
    let (dialled, accepted) = pair(&listener, b).await;
    let name = ServerName::try_from("a").unwrap();
    let client = async { request(connector.connect(name, dialled).await.unwrap(), "/secret").await };
    let server = async { serve(acceptor.accept(accepted).await.unwrap()).await };
    tokio::join!(client, server);
}

/// An abort, a close with unread bytes, a refused and a withdrawn dial: four resets.
async fn failures(a: &Host, b: &Host) {
    assert_eq!(b.dial("a:70").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let listener = a.listen(":70").unwrap();
    {
        let mut dialling = pin!(b.dial("a:70"));
        assert!(dialling.as_mut().try_wait().is_none());
    }
    let (dialled, mut accepted) = pair(&listener, b).await;
    accepted.write_all(b"unread").await.unwrap();
    dialled.abort();
    accepted.read_u8().await.unwrap_err();
    drop(accepted);
    let (mut dialled, accepted) = pair(&listener, b).await;
    dialled.write_all(b"unread, too").await.unwrap();
    drop(accepted);
    dialled.read_u8().await.unwrap_err();
}

/// 64 KiB wait until they are read.
async fn late(a: &Host, b: &Host) {
    let listener = a.listen(":91").unwrap();
    let (mut dialled, mut accepted) = pair(&listener, b).await;
    let bytes: Vec<u8> = (0..LATE).map(|at| (at % 251) as u8).collect();
    dialled.write_all(&bytes).await.unwrap();
    dialled.close_write().unwrap();
    let mut read = Vec::new();
    accepted.read_to_end(&mut read).await.unwrap();
    assert!(read == bytes, "other bytes came");
}
