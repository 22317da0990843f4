//! Connections behave like tokio's duplex and TCP streams.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready, copy, join};
use tokio::task::JoinSet;
use virtnet::pipenet::{Conn, Network};

use crate::support::{
    Pair, assert_all_ports_free, connect, ends, host, on_each_runtime, pair, pair_with_buffer, pattern,
};

/// Polls a future once, and returns whether it is pending.
async fn waits<F: Future>(future: Pin<&mut F>) -> bool {
    let mut future = future;
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[test]
fn a_ping_is_answered() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, mut dialled, mut accepted } = pair().await;
        assert_eq!(ends(&dialled), ["b:1", "a:2"]);
        assert_eq!(ends(&accepted), ["a:2", "b:1"]);

        let server = tokio::spawn(async move {
            let mut ping = [0; 4];
            for _ in 0..100 {
                accepted.read_exact(&mut ping).await.unwrap();
                assert_eq!(&ping, b"ping");
                accepted.write_all(b"pong").await.unwrap();
            }
            assert_eq!(accepted.read(&mut ping).await.unwrap(), 0);
        });
        let mut pong = [0; 4];
        for _ in 0..100 {
            dialled.write_all(b"ping").await.unwrap();
            dialled.read_exact(&mut pong).await.unwrap();
            assert_eq!(&pong, b"pong");
        }
        drop((dialled, listener));
        server.await.unwrap();
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn disconnect_wakes_a_parked_reader() {
    on_each_runtime(|| async {
        let Pair { mut dialled, accepted, .. } = pair().await;
        let (parked, reads) = tokio::sync::oneshot::channel();
        let reader = tokio::spawn(async move {
            let mut text = Vec::new();
            let mut reading = std::pin::pin!(dialled.read_to_end(&mut text));
            assert!(waits(reading.as_mut()).await);
            parked.send(()).unwrap();
            assert_eq!(reading.await.unwrap(), 0);
        });
        reads.await.unwrap();
        drop(accepted);
        reader.await.unwrap();
    });
}

#[test]
fn disconnect_wakes_a_parked_writer() {
    on_each_runtime(|| async {
        let Pair { mut dialled, accepted, .. } = pair_with_buffer(4).await;
        let (parked, writes) = tokio::sync::oneshot::channel();
        let writer = tokio::spawn(async move {
            let mut writing = std::pin::pin!(dialled.write_all(b"too much"));
            assert!(waits(writing.as_mut()).await);
            parked.send(()).unwrap();
            let error = writing.await.unwrap_err();
            // The bytes that it wrote before were not read.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert_eq!(error.to_string(), "write pipet b:1->a:2: connection reset");
        });
        writes.await.unwrap();
        drop(accepted);
        writer.await.unwrap();
    });
}

#[test]
fn an_abort_resets_a_parked_reader_and_a_parked_writer() {
    on_each_runtime(|| async {
        let Pair { dialled, accepted, .. } = pair_with_buffer(4).await;
        let (mut read, mut write) = dialled.into_split();
        let (parked, both) = (std::sync::Arc::new(tokio::sync::Barrier::new(3)), JoinSet::new());
        let mut tasks = both;
        let barrier = parked.clone();
        tasks.spawn(async move {
            let mut buf = [0];
            let mut reading = std::pin::pin!(read.read(&mut buf));
            assert!(waits(reading.as_mut()).await);
            barrier.wait().await;
            reading.await.unwrap_err().to_string()
        });
        let barrier = parked.clone();
        tasks.spawn(async move {
            let mut writing = std::pin::pin!(write.write_all(b"too much"));
            assert!(waits(writing.as_mut()).await);
            barrier.wait().await;
            writing.await.unwrap_err().to_string()
        });
        parked.wait().await;
        accepted.abort();
        let mut errors = tasks.join_all().await;
        errors.sort();
        assert_eq!(errors, ["read pipet a:2->b:1: connection reset", "write pipet b:1->a:2: connection reset"]);
    });
}

#[test]
fn a_write_larger_than_the_buffer_goes_through_in_pieces() {
    on_each_runtime(|| async {
        for buffer in [1, 7, 1 << 10, 64 << 10] {
            let Pair { mut dialled, mut accepted, .. } = pair_with_buffer(buffer).await;
            let bytes = pattern(3 * buffer + 1);
            let sent = bytes.clone();
            let writer = tokio::spawn(async move {
                assert_eq!(dialled.write(&sent).await.unwrap(), buffer);
                dialled.write_all(&sent[buffer..]).await.unwrap();
            });
            let mut received = Vec::new();
            accepted.read_to_end(&mut received).await.unwrap();
            assert!(received == bytes, "buffer {buffer}: what was sent is not what came in");
            writer.await.unwrap();
        }
    });
}

