//! Events of the system, for the reactor and for threads with queues of their own.

use core::time::Duration;

use mio::event::Event;
use mio::{Interest, Token};

use crate::wire::ready::Ready;

/// Tells the tasks that wait for the socket of `ready` of its event.
pub(crate) fn dispatch(ready: &Ready, event: &Event) {
    if event.is_error() || (event.is_read_closed() && event.is_write_closed()) {
        ready.set_gone();
    }
    if event.is_readable() || event.is_read_closed() || event.is_error() {
        ready.read.change();
    }
    if event.is_writable() || event.is_write_closed() || event.is_error() {
        ready.write.change();
    }
}

/// Both directions of a socket.
pub(crate) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// The token of what wakes the thread that waits.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// How long to wait after the system failed to wait.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
