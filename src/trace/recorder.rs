//! The recorder: takes events from any thread, in the order of their tickets.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
#[cfg(feature = "std")]
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker};
use core::time::Duration;

use crate::contract::observe::{Observer as _, Ticket};
use crate::sync::{AtomicBool, AtomicUsize, Lock};
use crate::trace::NetworkClock;
use crate::trace::actor;
use crate::trace::event::Actor;
#[cfg(feature = "std")]
use crate::trace::event::Event;
use crate::trace::frozen::Frozen;
use crate::trace::held::Holding;
use crate::trace::log::Log;
use crate::trace::shard::{Item, Load, Raw, Shards};
use crate::trace::slot::NO_TIME;
use crate::wait::waker::{Wakers, poll_locked};

/// A recorder of events, for tests that assert what happened. Clones are handles of the same trace; several networks
/// may share one.
///
/// The order of its events is causal, also under threads: an event never comes before its cause. A trace is bounded.
/// When it is full, it keeps its first events and the newest ones, and a line such as `… 1234 events dropped` stands
/// for the others.
///
/// A trace keeps the bytes that are written and read, by default the first 32 of each, so it may hold secrets. It writes
/// to a disk only where a program asks for it.
///
/// # Examples
///
/// ```
/// use virtnet::trace::Trace;
///
/// let trace = Trace::new();
/// trace.note("leader is b");
/// assert_eq!(trace.view().to_string(), "note: leader is b\n");
/// ```
#[derive(Clone)]
pub struct Trace {
    pub(super) shared: Arc<Shared>,
    /// The network whose events this handle records; 0 for none.
    network: u16,
}

pub(super) struct Shared {
    pub(super) shards: Shards,
    pub(super) log: Lock<Log>,
    pub(super) paused: AtomicBool,
    /// Whether tasks may wait for events.
    watched: AtomicBool,
    /// Whether a thread merges.
    merging: AtomicBool,
    tokens: AtomicUsize,
    pub(super) keep: u32,
    clock: Option<Now>,
    pub(super) network_clock: NetworkClock,
    actors: Option<Actors>,
    /// The networks that record here, for failures to show.
    pub(super) pictures: Lock<Vec<Picture>>,
    pub(super) holding: Holding,
    /// Which events of which streams checks have read, in this order, if that is of interest.
    followed: Lock<Option<Vec<(String, u64)>>>,
    /// The names of actors.
    actor_names: Lock<BTreeMap<Actor, String>>,
}

/// Returns the time.
pub(super) type Now = Box<dyn Fn() -> Duration + Send + Sync>;

/// Returns the key of the thread or task that runs.
pub(super) type Actors = Box<dyn Fn() -> u64 + Send + Sync>;

/// Something that prints a network as it is.
pub(super) type Picture = Weak<dyn fmt::Display + Send + Sync>;

/// A thread that finds so many events in its shard merges them, unless another thread is at it.
const MERGE: usize = 4096;

/// With so many events in its shard, a thread waits until it can merge them.
const FULL: usize = 4 * MERGE;

impl Trace {
    /// A trace that goes on from a log, and keeps so many bytes of each write and read.
    pub(super) fn of(log: Log, keep: u32, clock: Option<Now>, actors: Option<Actors>) -> Self {
        let shared = Shared {
            shards: Shards::new(),
            log: Lock::new(log),
            paused: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            merging: AtomicBool::new(false),
            tokens: AtomicUsize::new(0),
            keep,
            clock,
            network_clock: NetworkClock::new(),
            actors,
            pictures: Lock::new(Vec::new()),
            holding: Holding::new(),
            followed: Lock::new(None),
            actor_names: Lock::new(BTreeMap::new()),
        };
        Self { shared: Arc::new(shared), network: 0 }
    }

    /// Records a note of the program. Control characters are escaped, so it stays one line.
    pub fn note(&self, text: impl fmt::Display) {
        self.file_text(Raw::Note, &text);
    }

    /// Records that a fault was injected.
    pub fn fault(&self, text: impl fmt::Display) {
        self.file_text(Raw::Fault, &text);
    }

