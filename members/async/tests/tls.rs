//! rustls over a connection.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use virtnet::pipenet::Network;

use crate::support::{assert_all_ports_free, ends, host, on_each_runtime, pattern};

/// Larger than the buffer of a connection.
const LARGE: usize = 300_000;

/// An authority that certifies hosts by name.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn certify(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// The configuration of a server with this name, for certified clients.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let clients = WebPkiClientVerifier::builder(self.roots()).build().unwrap();
        let (chain, key) = self.certify(name);
        let config = ServerConfig::builder().with_client_cert_verifier(clients).with_single_cert(chain, key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    /// The configuration of a client with this name, for certified servers.
    fn connector(&self, name: &str) -> TlsConnector {
        let (chain, key) = self.certify(name);
        let config = ClientConfig::builder().with_root_certificates(self.roots()).with_client_auth_cert(chain, key);
        TlsConnector::from(Arc::new(config.unwrap()))
    }
}

fn name(host: &'static str) -> ServerName<'static> {
    ServerName::try_from(host).unwrap()
}

#[test]
fn both_sides_are_certified_and_exchange_a_lot() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (server, client) = (host(&net, "server"), host(&net, "client"));
        let listener = server.listen(":443").unwrap();
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor("server"), authority.connector("client"));

        let serving = tokio::spawn(async move {
            let conn = listener.accept().await.unwrap();
            let stream = acceptor.accept(conn).await.unwrap();
            assert_eq!(ends(stream.get_ref().0), ["server:1", "client:1"]);
            assert_eq!(stream.get_ref().1.peer_certificates().unwrap().len(), 1);
            let (mut read, mut write) = split(stream);
            let count = copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
            count
        });
        let conn = client.dial("server:443").await.unwrap();
        let stream = connector.connect(name("server"), conn).await.unwrap();
        assert_eq!(ends(stream.get_ref().0), ["client:1", "server:1"]);
        let (mut read, mut write) = split(stream);
        let bytes = pattern(LARGE);
        let mut echo = Vec::new();
        let (sent, received) = tokio::join!(
            async {
                write.write_all(&bytes).await?;
                write.shutdown().await
            },
            read.read_to_end(&mut echo)
        );
        sent.unwrap();
        assert_eq!(received.unwrap(), LARGE);
        assert!(echo == bytes, "what was sent is not what came back");
        assert_eq!(serving.await.unwrap(), LARGE as u64);
        drop((read, write));
        assert_all_ports_free(&[&server, &client]);
    });
}

#[test]
fn the_plain_text_is_not_on_the_connection() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (server, client, tap) = (host(&net, "server"), host(&net, "client"), host(&net, "tap"));
        let through = tap.clone();
        let (at_server, at_tap) = (server.listen(":443").unwrap(), tap.listen(":443").unwrap());
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor("server"), authority.connector("client"));

        let serving = tokio::spawn(async move {
            let mut stream = acceptor.accept(at_server.accept().await.unwrap()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        });
        // Forwards the client's bytes, and keeps a copy.
        let tapping = tokio::spawn(async move {
            let mut near = at_tap.accept().await.unwrap();
            let mut far = through.dial("server:443").await.unwrap();
            let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.split(), far.split());
            let mut seen = Vec::new();
            let up = async {
                let mut buf = [0; 1000];
                while let count @ 1.. = near_read.read(&mut buf).await.unwrap() {
                    seen.extend_from_slice(&buf[..count]);
                    far_write.write_all(&buf[..count]).await.unwrap();
                }
                far_write.shutdown().await.unwrap();
            };
            let down = copy(&mut far_read, &mut near_write);
            let (_, _down) = tokio::join!(up, down);
            seen
        });
        let conn = client.dial("tap:443").await.unwrap();
        let mut stream = connector.connect(name("server"), conn).await.unwrap();
        stream.write_all(b"the secret").await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(serving.await.unwrap(), "the secret");
        drop(stream);
        let seen = tapping.await.unwrap();
        assert!(seen.len() > 100 && !seen.windows(6).any(|window| window == b"secret"));
        assert_all_ports_free(&[&server, &client, &tap]);
    });
}

#[test]
fn a_server_of_another_name_is_refused() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (server, client) = (host(&net, "server"), host(&net, "client"));
        let listener = server.listen(":443").unwrap();
        let authority = Authority::new();
        let (acceptor, connector) = (authority.acceptor("somebody"), authority.connector("client"));
        let serving = tokio::spawn(async move { acceptor.accept(listener.accept().await.unwrap()).await.map(drop) });
        let conn = client.dial("server:443").await.unwrap();
        let error = connector.connect(name("server"), conn).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(serving.await.unwrap().is_err());
        assert_all_ports_free(&[&server, &client]);
    });
}

#[test]
fn a_client_of_another_authority_is_refused() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (server, client) = (host(&net, "server"), host(&net, "client"));
        let listener = server.listen(":443").unwrap();
        let (authority, other) = (Authority::new(), Authority::new());
        let acceptor = authority.acceptor("server");
        let (chain, key) = other.certify("client");
        let config =
            ClientConfig::builder().with_root_certificates(authority.roots()).with_client_auth_cert(chain, key);
        let connector = TlsConnector::from(Arc::new(config.unwrap()));
        let serving = tokio::spawn(async move { acceptor.accept(listener.accept().await.unwrap()).await.map(drop) });
        let conn = client.dial("server:443").await.unwrap();
        // The client gets the error after its own handshake is done.
        let mut stream = connector.connect(name("server"), conn).await.unwrap();
        let error = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(serving.await.unwrap().is_err());
        drop(stream);
        assert_all_ports_free(&[&server, &client]);
    });
}
