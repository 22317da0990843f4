//! A read initializes no more of its buffer's spare room than it can fill.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use virtnet::pipenet::Network;
use virtnet::{NetListener, Networker, TokioTcp};

use crate::support::{Pair, on_each_network, on_each_runtime, pair, pair_on, pattern};

/// Room for far more bytes than arrive.
const ROOM: usize = 1 << 20;
/// The maximum number of bytes that may be initialized beyond the bytes read.
const PIECE: usize = 4 << 10;

/// Reads once; returns the bytes read, if the read was ready, and how many bytes of the room were initialized for it.
fn poll_once(reader: &mut (impl AsyncRead + Unpin), cx: &mut std::task::Context<'_>) -> (Poll<Vec<u8>>, usize) {
    let mut room = vec![MaybeUninit::uninit(); ROOM];
    let mut buf = ReadBuf::uninit(&mut room);
    let outcome = Pin::new(reader).poll_read(cx, &mut buf);
    (outcome.map(|outcome| outcome.map(|()| buf.filled().into()).expect("the peer is there")), buf.initialized().len())
}

/// Asserts that a pending read, and then reads of bytes sent by `writer`, initialize little of the room.
async fn touches_little(mut reader: impl AsyncRead + Unpin, writer: impl AsyncWriteExt + Unpin + Send + 'static) {
    let mut writer = writer;
    let (nothing, touched) = poll_fn(|cx| Poll::Ready(poll_once(&mut reader, cx))).await;
    assert!(nothing.is_pending() && touched <= PIECE, "{touched} bytes touched to wait");
    for size in [1, 100, 5000, 40_000] {
        let bytes = pattern(size);
        let sent = bytes.clone();
        let writing = tokio::spawn(async move {
            writer.write_all(&sent).await.expect("the peer is there");
            writer
        });
        let mut got = Vec::new();
        while got.len() < size {
            let (piece, touched) = poll_fn(|cx| {
                let (outcome, touched) = poll_once(&mut reader, cx);
                outcome.map(|piece| (piece, touched))
            })
            .await;
            assert!(touched <= piece.len() + PIECE, "{touched} bytes touched to read {}", piece.len());
            got.extend(piece);
        }
        assert!(got == bytes, "what was sent is not what came in");
        writer = writing.await.expect("it does not panic");
    }
}

#[test]
fn a_read_into_much_room_touches_little_of_it() {
    on_each_network(|net| async move {
        let Pair { dialled, accepted, .. } = pair_on(&net).await;
        touches_little(dialled, accepted).await;
        let Pair { mut dialled, accepted, .. } = pair_on(&net).await;
        let (read, _write) = dialled.split();
        touches_little(read, accepted).await;
        let Pair { dialled, accepted, .. } = pair_on(&net).await;
        let (read, _write) = dialled.into_split();
        touches_little(read, accepted).await;
        let Pair { dialled, accepted, .. } = pair_on(&net).await;
        touches_little(&dialled, accepted).await;
    });
}

#[test]
fn a_read_of_tcp_into_much_room_touches_little_of_it() {
    on_each_runtime(|| async {
        let tcp = TokioTcp::new("127.0.0.1").unwrap();
        let listener = tcp.listen("").unwrap();
        let (dialled, accepted) = tokio::try_join!(tcp.dial(listener.local_addr()), listener.accept()).unwrap();
        touches_little(dialled, accepted).await;
    });
}

#[test]
fn all_buffered_bytes_are_read_at_once_into_a_large_buffer() {
    on_each_network(|net| async move {
        let Pair { mut dialled, mut accepted, .. } = pair_on(&net).await;
        for size in [1, 2000, 3000, 60_000] {
            let bytes = pattern(size);
            let mut writing = std::pin::pin!(accepted.write_all(&bytes));
            // The bytes are available from the first poll on.
            let done = poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx))).await.is_ready();
            let (got, _) = poll_fn(|cx| Poll::Ready(poll_once(&mut dialled, cx))).await;
            assert!(got == Poll::Ready(bytes.clone()), "not all of {size} bytes in one read");
            if !done {
                writing.await.unwrap();
            }
        }
    });
}

#[test]
fn room_that_was_touched_before_is_filled_at_once() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        let bytes = pattern(64 << 10);
        accepted.write_all(&bytes).await.unwrap();
        let mut room = vec![0; ROOM];
        let mut buf = ReadBuf::new(&mut room);
        poll_fn(|cx| Pin::new(&mut dialled).poll_read(cx, &mut buf)).await.unwrap();
        assert!(buf.filled() == bytes);
        // Bytes that were filled before are kept.
        accepted.write_all(b"more").await.unwrap();
        poll_fn(|cx| Pin::new(&mut dialled).poll_read(cx, &mut buf)).await.unwrap();
        assert!(buf.filled() == [&bytes[..], b"more"].concat());
    });
}

#[test]
fn a_read_into_much_room_keeps_to_one_write_of_a_rendezvous() {
    on_each_runtime(|| async {
        let net = Network::builder("t").rendezvous(true).build().unwrap();
        let Pair { mut dialled, mut accepted, .. } = pair_on(&net).await;
        let (first, second) = (pattern(2048), pattern(100));
        let sent = [first.clone(), second.clone()];
        let writing = tokio::spawn(async move {
            for bytes in sent {
                assert_eq!(accepted.write(&bytes).await.unwrap(), bytes.len());
            }
        });
        for bytes in [first, second] {
            let got = poll_fn(|cx| poll_once(&mut dialled, cx).0).await;
            assert!(got == bytes, "{} bytes of a write of {}", got.len(), bytes.len());
        }
        writing.await.unwrap();
    });
}
