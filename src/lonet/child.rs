//! Further processes of a test.

use alloc::string::String;
use alloc::vec::Vec;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read};
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::{env, eprintln, println};

/// Another process of a test or program, which runs the same code. Dropping it kills it.
///
/// Its output is printed with its name in front, as by `server | ready`.
///
/// # Examples
///
/// A test of two processes. Each runs the whole function, and [`child_name`] says which of them it is in:
///
/// ```no_run
/// use std::time::Duration;
///
/// use virtnet::lonet::{self, Child, child_name};
///
/// #[test]
/// fn greets() -> Result<(), Box<dyn std::error::Error>> {
///     const LIMIT: Duration = Duration::from_secs(10);
///     if child_name().is_some() {
///         let net = lonet::join(&std::env::var("NET")?).wait()?;
///         let listener = net.host("server").wait()?.listen(":1")?;
///         // It serves until it is killed.
///         listener.incoming().try_for_each(|conn| std::io::Write::write_all(&mut conn?, b"hi"))?;
///         return Ok(());
///     }
///     let net = lonet::join("").wait()?;
///     let server = Child::this_test_with("server", |command| _ = command.env("NET", net.short_name()))?;
///     net.wait_for("server").wait_timeout(LIMIT)?;
///     // …
///     drop(server);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    /// The threads that print its output, which end with it.
    printing: Vec<JoinHandle<()>>,
}

/// The name of this process, if a [`Child`] started it.
#[must_use]
pub fn child_name() -> Option<String> {
    env::var(NAME).ok()
}

impl Child {
    /// Starts the current test again, as another process named `name`.
    ///
    /// # Errors
    ///
    /// `not called from the thread of a test`, for which the thread has to bear the test's name, as by default; and
    /// errors of the system.
    pub fn this_test(name: &str) -> io::Result<Self> {
        Self::this_test_with(name, |_| {})
    }

    /// As [`this_test`](Self::this_test), with changes to the command, such as variables of the environment.
    ///
    /// # Errors
    ///
    /// Those of [`this_test`](Self::this_test).
    pub fn this_test_with(name: &str, change: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let thread = thread::current();
        let test = thread.name().filter(|&name| name != "main");
        let test =
            test.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "not called from the thread of a test"))?;
        Self::start(name, |command| {
            command.args([test, "--exact", "--include-ignored", "--nocapture"]);
            change(command);
        })
    }

    /// Starts the current program again, without arguments, as another process named `name`. `change` may add some.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn this_program(name: &str, change: impl FnOnce(&mut Command)) -> io::Result<Self> {
        Self::start(name, change)
    }

    fn start(name: &str, change: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(NAME, name).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = Self { process: command.spawn()?, printing: Vec::new() };
        let (out, err) = (child.process.stdout.take(), child.process.stderr.take());
        let name = String::from(name);
        child.printing.extend(out.map(|out| print(out, name.clone(), |name, line| println!("{name} | {line}"))));
        child.printing.extend(err.map(|err| print(err, name, |name, line| eprintln!("{name} | {line}"))));
        Ok(child)
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process, and waits until it has ended. It closes nothing by itself: the system closes its sockets.
    ///
    /// # Errors
    ///
    /// Errors of the system. That it has ended already is none.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.wait().map(drop)
    }

    /// Waits until the process has ended, and its output is printed.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait()?;
        // A thread that could not print has nothing more to do.
        self.printing.drain(..).for_each(|thread| drop(thread.join()));
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // There is nobody to be told.
        let _ = self.kill();
    }
}

/// Prints the lines of a process as they come.
fn print(from: impl Read + Send + 'static, name: String, print: fn(&str, &str)) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            print(&name, String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            line.clear();
        }
    })
}

/// The variable that holds the name of a process.
const NAME: &str = "VIRTNET_CHILD";
