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
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::addr::name::{HostName, NetworkName};
use crate::contract::engine::Engine;
use crate::contract::layer::Layer;
use crate::contract::observe::{CoreEvent, Gone, Intent, Observer, RawEvent, Ticket};
use crate::sync::{AtomicBool, AtomicUsize, Lock};
use crate::trace::NetworkClock;
use crate::trace::actor;
use crate::trace::event::Actor;
#[cfg(feature = "std")]
use crate::trace::event::Event;
use crate::trace::frozen::Frozen;
use crate::trace::held::Holding;
use crate::trace::log::{Bounds, Log};
use crate::trace::shard::{Item, Load, Rare, Raw, Shards};
use crate::trace::slot::NO_TIME;
use crate::trace::text::SHOWN;
use crate::trace::traced::Traced;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;
use crate::wait::waker::{Wakers, poll_locked};

/// A recorder of events, for tests that assert what happened. Clones are handles of the same trace; several networks
/// may share one.
///
/// The order of its events is causal, also under threads: an event never comes before its cause. A trace is bounded.
/// When it is full, it keeps its first events and the newest ones, and a line such as `… 1234 events dropped` stands
/// for the others.
///
/// A trace keeps the bytes that are written and read, by default the first 32 of each, so it may hold secrets. It never
/// writes anything to a disk.
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
    shared: Arc<Shared>,
    /// The network whose events this handle records; 0 for none.
    network: u16,
}

struct Shared {
    shards: Shards,
    log: Lock<Log>,
    paused: AtomicBool,
    /// Whether tasks may wait for events.
    watched: AtomicBool,
    /// Whether a thread merges.
    merging: AtomicBool,
    tokens: AtomicUsize,
    keep: u32,
    clock: Option<Box<dyn Fn() -> Duration + Send + Sync>>,
    network_clock: NetworkClock,
    actors: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// The networks that record here, for failures to show.
    pictures: Lock<Vec<Picture>>,
    holding: Holding,
    /// Which events of which streams checks have read, in this order, if that is of interest.
    followed: Lock<Option<Vec<(String, u64)>>>,
    /// The names of actors.
    actor_names: Lock<BTreeMap<Actor, String>>,
}

/// Something that prints a network as it is.
type Picture = Weak<dyn fmt::Display + Send + Sync>;

/// A thread that finds so many events in its shard merges them, unless another thread is at it.
const MERGE: usize = 4096;

/// With so many events in its shard, a thread waits until it can merge them.
const FULL: usize = 4 * MERGE;

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// A trace that keeps the first 1000 events and as many of the newest as make a million, in 64 MiB, with the first
    /// 32 bytes of each write and read.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// To make a trace with options.
    pub fn builder() -> Builder {
        let bounds = Bounds { events: 1_000_000, head: 1000, memory: 64 << 20, keep: SHOWN as u32 };
        Builder { bounds, clock: None, actors: None }
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
    fn file(&self, ticket: Option<Ticket>, raw: Raw, load: Load<'_>, hidden: bool) {
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
    fn after(&self, held: usize) {
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

    /// An event of the core as it is kept; and whether it is one of those that a pause does not leave out.
    fn raw(event: &CoreEvent<'_>, end: Option<u32>) -> Option<(Raw, Option<Rare>, bool)> {
        let rare = |rare| Some((Raw::Rare, Some(rare), false));
        let host = |name: &str| HostName::valid(name, "");
        match *event {
            CoreEvent::HostMade { host: name } => rare(Rare::HostMade(host(name)?)),
            CoreEvent::HostClosed { host: name } => rare(Rare::HostClosed(host(name)?)),
            CoreEvent::HostDied { host: name, power_off } => rare(Rare::HostDied(host(name)?, power_off)),
            CoreEvent::HostBack { host: name } => rare(Rare::HostBack(host(name)?)),
            CoreEvent::Listened { addr } => rare(Rare::Listened(*addr)),
            CoreEvent::ListenerClosed { addr, dropped } => rare(Rare::ListenerClosed(*addr, dropped)),
            CoreEvent::Dialled { src, dst } => rare(Rare::Dialled { src: *src, dst: *dst }),
            CoreEvent::Withdrawn { src, dst } => rare(Rare::Withdrawn { src: *src, dst: *dst }),
            CoreEvent::Accepted { listener, local, peer } => {
                let accepted = Rare::Accepted { end: end?, listener: *listener, local: *local, peer: *peer };
                Some((Raw::Rare, Some(accepted), true))
            }
            CoreEvent::Connected { dialled, peer } => {
                let connected = Rare::Connected { end: end?, dialled: *dialled, peer: *peer };
                Some((Raw::Rare, Some(connected), true))
            }
            CoreEvent::Shut(how, reset) => Some((Raw::Shut { end: end?, how, reset }, None, false)),
            CoreEvent::Ended => Some((Raw::Ended { end: end? }, None, false)),
            CoreEvent::Failed(error) => rare(Rare::Failed(*error, end)),
            CoreEvent::NetworkDown(cause) => rare(Rare::NetworkDown(cause)),
            CoreEvent::NetworkClosed => Some((Raw::NetworkClosed, None, false)),
            CoreEvent::Void => None,
        }
    }

    /// The bytes of a write or read that are kept.
    fn kept<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(..self.shared.keep as usize).unwrap_or(bytes)
    }

    fn observe(&self, ticket: Option<Ticket>, event: &RawEvent<'_>) {
        let paused = self.paused();
        let void = || ticket.into_iter().for_each(|ticket| self.void(ticket));
        if paused && matches!(event, RawEvent::Wrote { .. } | RawEvent::Taken { .. } | RawEvent::Read { .. }) {
            return void();
        }
        let kept = |bytes| Load::Bytes(self.kept(bytes));
        let small = |count: usize| count.min(u32::MAX as usize) as u32;
        match *event {
            RawEvent::Wrote { end, bytes, of } => {
                let raw = Raw::Wrote { end, count: small(bytes.len()), of: small(of) };
                self.file(ticket, raw, kept(bytes), false);
            }
            RawEvent::Read { end, bytes } => {
                self.file(ticket, Raw::Read { end, count: small(bytes.len()) }, kept(bytes), false);
            }
            RawEvent::Taken { end, count, of } => {
                self.file(ticket, Raw::Taken { end, count: small(count), of: small(of) }, kept(&[]), false);
            }
            RawEvent::Opened { conn, src, dst } => {
                let opened = Rare::Opened { conn, src: *src, dst: *dst };
                self.file(ticket, Raw::Rare, Load::Rare(&opened), paused);
            }
            RawEvent::Core(event, end) => {
                match Self::raw(event, end) {
                    Some((raw, rare, always)) if always || !paused => {
                        self.file(ticket, raw, rare.as_ref().map_or(kept(&[]), Load::Rare), paused);
                    }
                    _ => void(),
                }
                self.release_closed(event, end);
            }
        }
    }
}

/// Records each event of a network.
impl Layer for Trace {
    type Engine<E: Engine + 'static> = Traced<E, Self>;

    fn wrap<E: Engine + 'static>(self, inner: E) -> Traced<E, Self> {
        Traced::new(inner, self.for_network())
    }
}

