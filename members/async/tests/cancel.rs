//! Dropping any pending operation, at any point, loses no connection and no byte.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use virtnet::pipenet::{Conn, Network};

use crate::support::{Pair, assert_all_ports_free, ends, host, on_each_runtime, pair, pair_with_buffer, pattern};

/// When a pending future is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum GivenUp {
    /// As soon as it is pending.
    AtOnce,
    /// When it was woken, without another poll: the wake-up is dropped with it.
    WhenWoken,
}

/// Polls a future until it has an outcome or is dropped.
struct Impatient<F> {
    future: Option<Pin<Box<F>>>,
    given_up: GivenUp,
    waits: bool,
}

fn impatient<F: Future>(given_up: GivenUp, future: F) -> Impatient<F> {
    Impatient { future: Some(Box::pin(future)), given_up, waits: false }
}

impl<F: Future> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waits {
            self.future = None;
            return Poll::Ready(None);
        }
        let Some(future) = &mut self.future else { unreachable!("it was polled after its outcome") };
        match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if self.given_up == GivenUp::AtOnce => {
                self.future = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.waits = true;
                Poll::Pending
            }
        }
    }
}

/// Starts an operation repeatedly, until one of them was not dropped.
macro_rules! persist {
    ($given_up:expr, $operation:expr) => {
        loop {
            if let Some(outcome) = impatient($given_up, $operation).await {
                break outcome.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
}

const BOTH: [GivenUp; 2] = [GivenUp::AtOnce, GivenUp::WhenWoken];

#[test]
fn reads_and_writes_lose_no_byte() {
    async fn send(mut conn: Conn, bytes: Vec<u8>, given_up: GivenUp) {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let count = persist!(given_up, conn.write(rest));
            rest = &rest[count..];
        }
    }

    async fn receive(mut conn: Conn, given_up: GivenUp) -> Vec<u8> {
        let mut all = Vec::new();
        while persist!(given_up, conn.read_buf(&mut all)) > 0 {}
        all
    }

    on_each_runtime(|| async {
        for (writing, reading) in BOTH.into_iter().flat_map(|writing| BOTH.map(|reading| (writing, reading))) {
            let Pair { a, b, listener, dialled, accepted } = pair_with_buffer(100).await;
            let bytes = pattern(20_000);
            let sending = tokio::spawn(send(dialled, bytes.clone(), writing));
            assert!(receive(accepted, reading).await == bytes, "writes {writing:?}, reads {reading:?}");
            sending.await.unwrap();
            drop(listener);
            assert_all_ports_free(&[&a, &b]);
        }
    });
}

#[test]
fn peeks_and_readiness_lose_no_byte() {
    on_each_runtime(|| async {
        for given_up in BOTH {
            let Pair { dialled, accepted, .. } = pair_with_buffer(10).await;
            let bytes = pattern(2_000);
            let sent = bytes.clone();
            let sending = tokio::spawn(async move {
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    persist!(given_up, dialled.writable());
                    rest = &rest[dialled.try_write(rest).unwrap()..];
                }
            });
            let mut all = Vec::new();
            let mut buf = [0; 3];
            loop {
                let seen = persist!(given_up, accepted.peek(&mut buf));
                persist!(given_up, accepted.readable());
                let mut taken = vec![0; seen];
                assert_eq!(accepted.try_read(&mut taken).unwrap(), seen);
                assert_eq!(taken, buf[..seen]);
                if seen == 0 {
                    break;
                }
                all.extend(taken);
            }
            assert!(all == bytes, "what was sent is not what came in");
            sending.await.unwrap();
        }
    });
}

#[test]
fn accepts_lose_no_connection() {
    const COUNT: usize = 50;

    on_each_runtime(|| async {
        for given_up in BOTH {
            let net = Network::new("t");
            let (a, b) = (host(&net, "a"), host(&net, "b"));
            let listener = a.listen(":1").unwrap();
            let dialling = tokio::spawn(async move {
                for number in 0..COUNT {
                    b.dial("a:1").await.unwrap().write_all(&[number as u8]).await.unwrap();
                }
                b
            });
            for number in 0..COUNT {
                let mut conn = persist!(given_up, listener.accept());
                let mut bytes = Vec::new();
                conn.read_to_end(&mut bytes).await.unwrap();
                assert_eq!(bytes, [number as u8]);
            }
            let b = dialling.await.unwrap();
            drop(listener);
            assert_all_ports_free(&[&a, &b]);
        }
    });
}

#[test]
fn a_stream_of_connections_loses_none() {
    const COUNT: usize = 50;

    on_each_runtime(|| async {
        for given_up in BOTH {
            let net = Network::new("t");
            let (a, b) = (host(&net, "a"), host(&net, "b"));
            let mut incoming = a.listen(":1").unwrap().into_stream();
            let dialling: JoinSet<_> = (0..COUNT).map(|_| b.dial("a:1")).collect();
            let mut accepted = Vec::new();
            for _ in 0..COUNT {
                accepted.push(persist!(given_up, incoming.try_next()).unwrap());
            }
            let mut to: Vec<_> = accepted.iter().map(ends).collect();
            let dialled = dialling.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
            let mut from: Vec<_> = dialled.iter().map(ends).map(|[at, to]| [to, at]).collect();
            to.sort();
            from.sort();
            assert_eq!(from, to);
            drop((incoming, accepted, dialled));
            assert_all_ports_free(&[&a, &b]);
        }
    });
}

#[test]
fn dropped_dials_are_withdrawn() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        assert!(impatient(GivenUp::AtOnce, b.dial("a:1")).await.is_none());
        assert_eq!((a.sockets(), b.sockets()), (1, 0));
        assert_eq!(listener.try_accept().unwrap_err().kind(), virtnet::ErrorKind::WouldBlock);

        // The dial is dropped after it was accepted: the peer sees the end of the stream.
        let dialling = impatient(GivenUp::WhenWoken, b.dial("a:1"));
        let (dialled, accepted) = tokio::join!(dialling, listener.accept());
        assert!(dialled.is_none());
        let mut accepted = accepted.unwrap();
        assert_eq!(ends(&accepted), ["a:2", "b:1"]);
        assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(accepted.write(&[0]).await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        drop((listener, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn one_of_several_readers_may_be_dropped() {
    on_each_runtime(|| async {
        let Pair { mut dialled, accepted, .. } = pair().await;
        let mut buf = [0; 1];
        let mut patient = Box::pin(poll_fn(|cx| accepted.poll_read(cx, &mut buf)));
        let mut unsteady = Box::pin(impatient(GivenUp::WhenWoken, accepted.readable()));
        // Each operation waits like a separate task.
        futures::future::join(
            async {
                let both = futures::stream::FuturesUnordered::new();
                both.push(futures::future::Either::Left(async { patient.as_mut().await.unwrap() }));
                both.push(futures::future::Either::Right(async {
                    usize::from(unsteady.as_mut().await.is_some()) + 10
                }));
                let mut outcomes: Vec<_> = both.collect().await;
                outcomes.sort_unstable();
                // The read got its byte, and the operation that waited beside it was dropped when the byte arrived.
                assert_eq!(outcomes, [1, 10]);
            },
            async {
                tokio::task::yield_now().await;
                dialled.write_all(b"x").await.unwrap();
            },
        )
        .await;
    });
}

#[test]
fn a_network_can_be_closed_under_waiting_tasks() {
    // A task must not see its peer's host closed before its own host.
    for _ in 0..20 {
        on_each_runtime(close_under_waits);
    }
}

async fn close_under_waits() {
    let net = Network::builder("t").buffer(1).build().unwrap();
    let Pair { a, b, listener, mut dialled, mut accepted } = crate::support::pair_on(&net).await;
    dialled.write_all(b"x").await.unwrap();
    accepted.write_all(b"y").await.unwrap();
    let idle = a.listen(":9").unwrap();
    let (mut read, mut write) = dialled.into_split();
    read.read_exact(&mut [0]).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { read.read(&mut [0]).await.unwrap_err().to_string() });
    tasks.spawn(async move { write.write(b"z").await.unwrap_err().to_string() });
    tasks.spawn(async move { listener.accept().await.unwrap_err().to_string() });
    tasks.spawn({
        let b = b.clone();
        async move { b.dial("a:9").await.unwrap_err().to_string() }
    });
    while a.sockets() < 4 {
        tokio::task::yield_now().await;
    }
    net.close().unwrap();
    let mut errors = tasks.join_all().await;
    errors.sort();
    assert_eq!(
        errors,
        [
            "accept pipet a:1: network is down",
            "dial pipet b:2->a:9: network is down",
            "read pipet a:2->b:1: network is down",
            "write pipet b:1->a:2: network is down",
        ]
    );
    drop((idle, accepted));
    assert_all_ports_free(&[&a, &b]);
}
