//! A watchdog: if a thread of a storm hangs, it prints what every thread does, and ends the process.

use std::io::Write;
use std::process;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit of one step of a thread.
const LIMIT: Duration = Duration::from_secs(30);

/// The time limit for describing the network, which may itself hang.
const DUMP: Duration = Duration::from_secs(5);

/// The current step of each thread, and its start.
pub(crate) struct Watch {
    /// The head of the report: the storm and its seed.
    title: String,
    threads: Vec<Mutex<Option<(&'static str, Instant)>>>,
}

impl Watch {
    pub(crate) fn new(title: &str, threads: usize) -> Self {
        Self { title: title.to_owned(), threads: (0..threads).map(|_| Mutex::default()).collect() }
    }

    /// Records that a thread starts a step, or has finished.
    pub(crate) fn at(&self, thread: usize, doing: Option<&'static str>) {
        *self.threads[thread].lock().expect("nobody panics here") = doing.map(|doing| (doing, Instant::now()));
    }

    /// Whether all threads have finished.
    pub(crate) fn all_done(&self) -> bool {
        self.threads.iter().all(|thread| thread.lock().expect("nobody panics here").is_none())
    }

    /// Runs `storm` under watch. `tell` describes the network.
    pub(crate) fn over<R>(&self, tell: impl Fn() -> String + Sync, storm: impl FnOnce() -> R) -> R {
        thread::scope(|scope| {
            let (done, over) = mpsc::channel::<()>();
            scope.spawn(|| self.look(over, &tell));
            let outcome = storm();
            drop(done);
            outcome
        })
    }

    fn look(&self, over: mpsc::Receiver<()>, tell: &(impl Fn() -> String + Sync)) {
        while over.recv_timeout(LIMIT / 30) == Err(RecvTimeoutError::Timeout) {
            if self.threads.iter().any(|thread| self.age(thread).is_some_and(|(_, age)| age > LIMIT)) {
                self.bark(tell);
            }
        }
    }

    fn age(&self, thread: &Mutex<Option<(&'static str, Instant)>>) -> Option<(&'static str, Duration)> {
        thread.lock().expect("nobody panics here").map(|(doing, since)| (doing, since.elapsed()))
    }

    /// Prints the report and ends the process, as nothing else ends a thread that hangs.
    fn bark(&self, tell: &(impl Fn() -> String + Sync)) -> ! {
        let mut lines = format!("\n{}: a thread hangs\n", self.title);
        for (number, thread) in self.threads.iter().enumerate() {
            lines += &match self.age(thread) {
                Some((doing, age)) => format!("thread {number}: {doing}, for {age:?}\n"),
                None => format!("thread {number}: done\n"),
            };
        }
        say(&lines);
        thread::spawn(|| {
            thread::sleep(DUMP);
            say("the network does not answer\n");
            process::abort();
        });
        say(&tell());
        process::abort();
    }
}

/// Prints past the test harness, which keeps the output until the test is over.
fn say(text: &str) {
    // A failure to print cannot be reported.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
