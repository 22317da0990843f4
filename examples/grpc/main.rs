//! gRPC between hosts of a network that exists only in this process: a unary call, and a bidirectional streaming call.
//!
//! Server and client are those of the published `tonic`. Two servers have hosts of their own, and are found by name.
//!
//! ```sh
//! cargo run --all-features --example grpc
//! ```

mod chat;

use std::error::Error;

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Endpoint, Server};
use virtnet::pipenet::{Host, Network};

use chat::{ChatClient, ChatServer, Line};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let net = Network::new("lab");
    let (alpha, beta, user) = (net.host("alpha")?, net.host("beta")?, net.host("user")?);

    // This differs from a program on TCP only in listening and dialling.
    let mut servers = Vec::new();
    for host in [&alpha, &beta] {
        let incoming = host.listen(":80")?.into_stream();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Server::builder().add_service(ChatServer);
        let serving = serving.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) });
        servers.push((stop, tokio::spawn(serving)));
    }

    let mut to_alpha = connect(&user, "http://alpha:80").await?;
    let mut to_beta = connect(&user, "http://beta").await?;
    let mut log = Vec::new();
    for client in [&mut to_alpha, &mut to_beta] {
        log.push(client.greet("tester").await?.text);
    }
    log.push(to_beta.greet("").await.expect_err("a greeting of nobody").message().to_owned());

    // Each line is sent after the answer to the previous one has arrived.
    let (say, lines) = mpsc::unbounded_channel();
    let mut answers = to_alpha.talk(UnboundedReceiverStream::new(lines)).await?;
    for (number, text) in (1..).zip(["anybody there?", "good", "bye"]) {
        say.send(Line { number, text: text.into() })?;
        let Line { number, text } = answers.next().await.ok_or("the talk is over")??;
        log.push(format!("{number}: {text}"));
    }
    drop(say);
    assert!(answers.next().await.is_none(), "the server ends the talk after the client");

    drop((to_alpha, to_beta, answers));
    for (stop, serving) in servers {
        stop.send(()).map_err(|()| "the server is gone")?;
        serving.await??;
    }

    for line in &log {
        println!("{line}");
    }
    assert_eq!(
        log,
        [
            "hello tester at user:1, this is alpha:1",
            "hello tester at user:2, this is beta:1",
            "who are you?",
            "1: user:1 said anybody there?",
            "2: user:1 said good",
            "3: user:1 said bye",
        ]
    );
    // The libraries' tasks drop their connections with a delay.
    net.idle().await?;
    println!("all as expected, and all ports are free again");
    Ok(())
}

async fn connect(host: &Host, uri: &'static str) -> Result<ChatClient, Failure> {
    Ok(ChatClient::new(Endpoint::from_static(uri).connect_with_connector(host.connector()).await?))
}
