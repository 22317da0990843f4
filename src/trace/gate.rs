//! Operations that are held until a check lets them run.
//!
//! While a gate is up, an operation that may wait asks before it begins, and is held: it is in the list here, with its
//! waker. The check that has the gate lets one pass at a time, so it decides the order of what would race.
//!
//! Invariant: an operation is in the list from the poll that found it held until it has run, was cancelled, or the last
//! gate has opened. A check registers in the same lock step in which it copies the list, so it misses no operation. The
//! list is copied, as streams and patterns are code of the user, which runs under no lock.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::addr::name::{HostName, NetworkName};
use crate::contract::observe::{CoreEvent, Gone, Intent};
use crate::sync::{AtomicBool, Lock};
use crate::trace::event::{End, Event, Kind, SHOWN};
use crate::trace::recorder::Trace;
use crate::wait::waker::{ManyWakers, Task, Wakers, discard, is_noop, poll_locked, wake};

/// The operations of a trace that are held.
pub(super) struct Holding {
    /// Whether there is a gate.
    is_up: AtomicBool,
    list: Lock<List>,
}

impl Holding {
    pub(super) fn new() -> Self {
        Self { is_up: AtomicBool::new(false), list: Lock::new(List::default()) }
    }
}

#[derive(Default)]
struct List {
    gates: usize,
    /// Whether reads are held, too.
    reads: bool,
    held: Vec<Held>,
    /// How many operations were held.
    count: u64,
    /// Checks that wait for operations.
    checks: ManyWakers,
}

struct Held {
    what: What,
    network: u16,
    task: Task,
    /// Until it may run.
    waker: Option<Waker>,
    intent: HeldIntent,
}

/// An operation that is held, as a check sees it.
#[derive(Clone)]
pub(super) struct HeldIntent {
    pub(super) number: u64,
    /// The event that it would be, as far as that is known.
    pub(super) event: Event,
    /// Its text without what is not decided yet, such as `dial b->a:10`.
    pub(super) text: String,
    /// The line of its event, with a `*` for what is not decided yet.
    pub(super) line: String,
}

/// What an operation is, and where.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Dial(usize),
    Accept(Addr),
    Read(u32),
    Write(u32),
}

/// A gate that is up: it opens when it is dropped.
pub(super) struct Up(Trace);

impl Drop for Up {
    fn drop(&mut self) {
        let Holding { is_up, list } = &self.0.holding();
        let freed = list.with(|list| {
            list.gates -= 1;
            if list.gates > 0 {
                return Vec::new();
            }
            is_up.store(false, Ordering::Relaxed);
            list.reads = false;
            mem::take(&mut list.held)
        });
        freed.into_iter().filter_map(|held| held.waker).for_each(wake);
    }
}

impl Trace {
    /// Puts a gate up: operations are held from here on.
    pub(super) fn hold(&self) -> Up {
        let Holding { is_up, list } = self.holding();
        list.with(|list| {
            list.gates += 1;
            is_up.store(true, Ordering::Relaxed);
        });
        Up(self.clone())
    }

    /// Holds reads, too.
    pub(super) fn hold_reads(&self, reads: bool) {
        self.holding().list.with(|list| list.reads = reads);
    }

    /// The operations that are held, in the order in which they came. Registers a check for others.
    pub(super) fn held(&self, waker: &Waker) -> Vec<HeldIntent> {
        let mut held = Vec::new();
        let _ = poll_locked(waker, |registration| {
            self.holding().list.with(|list| {
                registration.register(&mut list.checks);
                let waiting = list.held.iter().filter(|held| held.waker.is_some());
                held = waiting.map(|held| held.intent.clone()).collect();
                Poll::<()>::Pending
            })
        });
        held
    }

    /// Lets a held operation run.
    pub(super) fn admit(&self, intent: &HeldIntent) {
        self.admit_each(|held| held.intent.number == intent.number);
    }

    /// Ready if the operation of that number is no dial that is on its way to its listener: its event is recorded before
    /// it is in the queue, so that another dial that runs after the event could still overtake it.
    pub(super) fn poll_arrived(&self, waker: &Waker, number: u64) -> Poll<()> {
        poll_locked(waker, |registration| {
            self.holding().list.with(|list| {
                let travels = |held: &Held| held.intent.number == number && matches!(held.what, What::Dial(_));
                if !list.held.iter().any(travels) {
                    return Poll::Ready(());
                }
                registration.register(&mut list.checks);
                Poll::Pending
            })
        })
    }

    /// Whether an operation has to wait for a check.
    pub(super) fn poll_held(&self, cx: &mut Context<'_>, intent: &Intent<'_>, end: Option<u32>) -> Poll<()> {
        if !self.holding().is_up.load(Ordering::Relaxed) || is_noop(cx.waker()) {
            return Poll::Ready(());
        }
        let end = end.unwrap_or_default();
        let what = match *intent {
            Intent::Dial { dial, .. } => What::Dial(dial),
            Intent::Accept { listener } => What::Accept(*listener),
            Intent::Read => What::Read(end),
            Intent::Write(_) => What::Write(end),
        };
        self.ask(cx.waker(), what, intent, end)
    }

