//! What the tests of clocks share.

use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use virtnet::Clock;
use virtnet::clock::Time;
use virtnet::pipenet::{Conn, Network};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_secs(3600 * hours)
}

/// So many milliseconds after the start of a clock.
pub(crate) fn at(millis: u64) -> Time {
    Time::ZERO + ms(millis)
}

/// A waker that calls a function.
pub(crate) fn calls(function: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Calls<F>(F);

    impl<F: Fn() + Send + Sync> Wake for Calls<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    Waker::from(Arc::new(Calls(function)))
}

/// Runs a test in another thread, and fails if it takes more than a minute of real time.
pub(crate) fn within_a_minute<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let running = thread::spawn(move || sender.send(test()));
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            running.join().expect("no panic").expect("it is received");
            unreachable!("it was not sent");
        }
    }
}

/// A network on a clock.
pub(crate) fn network(clock: &Clock) -> Network {
    Network::builder("t").clock(clock.clone()).build().expect("the options are valid")
}

/// A connection of two hosts of a network on this clock, from b:1 to a:1: first b's end, then a's.
pub(crate) fn connected(net: &Network) -> [Conn; 2] {
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let mut dial = std::pin::pin!(b.dial("a:10"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().unwrap();
    [dial.try_wait().expect("it is accepted").unwrap(), accepted]
}
