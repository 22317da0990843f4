//! Tasks of tokio's runtimes wait for connections.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use virtnet::lonet::{Conn, Network};

use crate::support::{Folder, LIMIT};

/// A network, and its connections.
struct Net {
    net: Network,
    hosts: Cell<u32>,
    _folder: Folder,
}

impl Net {
    fn new() -> Self {
        let folder = Folder::new();
        Self { net: folder.join("net"), hosts: Cell::new(0), _folder: folder }
    }

    /// Both ends of a connection.
    fn connect(&self) -> (Conn, Conn) {
        let name = self.hosts.replace(self.hosts.get() + 1).to_string();
        let host = self.net.host(&name).wait().unwrap();
        let listener = host.listen("").unwrap();
        let addr = listener.local_addr().to_string();
        let accepting = thread::spawn(move || listener.accept().wait_timeout(LIMIT).unwrap());
        let near = host.dial(&*addr).wait_timeout(LIMIT).unwrap();
        (near, accepting.join().unwrap())
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Sends back each byte.
async fn echo(conn: Conn) {
    let mut byte = [0];
    while (&conn).read(&mut byte).await.unwrap() == 1 {
        (&conn).write_all(&byte).await.unwrap();
    }
}

/// Sends bytes, and gets them back one by one.
async fn ping(conn: &Conn) {
    for byte in 0..ROUNDS {
        let (mut sent, mut got) = (conn, [0]);
        sent.write_all(&[byte]).await.unwrap();
        sent.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [byte]);
    }
}

/// As [`echo`] and [`ping`], in two tasks, one of which is that of `block_on`.
fn round_trips(runtime: &Runtime, (near, far): (Conn, Conn)) {
    let echo = runtime.spawn(echo(far));
    runtime.block_on(async {
        ping(&near).await;
        let near = tokio::spawn(async move {
            ping(&near).await;
            near
        });
        drop(near.await.unwrap());
        echo.await.unwrap();
    });
}

/// Sends back each byte, on a thread.
fn echo_on_a_thread(conn: Conn) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut byte = [0];
        while io::Read::read(&mut &conn, &mut byte).unwrap() == 1 {
            io::Write::write_all(&mut &conn, &byte).unwrap();
        }
    })
}

fn ping_on_this_thread(conn: &Conn) {
    for byte in 0..ROUNDS {
        let (mut sent, mut got) = (conn, [0]);
        io::Write::write_all(&mut sent, &[byte]).unwrap();
        io::Read::read_exact(&mut sent, &mut got).unwrap();
        assert_eq!(got, [byte]);
    }
}

