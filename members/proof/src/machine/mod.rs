//! Runs a program on a network and on its model, and compares the two after each operation.

mod check;
mod conn;
mod death;
mod exec;
mod fault;
mod job;
mod net;
mod outcome;
mod setup;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use death::Death;
use job::{Job, WRITERS};
pub use setup::{Backend, Setup};
use virtnet::sim::Faults;
use virtnet::{Conn, Host, Listener, NetRef, OwnedReadHalf, OwnedWriteHalf};

use crate::model::{self, Id, Model, Wait};
use crate::op::{Op, Program};
use crate::relay::Relay;

/// The report of a run: the number of operations and, if requested, the program and its outcomes.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of operations that were run.
    pub ops: u64,
    /// The program, one line for each operation, if it is recorded.
    pub lines: Option<Vec<String>>,
    /// How often each outcome occurred: the causes of errors, and other outcomes.
    pub outcomes: BTreeMap<String, u64>,
}

impl Report {
    fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(line());
        }
    }

    fn count(&mut self, outcome: &str) {
        match self.outcomes.get_mut(outcome) {
            Some(count) => *count += 1,
            None => drop(self.outcomes.insert(outcome.into(), 1)),
        }
    }

    /// Appends an outcome to the last line.
    fn note(&mut self, outcome: impl FnOnce() -> String) {
        if let Some(line) = self.lines.as_mut().and_then(|lines| lines.last_mut()) {
            let outcome = outcome();
            line.push_str(if line.contains(" // ") { ", " } else { " // " });
            line.push_str(&outcome);
        }
    }
}

/// Runs a program.
///
/// # Errors
///
/// The difference from the model, including a panic.
pub fn run(program: &Program, report: &mut Report) -> Result<(), String> {
    let setup = Setup::decode(program.config);
    let ran = catch_unwind(AssertUnwindSafe(|| setup.run(program, report)));
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("of another kind")))
    })
}

/// A network, its model, and the program's handles.
struct World<'w, N: NetRef> {
    net: N,
    model: Model,
    setup: &'w Setup,
    /// The number of pipes in use, if the network reports it.
    pipes: Option<&'w dyn Fn() -> usize>,
    /// The engine, if its answers can be set.
    relay: Option<&'w Relay>,
    /// How hosts die and return, if they can.
    death: Option<Death<N>>,
    /// Its faults, if it can have some.
    faults: Option<&'w Faults>,
    /// All hosts, in all of their lives.
    hosts: BTreeMap<model::Host, Host<N>>,
    listeners: BTreeMap<Id, Arc<Listener<N>>>,
    conns: BTreeMap<Id, Ends<N>>,
    waits: BTreeMap<Id, Waiting<'w, N>>,
    /// The flag of every task, those of the writing tasks first. The flags are kept to the end, so that no two tasks
    /// have the same waker.
    flags: Vec<Arc<Flag>>,
    /// The last byte that was written.
    byte: u8,
}

/// A connection as a whole, or its remaining halves.
enum Ends<N: NetRef> {
    Whole(Arc<Conn<N>>),
    Halves(Option<OwnedReadHalf<N>>, Option<OwnedWriteHalf<N>>),
}

impl<N: NetRef> Ends<N> {
    fn any(&self) -> &Conn<N> {
        match self {
            Self::Whole(conn) => conn,
            Self::Halves(Some(read), _) => read,
            Self::Halves(None, Some(write)) => write,
            Self::Halves(None, None) => unreachable!("a connection without halves is dropped"),
        }
    }

    /// Another handle of the connection, if there is one: options set through it apply to all handles.
    fn other(&self) -> &Conn<N> {
        match self {
            Self::Halves(_, Some(write)) => write,
            Self::Whole(_) | Self::Halves(_, None) => self.any(),
        }
    }
}

/// A pending operation, and the task that polls it.
struct Waiting<'w, N: NetRef> {
    job: Job<'w, N>,
    flag: Arc<Flag>,
    /// Whether the operation was polled: it does nothing before that.
    polled: bool,
    /// The number of a dial for the engine whose answers can be set.
    dial: u64,
}

/// Whether a task was woken since it was last polled.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<'w, N: NetRef + 'w> World<'w, N> {
    fn new(net: N, setup: &'w Setup, pipes: Option<&'w dyn Fn() -> usize>, relay: Option<&'w Relay>) -> Self {
        Self {
            net,
            model: setup.model(),
            setup,
            pipes,
            relay,
            death: None,
            faults: None,
            hosts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            conns: BTreeMap::new(),
            waits: BTreeMap::new(),
            flags: (0..WRITERS).map(|_| Arc::default()).collect(),
            byte: 0,
        }
    }

    fn run(mut self, program: &Program, report: &mut Report) -> Result<(), String> {
        self.prelude(report)?;
        for &word in &program.ops {
            let op = Op::decode(word);
            if self.exec(op, report)? {
                report.ops += 1;
                if self.setup.eager {
                    self.settle(report)?;
                }
                self.check()?;
            }
        }
        self.finish(report)?;
        let flags = std::mem::take(&mut self.flags);
        drop(self);
        let leaked = flags.iter().filter(|flag| Arc::strong_count(flag) > 1).count();
        if leaked == 0 { Ok(()) } else { Err(format!("{leaked} wakers were not dropped")) }
    }

    /// The task of an operation: a writing task, or a new one.
    fn task(&mut self, id: Id) -> Arc<Flag> {
        if let Wait::Write { by, .. } = self.model.wait(id) {
            return self.flags[*by as usize - 1].clone();
        }
        let flag = Arc::new(Flag::default());
        self.flags.push(flag.clone());
        flag
    }

    fn waker(flag: &Arc<Flag>) -> Waker {
        Waker::from(flag.clone())
    }
}

/// The text of two outcomes that differ.
fn differ(what: &str, got: &str, want: &str) -> String {
    format!("{what}\n     got: {got}\n    want: {want}")
}
