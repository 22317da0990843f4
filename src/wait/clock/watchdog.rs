//! A thread that looks at something from time to time, in real time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The thread is started when it is first needed, and ends with the value.
pub(super) struct Watchdog {
    started: AtomicBool,
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self { started: AtomicBool::new(false), over: Arc::default() }
    }

    /// Has the thread call `look` each time that `pause` has passed, until it returns `false`. Has no effect from the
    /// second call on.
    pub(super) fn start(&self, pause: Duration, mut look: impl FnMut() -> bool + Send + 'static) {
        if cfg!(loom) || self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let over = self.over.clone();
        let run = move || {
            let (is_over, ended) = &*over;
            loop {
                let guard = is_over.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = ended.wait_timeout_while(guard, pause, |is_over| !*is_over);
                let (is_over, _) = waited.unwrap_or_else(PoisonError::into_inner);
                if *is_over {
                    return;
                }
                drop(is_over);
                if !look() {
                    return;
                }
            }
        };
        // Without the thread there are no reports.
        let _ = thread::Builder::new().name("virtnet watchdog".into()).spawn(run);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let (is_over, ended) = &*self.over;
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        ended.notify_all();
    }
}
