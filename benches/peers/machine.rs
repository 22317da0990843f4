//! The machine: what it is, and on which of its cores a thread runs.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::result::Machine;

/// On which cores threads run.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// All on the first core.
    OneCore,
    /// One on the first core, one on the second.
    TwoCores,
}

/// Has the thread run where its number says, and nowhere else.
pub(crate) fn pin(place: Place, thread: usize) {
    let cores = cores();
    let core = match place {
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
    Machine {
        cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
        cores: cores().len(),
        rustc: said_by("rustc", &["--version"]).unwrap_or_else(|| "an unknown compiler".into()),
        commit: said_by("git", &["describe", "--always", "--abbrev=10", "--exclude=*", "--dirty= with changes"]),
        load: load(),
        gauge: None,
    }
}

/// What a program prints, if there is one and it succeeds.
fn said_by(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// How many threads wanted to run in the last minute.
fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Up to this load, what several threads do says something.
pub(crate) const QUIET: f64 = 0.5;

/// Waits until nobody else wants the cores, for some minutes at most, and returns whether that is so.
pub(crate) fn wait_until_quiet() -> bool {
    for second in 0..300 {
        let load = load();
        if load <= QUIET {
            return true;
        }
        if second % 60 == 0 {
            println!("waiting for a load of at most {QUIET}, for {} minutes at most; it is {load}", 5 - second / 60);
        }
        thread::sleep(Duration::from_secs(1));
    }
    false
}

/// Waits until all other threads of this process sleep.
pub(crate) fn wait_until_others_sleep() {
    while running() > 1 {
        thread::yield_now();
    }
}

/// How many threads of this process run, or could.
fn running() -> usize {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let runs = |stat: String| {
        // The state comes behind the name, which may have anything in it.
        stat.rsplit_once(") ").is_some_and(|(_, behind)| behind.starts_with('R'))
    };
    threads.filter(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(runs)).count()
}
