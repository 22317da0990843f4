//! Executors that are not tokio.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use futures::executor::{LocalPool, ThreadPool, block_on};
use futures::task::{LocalSpawnExt, SpawnExt};
use futures::{FutureExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use virtnet::pipenet::{Conn, Host, Listener, Network};

use crate::support::{assert_all_ports_free, ends, host, pattern, within_limit};

/// Larger than the buffer of a connection.
const LARGE: usize = 1_000;
const CLIENTS: usize = 5;

async fn read(conn: &Conn, buf: &mut [u8]) -> usize {
    poll_fn(|cx| conn.poll_read(cx, buf)).await.unwrap()
}

async fn write_all(conn: &Conn, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[poll_fn(|cx| conn.poll_write(cx, bytes)).await.unwrap()..];
    }
}

/// Echoes all bytes, for each of the clients in turn.
async fn serve(listener: Listener) -> Vec<[String; 2]> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let conn = listener.accept().await.unwrap();
        let mut buf = [0; 77];
        while let count @ 1.. = read(&conn, &mut buf).await {
            write_all(&conn, &buf[..count]).await;
        }
        clients.push(ends(&conn));
    }
    clients
}

/// Sends and receives concurrently, for each client in turn.
async fn ask(host: Host) -> Vec<[String; 2]> {
    let mut servers = Vec::new();
    for _ in 0..CLIENTS {
        let conn = host.dial("a:1").await.unwrap();
        let bytes = pattern(LARGE);
        let mut echo = Vec::new();
        let send = async {
            write_all(&conn, &bytes).await;
            conn.close_write().unwrap();
        };
        let receive = async {
            let mut buf = [0; 100];
            while let count @ 1.. = read(&conn, &mut buf).await {
                echo.extend_from_slice(&buf[..count]);
            }
        };
        futures::join!(send, receive);
        assert!(echo == bytes, "what was sent is not what came back");
        servers.push(ends(&conn));
    }
    servers
}

