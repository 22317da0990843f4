//! A task whose operations are always ready yields to other tasks.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::coop;
use virtnet::pipenet::{Conn, Network};

use crate::support::{Pair, connect, host, on_each_runtime, pair};

/// Far more operations than a task may perform without yielding.
const MANY: usize = 10_000;

/// The number of turns of another task while `greedy` runs. On a single-threaded runtime it is 0 unless `greedy`
/// yields.
async fn turns_during(greedy: impl Future<Output = ()>) -> usize {
    let turns = Arc::new(AtomicUsize::new(0));
    let counting = tokio::spawn({
        let turns = turns.clone();
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    // The other task may start earlier.
    let before = turns.load(Ordering::Relaxed);
    greedy.await;
    let after = turns.load(Ordering::Relaxed);
    counting.abort();
    after - before
}

/// Asserts that a task which never has to wait yields from time to time.
async fn assert_yields(greedy: impl Future<Output = ()>) {
    let turns = turns_during(greedy).await;
    // Tokio's budget of a task is 128 operations.
    assert!(turns >= MANY / 1000, "the other task had {turns} turns");
}

#[test]
fn a_greedy_reader_and_writer_yields() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        assert_yields(async {
            let mut byte = [0];
            for _ in 0..MANY {
                dialled.write_all(b"x").await.unwrap();
                accepted.read_exact(&mut byte).await.unwrap();
            }
        })
        .await;
    });
}

#[test]
fn greedy_halves_yield() {
    on_each_runtime(|| async {
        let Pair { dialled, accepted, .. } = pair().await;
        let ((mut read, _write), (_read, mut write)) = (dialled.into_split(), accepted.into_split());
        assert_yields(async {
            let mut byte = [0];
            for _ in 0..MANY {
                assert_eq!(write.write_vectored(&[IoSlice::new(b"x")]).await.unwrap(), 1);
                read.read_exact(&mut byte).await.unwrap();
            }
        })
        .await;
    });
}

#[test]
fn a_greedy_reader_at_the_end_of_the_stream_yields() {
    on_each_runtime(|| async {
        let Pair { dialled, mut accepted, .. } = pair().await;
        drop(dialled);
        assert_yields(async {
            for _ in 0..MANY {
                assert_eq!(accepted.read(&mut [0]).await.unwrap(), 0);
            }
        })
        .await;
    });
}

#[test]
fn a_greedy_peer_in_another_task_starves_no_task() {
    async fn exchange(mut near: Conn, mut far: Conn) {
        let echo = tokio::spawn(async move {
            let mut buf = [0; 64];
            while let Ok(count @ 1..) = far.read(&mut buf).await {
                far.write_all(&buf[..count]).await.unwrap();
            }
        });
        let mut buf = [0; 64];
        for _ in 0..MANY {
            near.write_all(b"x").await.unwrap();
            near.read_exact(&mut buf[..1]).await.unwrap();
        }
        drop(near);
        echo.await.unwrap();
    }

    on_each_runtime(|| async {
        let Pair { dialled, accepted, .. } = pair().await;
        assert_yields(exchange(dialled, accepted)).await;
    });
}

#[test]
fn a_read_that_waits_spends_no_budget() {
    on_each_runtime(|| async {
        let Pair { mut dialled, accepted: _accepted, .. } = pair().await;
        // A read that spent budget would run out of it, and so be pending for another reason.
        std::future::poll_fn(|cx| {
            for _ in 0..MANY {
                let mut buf = [0];
                assert!(std::pin::pin!(dialled.read(&mut buf)).poll(cx).is_pending());
            }
            assert!(coop::has_budget_remaining());
            std::task::Poll::Ready(())
        })
        .await;
    });
}

#[test]
fn out_of_budget_nothing_is_read_or_written() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        dialled.write_all(b"abc").await.unwrap();
        let drained = std::future::poll_fn(|cx| {
            while coop::has_budget_remaining() {
                coop::poll_proceed(cx).map(|turn| turn.made_progress()).is_ready();
            }
            let mut buf = [0; 3];
            let read = std::pin::pin!(accepted.read(&mut buf)).poll(cx).is_pending();
            let written = std::pin::pin!(dialled.write(b"d")).poll(cx).is_pending();
            std::task::Poll::Ready((read, written))
        })
        .await;
        assert_eq!(drained, (true, true));
        drop(dialled);
        let mut all = Vec::new();
        accepted.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abc");
    });
}

#[test]
fn a_greedy_acceptor_yields() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        assert_yields(async {
            for _ in 0..MANY {
                drop(connect(&b, &listener).await);
            }
        })
        .await;
    });
}

#[test]
fn a_greedy_stream_of_connections_yields() {
    use futures::StreamExt;

    on_each_runtime(|| async {
        let net = Network::builder("t").backlog(MANY as u32).build().unwrap();
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let mut incoming = a.listen(":1").unwrap().into_stream();
        let dials: Vec<_> = (0..MANY).map(|_| tokio::spawn(b.dial("a:1"))).collect();
        // One socket of the listener, and those of the dials that wait at it.
        while a.sockets() < 1 + MANY {
            tokio::task::yield_now().await;
        }
        assert_yields(async {
            for _ in 0..MANY {
                drop(incoming.next().await.unwrap().unwrap());
            }
        })
        .await;
        for dial in dials {
            dial.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_greedy_loop_over_readiness_yields() {
    on_each_runtime(|| async {
        let Pair { dialled, accepted, .. } = pair().await;
        assert_yields(async {
            let mut byte = [0];
            for _ in 0..MANY {
                dialled.writable().await.unwrap();
                assert_eq!(dialled.try_write(b"x").unwrap(), 1);
                accepted.readable().await.unwrap();
                assert_eq!(accepted.try_read(&mut byte).unwrap(), 1);
            }
        })
        .await;
    });
}

#[test]
fn a_task_whose_reads_and_writes_fail_yields() {
    on_each_runtime(|| async {
        let Pair { mut dialled, accepted, .. } = pair().await;
        accepted.abort();
        assert_yields(async {
            for _ in 0..MANY {
                assert!(dialled.read(&mut [0]).await.is_err());
            }
        })
        .await;
        assert_yields(async {
            for _ in 0..MANY {
                assert!(dialled.write(b"x").await.is_err());
            }
        })
        .await;
    });
}
