//! madsim: a program of its own, in `members/madsim_peer`, which is told how many times to do something and answers how
//! long it took.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::plan::Plan;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../madsim_peer/Cargo.toml");

/// Builds it, and returns where it is.
pub(crate) fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("madsim_peer");
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--locked", "--release", "--manifest-path", MANIFEST, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", format!("{flags} --cfg madsim"))
        .status();
    assert!(status.expect("cargo runs this, too").success(), "the program of madsim does not compile");
    target.join("release/madsim_peer")
}

struct Program {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Carries a plan out.
pub(crate) fn start(program: &Path, plan: &Plan) -> impl FnMut(u64) -> Duration + use<> {
    let mut child = Command::new(program)
        .arg(plan.name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was built");
    let (ask, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("it is a pipe")));
    let mut program = Program { child, ask, answers };
    move |times| program.sample(times)
}

impl Program {
    fn sample(&mut self, times: u64) -> Duration {
        writeln!(self.ask.as_mut().expect("it is not dropped"), "{times}").expect("it reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        Duration::from_nanos(line.trim_end().parse().expect("a number of nanoseconds"))
    }
}

/// It ends when there is nothing more to read.
impl Drop for Program {
    fn drop(&mut self) {
        self.ask = None;
        let _ = self.child.wait();
    }
}
