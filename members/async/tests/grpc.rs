//! tonic's server and client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::InterceptorLayer;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request};
use virtnet::ConnInfo;
use virtnet::pipenet::{Host, Network};

use crate::chat::{ChatClient, ChatServer, Greeting, Line};
use crate::support::{all_ports_free, host, on_each_runtime, pattern};

/// Serves at port 80 of a host until it is stopped.
fn serve(host: &Host) -> (oneshot::Sender<()>, JoinHandle<Result<(), tonic::transport::Error>>) {
    let incoming = host.listen(":80").unwrap().into_stream();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = Server::builder().add_service(ChatServer);
    let serving = serving.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) });
    (stop, tokio::spawn(serving))
}

async fn channel(host: &Host, uri: &'static str) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_static(uri).connect_with_connector(host.connector()).await
}

/// The root cause of an error.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

#[test]
fn calls_to_several_hosts_are_answered_by_name() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, beta, user) = (host(&net, "alpha"), host(&net, "beta"), host(&net, "user"));
        let (stop_alpha, alpha_served) = serve(&alpha);
        let (stop_beta, beta_served) = serve(&beta);
        let mut to_alpha = ChatClient::new(channel(&user, "http://alpha:80").await.unwrap());
        let mut to_beta = ChatClient::new(channel(&user, "http://beta").await.unwrap());

        let greeting = |text: &str| Greeting { text: text.into() };
        assert_eq!(to_alpha.greet("tester").await.unwrap(), greeting("hello tester at user:1, this is alpha:1"));
        assert_eq!(to_beta.greet("tester").await.unwrap(), greeting("hello tester at user:2, this is beta:1"));
        assert_eq!(to_alpha.greet("once more").await.unwrap(), greeting("hello once more at user:1, this is alpha:1"));
        let status = to_beta.greet("").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "who are you?"));

        drop((to_alpha, to_beta));
        for (stop, served) in [(stop_alpha, alpha_served), (stop_beta, beta_served)] {
            stop.send(()).unwrap();
            served.await.unwrap().unwrap();
        }
        all_ports_free(&[&alpha, &beta, &user]).await;
    });
}

#[test]
fn requests_have_remote_and_local_addresses_where_they_are_asked_for() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, user) = (host(&net, "alpha"), host(&net, "user"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observe = || {
            let seen = Arc::clone(&seen);
            InterceptorLayer::new(move |request: Request<()>| {
                seen.lock().unwrap().push((request.remote_addr(), request.local_addr()));
                Ok(request)
            })
        };
        // The first layer is the first that a request passes.
        let server = Server::builder().layer(observe()).layer(InterceptorLayer::new(ConnInfo::add_tcp_info));
        let incoming = alpha.listen("0.0.0.0:80").unwrap().into_stream();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = server.layer(observe()).add_service(ChatServer);
        let served = tokio::spawn(serving.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) }));

        let mut client = ChatClient::new(channel(&user, "http://10.0.0.1:80").await.unwrap());
        assert_eq!(client.greet("tester").await.unwrap().text, "hello tester at user:1, this is alpha:1");
        let at = |last, port| Some(SocketAddr::from(([10, 0, 0, last], port)));
        assert_eq!(*seen.lock().unwrap(), [(None, None), (at(2, 1), at(1, 1))]);

        drop(client);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        all_ports_free(&[&alpha, &user]).await;
    });
}

#[test]
fn a_call_streams_both_ways_at_once() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, user) = (host(&net, "alpha"), host(&net, "user"));
        let (stop, served) = serve(&alpha);
        let mut client = ChatClient::new(channel(&user, "http://alpha:80").await.unwrap());

        // Each line is sent after the answer to the previous one has arrived.
        let (say, lines) = mpsc::unbounded_channel();
        let mut answers = client.talk(UnboundedReceiverStream::new(lines)).await.unwrap();
        for number in 1..=50 {
            say.send(Line { number, text: format!("line {number}") }).unwrap();
            let answer = answers.next().await.unwrap().unwrap();
            assert_eq!(answer, Line { number, text: format!("user:1 said line {number}") });
        }
        drop(say);
        assert!(answers.next().await.is_none());

        // Together the lines are larger than any window and buffer, and the client reads them all.
        let text: String = pattern(50_000).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let said = text.clone();
        let lines = futures::stream::iter(1..=20).map(move |number| Line { number, text: said.clone() });
        let answers: Vec<_> = client.talk(lines).await.unwrap().map(Result::unwrap).collect().await;
        let expected = (1..=20).map(|number| Line { number, text: format!("user:1 said {text}") });
        assert!(answers == expected.collect::<Vec<_>>(), "what was said is not what was answered");

        drop(client);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        all_ports_free(&[&alpha, &user]).await;
    });
}

#[test]
fn a_channel_reports_why_it_cannot_connect() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let user = host(&net, "user");
        host(&net, "alpha");
        for (uri, expected) in [
            ("http://alpha:80", "dial pipet user:1->alpha:80: connection refused"),
            ("http://nowhere", r#"dial pipet user:1->nowhere:80: ram(pipet): query ["nowhere"]: no such host"#),
        ] {
            let error = channel(&user, uri).await.unwrap_err();
            assert_eq!(root(&error), expected);
        }
        all_ports_free(&[&user]).await;
    });
}

#[test]
fn a_server_ends_when_its_host_is_closed() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, user) = (host(&net, "alpha"), host(&net, "user"));
        let (_stop, served) = serve(&alpha);
        let mut client = ChatClient::new(channel(&user, "http://alpha:80").await.unwrap());
        client.greet("tester").await.unwrap();
        alpha.close().await.unwrap();
        served.await.unwrap().unwrap();
        // This uses a new channel: a call on a connection that closes at that moment may be lost in hyper's client,
        // which then waits for its answer forever (hyperium/hyper#4122).
        drop(client);
        all_ports_free(&[&alpha, &user]).await;
        let error = channel(&user, "http://alpha:80").await.unwrap_err();
        assert_eq!(root(&error), "dial pipet user:1->alpha:80: connection refused");
        all_ports_free(&[&alpha, &user]).await;
    });
}
