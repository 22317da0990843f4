//! Threads that a gate holds before they do what cannot wait.
//!
//! Invariant: no thread is held that the gate would have to wait for. These are the thread of the gate itself, a thread
//! that unwinds, as it may own the gate, and a thread that runs tasks, of which the check may be one. Tests:
//! `the_thread_of_the_check_and_one_that_panics_are_never_held` in `tests/trace/gate_threads.rs`, and
//! `a_runtime_is_never_held` in `members/async`.

use core::future::poll_fn;
use std::string::ToString;
use std::thread::panicking;

use crate::contract::observe::CoreEvent;
use crate::trace::actor;
use crate::trace::event::Kind;
use crate::trace::held::{HeldIntent, What};
use crate::trace::recorder::Trace;
use crate::wait::Op;

impl Trace {
    /// Returns when the thread may do what cannot wait.
    pub(super) fn hold(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        if panicking() || !self.holding().holds_thread(actor::thread()) || is_in_runtime() {
            return;
        }
        let Some(intent) = self.described_event(event, end) else { return };
        let at = self.operation(What::Thread);
        let pass = poll_fn(|cx| {
            let known = self.holding().poll_known(at, cx.waker());
            let passed = known.unwrap_or_else(|| self.holding().poll_new(at, cx.waker(), intent.clone()));
            if passed.is_ready() {
                self.holding().leave(at, cx.waker());
            }
            passed
        });
        Op::new(pass).wait();
    }

    /// The event as far as it is known before it happens.
    fn described_event(&self, event: &CoreEvent<'_>, end: Option<u32>) -> Option<HeldIntent> {
        let kind = match *event {
            CoreEvent::Listened { addr } => Kind::Listened { addr: *addr },
            CoreEvent::ListenerClosed { addr, dropped } => Kind::ListenerClosed { addr: *addr, dropped },
            CoreEvent::Shut(how, reset) => {
                let [local, peer] = self.ends(end?);
                Kind::Shut { local, peer, how, reset }
            }
            _ => return None,
        };
        let (text, lines) = match kind {
            Kind::Listened { addr } if addr.port == 0 => {
                let text = std::format!("listen {}", addr.host);
                let line = text.clone() + ":*";
                (text, [line].into())
            }
            // The event may go on with why it failed, or that it reset the connection.
            _ => {
                let text = kind.to_string();
                let lines = [text.clone(), text.clone() + ": *"].into();
                (text, lines)
            }
        };
        Some(self.held_intent(kind, end, text.clone(), text, lines))
    }
}

/// Whether the thread runs tasks, which would stop with it.
#[cfg(feature = "tokio")]
fn is_in_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

#[cfg(not(feature = "tokio"))]
fn is_in_runtime() -> bool {
    false
}
