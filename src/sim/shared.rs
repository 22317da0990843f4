//! What carries out what is due.

use alloc::string::ToString;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::fmt;
use core::sync::atomic::Ordering;

use crate::sim::action::Actions;
use crate::sim::letter::Letter;
use crate::sim::letters::Sent;
use crate::sim::rule::{Rule, Traffic, Verdict};
use crate::sim::world::World;
use crate::sync::{AtomicBool, Lock, Once};
use crate::trace::Trace;
use crate::wait::clock::{Class, Clock, Time};

/// The world of some faults, with the clock that it follows.
pub(super) struct Shared {
    /// Its clock, once it has one.
    clock: Once<Clock>,
    pub(super) trace: Option<Trace>,
    pub(super) seed: u64,
    world: Lock<World>,
    rule: Lock<Option<Arc<Rule>>>,
    /// Whether there is a rule.
    ruled: AtomicBool,
}

impl Shared {
    pub(super) fn new(seed: u64, clock: Option<Clock>, trace: Option<Trace>) -> Self {
        let shared = Self {
            clock: Once::new(),
            trace,
            seed,
            world: Lock::new(World::new(seed)),
            rule: Lock::new(None),
            ruled: AtomicBool::new(false),
        };
        clock.into_iter().for_each(|clock| {
            shared.clock.call_once(|| clock);
        });
        shared
    }

    /// From now on the time is that of its clock, or of `clock` if it has none.
    pub(super) fn start(self: &Arc<Self>, clock: impl FnOnce() -> Clock) {
        self.clock.call_once(clock);
        self.run();
    }

    /// Its clock, once there is a network.
    pub(super) fn clock(&self) -> Option<&Clock> {
        self.clock.get()
    }

    /// The time, in nanoseconds; that of a start as long as there is no clock.
    pub(super) fn now(&self) -> u64 {
        self.clock.get().map_or(0, |clock| clock.now().as_nanos())
    }

    /// Runs one step on the world, and then what it has left to do.
    pub(super) fn step<R>(self: &Arc<Self>, step: impl FnOnce(&mut World, u64, &mut Actions) -> R) -> R {
        let now = self.now();
        self.act(|world, actions| step(world, now, actions))
    }

    /// Like [`step`](Self::step), for one that does not ask for the time.
    pub(super) fn act<R>(self: &Arc<Self>, step: impl FnOnce(&mut World, &mut Actions) -> R) -> R {
        let mut actions = Actions::default();
        let (outcome, pending) = self.world.with(|world| {
            let outcome = step(world, &mut actions);
            (outcome, world.next_at() != world.armed.as_ref().map(|&(at, _, _)| at))
        });
        actions.run();
        if pending {
            self.run();
        }
        outcome
    }

    /// Runs a step that leaves nothing to do, neither now nor later.
    pub(super) fn look<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        self.world.with(look)
    }

    /// Makes a change that is recorded, after what is due, and carries out what it makes due.
    pub(super) fn change(
        self: &Arc<Self>,
        ended: bool,
        text: &dyn fmt::Display,
        step: impl FnOnce(&mut World, u64, &mut Actions),
    ) {
        self.run();
        if let Some(trace) = &self.trace {
            let text = text.to_string();
            if ended { trace.fault_ended(text) } else { trace.fault(text) }
        }
        self.step(step);
    }

    /// Sets the rule that looks at each dial and each write.
    pub(super) fn set_rule(self: &Arc<Self>, rule: Option<Arc<Rule>>) {
        let on = rule.is_some();
        let before = self.rule.with(|known| core::mem::replace(known, rule));
        self.ruled.store(on, Ordering::Relaxed);
        drop(before);
        self.change(!on, &"rule", |world, _, actions| world.set_ruled(on, actions));
    }

    /// What the rule says of something, if there is one. It is called under no lock.
    pub(super) fn judge<'t>(&self, traffic: impl FnOnce() -> Traffic<'t>) -> Verdict {
        if !self.ruled.load(Ordering::Relaxed) {
            return Verdict::Pass;
        }
        let rule = self.rule.with(|rule| rule.clone());
        rule.map_or(Verdict::Pass, |rule| rule(&traffic()))
    }

    /// What the rule says of a write.
    pub(super) fn judge_write(self: &Arc<Self>, conn: u64, side: usize, bytes: &[u8]) -> Verdict {
        let hosts = self.look(|world| if world.ruled { world.hosts(conn, side) } else { None });
        hosts.map_or(Verdict::Pass, |[from, to]| self.judge(|| Traffic::Write { from: &from, to: &to, bytes }))
    }

    /// Carries out what is due, one after the other, and sets the timer for what is due next.
    ///
    /// One thread does so at a time, so that what arrives at one instant arrives in order. A thread that finds another
    /// one at it, or itself, as the waker of a task may call back, leaves the rest to that.
    pub(super) fn run(self: &Arc<Self>) {
        let first = self.world.with(|world| {
            world.again = world.running;
            !core::mem::replace(&mut world.running, true)
        });
        if !first {
            return;
        }
        let running = Running(self);
        let mut actions = Actions::default();
        loop {
            let now = self.now();
            let more = self.world.with(|world| world.take_due(now, &mut actions));
            actions.run();
            if !more && self.arm() {
                return core::mem::forget(running);
            }
        }
    }

    /// Sets the timer for what is due next. Returns whether nothing else is to be done.
    fn arm(self: &Arc<Self>) -> bool {
        let rearm = self.world.with(|world| {
            let next = self.clock.get().and_then(|_| world.next_at());
            let (next, armed) = (next, world.armed.as_ref().map(|&(at, _, _)| at));
            if next != armed {
                world.timers += 1;
                let before = world.armed.take().and_then(|(_, _, timer)| timer);
                world.armed = next.map(|at| (at, world.timers, None));
                return Ok((before, next, world.timers));
            }
            world.running = core::mem::take(&mut world.again);
            Err(!world.running)
        });
        let (before, next, number) = match rearm {
            Ok(rearm) => rearm,
            Err(done) => return done,
        };
        // Without a clock, nothing is on its way yet.
        let Some(clock) = self.clock.get() else { return false };
        before.into_iter().for_each(|timer| {
            clock.forget(timer);
        });
        if let Some(at) = next {
            let bell = Arc::new(Bell { shared: Arc::downgrade(self), number });
            let timer = clock.wake_at(Time::from_nanos(at), Class::Delivery, bell.into());
            self.world.with(|world| match &mut world.armed {
                Some((_, of, known)) if *of == number => *known = Some(timer),
                _ => {}
            });
        }
        false
    }
}

/// A letter on its way, which is taken off it when it is no longer waited for.
pub(super) struct OnItsWay {
    shared: Arc<Shared>,
    pub(super) letter: Arc<Letter>,
    dir: usize,
    number: u64,
}

impl OnItsWay {
    pub(super) fn new(shared: &Arc<Shared>, (letter, dir, number): Sent) -> Self {
        Self { shared: shared.clone(), letter, dir, number }
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if self.letter.outcome().is_none() {
            let letter = self.shared.act(|world, _| world.take_letter(self.dir, self.number));
            drop(letter);
        }
    }
}

/// A thread is no longer the one that carries out what is due, also after a panic of an engine.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.world.with(|world| world.running = false);
    }
}

/// What the clock wakes.
struct Bell {
    shared: Weak<Shared>,
    number: u64,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.shared.upgrade() else { return };
        shared.world.with(|world| {
            if world.armed.as_ref().is_some_and(|&(_, number, _)| number == self.number) {
                world.armed = None;
            }
        });
        shared.run();
    }
}
