//! The operations of a trace that are held until a check lets them run.
//!
//! Invariant: an operation is in the list from the poll that found it held until it has run, was cancelled, or the last
//! gate has opened. A check registers in the same lock step in which it copies the list, so it misses no operation. The
//! list is copied, as streams and patterns are code of the user, which runs under no lock.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};

use crate::addr::Addr;
use crate::sync::{AtomicBool, Lock};
#[cfg(feature = "std")]
use crate::trace::Stuck;
use crate::trace::event::Event;
use crate::wait::waker::{ManyWakers, Registration, Task, Wakers, discard, poll_locked, wake};

/// The operations that are held.
pub(super) struct Holding {
    /// Whether anything may be held.
    is_up: AtomicBool,
    list: Lock<List>,
}

#[derive(Default)]
struct List {
    gates: usize,
    /// Whether gates hold reads, too.
    reads: bool,
    /// The threads whose gates hold threads, too; these threads are never held.
    #[cfg(feature = "std")]
    free: Vec<u64>,
    /// A single operation that is held, and how many like it have come.
    one: Option<(Place, u64)>,
    /// While that one is held.
    #[cfg(feature = "std")]
    watch: Watch,
    held: Vec<Held>,
    /// How many operations were held.
    count: u64,
    /// Checks that wait for operations.
    checks: ManyWakers,
}

struct Held {
    at: OperationAt,
    task: Task,
    /// Until it may run.
    waker: Option<Waker>,
    intent: HeldIntent,
    /// Whether it is held as a single operation, whatever gates there are.
    is_one: bool,
}

/// What a clock tells of the single operation that is held.
#[cfg(feature = "std")]
#[derive(Default)]
struct Watch {
    /// Until nothing else can happen any more.
    stuck: Option<Stuck>,
    /// It was let run, as nothing else could happen.
    gave_up: bool,
}

/// An operation that is held, as a check sees it.
#[derive(Clone)]
pub(super) struct HeldIntent {
    pub(super) number: u64,
    /// The event that it would be, as far as that is known.
    pub(super) event: Event,
    /// Its text without what is not decided yet, such as `dial b->a:10`.
    pub(super) text: String,
    /// Lines of which its event will be one, with a `*` for what is not decided yet.
    pub(super) lines: Vec<String>,
    /// The key of its [`Place`].
    pub(super) key: String,
}

/// An event or an operation in any run: the `count`th with this key, from 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) count: u64,
}

/// An operation, and the number of its network.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct OperationAt {
    pub(super) network: u16,
    pub(super) what: What,
}

/// What an operation is, and where.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum What {
    Dial(usize),
    Accept(Addr),
    Read(u32),
    Write(u32),
    /// What cannot wait, on a thread.
    #[cfg(feature = "std")]
    Thread,
}

impl Holding {
    pub(super) fn new() -> Self {
        Self { is_up: AtomicBool::new(false), list: Lock::new(List::default()) }
    }

    /// Whether anything may be held.
    #[inline]
    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Puts a gate up: operations are held from here on.
    pub(super) fn hold(&self) {
        self.list.with(|list| {
            list.gates += 1;
            self.is_up.store(true, Ordering::Relaxed);
        });
    }

    /// Opens a gate.
    pub(super) fn open(&self) {
        let freed = self.list.with(|list| {
            list.gates -= 1;
            if list.gates > 0 {
                return Vec::new();
            }
            self.is_up.store(list.one.is_some(), Ordering::Relaxed);
            list.reads = false;
            #[cfg(feature = "std")]
            list.free.clear();
            let (kept, freed) = mem::take(&mut list.held).into_iter().partition(|held| held.is_one);
            list.held = kept;
            freed
        });
        freed.into_iter().filter_map(|held| held.waker).for_each(wake);
    }

    /// Whether gates hold reads, too.
    pub(super) fn hold_reads(&self, reads: bool) {
        self.list.with(|list| list.reads = reads);
    }

    /// Whether gates hold threads before they do what cannot wait. The thread `of` a gate is never held.
    #[cfg(feature = "std")]
    pub(super) fn hold_threads(&self, hold: bool, of: u64) {
        let hold_any = self.list.with(|list| {
            list.free.retain(|&known| known != of);
            if hold {
                list.free.push(of);
            }
            list.holds(What::Thread)
        });
        if !hold_any {
            self.admit(|at, _, _| at.what == What::Thread);
        }
    }

    /// Whether gates hold this thread before it does what cannot wait.
    #[cfg(feature = "std")]
    pub(super) fn holds_thread(&self, thread: u64) -> bool {
        self.list.with(|list| list.holds(What::Thread) && !list.free.contains(&thread))
    }

    /// Holds a single operation when it comes.
    #[cfg(feature = "std")]
    pub(super) fn hold_one(&self, place: Place) {
        self.list.with(|list| {
            list.one = Some((place, 0));
            self.is_up.store(true, Ordering::Relaxed);
        });
    }

    /// Lets the single operation run, also if it is yet to come.
    #[cfg(feature = "std")]
    pub(super) fn release_one(&self) {
        // Dropped under no lock.
        let _stuck = self.list.with(|list| {
            list.one = None;
            self.is_up.store(list.gates > 0, Ordering::Relaxed);
            list.watch.stuck.take()
        });
        self.admit(|_, _, is_one| is_one);
    }

    /// Whether the single operation is held, and no clock watches it.
    #[cfg(feature = "std")]
    pub(super) fn is_one_unwatched(&self) -> bool {
        self.list.with(|list| list.holds_one() && list.watch.stuck.is_none())
    }

