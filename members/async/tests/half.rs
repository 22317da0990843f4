//! Halves of a connection.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use virtnet::ReuniteError;

use crate::support::{Pair, assert_all_ports_free, connect, ends, on_each_runtime, pair, pattern};

#[test]
fn borrowed_halves_go_both_ways_at_once() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = crate::support::pair_with_buffer(10).await;
        let bytes = pattern(1000);
        let transfer = async |conn: &mut virtnet::pipenet::Conn| {
            let (mut read, mut write) = conn.split();
            assert_eq!(read.local_addr(), write.local_addr());
            let mut received = vec![0; bytes.len()];
            let (sent, got) = tokio::join!(write.write_all(&bytes), read.read_exact(&mut received));
            sent.unwrap();
            assert_eq!(got.unwrap(), bytes.len());
            received
        };
        let (near, far) = tokio::join!(transfer(&mut dialled), transfer(&mut accepted));
        assert_eq!((&near, &far), (&bytes, &bytes));
        // Dropped halves have not shut down the connection.
        dialled.write_all(b"on").await.unwrap();
        let mut buf = [0; 2];
        accepted.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"on");
    });
}

#[test]
fn dropping_the_owned_writing_half_ends_the_stream_only() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, dialled, mut accepted } = pair().await;
        let (mut read, mut write) = dialled.into_split();
        let writer = tokio::spawn(async move { write.write_all(b"bye").await });
        let mut text = String::new();
        accepted.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "bye");
        writer.await.unwrap().unwrap();
        accepted.write_all(b"still here").await.unwrap();
        let mut buf = [0; 10];
        read.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"still here");
        // The port is in use as long as a half exists.
        assert_eq!(b.sockets(), 1);
        drop(read);
        assert_eq!(b.sockets(), 0);
        assert_eq!(accepted.write(b"?").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop((listener, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn a_forgotten_writing_half_shuts_nothing_down() {
    on_each_runtime(|| async {
        let Pair { dialled, mut accepted, b, .. } = pair().await;
        let (read, mut write) = dialled.into_split();
        write.write_all(b"x").await.unwrap();
        write.forget();
        let mut buf = [0; 2];
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 1);
        assert_eq!(accepted.try_read(&mut buf).unwrap_err().kind(), virtnet::ErrorKind::WouldBlock);
        drop(read);
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 0);
        assert_eq!(b.sockets(), 0);
    });
}

#[test]
fn halves_that_were_apart_are_a_connection_again() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, dialled, mut accepted } = pair().await;
        let (mut read, mut write) = dialled.into_split();
        let writing = tokio::spawn(async move {
            write.write_all(b"question").await.unwrap();
            write
        });
        let reading = tokio::spawn(async move {
            let mut answer = [0; 6];
            read.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"answer");
            read
        });
        let mut question = [0; 8];
        accepted.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"question");
        accepted.write_all(b"answer").await.unwrap();

        let (read, write) = (reading.await.unwrap(), writing.await.unwrap());
        let mut dialled = read.reunite(write).unwrap();
        assert_eq!(ends(&dialled), ["b:1", "a:2"]);
        dialled.write_all(b"one").await.unwrap();
        dialled.shutdown().await.unwrap();
        let mut text = String::new();
        accepted.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one");
        drop((listener, dialled, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn halves_of_different_connections_are_given_back() {
    on_each_runtime(|| async {
        let Pair { b, listener, dialled, accepted, .. } = pair().await;
        let (other, other_peer) = connect(&b, &listener).await;
        let ((read, write), (other_read, other_write)) = (dialled.into_split(), other.into_split());
        let error = read.reunite(other_write).unwrap_err();
        assert_eq!(error.to_string(), "halves of different connections");
        let ReuniteError(read, other_write) = error;
        let ReuniteError(other_read, write) = write.reunite(other_read).unwrap_err();
        let (dialled, other) = (read.reunite(write).unwrap(), other_write.reunite(other_read).unwrap());
        assert_eq!(ends(&dialled), ["b:1", "a:2"]);
        assert_eq!(ends(&other), ["b:2", "a:3"]);
        assert_eq!(
            (ends(&accepted), ends(&other_peer)),
            (["a:2", "b:1"].map(Into::into), ["a:3", "b:2"].map(Into::into))
        );
    });
}
