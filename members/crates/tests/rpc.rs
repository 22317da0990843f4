//! tarpc: requests and answers in JSON, in frames of `tokio_util`'s codec.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use tarpc::client::{Config, NewClient, RpcError};
use tarpc::context::Context;
use tarpc::serde_transport;
use tarpc::server::{BaseChannel, Channel};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_serde::formats::Json;
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use virtnet::pipenet::{Conn, Host, Listener, Network};

use crate::support::{LIMIT, assert_all_ports_free, ends, on_each_runtime};

#[tarpc::service]
trait Desk {
    /// Greets the caller, and names both ends of the connection.
    async fn greet(name: String) -> String;
    /// Never answers.
    async fn hold();
}

/// The service, for one connection.
#[derive(Clone)]
struct OfConnection {
    ends: [String; 2],
    events: mpsc::UnboundedSender<Event>,
}

/// The request that is never answered.
#[derive(Debug, PartialEq)]
enum Event {
    Held { from: String },
    Dropped { from: String },
}

impl Desk for OfConnection {
    async fn greet(self, _: Context, name: String) -> String {
        let [at, from] = self.ends;
        format!("hello {name}, at {at} from {from}")
    }

    async fn hold(self, _: Context) {
        /// Reports its drop.
        struct Held(OfConnection);

        impl Held {
            fn report(&self, event: fn(String) -> Event) {
                let Self(OfConnection { ends: [_, from], events }) = self;
                // A test that has failed receives no more.
                let _ = events.send(event(from.clone()));
            }
        }

        impl Drop for Held {
            fn drop(&mut self) {
                self.report(|from| Event::Dropped { from });
            }
        }

        let held = Held(self);
        held.report(|from| Event::Held { from });
        std::future::pending::<()>().await;
    }
}

/// Serves until the listener is closed and all clients are disconnected; returns the number of clients.
async fn serve(listener: Arc<Listener>, events: mpsc::UnboundedSender<Event>) -> usize {
    let mut connections = JoinSet::new();
    while let Ok(conn) = listener.accept().await {
        let service = OfConnection { ends: ends(&conn), events: events.clone() };
        let transport = serde_transport::new(framed(conn), Json::default());
        let answers = BaseChannel::with_defaults(transport).execute(service.serve());
        connections.spawn(answers.for_each_concurrent(None, |answer| answer));
    }
    connections.join_all().await.len()
}

fn framed(conn: Conn) -> Framed<Conn, LengthDelimitedCodec> {
    Framed::new(conn, LengthDelimitedCodec::new())
}

/// A client with the addresses of its end, and its task, which returns once the client is dropped or disconnected.
async fn connect(host: &Host) -> (DeskClient, [String; 2], JoinHandle<bool>) {
    let conn = host.dial("desk:1").await.unwrap();
    let ends = ends(&conn);
    let transport = serde_transport::new(framed(conn), Json::default());
    let NewClient { client, dispatch } = DeskClient::new(Config::default(), transport);
    (client, ends, tokio::spawn(async { dispatch.await.is_ok() }))
}

/// A request that may take as long as the test.
fn patient() -> Context {
    let mut context = tarpc::context::current();
    context.deadline = Instant::now() + LIMIT;
    context
}

#[test]
fn a_client_dropped_during_a_request_leaves_the_other_one_alone() {
    on_each_runtime(&Network::builder("t"), |net| async move {
        let (desk, ann, ben) = (net.host("desk").unwrap(), net.host("ann").unwrap(), net.host("ben").unwrap());
        let listener = Arc::new(desk.listen(":1").unwrap());
        let (events, mut seen) = mpsc::unbounded_channel();
        let server = tokio::spawn(serve(listener.clone(), events));

        let (of_ann, ends, task_of_ann) = connect(&ann).await;
        assert_eq!(ends, ["ann:1", "desk:2"]);
        let (of_ben, ends, task_of_ben) = connect(&ben).await;
        assert_eq!(ends, ["ben:1", "desk:3"]);
        let greeting = of_ann.greet(patient(), "Ann".into()).await.unwrap();
        assert_eq!(greeting, "hello Ann, at desk:2 from ann:1");

        let holding = tokio::spawn(async move { of_ann.hold(patient()).await });
        assert_eq!(seen.recv().await.unwrap(), Event::Held { from: "ann:1".into() });
        holding.abort();
        assert!(holding.await.unwrap_err().is_cancelled());
        assert_eq!(seen.recv().await.unwrap(), Event::Dropped { from: "ann:1".into() });
        assert!(task_of_ann.await.unwrap());
        assert_all_ports_free(&[&ann]);

        let greeting = of_ben.greet(patient(), "Ben".into()).await.unwrap();
        assert_eq!(greeting, "hello Ben, at desk:3 from ben:1");
        drop(of_ben);
        assert!(task_of_ben.await.unwrap());
        listener.close();
        assert_eq!(server.await.unwrap(), 2);
        drop(listener);
        assert_all_ports_free(&[&desk, &ann, &ben]);
    });
}

#[test]
fn closing_the_host_of_a_service_ends_its_requests() {
    on_each_runtime(&Network::builder("t"), |net| async move {
        let (desk, ann) = (net.host("desk").unwrap(), net.host("ann").unwrap());
        let listener = Arc::new(desk.listen(":1").unwrap());
        let (events, mut seen) = mpsc::unbounded_channel();
        let server = tokio::spawn(serve(listener, events));

        let (client, _, task) = connect(&ann).await;
        let holding = tokio::spawn(async move { client.hold(patient()).await });
        assert_eq!(seen.recv().await.unwrap(), Event::Held { from: "ann:1".into() });
        desk.close().await.unwrap();
        let error = holding.await.unwrap().unwrap_err();
        assert!(matches!(error, RpcError::Shutdown), "{error:?}");
        assert!(task.await.unwrap());
        assert_eq!(seen.recv().await.unwrap(), Event::Dropped { from: "ann:1".into() });
        assert_eq!(server.await.unwrap(), 1);
    });
}