#[test]
fn empty_reads_and_writes_are_done_at_once() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair_with_buffer(1).await;
        assert_eq!(dialled.read(&mut []).await.unwrap(), 0);
        assert_eq!(dialled.write(&[]).await.unwrap(), 0);
        assert_eq!(dialled.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&[])]).await.unwrap(), 0);
        // None of these writes reached the peer, and a full buffer does not change that.
        dialled.write_all(b"x").await.unwrap();
        assert_eq!(dialled.write(&[]).await.unwrap(), 0);
        assert_eq!(accepted.read(&mut []).await.unwrap(), 0);
        let mut buf = [0; 2];
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 1);
        assert_eq!(&buf, b"x\0");
        // The end of the peer's stream does not change it either, but the end of the local stream does.
        drop(dialled);
        assert_eq!(accepted.read(&mut []).await.unwrap(), 0);
        assert_eq!(accepted.write(&[]).await.unwrap(), 0);
        accepted.close();
        assert_eq!(accepted.read(&mut []).await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(accepted.write(&[]).await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn an_answer_comes_after_half_close() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, mut dialled, mut accepted } = pair().await;
        let server = tokio::spawn(async move {
            let mut question = String::new();
            accepted.read_to_string(&mut question).await.unwrap();
            accepted.write_all(format!("{question}? yes").as_bytes()).await.unwrap();
        });
        dialled.write_all(b"really").await.unwrap();
        dialled.shutdown().await.unwrap();
        let error = dialled.write_all(b"more").await.unwrap_err();
        assert_eq!(error.to_string(), "write pipet b:1->a:2: broken pipe");
        let mut answer = String::new();
        dialled.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "really? yes");
        // Repeating it changes nothing.
        dialled.shutdown().await.unwrap();
        server.await.unwrap();
        drop((listener, dialled));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn a_peek_takes_nothing() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        let peeking = tokio::spawn(async move {
            let mut buf = [0; 3];
            assert_eq!(accepted.peek(&mut buf).await.unwrap(), 3);
            assert_eq!(&buf, b"abc");
            assert_eq!(accepted.peek(&mut buf[..1]).await.unwrap(), 1);
            let mut all = Vec::new();
            accepted.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"abcd");
            assert_eq!(accepted.peek(&mut buf).await.unwrap(), 0);
        });
        dialled.write_all(b"abcd").await.unwrap();
        drop(dialled);
        peeking.await.unwrap();
    });
}

#[test]
fn readiness_and_attempts_move_everything() {
    on_each_runtime(|| async {
        let Pair { a, b, listener, dialled, accepted } = pair_with_buffer(10).await;
        let bytes = pattern(10_000);
        let sent = bytes.clone();
        let writer = tokio::spawn(async move {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                dialled.writable().await.unwrap();
                match dialled.try_write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) => assert_eq!(error.kind(), virtnet::ErrorKind::WouldBlock),
                }
            }
        });
        let mut received: Vec<u8> = Vec::new();
        let mut buf = [0; 16];
        loop {
            accepted.readable().await.unwrap();
            match accepted.try_read(&mut buf) {
                Ok(0) => break,
                Ok(count) => received.extend(&buf[..count]),
                Err(error) => assert_eq!(error.kind(), virtnet::ErrorKind::WouldBlock),
            }
        }
        assert!(received == bytes, "what was sent is not what came in");
        writer.await.unwrap();
        drop((listener, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn attempts_report_would_block() {
    on_each_runtime(|| async {
        let Pair { dialled, accepted, listener, .. } = pair_with_buffer(2).await;
        let mut buf = [0; 4];
        let kind = |error: virtnet::Error| std::io::Error::from(error).kind();
        assert_eq!(accepted.try_read(&mut buf).map_err(kind), Err(ErrorKind::WouldBlock));
        assert_eq!(dialled.try_write(b"abc").map_err(kind), Ok(2));
        assert_eq!(dialled.try_write(b"c").map_err(kind), Err(ErrorKind::WouldBlock));
        assert_eq!(accepted.try_read(&mut buf).map_err(kind), Ok(2));
        assert_eq!(&buf, b"ab\0\0");
        assert_eq!(listener.try_accept().map(drop).map_err(kind), Err(ErrorKind::WouldBlock));
    });
}

#[test]
fn a_vectored_write_takes_one_buffer_after_the_other() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair_with_buffer(8).await;
        assert!(dialled.is_write_vectored());
        let bufs = [&b""[..], b"one", b"", b"two", b"three"].map(IoSlice::new);
        assert_eq!(dialled.write_vectored(&bufs).await.unwrap(), 8);
        let mut buf = [0; 16];
        let count = accepted.read(&mut buf).await.unwrap();
        assert_eq!(&buf[..count], b"onetwoth");
        let (_, mut write) = dialled.into_split();
        assert!(write.is_write_vectored());
        assert_eq!(write.write_vectored(&bufs[3..]).await.unwrap(), 8);
        let count = accepted.read(&mut buf).await.unwrap();
        assert_eq!(&buf[..count], b"twothree");
        accepted.close();
        let error = write.write_vectored(&bufs).await.unwrap_err();
        assert_eq!(error.to_string(), "write pipet b:1->a:2: broken pipe");
    });
}