    #[cold]
    fn ask(&self, waker: &Waker, what: What, intent: &Intent<'_>, end: u32) -> Poll<()> {
        let list = &self.holding().list;
        let is_held = |list: &List| list.gates > 0 && (list.reads || !matches!(what, What::Read(_)));
        let known = list.with(|list| {
            if !is_held(list) {
                return Some(Poll::Ready(()));
            }
            let at = list.position(what, self.network(), Task::of(waker))?;
            Some(if list.held[at].waker.is_some() { Poll::Pending } else { Poll::Ready(()) })
        });
        if let Some(known) = known {
            return known;
        }
        let (network, task) = (self.network(), Task::of(waker));
        let intent = self.described(intent, end);
        let mut held = Some(Held { what, network, task, waker: Some(waker.clone()), intent });
        let checks = list.with(|list| {
            if !is_held(list) {
                return None;
            }
            list.count += 1;
            let number = list.count;
            list.held.extend(held.take().map(|held| Held { intent: HeldIntent { number, ..held.intent }, ..held }));
            Some(list.checks.take())
        });
        held.into_iter().filter_map(|held| held.waker).for_each(discard);
        checks.map_or(Poll::Ready(()), |checks| {
            checks.wake();
            Poll::Pending
        })
    }

    /// An operation was dropped, or has run.
    pub(super) fn leave(&self, gone: &Gone<'_>, end: Option<u32>) {
        let Holding { is_up, list } = self.holding();
        if !is_up.load(Ordering::Relaxed) {
            return;
        }
        let end = end.unwrap_or_default();
        let (what, waker) = match *gone {
            Gone::Dial(dial) => (What::Dial(dial), Waker::noop()),
            Gone::Accept(listener, waker) => (What::Accept(*listener), waker),
            Gone::Read(waker) => (What::Read(end), waker),
            Gone::Write(waker) => (What::Write(end), waker),
        };
        let left = list.with(|list| {
            let at = list.position(what, self.network(), Task::of(waker))?;
            Some((list.held.remove(at), list.checks.take()))
        });
        if let Some((held, checks)) = left {
            held.waker.into_iter().for_each(discard);
            checks.wake();
        }
    }

    /// Lets all operations run that fail now, as what they are at was closed.
    pub(super) fn release_closed(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        if !self.holding().is_up.load(Ordering::Relaxed) {
            return;
        }
        let network = self.network();
        let of = |held: &Held, host: &str| held.intent.event.host().is_some_and(|name| *name == *host);
        match *event {
            CoreEvent::HostClosed { host } | CoreEvent::HostDied { host, .. } => {
                self.admit_each(|held| held.network == network && of(held, host));
            }
            CoreEvent::NetworkDown(_) | CoreEvent::NetworkClosed => self.admit_each(|held| held.network == network),
            CoreEvent::ListenerClosed { addr, .. } => {
                self.admit_each(|held| held.network == network && held.what == What::Accept(*addr));
            }
            CoreEvent::Shut(how, _) if how.closes() => {
                let whats = [end.map(What::Read), end.map(What::Write)];
                self.admit_each(|held| held.network == network && whats.contains(&Some(held.what)));
            }
            _ => {}
        }
    }

    fn admit_each(&self, which: impl Fn(&Held) -> bool) {
        let mut admitted = Vec::new();
        self.holding().list.with(|list| {
            let admit = list.held.iter_mut().filter(|held| which(held));
            admitted.extend(admit.filter_map(|held| held.waker.take()));
        });
        admitted.into_iter().for_each(wake);
    }

    /// The operation as the event that it would be.
    fn described(&self, intent: &Intent<'_>, end: u32) -> HeldIntent {
        let (kind, text, line) = match *intent {
            Intent::Dial { host, dst, .. } => {
                let src = Addr { host: HostName::cut(host).0, port: 0, ..*dst };
                let [text, line] = ["", ":*"].map(|port| alloc::format!("dial {host}{port}->{dst}"));
                (Kind::Dialled { src, dst: *dst }, text, line)
            }
            Intent::Accept { listener } => {
                let text = alloc::format!("accept {listener}");
                let line = alloc::format!("{text}: *");
                let nobody = Addr { host: HostName::EMPTY, port: 0, ..*listener };
                (Kind::Accepted { listener: *listener, local: *listener, peer: nobody }, text, line)
            }
            Intent::Read => {
                let [dst, src] = self.ends(end);
                let text = alloc::format!("read {src}->{dst}");
                let line = alloc::format!("{text}: *");
                (Kind::Read { src, dst, offset: None, count: 0, bytes: Vec::new() }, text, line)
            }
            Intent::Write(bytes) => {
                let [src, dst] = self.ends(end);
                let of = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let kept = bytes[..bytes.len().min(SHOWN)].to_vec();
                let kind = Kind::Wrote { src, dst, offset: None, count: of, of, bytes: kept };
                (kind.clone(), kind.to_string(), alloc::format!("write {src}->{dst}: *"))
            }
        };
        let is_of_end = matches!(intent, Intent::Read | Intent::Write(_));
        let end = is_of_end.then(|| End { network: self.network().into(), conn: end / 2, accepted: end % 2 == 1 });
        let (actor, network) = (self.actor(), NetworkName::EMPTY);
        HeldIntent { number: 0, event: Event { seq: 0, at: None, actor, network, end, kind }, text, line }
    }

    /// The addresses of an end of this handle's network, its own first.
    fn ends(&self, end: u32) -> [Addr; 2] {
        self.merge(|log| log.ends(self.network(), end))
    }
}

impl List {
    /// The place of an operation. A dial has a number of its own, whichever task polls it.
    fn position(&self, what: What, network: u16, task: Task) -> Option<usize> {
        let is_dial = matches!(what, What::Dial(_));
        let is_same = |held: &Held| held.what == what && held.network == network && (is_dial || held.task == task);
        self.held.iter().position(is_same)
    }
}
