//! The machine: what it is, and on which of its cores a thread runs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::result::Machine;

/// On which cores threads run.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Where the operating system puts them.
    Any,
    /// All on the first core.
    OneCore,
    /// One on the first core, one on the second.
    TwoCores,
}

/// Has the thread run where its number says, at most on one core.
pub(crate) fn pin(place: Place, thread: usize) {
    let cores = cores();
    let core = match place {
        Place::Any => return,
        Place::OneCore => cores[0],
        Place::TwoCores => cores[thread % cores.len()],
    };
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("a thread may run on a core that it may run on");
}

/// The cores that this process may use.
pub(crate) fn cores() -> Vec<usize> {
    // Of the process and not of this thread, which may have been pinned.
    let set = sched_getaffinity(Some(rustix::process::getpid())).expect("a process has cores to run on");
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// How long this process has computed, all its threads together.
pub(crate) fn cpu_time() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// Measures how long something takes.
pub(crate) struct Stopwatch {
    clock: ClockId,
    start: Duration,
}

impl Stopwatch {
    /// For what this thread does, and no other: counts while it computes, so that others who want the core meanwhile
    /// change nothing.
    pub(crate) fn of_thread() -> Self {
        Self::start(ClockId::ThreadCPUTime)
    }

    /// For what several threads do.
    pub(crate) fn of_all() -> Self {
        Self::start(ClockId::Monotonic)
    }

    fn start(clock: ClockId) -> Self {
        Self { clock, start: duration(clock_gettime(clock)) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        duration(clock_gettime(self.clock)) - self.start
    }
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub(crate) fn machine() -> Machine {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output();
    Machine {
        cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
        cores: cores().len(),
        rustc: rustc.map_or_else(|_| "unknown".into(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned()),
        load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        gauge: None,
    }
}
