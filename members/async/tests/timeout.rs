//! `tokio::time::timeout` on any pending operation leaves no trace.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use virtnet::ErrorKind;
use virtnet::pipenet::{Conn, Network};

use crate::support::{
    Pair, assert_all_ports_free, connect, ends, host, pair, pair_on, pair_with_buffer, with_paused_clock,
};

/// Asserts that a future times out. The clock advances to the end of the timeout.
async fn expires<T>(future: impl Future<Output = T>) {
    let begin = tokio::time::Instant::now();
    assert!(timeout(Duration::from_secs(3600), future).await.is_err(), "it was done");
    assert!(begin.elapsed() >= Duration::from_secs(3600));
}

/// Asserts that both ends of a connection have nothing to read, and that bytes pass in both directions.
async fn assert_works(near: &mut Conn, far: &mut Conn) {
    async fn send(from: &mut Conn, to: &mut Conn) {
        let mut buf = [0; 2];
        assert_eq!(to.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        from.write_all(b"x").await.unwrap();
        assert_eq!(to.read(&mut buf).await.unwrap(), 1);
        assert_eq!(&buf, b"x\0");
    }

    send(near, far).await;
    send(far, near).await;
}

#[test]
fn on_a_dial() {
    with_paused_clock(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        for _ in 0..3 {
            expires(b.dial("a:1")).await;
            // The dial holds neither its port nor its place at the listener.
            assert_eq!((a.sockets(), b.sockets()), (1, 0));
        }
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let (mut dialled, mut accepted) = connect(&b, &listener).await;
        assert_eq!((ends(&dialled), ends(&accepted)), (["b:1", "a:2"].map(Into::into), ["a:2", "b:1"].map(Into::into)));
        assert_works(&mut dialled, &mut accepted).await;
        drop((listener, dialled, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn on_a_dial_among_others() {
    with_paused_clock(|| async {
        let net = Network::builder("t").backlog(3).build().unwrap();
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        let (first, second) = (tokio::spawn(b.dial("a:1")), b.dial("a:1"));
        tokio::task::yield_now().await;
        let second = tokio::spawn(timeout(Duration::from_secs(1), second));
        tokio::task::yield_now().await;
        let third = tokio::spawn(b.dial("a:1"));
        tokio::task::yield_now().await;
        assert_eq!((a.sockets(), b.sockets()), (4, 3));
        assert_eq!(b.dial("a:1").await.unwrap_err().to_string(), "dial pipet b:4->a:1: backlog is full (3)");
        assert!(second.await.unwrap().is_err());
        assert_eq!((a.sockets(), b.sockets()), (3, 2));
        // The other dials have kept their order.
        let accepted = [listener.accept().await.unwrap(), listener.accept().await.unwrap()];
        assert_eq!(accepted.each_ref().map(ends), [["a:2", "b:1"], ["a:3", "b:3"]]);
        let dialled = [first.await.unwrap().unwrap(), third.await.unwrap().unwrap()];
        assert_eq!(dialled.each_ref().map(ends), [["b:1", "a:2"], ["b:3", "a:3"]]);
        drop((listener, accepted, dialled));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn on_an_accept() {
    with_paused_clock(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        for _ in 0..3 {
            expires(listener.accept()).await;
            assert_eq!(a.sockets(), 1);
        }
        let (mut dialled, mut accepted) = connect(&b, &listener).await;
        assert_works(&mut dialled, &mut accepted).await;
        drop((listener, dialled, accepted));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn on_the_next_of_a_stream_of_connections() {
    use futures::StreamExt;

    with_paused_clock(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let mut incoming = a.listen(":1").unwrap().into_stream();
        expires(incoming.next()).await;
        let (dialled, accepted) = tokio::join!(b.dial("a:1"), incoming.next());
        assert_works(&mut dialled.unwrap(), &mut accepted.unwrap().unwrap()).await;
        drop(incoming);
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn on_a_read() {
    with_paused_clock(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        let mut buf = [0; 4];
        expires(accepted.read(&mut buf)).await;
        expires(accepted.read_buf(&mut Vec::with_capacity(4))).await;
        assert_works(&mut dialled, &mut accepted).await;
        let (mut read, write) = accepted.into_split();
        expires(read.read(&mut buf)).await;
        assert_works(&mut dialled, &mut read.reunite(write).unwrap()).await;
    });
}

#[test]
fn on_a_write() {
    with_paused_clock(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair_with_buffer(4).await;
        dialled.write_all(b"full").await.unwrap();
        expires(dialled.write(b"never")).await;
        expires(dialled.write_vectored(&[std::io::IoSlice::new(b"never")])).await;
        let mut buf = [0; 8];
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"full");
        assert_works(&mut dialled, &mut accepted).await;
        let (read, mut write) = dialled.into_split();
        write.write_all(b"full").await.unwrap();
        expires(write.write(b"never")).await;
        assert_eq!(accepted.read(&mut buf).await.unwrap(), 4);
        assert_works(&mut read.reunite(write).unwrap(), &mut accepted).await;
    });
}

#[test]
fn on_a_write_in_a_rendezvous() {
    with_paused_clock(|| async {
        let net = Network::builder("t").rendezvous(true).build().unwrap();
        let Pair { mut dialled, accepted: mut peer, listener, a, b } = pair_on(&net).await;
        expires(dialled.write(b"never")).await;
        // The same task writes other bytes, which replace those of its cancelled write.
        let mut buf = [0; 8];
        let (sent, received) = tokio::join!(dialled.write(b"this"), peer.read(&mut buf));
        assert_eq!((sent.unwrap(), received.unwrap()), (4, 4));
        assert_eq!(&buf[..4], b"this");
        drop((dialled, peer, listener));
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn on_a_peek() {
    with_paused_clock(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair().await;
        expires(accepted.peek(&mut [0])).await;
        assert_works(&mut dialled, &mut accepted).await;
    });
}

#[test]
fn on_readiness() {
    with_paused_clock(|| async {
        let Pair { mut dialled, mut accepted, .. } = pair_with_buffer(4).await;
        expires(accepted.readable()).await;
        dialled.write_all(b"full").await.unwrap();
        expires(dialled.writable()).await;
        accepted.readable().await.unwrap();
        accepted.read_exact(&mut [0; 4]).await.unwrap();
        dialled.writable().await.unwrap();
        assert_works(&mut dialled, &mut accepted).await;
    });
}

#[test]
fn on_a_connector() {
    use tower::Service;

    with_paused_clock(|| async {
        let net = Network::new("t");
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":80").unwrap();
        expires(b.connector().call("http://a/".parse().unwrap())).await;
        assert_eq!((a.sockets(), b.sockets()), (1, 0));
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn dropped_waits_leave_no_wakers_behind() {
    struct Count;

    impl Wake for Count {
        fn wake(self: Arc<Self>) {}
    }

    /// The number of wakers left after a pending operation was dropped.
    fn left_by<T>(operation: impl Future<Output = T>) -> usize {
        let count = Arc::new(Count);
        let waker = Waker::from(count.clone());
        assert!(Box::pin(operation).as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        Arc::strong_count(&count) - 1
    }

    let net = Network::new("t");
    let (a, b) = (host(&net, "a"), host(&net, "b"));
    let listener = a.listen(":1").unwrap();
    let of_accept = left_by(listener.accept());
    let of_dial = left_by(b.dial("a:1"));
    let mut dial = Box::pin(b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    let conn = listener.try_accept().unwrap();
    let (of_peek, of_readable) = (left_by(conn.peek(&mut [0])), left_by(conn.readable()));
    while conn.try_write(&[0; 1024]).is_ok() {}
    let of_writable = left_by(conn.writable());
    assert_eq!([of_accept, of_dial, of_peek, of_readable, of_writable], [0; 5]);
}