    /// A clock watches the single operation, if it is still held.
    #[cfg(feature = "std")]
    pub(super) fn watch_one(&self, stuck: Stuck) {
        // What stays in it is dropped under no lock.
        let mut stuck = Some(stuck);
        self.list.with(|list| {
            if list.holds_one() {
                mem::swap(&mut list.watch.stuck, &mut stuck);
            }
        });
    }

    /// Lets the single operation run, as nothing else can happen while it is held.
    #[cfg(feature = "std")]
    pub(super) fn give_up_one(&self) {
        self.list.with(|list| list.watch.gave_up = true);
        self.admit(|_, _, is_one| is_one);
    }

    /// Whether the single operation was let run, as nothing else could happen.
    #[cfg(feature = "std")]
    pub(super) fn gave_up_one(&self) -> bool {
        self.list.with(|list| list.watch.gave_up)
    }

    /// Whether the single operation is held. Registers a task for the next one that comes.
    #[cfg(feature = "std")]
    pub(super) fn is_one_held(&self, waker: &Waker) -> bool {
        self.look(waker, List::holds_one)
    }

    /// The operations that gates hold, in the order in which they came. Registers a check for others.
    pub(super) fn list(&self, waker: &Waker) -> Vec<HeldIntent> {
        self.look(waker, |list| {
            let waiting = list.held.iter().filter(|held| held.waker.is_some() && !held.is_one);
            waiting.map(|held| held.intent.clone()).collect()
        })
    }

    /// Looks at the list, and registers a check for its next change.
    fn look<R>(&self, waker: &Waker, look: impl Fn(&List) -> R) -> R {
        let mut seen = None;
        loop {
            let _ = poll_locked(waker, |registration: &mut Registration<'_>| {
                self.list.with(|list| {
                    registration.register(&mut list.checks);
                    seen = Some(look(list));
                    Poll::<()>::Pending
                })
            });
            if let Some(seen) = seen {
                return seen;
            }
        }
    }

    /// Ready if the operation of that number is no dial that is on its way to its listener: its event is recorded before
    /// it is in the queue, so that another dial that runs after the event could still overtake it.
    pub(super) fn poll_arrived(&self, waker: &Waker, number: u64) -> Poll<()> {
        let travels = |held: &Held| held.intent.number == number && matches!(held.at.what, What::Dial(_));
        if self.look(waker, |list| list.held.iter().any(travels)) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether an operation has to wait, if that is known without its description.
    pub(super) fn poll_known(&self, at: OperationAt, waker: &Waker) -> Option<Poll<()>> {
        self.list.with(|list| {
            if !list.holds(at.what) && list.one.is_none() {
                return Some(Poll::Ready(()));
            }
            let place = list.position(at, Task::of(waker))?;
            Some(if list.held[place].waker.is_some() { Poll::Pending } else { Poll::Ready(()) })
        })
    }

    /// Whether an operation that has come has to wait.
    pub(super) fn poll_new(&self, at: OperationAt, waker: &Waker, intent: HeldIntent) -> Poll<()> {
        let (mut spare, task) = (Some(waker.clone()), Task::of(waker));
        let checks = self.list.with(|list| {
            let is_one = list.count_like(&intent.key);
            let holds = list.holds(at.what) || is_one == Some(true);
            if !holds && is_one.is_none() {
                return None;
            }
            list.count += 1;
            let intent = HeldIntent { number: list.count, ..intent };
            let waker = if holds { spare.take() } else { None };
            list.held.push(Held { at, task, waker, intent, is_one: is_one == Some(true) });
            holds.then(|| list.checks.take())
        });
        spare.into_iter().for_each(discard);
        checks.map_or(Poll::Ready(()), |checks| {
            checks.wake();
            Poll::Pending
        })
    }

    /// An operation was dropped, or has run.
    pub(super) fn leave(&self, at: OperationAt, waker: &Waker) {
        let left = self.list.with(|list| {
            let place = list.position(at, Task::of(waker))?;
            Some((list.held.remove(place), list.checks.take()))
        });
        if let Some((held, checks)) = left {
            held.waker.into_iter().for_each(discard);
            checks.wake();
        }
    }

    /// Lets those operations run that `which` chooses, by where they are, by what they are, and whether they are held as
    /// a single operation.
    pub(super) fn admit(&self, which: impl Fn(OperationAt, &HeldIntent, bool) -> bool) {
        let mut admitted = Vec::new();
        self.list.with(|list| {
            let admit = list.held.iter_mut().filter(|held| which(held.at, &held.intent, held.is_one));
            admitted.extend(admit.filter_map(|held| held.waker.take()));
        });
        admitted.into_iter().for_each(wake);
    }
}

impl List {
    /// Whether a gate holds such operations.
    fn holds(&self, what: What) -> bool {
        let asked = match what {
            What::Read(_) => self.reads,
            #[cfg(feature = "std")]
            What::Thread => !self.free.is_empty(),
            _ => true,
        };
        self.gates > 0 && asked
    }

    /// Whether the single operation is held.
    #[cfg(feature = "std")]
    fn holds_one(&self) -> bool {
        self.held.iter().any(|held| held.is_one && held.waker.is_some())
    }

    /// Counts an operation, if a single one with this key is to be held. Returns whether it is that one.
    fn count_like(&mut self, key: &str) -> Option<bool> {
        let (place, came) = self.one.as_mut().filter(|(place, _)| place.key == key)?;
        *came += 1;
        Some(*came == place.count)
    }

    /// The place of an operation. A dial has a number of its own, whichever task polls it.
    fn position(&self, at: OperationAt, task: Task) -> Option<usize> {
        let is_dial = matches!(at.what, What::Dial(_));
        self.held.iter().position(|held| held.at == at && (is_dial || held.task == task))
    }
}