/// A network, and the tasks to run on an executor; `run` returns the transcripts of server and clients.
fn check(run: impl FnOnce(Network, Listener, Host) -> (Vec<[String; 2]>, Vec<[String; 2]>) + Send + 'static) {
    within_limit(move || {
        let net = Network::builder("t").buffer(64).build().unwrap();
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        let (clients, servers) = run(net, listener, b.clone());
        assert_eq!(clients, vec![["a:2", "b:1"]; CLIENTS]);
        assert_eq!(servers, vec![["b:1", "a:2"]; CLIENTS]);
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn futures_block_on() {
    check(|_, listener, host| block_on(futures::future::join(serve(listener), ask(host))));
}

#[test]
fn futures_local_pool() {
    check(|_, listener, host| {
        let mut pool = LocalPool::new();
        let server = pool.spawner().spawn_local_with_handle(serve(listener)).unwrap();
        let client = pool.spawner().spawn_local_with_handle(ask(host)).unwrap();
        pool.run_until(futures::future::join(server, client))
    });
}

#[test]
fn futures_thread_pool() {
    check(|_, listener, host| {
        let pool = ThreadPool::builder().pool_size(2).create().unwrap();
        let server = pool.spawn_with_handle(serve(listener)).unwrap();
        let client = pool.spawn_with_handle(ask(host)).unwrap();
        block_on(futures::future::join(server, client))
    });
}

#[test]
fn smol_on_its_global_executor() {
    check(|_, listener, host| {
        smol::block_on(async {
            let (server, client) = (smol::spawn(serve(listener)), smol::spawn(ask(host)));
            (server.await, client.await)
        })
    });
}

#[test]
fn smol_on_a_local_executor() {
    check(|_, listener, host| {
        let executor = smol::LocalExecutor::new();
        let (server, client) = (executor.spawn(serve(listener)), executor.spawn(ask(host)));
        smol::block_on(executor.run(async { (server.await, client.await) }))
    });
}

#[test]
fn a_hand_written_executor_on_one_thread() {
    check(|_, listener, host| {
        let (clients, servers) = (Rc::default(), Rc::default());
        let mut executor = Executor::default();
        executor.spawn(into(serve(listener), &clients));
        executor.spawn(into(ask(host), &servers));
        executor.run(|executor, task| executor.wakers[task].clone());
        (clients.take(), servers.take())
    });
}

#[test]
fn tokios_traits_on_other_executors() {
    within_limit(|| {
        let net = Network::builder("t").buffer(64).build().unwrap();
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let mut incoming = a.listen(":1").unwrap().into_stream();
        smol::block_on(async {
            let serving = smol::spawn(async move {
                let mut conn = incoming.next().await.unwrap().unwrap();
                let mut text = String::new();
                conn.read_to_string(&mut text).await.unwrap();
                conn.write_all(text.to_uppercase().as_bytes()).await.unwrap();
            });
            let mut conn = b.dial("a:1").await.unwrap();
            conn.write_all(b"loud").await.unwrap();
            conn.shutdown().await.unwrap();
            let mut text = String::new();
            conn.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "LOUD");
            serving.await;
        });
        assert_all_ports_free(&[&a, &b]);
    });
}

/// An executor that reuses the memory of a dropped task for a new one.
#[test]
fn a_task_is_never_taken_for_one_that_was_cancelled() {
    within_limit(|| {
        let net = Network::builder("t").rendezvous(true).build().unwrap();
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        let executor = smol::LocalExecutor::new();
        let write = |conn: Arc<Conn>| async move { poll_fn(|cx| conn.poll_write(cx, b"ping")).await };
        smol::block_on(executor.run(async {
            let (dialled, accepted) = futures::join!(b.dial("a:1"), listener.accept());
            let (dialled, accepted) = (Arc::new(dialled.unwrap()), accepted.unwrap());
            for round in 0..100 {
                let mut writing = executor.spawn(write(dialled.clone()));
                while accepted.try_read(&mut [0; 8]).is_err() {
                    let early = futures::poll!(&mut writing);
                    assert!(early.is_pending(), "round {round}: nobody has read it, and the write gives {early:?}");
                    smol::future::yield_now().await;
                }
                // The bytes were read, and the write is cancelled before it is polled again.
                assert!(writing.cancel().await.is_none());
            }
        }));
    });
}

#[test]
fn the_traits_of_futures_io_through_tokio_util() {
    use tokio_util::compat::TokioAsyncReadCompatExt;

    within_limit(|| {
        let net = Network::builder("t").buffer(64).build().unwrap();
        let (a, b) = (host(&net, "a"), host(&net, "b"));
        let listener = a.listen(":1").unwrap();
        smol::block_on(async {
            let serving = smol::spawn(async move {
                let (read, mut write) = smol::io::split(listener.accept().await.unwrap().compat());
                smol::io::copy(read, &mut write).await.unwrap()
            });
            let mut conn = b.dial("a:1").await.unwrap().compat();
            smol::io::AsyncWriteExt::write_all(&mut conn, &pattern(50)).await.unwrap();
            smol::io::AsyncWriteExt::close(&mut conn).await.unwrap();
            let mut echo = Vec::new();
            smol::io::AsyncReadExt::read_to_end(&mut conn, &mut echo).await.unwrap();
            assert!(echo == pattern(50), "what was sent is not what came back");
            assert_eq!(serving.await, 50);
        });
        assert_all_ports_free(&[&a, &b]);
    });
}

#[test]
fn tokios_tcp_reports_that_it_needs_tokio() {
    use virtnet::{Networker, TokioTcp};

    let tcp = TokioTcp::new("127.0.0.1").unwrap();
    let error = tcp.listen("").map(drop).unwrap_err();
    assert_eq!(error.to_string(), "listen tcp 127.0.0.1:0: not within a tokio runtime");
    let error = block_on(tcp.dial(":1")).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "dial tcp 127.0.0.1:1: not within a tokio runtime");
}

/// The slot for a task's outcome.
type Slot<T> = Rc<RefCell<T>>;

async fn into<T>(future: impl Future<Output = T>, slot: &Slot<T>) {
    future.map(|outcome| *slot.borrow_mut() = outcome).await;
}

/// A minimal executor: tasks, and a queue of woken tasks.
#[derive(Default)]
struct Executor<'a> {
    tasks: Vec<Option<Pin<Box<dyn Future<Output = ()> + 'a>>>>,
    wakers: Vec<Waker>,
    woken: Arc<Mutex<VecDeque<usize>>>,
}

/// Puts a task into the queue.
struct Turn {
    task: usize,
    woken: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap().push_back(self.task);
    }
}

impl<'a> Executor<'a> {
    fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        let task = self.tasks.len();
        self.tasks.push(Some(Box::pin(future)));
        self.wakers.push(self.waker(task));
        self.wakers[task].wake_by_ref();
    }

    fn waker(&self, task: usize) -> Waker {
        Waker::from(Arc::new(Turn { task, woken: self.woken.clone() }))
    }

    /// Polls woken tasks until all are done, each time with the waker that `waker` returns. A pending task that is not
    /// woken is a failure, as there is no other thread to wake it.
    fn run(&mut self, waker: impl Fn(&Self, usize) -> Waker) {
        let mut polls = 0;
        while self.tasks.iter().any(Option::is_some) {
            let task = self.woken.lock().unwrap().pop_front().expect("a task that is not done is woken");
            let waker = waker(self, task);
            if let Some(future) = &mut self.tasks[task] {
                polls += 1;
                assert!(polls < MOST_POLLS, "still not done after {polls} polls");
                if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    self.tasks[task] = None;
                }
            }
        }
    }
}

/// The maximum number of polls of all tasks together, which is more than ten times the number they need.
const MOST_POLLS: usize = 10_000;