#[test]
fn vectored_attempts_fill_one_buffer_after_the_other() {
    on_each_runtime(|| async {
        let Pair { dialled, accepted, .. } = pair_with_buffer(8).await;
        let bufs = [&b""[..], b"one", b"two", b"three"].map(IoSlice::new);
        assert_eq!(dialled.try_write_vectored(&bufs), Ok(8));
        assert_eq!(dialled.try_write_vectored(&bufs).unwrap_err().kind(), virtnet::ErrorKind::WouldBlock);
        assert_eq!(dialled.try_write_vectored(&[]), Ok(0));
        let (mut first, mut second, mut third) = ([0; 2], [0; 4], [0; 4]);
        let mut bufs = [&mut first[..], &mut [], &mut second, &mut third].map(IoSliceMut::new);
        assert_eq!(accepted.try_read_vectored(&mut bufs), Ok(8));
        assert_eq!(accepted.try_read_vectored(&mut bufs).unwrap_err().kind(), virtnet::ErrorKind::WouldBlock);
        assert_eq!((&first, &second, &third), (b"on", b"etwo", b"th\0\0"));
    });
}

#[test]
fn readiness_is_reported_per_direction() {
    on_each_runtime(|| async {
        let Pair { mut dialled, accepted, .. } = pair_with_buffer(4).await;
        let both = Interest::READABLE | Interest::WRITABLE;
        assert_eq!(dialled.ready(both).await.unwrap(), Ready::WRITABLE);
        dialled.write_all(b"full").await.unwrap();
        assert!(waits(std::pin::pin!(dialled.ready(both))).await);
        assert_eq!(accepted.ready(both).await.unwrap(), Ready::READABLE | Ready::WRITABLE);
        assert_eq!(accepted.ready(Interest::READABLE).await.unwrap(), Ready::READABLE);
        let waiting = tokio::spawn(async move { dialled.ready(both).await.unwrap() });
        assert_eq!(accepted.try_read(&mut [0; 4]), Ok(4));
        assert_eq!(waiting.await.unwrap(), Ready::WRITABLE);
    });
}

#[test]
fn readiness_reports_the_end_of_the_stream() {
    on_each_runtime(|| async {
        // The received stream ends first, and then the sent one.
        let Pair { dialled, accepted, .. } = pair().await;
        let all = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
        let waiting = tokio::spawn({
            let dialled = std::sync::Arc::new(dialled);
            let kept = dialled.clone();
            async move { (kept.ready(Interest::READABLE).await.unwrap(), dialled) }
        });
        accepted.close_write().unwrap();
        let (found, dialled) = waiting.await.unwrap();
        assert_eq!(found, Ready::READABLE | Ready::READ_CLOSED);
        let open = Ready::READABLE | Ready::READ_CLOSED | Ready::WRITABLE;
        assert_eq!(dialled.ready(all).await.unwrap(), open);
        drop(accepted);
        assert_eq!(dialled.ready(all).await.unwrap(), open | Ready::WRITE_CLOSED);
        assert!(waits(std::pin::pin!(dialled.ready(Interest::ERROR))).await);

        // A reset is reported even with bytes unread.
        let Pair { mut dialled, accepted, .. } = pair().await;
        dialled.write_all(b"x").await.unwrap();
        accepted.try_write(b"y").unwrap();
        let waiting = tokio::spawn(async move { (dialled.ready(Interest::ERROR).await.unwrap(), dialled) });
        tokio::task::yield_now().await;
        accepted.try_write(b"z").unwrap();
        drop(accepted);
        let (found, dialled) = waiting.await.unwrap();
        assert_eq!(found, Ready::ERROR);
        assert_eq!(dialled.ready(all).await.unwrap(), open | Ready::WRITE_CLOSED | Ready::ERROR);
        dialled.close();
        assert_eq!(dialled.ready(Interest::ERROR).await.unwrap(), Ready::ERROR);
    });
}

#[test]
fn a_read_returns_the_available_bytes_and_no_more() {
    on_each_runtime(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        dialled.write_all(b"abc").await.unwrap();
        let mut buf = Vec::with_capacity(2);
        assert_eq!(accepted.read_buf(&mut buf).await.unwrap(), 2);
        assert_eq!(buf, b"ab");
        buf.clear();
        assert_eq!(accepted.read_buf(&mut buf).await.unwrap(), 1);
        assert_eq!(buf, b"c");
        dialled.flush().await.unwrap();
    });
}

