//! Networks in which a write is done when the peer has read its bytes.

use std::io::IoSlice;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use virtnet::ErrorKind;
use virtnet::pipenet::Network;

use crate::support::{Pair, assert_all_ports_free, on_each_runtime, pair_on, pattern};

async fn rendezvous(buffer: usize) -> Pair {
    pair_on(&Network::builder("t").rendezvous(true).buffer(buffer).build().unwrap()).await
}

#[test]
fn a_write_is_done_when_it_was_read() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, mut dialled, mut accepted } = rendezvous(64).await;
        let writing = tokio::spawn(async move {
            assert_eq!(dialled.write(b"abcd").await.unwrap(), 4);
            dialled
        });
        let mut buf = [0; 3];
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf, b"abc");
        tokio::task::yield_now().await;
        assert!(!writing.is_finished());
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 1);
        assert_eq!(&buf, b"dbc");
        drop(writing.await.unwrap());
        drop((listener, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn a_read_does_not_cross_the_boundary_of_a_write() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = rendezvous(64).await;
        let writing = tokio::spawn(async move {
            for text in ["one", "two", "three"] {
                dialled.write_all(text.as_bytes()).await.unwrap();
            }
            // A vectored write offers only the first of several buffers.
            assert_eq!(dialled.write_vectored(&[b"a", b"b"].map(|text| IoSlice::new(text))).await.unwrap(), 1);
        });
        let mut texts = Vec::new();
        let mut buf = [0; 64];
        while let count @ 1.. = accepted.read(&mut buf).await.unwrap() {
            texts.push(String::from_utf8_lossy(&buf[..count]).into_owned());
        }
        assert_eq!(texts, ["one", "two", "three", "a"]);
        writing.await.unwrap();
    });
}

#[test]
fn a_write_is_as_large_as_the_buffer_at_most() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = rendezvous(10).await;
        let bytes = pattern(95);
        let sent = bytes.clone();
        let writing = tokio::spawn(async move {
            assert_eq!(dialled.write(&sent).await.unwrap(), 10);
            dialled.write_all(&sent[10..]).await.unwrap();
        });
        let mut sizes = Vec::new();
        let mut all = Vec::new();
        let mut buf = [0; 64];
        while let count @ 1.. = accepted.read(&mut buf).await.unwrap() {
            sizes.push(count);
            all.extend_from_slice(&buf[..count]);
        }
        assert_eq!(sizes, [[10; 9].as_slice(), &[5]].concat());
        assert_eq!(all, bytes);
        writing.await.unwrap();
    });
}

#[test]
fn a_close_reports_the_bytes_read() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = rendezvous(64).await;
        let writing = tokio::spawn(async move {
            let first = dialled.write(b"abcde").await.unwrap();
            (first, dialled.write(b"fgh").await.unwrap_err().to_string())
        });
        assert_eq!(accepted.read(&mut [0; 2]).await.unwrap(), 2);
        drop(accepted);
        assert_eq!(writing.await.unwrap(), (2, "write pipet b:1->a:2: broken pipe".into()));
    });
}

#[test]
fn both_ways_at_once_and_half_close() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, dialled, accepted } = rendezvous(100).await;
        let (bytes, mut tasks) = (pattern(10_000), tokio::task::JoinSet::new());
        for conn in [dialled, accepted] {
            let (mut read, mut write) = conn.into_split();
            let sent = bytes.clone();
            tasks.spawn(async move {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let bytes = bytes.clone();
            tasks.spawn(async move {
                let mut received = Vec::new();
                read.read_to_end(&mut received).await.unwrap();
                assert!(received == bytes, "what was sent is not what came in");
            });
        }
        tasks.join_all().await;
        drop(listener);
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn a_write_begun_by_an_attempt_is_done_by_another() {
    on_each_runtime(|| async {
        let Pair { dialled, accepted, .. } = rendezvous(64).await;
        dialled.writable().await.unwrap();
        assert_eq!(dialled.try_write(b"abc").unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut buf = [0; 3];
        accepted.readable().await.unwrap();
        assert_eq!(accepted.try_read(&mut buf).unwrap(), 3);
        assert_eq!(&buf, b"abc");
        dialled.writable().await.unwrap();
        assert_eq!(dialled.try_write(b"abc").unwrap(), 3);
    });
}

#[test]
fn a_greedy_writer_and_its_reader_take_turns() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = rendezvous(64).await;
        let reading = tokio::spawn(async move { copy(&mut accepted, &mut sink()).await.unwrap() });
        for _ in 0..1000 {
            dialled.write_all(&[0; 64]).await.unwrap();
        }
        drop(dialled);
        assert_eq!(reading.await.unwrap(), 64_000);
    });
}
