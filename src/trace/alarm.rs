//! Wakes a task at a time, on any executor.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use crate::wait::block::serve;
use crate::wait::waker::{discard, is_noop, wake};

/// A thread that wakes the last task that asked for it. It is started when it is first needed, and ends with the value.
#[derive(Default)]
pub(super) struct Alarm(Option<Sender<(Instant, Waker)>>);

impl Alarm {
    /// Wakes the task of `waker` at `at`, and not at an earlier set time.
    pub(super) fn set(&mut self, at: Instant, waker: &Waker) {
        if is_noop(waker) {
            return;
        }
        let sender = self.0.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            // Without the thread there is no alarm.
            let _ = thread::Builder::new().name("virtnet alarm".into()).spawn(move || run(&receiver));
            sender
        });
        let _ = sender.send((at, waker.clone()));
    }
}

fn run(receiver: &Receiver<(Instant, Waker)>) {
    serve();
    let mut next = None;
    loop {
        let received = match &next {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((at, _)) => receiver.recv_timeout(Instant::saturating_duration_since(at, Instant::now())),
        };
        let before = match received {
            Ok(set) => next.replace(set).map(|(_, waker)| discard(waker)),
            Err(RecvTimeoutError::Timeout) => next.take().map(|(_, waker)| wake(waker)),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let _ = before;
    }
}