#[test]
fn dials_are_accepted_in_the_order_in_which_they_came() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":7").unwrap();
        let mut dials: Vec<_> = (0..100).map(|_| Box::pin(b.dial("a:7"))).collect();
        for dial in &mut dials {
            assert!(waits(dial.as_mut()).await);
        }
        let mut accepted = Vec::new();
        for _ in &dials {
            accepted.push(listener.accept().await.unwrap());
        }
        let mut dialled = Vec::new();
        for dial in dials {
            dialled.push(dial.await.unwrap());
        }
        // The port a:7 itself is in use.
        let ports = (1..=101).filter(|port| *port != 7);
        for (i, port) in ports.enumerate() {
            let (from, to) = (format!("b:{}", i + 1), format!("a:{port}"));
            assert_eq!(ends(&accepted[i]), [to.clone(), from.clone()]);
            assert_eq!(ends(&dialled[i]), [from, to]);
        }
        drop((listener, accepted, dialled));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn many_connections_are_in_flight_at_once() {
    const COUNT: usize = 500;

    async fn echo(conn: Conn) {
        let (mut read, mut write) = conn.into_split();
        copy(&mut read, &mut write).await.unwrap();
    }

    async fn ask(host: virtnet::pipenet::Host, number: usize) -> usize {
        let mut conn = host.dial("server:80").await.unwrap();
        let bytes = pattern(1000 + number);
        let (mut read, mut write) = conn.split();
        let mut echo = Vec::new();
        let (sent, received) = tokio::join!(
            async {
                write.write_all(&bytes).await?;
                write.shutdown().await
            },
            read.read_to_end(&mut echo)
        );
        sent.unwrap();
        assert_eq!(received.unwrap(), bytes.len());
        assert!(echo == bytes, "what was sent is not what came back");
        number
    }

    on_each_runtime(|| async {
        let net = Network::builder("t").buffer(64).build().unwrap();
        let (server, client) = (host(&net, "server"), host(&net, "client"));
        let listener = server.listen(":80").unwrap();
        let serving = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            for _ in 0..COUNT {
                sessions.spawn(echo(listener.accept().await.unwrap()));
            }
            sessions.join_all().await.len()
        });
        let clients: JoinSet<_> = (0..COUNT).map(|number| ask(client.clone(), number)).collect();
        let mut numbers = clients.join_all().await;
        numbers.sort_unstable();
        assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
        assert_eq!(serving.await.unwrap(), COUNT);
        assert_all_ports_free(&[&server, &client]);
    });
}

#[test]
fn a_host_dials_itself() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let a = host(&net, "a");
        let listener = a.listen(":1").unwrap();
        let (mut dialled, mut accepted) = connect(&a, &listener).await;
        assert_eq!(ends(&dialled), ["a:2", "a:3"]);
        assert_eq!(ends(&accepted), ["a:3", "a:2"]);
        dialled.write_all(b"me").await.unwrap();
        let mut buf = [0; 2];
        accepted.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"me");
        drop((listener, dialled, accepted));
        assert_all_ports_free(&[&a]);
    });
}

#[test]
fn streams_of_two_connections_join_into_one() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        let (up, mut peer_up) = connect(&b, &listener).await;
        let (down, mut peer_down) = connect(&b, &listener).await;
        let mut both = join(up, down);
        peer_up.write_all(b"in").await.unwrap();
        both.write_all(b"out").await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(both.read(&mut buf).await.unwrap(), 2);
        assert_eq!(peer_down.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf[..3], b"out");
    });
}

#[test]
fn io_errors_have_the_kinds_of_tcp() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let kind = |error: virtnet::Error| std::io::Error::from(error).kind();
        assert_eq!(b.dial("a:1").await.map(drop).map_err(kind), Err(ErrorKind::ConnectionRefused));
        assert_eq!(b.dial("nowhere:1").await.map(drop).map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(b.dial("a:x").await.map(drop).map_err(kind), Err(ErrorKind::InvalidInput));
        let listener = a.listen(":1").unwrap();
        assert_eq!(a.listen(":1").map(drop).map_err(kind), Err(ErrorKind::AddrInUse));
        assert_eq!(a.listen("b:1").map(drop).map_err(kind), Err(ErrorKind::AddrNotAvailable));
        let (mut dialled, accepted) = connect(&b, &listener).await;
        accepted.abort();
        assert_eq!(dialled.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(dialled.write(&[0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        drop((listener, accepted, dialled));
        assert_all_ports_free(&[&a, &b]);
    });
}
