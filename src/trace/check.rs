//! Checks: events of several streams, expected one after the other while they come.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

#[cfg(feature = "std")]
use crate::trace::Passing;
#[cfg(feature = "std")]
use crate::trace::actor::thread;
use crate::trace::event::Event;
use crate::trace::failure::{Failure, last_lines};
use crate::trace::gate::Up;
use crate::trace::pattern::Pattern;
use crate::trace::recorder::Trace;
use crate::trace::silence::Silence;
use crate::trace::stream::{conn, host};
use crate::wait::waker::noop_waker;

/// Expects the events of a trace one after the other, from the moment on at which [`Trace::check`] was called.
///
/// The events are divided into streams, in each of which they are expected in order. The stream of an event is the host
/// that did it or saw it, and `network` for events without a host. [`by_conn`](Check::by_conn),
/// [`by_actor`](Check::by_actor) and [`by`](Check::by) divide them otherwise. Reads are left out unless
/// [`reads`](Check::reads) asks for them.
///
/// Each expectation is an [`Op`](crate::Op): wait for it or await it. It fails if there is no event at all for 3 seconds of real
/// time, which [`limit`](Check::limit) changes; without the feature `std`, it then waits on. In a thread that takes part
/// in an automatic clock, it fails as soon as nothing more can happen.
///
/// # Examples
///
/// ```
/// use virtnet::trace::Trace;
///
/// let trace = Trace::new();
/// let mut check = trace.check();
/// trace.note("leader is b");
/// check.expect("network", "note: leader is *").wait()?;
/// check.end()?;
/// # Ok::<(), virtnet::trace::Failure>(())
/// ```
pub struct Check {
    pub(super) trace: Trace,
    /// The number of the next event to look at.
    next: u64,
    reads: bool,
    route: Route,
    /// The events of each stream that were not expected yet.
    streams: BTreeMap<String, Waiting>,
    /// Events that are passed over, by their streams.
    skipped: Vec<(String, Box<dyn Pattern + Send>)>,
    /// How many events were dropped before they were looked at.
    dropped: u64,
    pub(super) silence: Silence,
    /// Holds operations, if this check decides the order.
    up: Option<Up>,
}

/// Events that wait to be expected. They are large, and are moved a few times.
type Waiting = VecDeque<Box<Event>>;

/// How events are divided into streams: by host, or by a function.
type Route = Option<Box<dyn Fn(&Event) -> String + Send>>;

/// So many events are copied at a time.
const BATCH: usize = 64;

/// So many events of a stream are shown.
const SHOWN: usize = 3;

impl Trace {
    /// Checks the events from here on.
    pub fn check(&self) -> Check {
        Check {
            trace: self.clone(),
            next: self.merge(|log| log.seq()) + 1,
            reads: false,
            route: None,
            streams: BTreeMap::new(),
            skipped: Vec::new(),
            dropped: 0,
            silence: Silence::new(Duration::from_secs(3)),
            up: None,
        }
    }

    /// A check that decides the order: from here on, each dial, accept and write is held before it begins, until
    /// [`expect`](Check::expect) lets it run. With [`reads`](Check::reads), reads are held, too.
    ///
    /// An expectation lets the first operation of its stream run whose event may fit, and waits for the event. So it
    /// decides which of two dials takes the lower port, and which is accepted first. An operation that is held shows as
    /// `dial b->a:10`, without the port that it has not taken yet.
    ///
    /// What cannot wait is not held: listening, closing, dropping, and the methods that begin with `try_`. Only
    /// [`hold_threads`](Check::hold_threads) holds some of it. An operation whose network, host or socket is closed runs and fails. All others run freely once the check is
    /// [opened](Check::open) or dropped; a dial that is dropped while it is held leaves no event.
    ///
    /// An operation that is held waits: it may time out, and a virtual clock moves on if all else waits, too.
    ///
    /// The thread of the check must not call a held operation itself: it would wait for its own expectation.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use virtnet::pipenet;
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
    /// let listener = net.host("a")?.listen(":10")?;
    /// let b = net.host("b")?;
    /// let mut gate = trace.gate().by_actor();
    /// let dials = ["x", "y"].map(|name| {
    ///     let (b, trace) = (b.clone(), trace.clone());
    ///     thread::spawn(move || {
    ///         trace.name_actor(name);
    ///         b.dial("a:10").wait().map(|conn| conn.local_addr().port())
    ///     })
    /// });
    /// // In this order, whichever thread is the first to dial.
    /// gate.expect("y", "dial b:1->a:10").wait()?;
    /// gate.expect("x", "dial b:2->a:10").wait()?;
    /// gate.open();
    /// let accepted = [listener.accept().wait()?, listener.accept().wait()?];
    /// assert_eq!(dials.map(|dial| dial.join().unwrap()), [Ok(2), Ok(1)]);
    /// # drop(accepted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "a check that is dropped holds nothing"]
    pub fn gate(&self) -> Check {
        let up = Up::new(self.clone());
        Check { up: Some(up), ..self.check() }
    }
}

