//! Futures on a custom executor.

use core::cell::Cell;
use core::future::poll_fn;
use core::pin::pin;

use virtnet::pipenet::fixed::{Memory, Network};

use crate::check::{Conn, fails, fill, prints, verify};
use crate::executor;

async fn write_all(conn: &Conn<'_, '_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| conn.poll_write(cx, bytes)).await.unwrap();
        bytes = &bytes[count..];
    }
}

async fn read_exact(conn: &Conn<'_, '_>, mut buf: &mut [u8]) {
    while !buf.is_empty() {
        let count = poll_fn(|cx| conn.poll_read(cx, buf)).await.unwrap();
        assert!(count > 0, "the stream has ended");
        buf = &mut buf[count..];
    }
}

pub fn side_by_side() {
    static NET: Network<'static> = virtnet::fixed!("t", 3, 8, 2, 8);
    let (a, b, c) = (NET.host("a").unwrap(), NET.host("b").unwrap(), NET.host("c").unwrap());
    let listener = a.listen(":1").unwrap();
    let server = pin!(async {
        for _ in 0..2 {
            let conn = listener.accept().await.unwrap();
            for at in (0..600).step_by(20) {
                let mut buf = [0; 20];
                read_exact(&conn, &mut buf).await;
                verify(&buf, at, 4);
                write_all(&conn, &buf).await;
            }
        }
    });
    let client = async |host: &crate::check::Host<'static, 'static>| {
        let conn = host.dial("a:1").await.unwrap();
        for at in (0..600).step_by(20) {
            let mut buf = [0; 20];
            fill(&mut buf, at, 4);
            write_all(&conn, &buf).await;
            read_exact(&conn, &mut buf).await;
            verify(&buf, at, 4);
        }
    };
    let (first, second) = (pin!(client(&b)), pin!(client(&c)));
    let polls = executor::run([server, first, second]);
    assert!(polls < 2_000, "{polls} polls: tasks are woken without need");
    assert_eq!((a.sockets(), b.sockets(), c.sockets(), NET.pipes()), (1, 0, 0, 0));
}

pub fn woken_by_close() {
    let memory = Memory::<2, 6, 2, 8>::new();
    let net = Network::new("t", &memory);
    let (listener, dialled, accepted) = crate::check::pair(&net);
    let b = net.host("b").unwrap();
    let other = b.listen(":7").unwrap();
    let acceptor = pin!(async { fails(other.accept().await, "accept pipet b:7: host is down") });
    let reader = pin!(async {
        let outcome = poll_fn(|cx| dialled.poll_read(cx, &mut [0])).await;
        fails(outcome, "read pipet a:1->b:1: host is down");
    });
    let dialler = pin!(async { fails(b.dial("a:9").await, "dial pipet b:2->a:9: host is down") });
    let closer = pin!(async {
        b.close().await.unwrap();
        assert_eq!(poll_fn(|cx| accepted.poll_read(cx, &mut [0])).await.unwrap(), 0);
    });
    executor::run([acceptor, reader, dialler, closer]);

    let (acceptor, closer) = (
        pin!(async { fails(listener.accept().await, "accept pipet a:9: network is down") }),
        pin!(async { net.close().unwrap() }),
    );
    executor::run([acceptor, closer]);
}

pub fn three_acceptors() {
    let memory = Memory::<2, 8, 3, 8>::new();
    let net = Network::new("t", &memory);
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":1").unwrap();
    let accepted = Cell::new(0);
    let accept = async || {
        let conn = listener.accept().await.unwrap();
        accepted.set(accepted.get() + 1);
        write_all(&conn, b"hello").await;
    };
    let dialler = pin!(async {
        for _ in 0..3 {
            let conn = b.dial("a:1").await.unwrap();
            prints(conn.local_addr(), "b:1");
            read_exact(&conn, &mut [0; 5]).await;
        }
    });
    executor::run([pin!(accept()), pin!(accept()), pin!(accept()), dialler]);
    assert_eq!(accepted.get(), 3);
}
