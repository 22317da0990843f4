//! A traced engine that hands connections over in two phases: the acknowledgement answers the dial, so it is the accept.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use virtnet::trace::Trace;
use virtnet::{Accept as _, Addr, Cause, Engine, Layer, LinkStatus, Notifier, Registry, Shutdown, pipenet};

/// A layer whose engine accepts each connection first, and acknowledges it then.
struct TwoPhases;

struct Deferred<E>(E);

/// A notifier that hands over in two phases.
struct Handover<'a, N>(&'a N);

impl<N: Notifier<Link: Send>> Notifier for Handover<'_, N> {
    type Link = N::Link;
    type Accept = N::Accept;

    async fn accept(&self, src: &Addr, dst: &Addr, link: N::Link) -> Result<N::Accept, Cause> {
        self.0.accept(src, dst, link).await
    }

    async fn connect(&self, src: &Addr, dst: &Addr, link: N::Link) -> Result<Addr, Cause> {
        let accept = self.0.accept(src, dst, link).await?;
        let local = accept.local_addr();
        accept.acknowledge()?;
        Ok(local)
    }

    async fn down(&self, cause: Cause) {
        self.0.down(cause).await;
    }
}

impl Layer for TwoPhases {
    type Engine<E: Engine + 'static> = Deferred<E>;

    fn wrap<E: Engine + 'static>(self, inner: E) -> Deferred<E> {
        Deferred(inner)
    }
}

impl<E: Engine> Engine for Deferred<E> {
    type Link = E::Link;
    type Data = E::Data;

    async fn new_host<R: Registry<Data = E::Data>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        self.0.new_host(host, registry).await
    }

    async fn dial<N: Notifier<Link = E::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: E::Data,
        notifier: &N,
    ) -> Result<(E::Link, Addr), Cause> {
        self.0.dial(src, dst, data, &Handover(notifier)).await
    }

    fn poll_read(&self, link: &E::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.0.poll_read(link, cx, buf)
    }

    fn poll_peek(&self, link: &E::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.0.poll_peek(link, cx, buf)
    }

    fn poll_write(&self, link: &E::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        self.0.poll_write(link, cx, buf)
    }

    fn poll_writable(&self, link: &E::Link, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_writable(link, cx)
    }

    fn status(&self, link: &E::Link) -> LinkStatus {
        self.0.status(link)
    }

    fn cancel_read(&self, link: &E::Link, waker: &Waker) {
        self.0.cancel_read(link, waker);
    }

    fn cancel_write(&self, link: &E::Link, waker: &Waker) {
        self.0.cancel_write(link, waker);
    }

    fn shutdown(&self, link: &E::Link, how: Shutdown) -> bool {
        self.0.shutdown(link, how)
    }

    fn release(&self, link: &E::Link) {
        self.0.release(link);
    }

    async fn close(&self) -> Result<(), Cause> {
        self.0.close().await
    }
}

#[test]
fn the_acknowledgement_is_the_accept() {
    let trace = Trace::new();
    let net = pipenet::Network::builder("t").layer(TwoPhases).layer(trace.clone()).build().expect("valid options");
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let mut dialling = pin!(b.dial("a:10"));
    assert!(dialling.as_mut().try_wait().is_none());
    // The listener claims the connection, and the dial, which acknowledges it, is done before the accept is.
    listener.try_accept().unwrap_err();
    let dialled = dialling.try_wait().expect("it is acknowledged").unwrap();
    dialled.try_write(b"x").unwrap();
    let accepted = listener.try_accept().unwrap();
    drop((dialled, accepted));
    assert_eq!(
        trace.view().to_string(),
        "\
host a
host b
listen a:10
dial b:1->a:10
accept a:10: a:1<-b:1
connect b:1->a:10: a:1
write b:1->a:1: 1 \"x\"
drop b:1->a:1
drop a:1->b:1
"
    );
    assert_eq!(trace.open_tickets(), 0);
}
