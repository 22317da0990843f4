//! TLS over connections of a network that exists only in this process.
//!
//! Both sides are the published `tokio-rustls`, and authenticate with certificates that are made here for the names of
//! their hosts. A server without a certificate for its host is rejected.
//!
//! ```sh
//! cargo run --all-features --example tls
//! ```

use std::error::Error;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use virtnet::pipenet::{Host, Listener, Network};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let net = Network::new("lab");
    let (server, impostor, client) = (net.host("server")?, net.host("impostor")?, net.host("client")?);
    let authority = Authority::new()?;

    // The impostor has the certificate of another host.
    let serving = tokio::spawn(answer(server.listen(":443")?, authority.acceptor("server")?));
    let pretending = tokio::spawn(answer(impostor.listen(":443")?, authority.acceptor("server")?));
    let connector = authority.connector("client")?;
    let asked = ask(&client, &connector, "server").await?;
    let refused = ask(&client, &connector, "impostor").await.expect_err("no certificate for that name").to_string();
    let answered = serving.await??;
    let pretended = pretending.await?.expect_err("the client has turned it down").to_string();

    println!("the client received {asked:?}");
    println!("the server answered {answered:?}");
    println!("the client turned the impostor down: {refused}");
    println!("the impostor was told: {pretended}");
    assert_eq!(asked, "client:1 asked server:1: who is there?");
    assert_eq!(answered, "who is there?");
    assert!(refused.contains("certificate not valid for name \"impostor\""), "{refused}");
    assert!(pretended.contains("received fatal alert"), "{pretended}");
    assert_eq!([&server, &impostor, &client].map(Host::sockets), [0, 0, 0]);
    println!("all as expected, and all ports are free again");
    Ok(())
}

/// Answers one question, naming the addresses of both ends; returns the question.
async fn answer(listener: Listener, acceptor: TlsAcceptor) -> Result<String, Failure> {
    let conn = listener.accept().await?;
    let (at, from) = (conn.local_addr(), conn.peer_addr());
    let mut stream = acceptor.accept(conn).await?;
    assert!(stream.get_ref().1.peer_certificates().is_some(), "the client has proved who it is");
    let mut question = String::new();
    stream.read_to_string(&mut question).await?;
    stream.write_all(format!("{from} asked {at}: {question}").as_bytes()).await?;
    stream.shutdown().await?;
    Ok(question)
}

/// Asks a host a question, after the host has authenticated.
async fn ask(host: &Host, connector: &TlsConnector, name: &'static str) -> Result<String, Failure> {
    let conn = host.dial((name, 443)).await?;
    let mut stream = connector.connect(ServerName::try_from(name)?, conn).await?;
    stream.write_all(b"who is there?").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Certifies hosts by name.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self, Failure> {
        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    fn certify(&self, name: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &self.0)?;
        Ok((vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der())?))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        Ok(Arc::new(roots))
    }

    /// The configuration of a server with the certificate of this name, for certified clients.
    fn acceptor(&self, name: &str) -> Result<TlsAcceptor, Failure> {
        let (chain, key) = self.certify(name)?;
        let clients = WebPkiClientVerifier::builder(self.roots()?).build()?;
        let config = ServerConfig::builder().with_client_cert_verifier(clients).with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The configuration of a client with the certificate of this name, for certified servers.
    fn connector(&self, name: &str) -> Result<TlsConnector, Failure> {
        let (chain, key) = self.certify(name)?;
        let config = ClientConfig::builder().with_root_certificates(self.roots()?).with_client_auth_cert(chain, key)?;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}