/// Each method may be called under any lock of a network but [`record`](Observer::record) and what records.
impl Observer for Trace {
    fn ticket(&self) -> Ticket {
        self.shared.shards.draw(actor::thread())
    }

    fn void(&self, ticket: Ticket) {
        self.shared.shards.void(ticket);
        // The ticket may have kept events from being seen.
        self.after(0);
    }

    fn record(&self, ticket: Ticket, event: &RawEvent<'_>) {
        self.observe(Some(ticket), event);
    }

    fn now(&self, event: &RawEvent<'_>) {
        self.observe(None, event);
    }

    fn attach(&self, name: &str, picture: Picture) {
        self.shared.log.with(|log| log.name_network(self.network, NetworkName::of(name, "").0));
        self.shared.pictures.with(|pictures| pictures.push(picture));
    }

    #[cfg(feature = "sim")]
    fn clock(&self, clock: &Clock) {
        self.shared.network_clock.set(clock);
    }

    fn paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    #[inline]
    fn holds(&self) -> bool {
        self.holding().is_up()
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, end: Option<u32>) -> Poll<()> {
        self.poll_held(cx, intent, end)
    }

    fn cancel_pass(&self, gone: &Gone<'_>, end: Option<u32>) {
        self.leave_gate(gone, end);
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

/// Makes a trace with options.
///
/// # Examples
///
/// ```
/// use virtnet::trace::Trace;
///
/// let trace = Trace::builder().head(2).events(4).build();
/// (1..=6).for_each(|number| trace.note(number));
/// assert_eq!(trace.view().to_string(), "note: 1\nnote: 2\n… 2 events dropped\nnote: 5\nnote: 6\n");
/// ```
#[must_use]
pub struct Builder {
    bounds: Bounds,
    clock: Option<Box<dyn Fn() -> Duration + Send + Sync>>,
    actors: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
}

impl Builder {
    /// So many events are kept at most, a million by default.
    pub fn events(self, events: u64) -> Self {
        Self { bounds: Bounds { events, ..self.bounds }, ..self }
    }

    /// So many of these are the first ones, 1000 by default. The others are the newest.
    pub fn head(self, head: u64) -> Self {
        Self { bounds: Bounds { head, ..self.bounds }, ..self }
    }

    /// About so many bytes of memory are used for events at most, 64 MiB by default.
    pub fn memory(self, memory: usize) -> Self {
        Self { bounds: Bounds { memory, ..self.bounds }, ..self }
    }

    /// So many bytes of each write and read are kept, the first 32 by default; `u32::MAX` for all of them.
    pub fn bytes(self, keep: u32) -> Self {
        Self { bounds: Bounds { keep, ..self.bounds }, ..self }
    }

    /// Gives events their time. By default it is that of the first network that is made with a clock.
    pub fn clock(self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock: Some(Box::new(now)), ..self }
    }

    /// Gives events the time since now. A clock read takes longer than the rest of recording an event.
    #[cfg(feature = "std")]
    pub fn real_time(self) -> Self {
        let start = std::time::Instant::now();
        self.clock(move || start.elapsed())
    }

    /// Tells which thread or task runs, by a number of its own. By default that is the task of tokio, with the feature
    /// `tokio`, or else the thread. Without threads, all events are of one actor.
    pub fn actors(self, key: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { actors: Some(Box::new(key)), ..self }
    }

    /// Makes the trace.
    #[must_use]
    pub fn build(self) -> Trace {
        let log = Log::new(self.bounds);
        self.with(log)
    }

    /// Makes a trace that goes on from a log.
    pub(super) fn with(self, log: Log) -> Trace {
        let Self { bounds, clock, actors } = self;
        let shared = Shared {
            shards: Shards::new(),
            log: Lock::new(log),
            paused: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            merging: AtomicBool::new(false),
            tokens: AtomicUsize::new(0),
            keep: bounds.keep,
            clock,
            network_clock: NetworkClock::new(),
            actors,
            pictures: Lock::new(Vec::new()),
            holding: Holding::new(),
            followed: Lock::new(None),
            actor_names: Lock::new(BTreeMap::new()),
        };
        Trace { shared: Arc::new(shared), network: 0 }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Builder").field(&self.bounds).finish()
    }
}

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