/// Another executor: blocks its thread. Its wakers are not those of a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A waker that holds up the thread that calls it until it is told to go on.
struct HoldUp {
    held: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Wake for HoldUp {
    fn wake(self: Arc<Self>) {
        // A test that has ended holds up nothing.
        let _ = self.held.lock().unwrap().send(());
        let _ = self.go_on.lock().unwrap().recv();
    }
}

#[test]
fn tasks_make_round_trips() {
    let net = Net::new();
    for runtime in [one_thread(), two_threads()] {
        round_trips(&runtime, net.connect());
    }
}

#[test]
fn tasks_of_one_thread_are_woken_while_the_thread_of_the_process_is_held_up() {
    let net = Net::new();
    let runtime = one_thread();
    let tested = net.connect();
    let (near, far) = net.connect();
    let ((held, is_held), (go_on, waits)) = (channel(), channel::<()>());
    let waker = Waker::from(Arc::new(HoldUp { held: Mutex::new(held), go_on: Mutex::new(waits) }));
    assert!(near.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());
    io::Write::write_all(&mut &far, b"x").unwrap();
    is_held.recv_timeout(LIMIT).unwrap();
    let (near, far) = tested;
    let echo = runtime.spawn(echo(far));
    let round_trips = runtime.block_on(async { timeout(LIMIT, ping(&near)).await });
    drop((go_on, near));
    round_trips.unwrap();
    runtime.block_on(echo).unwrap();
}

#[test]
fn another_executor_within_a_task_is_woken() {
    let net = Net::new();
    for runtime in [one_thread(), two_threads()] {
        let (near, far) = net.connect();
        let echo = echo_on_a_thread(far);
        runtime.block_on(async {
            // The runtime knows the connection.
            ping(&near).await;
            block_on(ping(&near));
            tokio::spawn(async move { block_on(ping(&near)) }).await.unwrap();
        });
        echo.join().unwrap();
    }
}

#[test]
fn a_blocking_wait_within_a_task_is_woken() {
    let net = Net::new();
    for runtime in [one_thread(), two_threads()] {
        let (near, far) = net.connect();
        let echo = echo_on_a_thread(far);
        runtime.block_on(async {
            ping(&near).await;
            ping_on_this_thread(&near);
            let near = tokio::spawn(async move {
                ping_on_this_thread(&near);
                ping(&near).await;
                near
            });
            let near = near.await.unwrap();
            tokio::task::spawn_blocking(move || ping_on_this_thread(&near)).await.unwrap();
        });
        echo.join().unwrap();
    }
}

#[test]
fn a_blocking_wait_in_place_is_woken_by_a_task_of_its_runtime() {
    let net = Net::new();
    let (near, far) = net.connect();
    let runtime = two_threads();
    let echo = runtime.spawn(echo(far));
    runtime.block_on(async {
        ping(&near).await;
        tokio::spawn(async move { tokio::task::block_in_place(|| ping_on_this_thread(&near)) }).await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn a_connection_outlives_the_runtime_that_waited_for_it() {
    let net = Net::new();
    let (near, far) = net.connect();
    let echo = echo_on_a_thread(far);
    for _ in 0..3 {
        let runtime = one_thread();
        runtime.block_on(ping(&near));
        // It is dropped with a wait under way.
        runtime.block_on(async {
            let mut byte = [0];
            let mut reader = &near;
            let mut read = pin!(reader.read(&mut byte));
            std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
        });
        drop(runtime);
        ping_on_this_thread(&near);
        block_on(ping(&near));
    }
    drop(near);
    echo.join().unwrap();
}

#[test]
fn a_task_is_woken_whose_connection_another_runtime_has_waited_for() {
    let net = Net::new();
    let (near, far) = net.connect();
    let echo = echo_on_a_thread(far);
    let [left, right] = [one_thread(), one_thread()];
    for _ in 0..3 {
        left.block_on(ping(&near));
        right.block_on(ping(&near));
        two_threads().block_on(ping(&near));
    }
    drop(near);
    echo.join().unwrap();
}

/// Both wait at the same time, and one of the runtimes does not run any more then.
#[test]
fn a_task_is_woken_while_one_of_a_runtime_that_rests_waits_for_the_other_direction() {
    let net = Net::new();
    let (near, far) = net.connect();
    let [left, right] = [one_thread(), one_thread()];
    let near = Arc::new(near);
    let waiting = left.spawn({
        let near = near.clone();
        async move { (&*near).read(&mut [0]).await.unwrap() }
    });
    left.block_on(tokio::task::yield_now());
    let bytes = vec![1; 1 << 20];
    let all = bytes.len();
    let (full, is_full) = channel();
    let reading = thread::spawn(move || {
        is_full.recv_timeout(LIMIT).unwrap();
        let mut got = vec![0; all];
        io::Read::read_exact(&mut &far, &mut got).unwrap();
        far
    });
    right.block_on(async {
        let mut writer = &*near;
        let mut write = pin!(writer.write_all(&bytes));
        let mut full = Some(full);
        std::future::poll_fn(|cx| {
            let outcome = write.as_mut().poll(cx);
            full.take().into_iter().for_each(|full| full.send(()).unwrap());
            outcome
        })
        .await
        .unwrap();
    });
    let far = reading.join().unwrap();
    io::Write::write_all(&mut &far, b"x").unwrap();
    assert_eq!(left.block_on(waiting).unwrap(), 1);
}

#[test]
fn a_runtime_without_a_driver_makes_round_trips() {
    let net = Net::new();
    for _ in 0..2 {
        let runtime = Builder::new_current_thread().build().unwrap();
        round_trips(&runtime, net.connect());
        round_trips(&runtime, net.connect());
    }
}

/// At each end, a task reads and a thread writes.
#[test]
fn a_task_and_a_thread_have_a_direction_each() {
    let net = Net::new();
    let (near, far) = net.connect();
    let runtime = one_thread();
    let all = 1 << 20;
    let (readers, writers): (Vec<_>, Vec<_>) = [near, far]
        .map(|conn| {
            let conn = Arc::new(conn);
            let reader = runtime.spawn({
                let conn = conn.clone();
                async move { (&*conn).read_exact(&mut vec![0; all]).await.unwrap() }
            });
            (reader, thread::spawn(move || io::Write::write_all(&mut &*conn, &vec![1; all]).unwrap()))
        })
        .into_iter()
        .unzip();
    // The threads need all tasks.
    readers.into_iter().for_each(|reader| assert_eq!(runtime.block_on(reader).unwrap(), all));
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn a_task_waits_for_room() {
    let net = Net::new();
    let (near, far) = net.connect();
    let runtime = one_thread();
    runtime.block_on(async {
        let echo = tokio::spawn(async move {
            let mut got = Vec::new();
            (&far).read_to_end(&mut got).await.unwrap();
            (&far).write_all(&got).await.unwrap();
        });
        let bytes = vec![1; 1 << 20];
        (&near).write_all(&bytes).await.unwrap();
        (&near).shutdown().await.unwrap();
        let mut got = Vec::new();
        (&near).read_to_end(&mut got).await.unwrap();
        assert!(got == bytes);
        echo.await.unwrap();
    });
}

/// So few that they are within the budget of one poll: a task that has spent its budget is woken by its runtime, which
/// another executor within it keeps from doing so.
const ROUNDS: u8 = 20;
