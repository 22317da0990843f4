//! turmoil-net: its sockets belong to a thread, so each contestant has one.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::task::spawn_local;
use turmoil_net::fixture;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

use crate::machine::Stopwatch;
use crate::task::{self, Blocks};

/// Makes something in a network of its own, and has samples taken of it.
pub(crate) fn worker<T: 'static>(
    setup: impl AsyncFnOnce() -> T + Send + 'static,
    mut sample: impl AsyncFnMut(&mut T, u64) -> Duration + Send + 'static,
) -> impl FnMut(u64) -> Duration {
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    // It ends when nobody can ask any more.
    thread::spawn(move || {
        fixture::lo(async move {
            let mut state = setup().await;
            while let Ok(times) = asked.recv() {
                if answer.send(sample(&mut state, times).await).is_err() {
                    return;
                }
            }
        });
    });
    move |times| {
        ask.send(times).expect("the thread is there");
        answered.recv().expect("the thread does not panic")
    }
}

/// The ends are taken for each sample and put back.
pub(crate) type Ends = Option<(TcpStream, TcpStream)>;

pub(crate) async fn pair() -> Ends {
    let listener = TcpListener::bind("127.0.0.1:80").await.expect("a free port");
    Some(connect(&listener).await)
}

pub(crate) async fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let (client, server) = tokio::join!(TcpStream::connect("127.0.0.1:80"), listener.accept());
    (client.expect("it listens"), server.expect("somebody connects").0)
}

pub(crate) async fn round_trips(ends: &mut Ends, times: u64) -> Duration {
    let (a, b) = ends.take().expect("each sample gives them back");
    let start = Stopwatch::of_thread();
    let tasks = (spawn_local(task::ask(a, times)), spawn_local(task::answer(b, times)));
    let a = tasks.0.await.expect("it does not panic");
    *ends = Some((a, tasks.1.await.expect("it does not panic")));
    start.elapsed()
}

pub(crate) async fn stream(ends: &mut Ends, times: u64, size: usize) -> Duration {
    let (a, b) = ends.take().expect("each sample gives them back");
    let (from, to) = Blocks::new(size).next();
    let start = Stopwatch::of_thread();
    let tasks = (spawn_local(task::send(a, from, times)), spawn_local(task::receive(b, to, times * size as u64)));
    let (a, _) = tasks.0.await.expect("it does not panic");
    *ends = Some((a, tasks.1.await.expect("it does not panic").0));
    start.elapsed()
}

/// Connects and closes both ends while so many others are connected.
pub(crate) fn setups(held: usize) -> impl FnMut(u64) -> Duration {
    let setup = async move || {
        let listener = TcpListener::bind("127.0.0.1:80").await.expect("a free port");
        let mut conns = Vec::new();
        for _ in 0..held {
            conns.push(connect(&listener).await);
        }
        (listener, conns)
    };
    worker(setup, async |(listener, _), times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            drop(connect(listener).await);
        }
        start.elapsed()
    })
}
