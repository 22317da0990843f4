//! Whether the reactor watches a socket.
//!
//! It does for tasks that cannot watch it themselves; see `own.rs`. Invariant: it watches each socket for which such a
//! task waits. A task registers its waker before it attaches the socket, and a thread that detaches it looks for other wakers
//! under the lock under which tasks attach. This guards against the interleaving in which the thread finds no other
//! waker, a task registers and finds the socket attached, and the thread detaches it. Model:
//! `a_task_beside_a_thread_with_a_queue_is_woken` in `tests/loom/wire.rs`.
//!
//! The thread's own waker may have been taken by a change in the meantime, so the only one that is left may be that of
//! another task. It is not enough to count. Test: `a_socket_stays_attached_for_another_task`.

use core::sync::atomic::Ordering;
use core::task::Waker;
use std::io;

use crate::sync::{AtomicBool, SleepLock};
use crate::wire::ready::Ready;

/// Whether a thread attends a listener of the system, and not the reactor.
///
/// Invariant: one of them learns of each connection. Ending tells the reactor of those that are there. This guards
/// against the interleaving in which a thread has accepted what there was, a connection comes, and the thread ends.
/// Model: `a_connection_is_accepted_by_a_thread_or_told_to_the_reactor` in `tests/loom/wire.rs`.
pub(crate) struct Attended(AtomicBool);

impl Attended {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// The running thread attends the listener, unless another does; has the reactor look away. Returns whether it does.
    pub(crate) fn begin(&self, look_away: impl FnOnce()) -> bool {
        let begins = !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::AcqRel);
        if begins {
            look_away();
        }
        begins
    }

    /// The running thread has attended it; has the reactor look.
    pub(crate) fn end(&self, look: impl FnOnce()) {
        look();
        self.0.store(false, Ordering::Release);
    }
}

/// What the reactor knows a socket by, while it watches it.
pub(crate) struct Watched<T>(SleepLock<Option<T>>);

impl<T> Watched<T> {
    pub(crate) const fn new() -> Self {
        Self(SleepLock::new(None))
    }

    /// Has the reactor watch it, by `register`, if it does not.
    pub(crate) fn attach(&self, register: impl FnOnce() -> io::Result<T>) -> io::Result<()> {
        self.0.with(|known| {
            if known.is_none() {
                *known = Some(register()?);
            }
            Ok(())
        })
    }

    /// The reactor need not watch it for the task of `waker`, which waits. Unless another task waits, too, ends it by
    /// `unregister`.
    pub(crate) fn detach(&self, ready: &Ready, waker: &Waker, unregister: impl FnOnce(T)) {
        self.0.with(|known| {
            if let Some(known) = known.take_if(|_| !ready.others_wait(waker)) {
                unregister(known);
            }
        });
    }

    #[cfg(feature = "lonet")]
    pub(crate) fn is_attached(&self) -> bool {
        self.0.with(|known| known.is_some())
    }

    /// The socket is about to be closed.
    #[cfg(feature = "lonet")]
    pub(crate) fn end(&self) -> Option<T> {
        self.0.with(Option::take)
    }
}

#[cfg(all(test, feature = "lonet"))]
mod tests {
    use alloc::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_socket_stays_attached_for_another_task() {
        let [task, thread] = [(); 2].map(|()| Waker::from(Arc::new(Task)));
        let (ready, watched) = (Ready::new(), Watched::new());
        watched.attach(|| Ok(())).expect("no error");
        ready.read.watch(&task);
        ready.write.watch(&thread);
        ready.write.change();
        watched.detach(&ready, &thread, |()| panic!("the task waits"));
        assert!(watched.is_attached());
        ready.read.cancel(&task);
        watched.detach(&ready, &thread, |()| {});
        assert!(!watched.is_attached());
    }
}
