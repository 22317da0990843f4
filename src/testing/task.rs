//! How behaviours wait: on threads, or as futures that one thread polls.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::boxed::Box;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::Wake;
use std::thread::{self, Thread};

use crate::wait::Op;

/// How the behaviours of a [`Setup`](super::Setup) wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// Each concurrent operation has a thread of its own, and blocks it.
    #[default]
    Threads,
    /// Each concurrent operation is a future. One thread polls it, and only after it was woken.
    Futures,
}

impl Waiting {
    /// Returns the outcome of an operation.
    pub(super) fn wait<T: Send>(self, future: impl Future<Output = T> + Send) -> T {
        match self {
            Self::Threads => Op::new(future).wait(),
            Self::Futures => Task::new(future).outcome(),
        }
    }

    /// Returns the outcomes of two concurrent operations.
    pub(super) fn both<A: Send, B: Send>(
        self,
        first: impl Future<Output = A> + Send,
        second: impl Future<Output = B> + Send,
    ) -> (A, B) {
        match self {
            Self::Threads => thread::scope(|scope| {
                let second = scope.spawn(|| Op::new(second).wait());
                let first = Op::new(first).wait();
                (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            }),
            Self::Futures => {
                let (mut first, mut second) = (Task::new(first), Task::new(second));
                while !(first.turn() & second.turn()) {
                    if !first.is_woken() && !second.is_woken() {
                        thread::park();
                    }
                }
                (first.outcome(), second.outcome())
            }
        }
    }

    /// Starts an operation that has to wait, and returns as soon as it waits.
    #[track_caller]
    pub(super) fn start<T: Send + 'static>(self, future: impl Future<Output = T> + Send + 'static) -> Started<T> {
        match self {
            Self::Threads => Started::Thread(start_thread(future)),
            Self::Futures => Started::Task(Task::start(future)),
        }
    }
}

/// Returns the outcome of an operation, while operations that had to wait before it continue.
pub(super) fn along<A: Send, T>(operation: impl Future<Output = A> + Send, others: &mut [Started<T>]) -> A {
    let mut task = Task::new(operation);
    while !task.turn() {
        others.iter_mut().for_each(|other| _ = other.turn());
        if !task.is_woken() && !others.iter().any(Started::is_woken) {
            thread::park();
        }
    }
    task.outcome()
}

/// A pending operation.
pub(super) enum Started<T: 'static> {
    Thread(Receiver<Report<T>>),
    Task(Task<'static, T>),
}

impl<T> Started<T> {
    /// Waits for the outcome.
    pub(super) fn outcome(self) -> T {
        match self {
            Self::Thread(reports) => loop {
                match reports.recv() {
                    Ok(Report::Done(outcome)) => return outcome,
                    Ok(Report::Waits) => {}
                    Err(_) => panic!("the thread of an operation panicked"),
                }
            },
            Self::Task(task) => task.outcome(),
        }
    }

    /// Whether the operation has to be polled here.
    fn is_woken(&self) -> bool {
        match self {
            Self::Thread(_) => false,
            Self::Task(task) => task.is_woken(),
        }
    }

    /// Polls the operation if it is a woken future; returns whether it is known to be done.
    pub(super) fn turn(&mut self) -> bool {
        match self {
            Self::Thread(_) => false,
            Self::Task(task) => task.turn(),
        }
    }
}

/// A report of the thread of an operation.
pub(super) enum Report<T> {
    Waits,
    Done(T),
}

#[track_caller]
fn start_thread<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Receiver<Report<T>> {
    let (reports, receiver) = mpsc::channel();
    thread::spawn(move || {
        let waits = reports.clone();
        let done = Op::new(Observed { future: Box::pin(future), waits }).wait();
        // The receiver may have been dropped.
        let _ = reports.send(Report::Done(done));
    });
    match receiver.recv() {
        Ok(Report::Waits) => receiver,
        Ok(Report::Done(_)) => panic!("the operation did not wait"),
        Err(_) => panic!("the thread of an operation panicked"),
    }
}

/// A future that reports when a poll of it returned `Pending`.
struct Observed<F, T> {
    future: Pin<Box<F>>,
    waits: Sender<Report<T>>,
}

impl<F: Future<Output = T>, T> Future for Observed<F, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let polled = self.future.as_mut().poll(cx);
        if polled.is_pending() {
            let _ = self.waits.send(Report::Waits);
        }
        polled
    }
}

/// A pending future that is polled only after it was woken, so a lost wake-up makes it wait forever. Dropping it
/// cancels it.
pub(super) struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    flag: Arc<Flag>,
    outcome: Option<T>,
}

impl<'a, T> Task<'a, T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        let flag = Arc::new(Flag { woken: AtomicBool::new(true), thread: thread::current() });
        Self { future: Box::pin(future), flag, outcome: None }
    }

    /// Polls a future for the first time, and asserts that it has to wait.
    #[track_caller]
    pub(super) fn start(future: impl Future<Output = T> + Send + 'a) -> Self {
        let mut task = Self::new(future);
        assert!(!task.turn(), "the operation did not wait");
        task
    }

    /// Polls the future if it was woken; returns whether it is done.
    pub(super) fn turn(&mut self) -> bool {
        if self.outcome.is_none() && self.flag.woken.swap(false, Ordering::AcqRel) {
            let waker = Waker::from(self.flag.clone());
            if let Poll::Ready(outcome) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.outcome = Some(outcome);
            }
        }
        self.outcome.is_some()
    }

    /// Whether another poll is due.
    pub(super) fn is_woken(&self) -> bool {
        self.outcome.is_none() && self.flag.woken.load(Ordering::Acquire)
    }

    /// Waits for the outcome.
    pub(super) fn outcome(mut self) -> T {
        while !self.turn() {
            if !self.is_woken() {
                thread::park();
            }
        }
        match self.outcome {
            Some(outcome) => outcome,
            None => unreachable!("a task is done when it has an outcome"),
        }
    }
}

/// Whether a task was woken, and the thread that polls it.
struct Flag {
    woken: AtomicBool,
    thread: Thread,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
