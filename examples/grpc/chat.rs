//! A service and its client. They are written by hand, in the form that a build script would generate from this:
//!
//! ```proto
//! package chat;
//!
//! message Hello { string name = 1; }
//! message Greeting { string text = 1; }
//! message Line { uint32 number = 1; string text = 2; }
//!
//! service Chat {
//!   rpc Greet(Hello) returns (Greeting);
//!   rpc Talk(stream Line) returns (stream Line);
//! }
//! ```

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming, client, server};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};
use virtnet::ConnInfo;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Hello {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Greeting {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Line {
    #[prost(uint32, tag = "1")]
    pub(crate) number: u32,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
}

const GREET: &str = "/chat.Chat/Greet";
const TALK: &str = "/chat.Chat/Talk";

/// Greets a caller that has a name, with the addresses of both ends.
async fn greet(request: Request<Hello>) -> Result<Response<Greeting>, Status> {
    let ConnInfo { local_addr, peer_addr, .. } = conn_info(request.extensions())?;
    let Hello { name } = request.into_inner();
    if name.is_empty() {
        return Err(Status::invalid_argument("who are you?"));
    }
    Ok(Response::new(Greeting { text: format!("hello {name} at {peer_addr}, this is {local_addr}") }))
}

/// Answers each line when it arrives.
async fn talk(
    request: Request<Streaming<Line>>,
) -> Result<Response<impl Stream<Item = Result<Line, Status>> + Send + 'static>, Status> {
    let ConnInfo { peer_addr, .. } = conn_info(request.extensions())?;
    let answers = request.into_inner().map(move |line| {
        let Line { number, text } = line?;
        Ok(Line { number, text: format!("{peer_addr} said {text}") })
    });
    Ok(Response::new(answers))
}

/// The addresses of the connection that carried a request.
fn conn_info(extensions: &tonic::Extensions) -> Result<ConnInfo, Status> {
    extensions.get().copied().ok_or_else(|| Status::internal("the connection has no addresses"))
}

/// The service for tonic's server.
#[derive(Clone, Debug)]
pub(crate) struct ChatServer;

impl NamedService for ChatServer {
    const NAME: &'static str = "chat.Chat";
}

impl Service<http::Request<Body>> for ChatServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                GREET => server::Grpc::new(ProstCodec::default()).unary(service_fn(greet), request).await,
                TALK => server::Grpc::new(ProstCodec::default()).streaming(service_fn(talk), request).await,
                path => Status::unimplemented(format!("no method {path}")).into_http(),
            })
        })
    }
}

/// A client over a channel.
#[derive(Clone, Debug)]
pub(crate) struct ChatClient(client::Grpc<Channel>);

impl ChatClient {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(client::Grpc::new(channel))
    }

    pub(crate) async fn greet(&mut self, name: &str) -> Result<Greeting, Status> {
        self.ready().await?;
        let request = Request::new(Hello { name: name.into() });
        let greeting = self.0.unary(request, PathAndQuery::from_static(GREET), ProstCodec::default()).await?;
        Ok(greeting.into_inner())
    }

    pub(crate) async fn talk(
        &mut self,
        lines: impl Stream<Item = Line> + Send + 'static,
    ) -> Result<Streaming<Line>, Status> {
        self.ready().await?;
        let lines = Request::new(lines);
        let answers = self.0.streaming(lines, PathAndQuery::from_static(TALK), ProstCodec::default()).await?;
        Ok(answers.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }
}