impl Check {
    /// Whether reads are expected, too. They are not at first.
    #[must_use]
    pub fn reads(self, reads: bool) -> Self {
        if self.up.is_some() {
            self.trace.holding().hold_reads(reads);
        }
        Self { reads, ..self }
    }

    /// Whether threads are held, too, before they listen, or shut down, close, abort or drop a socket: all of that cannot
    /// wait, so the whole thread does. They are not held at first. This is for programs on threads of the standard library.
    ///
    /// A task would stop its executor, which the check may need. So a thread within a runtime of tokio is never held, with
    /// the feature `tokio`; other executors cannot be told from threads. Never held are the thread that calls this, one that
    /// panics, the methods that begin with `try_`, and closing a host or a network.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use virtnet::pipenet;
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
    /// let a = net.host("a")?;
    /// let mut gate = trace.gate().hold_threads(true).by_actor();
    /// let listens = ["x", "y"].map(|name| {
    ///     let (a, trace) = (a.clone(), trace.clone());
    ///     thread::spawn(move || {
    ///         trace.name_actor(name);
    ///         a.listen(":5").is_ok()
    ///     })
    /// });
    /// // In this order, whichever thread is the first to listen.
    /// gate.expect("y", "listen a:5").wait()?;
    /// gate.expect("x", "listen a:5: address already in use").wait()?;
    /// gate.open();
    /// assert_eq!(listens.map(|listen| listen.join().unwrap()), [false, true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn hold_threads(self, hold: bool) -> Self {
        if self.up.is_some() {
            self.trace.holding().hold_threads(hold, thread());
        }
        self
    }

    /// A stream for each connection, such as `b:1->a:1`. Events of no connection are those of their hosts.
    #[must_use]
    pub fn by_conn(self) -> Self {
        self.by(|event| conn(event).unwrap_or_else(|| host(event).as_str().into()))
    }

    /// A stream for each thread or task, such as `#1`, or the name that [`Trace::name_actor`] gave it.
    #[must_use]
    pub fn by_actor(self) -> Self {
        let trace = self.trace.clone();
        self.by(move |event| trace.actor_name(event.actor))
    }

    /// Streams by a function.
    #[must_use]
    pub fn by(self, route: impl Fn(&Event) -> String + Send + 'static) -> Self {
        Self { route: Some(Box::new(route)), ..self }
    }

    /// Expectations fail if there is no event for so long.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { silence: Silence::new(limit), ..self }
    }

    /// The next event of a stream, if it is there already.
    pub fn try_next(&mut self, stream: &str) -> Option<Event> {
        self.pull();
        self.streams.get_mut(stream)?.pop_front().map(|event| *event)
    }

    /// Passes over the events of a stream that fit, those that wait and those to come. Held operations whose events may
    /// fit run as soon as an expectation waits.
    pub fn skip(&mut self, stream: &str, pattern: impl Pattern + Send + 'static) {
        self.pull();
        if let Some(waiting) = self.streams.get_mut(stream) {
            waiting.retain(|event| !pattern.fits(event));
        }
        self.skipped.push((stream.into(), Box::new(pattern)));
    }

    /// Lets all held operations run, and those to come. The check goes on.
    pub fn open(&mut self) {
        self.up = None;
    }

    /// Lets held operations run: those of any stream that are skipped, and the first one of this stream whose event may
    /// fit the pattern. Returns the number of that one.
    pub(super) fn admit(&self, waker: &Waker, stream: &str, pattern: &dyn Pattern) -> Option<u64> {
        self.up.as_ref()?;
        let mut admitted = None;
        for intent in self.trace.holding().list(waker) {
            let of = self.stream(&intent.event);
            let may_fit = |pattern: &dyn Pattern| intent.lines.iter().any(|line| pattern.may_fit(line));
            let is_next = admitted.is_none() && of == stream && may_fit(pattern);
            let skips = |(stream, pattern): &(String, Box<dyn Pattern + Send>)| *stream == of && may_fit(&**pattern);
            if is_next || self.skipped.iter().any(skips) {
                self.trace.holding().admit(|_, held, _| held.number == intent.number);
                admitted = admitted.or(is_next.then_some(intent.number));
            }
        }
        admitted
    }

    /// Ends the check: each event has been expected. Lets all held operations run.
    ///
    /// # Errors
    ///
    /// Events that were not expected, or were dropped.
    pub fn end(mut self) -> Result<(), Failure> {
        self.pull();
        self.whole()?;
        let left = self.streams.iter().filter(|(_, events)| !events.is_empty());
        let lines: Vec<_> = left.map(|(stream, events)| format!("stream {stream}: {}", unexpected(events))).collect();
        if lines.is_empty() { Ok(()) } else { Err(self.failure("", lines.join("\n"))) }
    }

    /// The stream of an event.
    fn stream(&self, event: &Event) -> String {
        match &self.route {
            Some(route) => route(event),
            None => host(event).as_str().into(),
        }
    }

    pub(super) fn pull(&mut self) {
        self.pull_each(|_| ());
    }

    /// Moves new events into their streams, and shows each that is not skipped to `seen`.
    pub(super) fn pull_each(&mut self, mut seen: impl FnMut(&Event)) {
        loop {
            let (next, reads) = (self.next, self.reads);
            let ((dropped, events, after), newest) =
                self.trace.merge(|log| (log.events(next, BATCH, reads), log.seq()));
            self.dropped += dropped;
            self.next = after;
            if after == next + dropped {
                break;
            }
            self.silence.end();
            for event in events {
                let (host, routed) = (host(&event), self.route.as_ref().map(|route| route(&event)));
                let stream = routed.as_deref().unwrap_or(host.as_str());
                if self.skipped.iter().any(|(of, pattern)| *of == *stream && pattern.fits(&event)) {
                    continue;
                }
                seen(&event);
                match self.streams.get_mut(stream) {
                    Some(waiting) => waiting.push_back(event),
                    None => drop(self.streams.insert(stream.into(), [event].into())),
                }
            }
            if self.next > newest {
                break;
            }
        }
    }

    /// Takes the next event of a stream, if there is one, or the failure that events were dropped.
    pub(super) fn take(
        &mut self,
        stream: &str,
        pattern: &dyn Pattern,
        at: &Location<'_>,
    ) -> Option<Result<Event, Failure>> {
        if let Err(failure) = self.whole() {
            return Some(Err(failure));
        }
        if !self.streams.contains_key(stream) {
            self.streams.insert(stream.into(), VecDeque::new());
        }
        let event = self.streams.get_mut(stream)?.pop_front()?;
        if pattern.fits(&event) {
            self.trace.read_in(stream, event.seq);
            return Some(Ok(*event));
        }
        let want = pattern.shown();
        let place = format!("{}:{}", at.file(), at.line());
        let text = format!("stream {stream}: not as expected at {place}\n  want: {want}\n  have: {event}");
        Some(Err(self.failure(stream, text)))
    }

    /// Fails if events were dropped.
    fn whole(&self) -> Result<(), Failure> {
        match self.dropped {
            0 => Ok(()),
            1 => Err(self.failure("", "1 event was dropped: enlarge the trace".into())),
            dropped => Err(self.failure("", format!("{dropped} events were dropped: enlarge the trace"))),
        }
    }

    /// A failure with the whole picture; races are shown that touch `stream`.
    pub(super) fn failure(&self, stream: &str, text: String) -> Failure {
        let streams: Vec<_> = self.streams.iter().map(|(stream, events)| more(stream, events)).collect();
        let held = self.trace.holding().list(noop_waker());
        let held: Vec<_> = held.iter().map(|held| format!("{}: {}", self.stream(&held.event), held.text)).collect();
        let held = if held.is_empty() { "none".into() } else { held.join(" | ") };
        let mut picture = format!("streams: {}\nheld: {held}\n{}", streams.join(" | "), self.trace.pictures());
        let races = self.trace.races();
        let touches = |event: &Event| self.stream(event) == stream;
        for race in races.iter().filter(|race| touches(&race.first) || touches(&race.second)) {
            picture += &format!("{race}\n");
        }
        Failure::new(text, picture + &last_lines(&self.trace.freeze()))
    }

    /// Ready when this time has passed on the clock of the network, if it has one.
    #[cfg(feature = "std")]
    pub(super) fn pass(&self, time: Duration) -> Option<Passing> {
        self.trace.network_clock().pass(time)
    }

    /// Registers the task for the next event; ready if there is one already.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.trace.poll_event(cx.waker(), self.next)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams: Vec<_> = self.streams.iter().map(|(stream, events)| more(stream, events)).collect();
        write!(f, "Check({})", streams.join(" | "))
    }
}

fn more(stream: &str, events: &Waiting) -> String {
    let before = if events.is_empty() { "" } else { ": " };
    format!("{stream} {} more{before}{}", events.len(), list(events))
}

fn unexpected(events: &Waiting) -> String {
    let plural = if events.len() == 1 { "" } else { "s" };
    format!("{} unexpected event{plural}: {}", events.len(), list(events))
}

/// The first of some events.
fn list(events: &Waiting) -> String {
    let mut shown: Vec<_> = events.iter().take(SHOWN).map(ToString::to_string).collect();
    if events.len() > SHOWN {
        shown.push("…".into());
    }
    shown.join(", ")
}