    /// Records that a fault ended.
    pub fn fault_ended(&self, text: impl fmt::Display) {
        self.file_text(Raw::FaultEnded, &text);
    }

    /// Stops recording. The addresses of connections that are made meanwhile are known all the same.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::SeqCst);
    }

    /// Continues to record.
    pub fn resume(&self) {
        // Once for the bytes that were moved unseen until here, and once for those of a thread that looked before.
        self.file(None, Raw::Paused, Load::Bytes(&[]), true);
        self.shared.paused.store(false, Ordering::SeqCst);
        self.file(None, Raw::Paused, Load::Bytes(&[]), true);
    }

    /// Makes a mark for another thread to [`join`](Trace::join): the events of this thread so far come before the
    /// events of that thread from then on. This is for order that the network does not see, such as that of a channel.
    #[must_use = "a token orders nothing unless it is joined"]
    pub fn token(&self) -> Token {
        let number = self.shared.tokens.fetch_add(1, Ordering::Relaxed) as u64;
        self.file(None, Raw::Token(number), Load::Bytes(&[]), false);
        Token(number)
    }

    /// The following events of this thread come after the events that the thread of the token had done before it.
    pub fn join(&self, token: Token) {
        self.file(None, Raw::Joined(token.0), Load::Bytes(&[]), false);
    }

    /// A handle that records the events of another network.
    #[doc(hidden)]
    #[must_use]
    pub fn for_network(&self) -> Self {
        Self { shared: self.shared.clone(), network: self.shared.log.with(Log::add_network) }
    }

    /// Names the running thread or task: the stream of its events is called so in a check
    /// [by actor](crate::trace::Check::by_actor), in each run, while numbers depend on which thread comes first.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// let mut check = trace.check().by_actor();
    /// trace.name_actor("main");
    /// trace.note("ready");
    /// check.expect("main", "note: ready").wait()?;
    /// # Ok::<(), virtnet::trace::Failure>(())
    /// ```
    pub fn name_actor(&self, name: &str) {
        let actor = self.actor();
        // What it replaces is dropped after the step.
        let name = self.shared.actor_names.with(|names| names.insert(actor, name.into()));
        drop(name);
    }

    /// The name of an actor, or else its number as text.
    pub(super) fn actor_name(&self, actor: Actor) -> String {
        let name = self.shared.actor_names.with(|names| names.get(&actor).cloned());
        name.unwrap_or_else(|| actor.to_string())
    }

    /// Notes from here on which events checks read.
    #[cfg(feature = "std")]
    pub(super) fn follow(&self) {
        self.shared.followed.with(|followed| *followed = Some(Vec::new()));
    }

    /// Which events of which streams checks have read.
    #[cfg(feature = "std")]
    pub(super) fn followed(&self) -> Vec<(String, u64)> {
        self.shared.followed.with(|followed| followed.clone().unwrap_or_default())
    }

    /// A check has read an event of a stream.
    pub(super) fn read_in(&self, stream: &str, seq: u64) {
        self.shared.followed.with(|followed| {
            if let Some(followed) = followed {
                followed.push((stream.into(), seq));
            }
        });
    }

    /// Some of the events from number `next` on.
    #[cfg(feature = "std")]
    pub(super) fn events_from(&self, next: u64) -> VecDeque<Box<Event>> {
        self.merge(|log| log.events(next, 64, true).1)
    }

    /// The thread or task that runs.
    pub(super) fn actor(&self) -> Actor {
        let key = self.actor_key(actor::thread());
        Actor(self.merge(|log| log.actor_of(key)))
    }

    pub(super) fn holding(&self) -> &Holding {
        &self.shared.holding
    }

    /// The number of the network whose events this handle records.
    pub(super) fn network(&self) -> u16 {
        self.network
    }

    /// How many tickets are open. Without any, all events that were recorded can be seen.
    #[doc(hidden)]
    #[must_use]
    pub fn open_tickets(&self) -> usize {
        self.shared.shards.open()
    }

    /// The clock of the networks that record here.
    pub(super) fn network_clock(&self) -> &NetworkClock {
        &self.shared.network_clock
    }

    /// The networks that record here, printed.
    pub(super) fn pictures(&self) -> String {
        let mut pictures = Vec::new();
        self.shared.pictures.with(|known| pictures.extend(known.iter().filter_map(Weak::upgrade)));
        pictures.iter().map(|picture| picture.to_string() + "\n").collect()
    }

    /// The events so far, up to the lowest open ticket.
    pub(super) fn freeze(&self) -> Frozen {
        self.merge(|log| log.freeze())
    }

    /// Merges what was recorded, then runs a step on the log.
    pub(super) fn merge<R>(&self, step: impl FnOnce(&mut Log) -> R) -> R {
        let Shared { log, shards, watched, .. } = &*self.shared;
        let (woken, outcome) = log.with(|log| {
            let woken = log.merge(shards);
            if log.wakers().is_empty() {
                watched.store(false, Ordering::SeqCst);
            }
            (woken, step(log))
        });
        woken.into_iter().for_each(Wakers::wake);
        outcome
    }

    /// Registers a task for the event number `next`; ready if there is one already.
    ///
    /// The flag is set before the shards are looked at. A thread that records an event afterwards finds it set, and
    /// merges. One that recorded before has left the event in its shard.
    pub(super) fn poll_event(&self, waker: &Waker, next: u64) -> Poll<()> {
        let Shared { log, shards, watched, .. } = &*self.shared;
        poll_locked(waker, |registration| {
            let (woken, outcome) = log.with(|log| {
                watched.store(true, Ordering::SeqCst);
                let woken = log.merge(shards);
                if log.seq() >= next {
                    return (woken, Poll::Ready(()));
                }
                registration.register(log.wakers());
                (woken, Poll::Pending)
            });
            woken.into_iter().for_each(Wakers::wake);
            outcome
        })
    }

    fn file_text(&self, raw: Raw, text: &dyn fmt::Display) {
        if !self.paused() {
            self.file(None, raw, Load::Bytes(line(&text.to_string()).as_bytes()), false);
        }
    }

    /// Records an event, with its ticket or with a new one.
    #[inline]
    pub(super) fn file(&self, ticket: Option<Ticket>, raw: Raw, load: Load<'_>, hidden: bool) {
        let shared = &*self.shared;
        let thread = actor::thread();
        let actor = self.actor_key(thread);
        let now = shared.clock.as_ref().map(|clock| clock()).or_else(|| shared.network_clock.now());
        let at = now.map_or(NO_TIME, |now| now.as_nanos() as u64);
        let item = Item::new(raw, self.network, actor, at, hidden);
        let held = match ticket {
            Some(ticket) => shared.shards.record(ticket, item, load),
            None => shared.shards.record_now(thread, item, load),
        };
        self.after(held);
    }

    /// The key of the thread or task that runs.
    fn actor_key(&self, thread: u64) -> u64 {
        self.shared.actors.as_ref().map_or_else(|| actor::current(thread), |actors| actors())
    }

    /// Merges if a task waits for events, and gathers them if the shard is full.
    #[inline]
    pub(super) fn after(&self, held: usize) {
        if held >= MERGE || self.shared.watched.load(Ordering::SeqCst) {
            self.gather(held);
        }
    }

    #[cold]
    fn gather(&self, held: usize) {
        let Shared { log, shards, watched, merging, .. } = &*self.shared;
        if watched.load(Ordering::SeqCst) {
            self.merge(|_| ());
        } else if held >= FULL || !merging.swap(true, Ordering::Acquire) {
            log.with(|log| log.gather(shards)).into_iter().for_each(Wakers::wake);
            merging.store(false, Ordering::Release);
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} events)", self.merge(|log| log.seq()))
    }
}

/// A mark in a trace; see [`Trace::token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(u64);

/// A text without line breaks and other characters that would make a line look like something else.
pub(super) fn line(text: &str) -> String {
    text.chars()
        .map(
            |character| {
                if is_plain(character) { String::from(character) } else { character.escape_default().collect() }
            },
        )
        .collect()
}

/// Whether a character may stand in a line: controls, line separators and marks of direction may not.
pub(super) fn is_plain(character: char) -> bool {
    let direction =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}') && !direction
}
