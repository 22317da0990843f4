//! The gate: while it is up, an operation that may wait asks before it begins, and is held. The check that has the gate
//! lets one pass at a time, so it decides the order of what would race.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::addr::name::{HostName, NetworkName};
use crate::contract::observe::{CoreEvent, Gone, Intent};
use crate::trace::event::{End, Event, Kind};
use crate::trace::held::{HeldIntent, OperationAt, What};
use crate::trace::recorder::Trace;
use crate::trace::text::SHOWN;
use crate::wait::waker::is_noop;

/// A gate that is up: it opens when it is dropped.
pub(super) struct Up(Trace);

impl Up {
    pub(super) fn new(trace: Trace) -> Self {
        trace.holding().hold();
        Self(trace)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.0.holding().open();
    }
}

impl Trace {
    /// Whether an operation has to wait for a check. A task that only tries never has to.
    #[inline]
    pub(super) fn poll_held(&self, cx: &mut Context<'_>, intent: &Intent<'_>, end: Option<u32>) -> Poll<()> {
        if !self.holding().is_up() || is_noop(cx.waker()) {
            return Poll::Ready(());
        }
        self.poll_asked(cx.waker(), intent, end.unwrap_or_default())
    }

    #[cold]
    fn poll_asked(&self, waker: &Waker, intent: &Intent<'_>, end: u32) -> Poll<()> {
        let at = self.operation(match *intent {
            Intent::Dial { dial, .. } => What::Dial(dial),
            Intent::Accept { listener } => What::Accept(*listener),
            Intent::Read => What::Read(end),
            Intent::Write(_) => What::Write(end),
        });
        let known = self.holding().poll_known(at, waker);
        known.unwrap_or_else(|| {
            let asked = self.holding().poll_new(at, waker, self.described(intent, end));
            #[cfg(feature = "std")]
            if asked.is_pending() {
                self.watch_one();
            }
            asked
        })
    }

    /// An operation was dropped, or has run.
    #[inline]
    pub(super) fn leave_gate(&self, gone: &Gone<'_>, end: Option<u32>) {
        if self.holding().is_up() {
            self.leave(gone, end.unwrap_or_default());
        }
    }

    #[cold]
    fn leave(&self, gone: &Gone<'_>, end: u32) {
        let (what, waker) = match *gone {
            Gone::Dial(dial) => (What::Dial(dial), Waker::noop()),
            Gone::Accept(listener, waker) => (What::Accept(*listener), waker),
            Gone::Read(waker) => (What::Read(end), waker),
            Gone::Write(waker) => (What::Write(end), waker),
        };
        self.holding().leave(self.operation(what), waker);
    }

    /// Lets all operations run that fail now, as their network, host or socket is closed.
    #[inline]
    pub(super) fn release_closed(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        if self.holding().is_up() {
            self.release(event, end);
        }
    }

    #[cold]
    fn release(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        let release = |which: &dyn Fn(What, &Event) -> bool| {
            self.holding().admit(|at, intent, _| at.network == self.network() && which(at.what, &intent.event));
        };
        match *event {
            CoreEvent::HostClosed { host } | CoreEvent::HostDied { host, .. } => {
                release(&|_, event| event.host().is_some_and(|name| *name == *host));
            }
            CoreEvent::NetworkDown(_) | CoreEvent::NetworkClosed => release(&|_, _| true),
            CoreEvent::ListenerClosed { addr, .. } => release(&|what, event| {
                what == What::Accept(*addr)
                    || matches!(event.kind, Kind::ListenerClosed { addr: at, .. } if at == *addr)
            }),
            CoreEvent::Shut(how, _) if how.closes() => {
                let end = end.map(|end| self.end(end));
                release(&|_, event| end.is_some() && event.end == end);
            }
            _ => {}
        }
    }

    pub(super) fn operation(&self, what: What) -> OperationAt {
        OperationAt { network: self.network(), what }
    }

    /// The operation as the event that it would be.
    fn described(&self, intent: &Intent<'_>, end: u32) -> HeldIntent {
        let (kind, key, text, line, end) = match *intent {
            Intent::Dial { host, dst, .. } => {
                let src = Addr { host: HostName::cut(host).0, port: 0, ..*dst };
                let [key, line] = ["", ":*"].map(|port| alloc::format!("dial {host}{port}->{dst}"));
                (Kind::Dialled { src, dst: *dst }, key.clone(), key, line, None)
            }
            Intent::Accept { listener } => {
                let key = alloc::format!("accept {listener}");
                let line = alloc::format!("{key}: *");
                let nobody = Addr { host: HostName::EMPTY, port: 0, ..*listener };
                (Kind::Accepted { listener: *listener, local: *listener, peer: nobody }, key.clone(), key, line, None)
            }
            Intent::Read => {
                let [dst, src] = self.ends(end);
                let key = alloc::format!("read {src}->{dst}");
                let line = alloc::format!("{key}: *");
                (Kind::Read { src, dst, offset: None, count: 0, bytes: Vec::new() }, key.clone(), key, line, Some(end))
            }
            Intent::Write(bytes) => {
                let [src, dst] = self.ends(end);
                let of = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let kept = bytes[..bytes.len().min(SHOWN)].to_vec();
                let kind = Kind::Wrote { src, dst, offset: None, count: of, of, bytes: kept };
                let (key, text) = (alloc::format!("write {src}->{dst}"), kind.to_string());
                let line = alloc::format!("{key}: *");
                (kind, key, text, line, Some(end))
            }
        };
        self.held_intent(kind, end, key, text, [line].into())
    }

    /// An operation of this thread or task, that is yet to get its number.
    pub(super) fn held_intent(
        &self,
        kind: Kind,
        end: Option<u32>,
        key: String,
        text: String,
        lines: Vec<String>,
    ) -> HeldIntent {
        let (actor, network, end) = (self.actor(), NetworkName::EMPTY, end.map(|end| self.end(end)));
        let event = Event { seq: 0, at: None, actor, network, end, guessed: false, kind };
        HeldIntent { number: 0, event, text, lines, key }
    }

    /// The end of this number, in this handle's network.
    fn end(&self, end: u32) -> End {
        End { network: self.network().into(), conn: end / 2, accepted: end % 2 == 1 }
    }

    /// The addresses of an end of this handle's network, its own first.
    pub(super) fn ends(&self, end: u32) -> [Addr; 2] {
        self.merge(|log| log.ends(self.network(), end))
    }
}
