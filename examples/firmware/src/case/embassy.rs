//! Tasks of embassy's executor that talk over the network, with its `join` and `select` around operations.

use core::future::poll_fn;

use embassy_executor::{Executor, Spawner};
use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use virtnet::pipenet::fixed::{Conn, Host, Listener, Network};

use crate::check::{fails, fill, verify};

/// The name of the case.
pub const NAME: &str = "tasks on embassy's executor";

static NET: Network<'static> = virtnet::fixed!("embassy", 2, 6, 2, 8);

const TOTAL: usize = 1_000;

/// Runs the tasks; the last one ends with `done`.
pub fn run(done: fn() -> !) -> ! {
    let executor = cortex_m::singleton!(: Executor = Executor::new()).expect("it is run once");
    executor.run(|spawner| start(spawner, done).expect("room for each task"))
}

fn start(spawner: Spawner, done: fn() -> !) -> Result<(), embassy_executor::SpawnError> {
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    spawner.spawn(serve(a.listen(":1").unwrap())?);
    spawner.spawn(talk(b, done)?);
    Ok(())
}

#[embassy_executor::task]
async fn serve(listener: Listener) {
    loop {
        match listener.accept().await {
            Ok(conn) => echo(conn).await,
            Err(error) => return fails::<()>(Err(error), "accept pipeembassy a:1: network is down"),
        }
    }
}

async fn echo(conn: Conn) {
    let mut buf = [0; 5];
    loop {
        let count = poll_fn(|cx| conn.poll_read(cx, &mut buf)).await.unwrap();
        if count == 0 {
            return;
        }
        send(&conn, &buf[..count]).await;
    }
}

async fn send(conn: &Conn, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| conn.poll_write(cx, bytes)).await.unwrap();
        bytes = &bytes[count..];
    }
}

#[embassy_executor::task]
async fn talk(host: Host, done: fn() -> !) {
    let conn = host.dial("a:1").await.unwrap();
    // Both directions at once, in one task.
    let write = async {
        for at in (0..TOTAL).step_by(25) {
            let mut buf = [0; 25];
            fill(&mut buf, at, 6);
            send(&conn, &buf).await;
        }
        conn.close_write().unwrap();
    };
    let read = async {
        let (mut buf, mut received) = ([0; 9], 0);
        loop {
            let count = poll_fn(|cx| conn.poll_read(cx, &mut buf)).await.unwrap();
            verify(&buf[..count], received, 6);
            received += count;
            if count == 0 {
                return received;
            }
        }
    };
    let ((), received) = join(write, read).await;
    assert_eq!(received, TOTAL);
    drop(conn);

    // An operation that loses a race is cancelled, and leaves nothing behind.
    let listener = host.listen(":5").unwrap();
    match select(listener.accept(), yield_now()).await {
        Either::First(_) => panic!("nobody dials"),
        Either::Second(()) => {}
    }
    match select(host.dial("b:5"), yield_now()).await {
        Either::First(_) => panic!("nobody accepts"),
        Either::Second(()) => {}
    }
    assert_eq!(host.sockets(), 1);
    NET.close().unwrap();
    // The server is woken, and gets the cause.
    yield_now().await;
    done()
}
