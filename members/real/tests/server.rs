//! Real servers of the distribution's packages, each on a free port of 127.0.0.1 and in a temporary folder.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

/// The time limit of starting a server.
const LIMIT: Duration = Duration::from_secs(60);

/// How many free ports are tried: another program may take one before the server does.
const TRIES: usize = 5;

/// A program that is installed, or `None` after saying that a test is skipped. Where the programs are required, it is an
/// error that one is missing: `.ci/run` sets `VIRTNET_REAL=1`.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps the programs of PostgreSQL's server in a folder for each version.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(env::split_paths(&path));
    let found = folders.iter().rev().map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        assert_ne!(env::var("VIRTNET_REAL").as_deref(), Ok("1"), "{program} is not installed");
        static SKIPPED: AtomicU32 = AtomicU32::new(0);
        let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
        // Not by a macro, whose output the tests' harness keeps to itself.
        let _ = writeln!(io::stderr(), "skipped {count}: {program} is not installed");
    }
    found
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The name of a new folder; the program that uses it makes it.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("virtnet-real-{}-{number}", id())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is not there if the program did not start.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    addr: SocketAddr,
    // Dropped in this order.
    _process: Process,
    _folder: Folder,
}

/// A process that is interrupted when it is dropped.
struct Process(Child);

impl Server {
    /// PostgreSQL, with a user `postgres` who needs no password.
    pub(crate) fn postgres() -> Option<Self> {
        let (initdb, postgres) = (installed("initdb")?, installed("postgres")?);
        let folder = Folder::new();
        let mut init = unprivileged(&initdb);
        init.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"]);
        let output = init.arg(folder.path()).output().expect("initdb starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self::start(folder, "database system is ready to accept connections", |folder, port| {
            let mut command = unprivileged(&postgres);
            command.arg("-D").arg(folder).args(["-p", port, "-h", "127.0.0.1", "-k", "", "-F"]);
            command
        }))
    }

    /// Redis, which saves nothing.
    pub(crate) fn redis() -> Option<Self> {
        let redis = installed("redis-server")?;
        Some(Self::start(Folder::new(), "Ready to accept connections", |_, port| {
            let mut command = Command::new(&redis);
            command.args(["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            command
        }))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts a server on a free port, and waits until it says that it is ready.
    fn start(folder: Folder, ready: &'static str, command: impl Fn(&Path, &str) -> Command) -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let addr = free.local_addr().expect("it is bound");
            drop(free);
            let mut command = command(folder.path(), &addr.port().to_string());
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
            let (sends, lines) = mpsc::channel();
            let outputs: [Option<Box<dyn Read + Send>>; 2] =
                [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|out| Box::new(out) as _)];
            for output in outputs.into_iter().flatten() {
                let sends = sends.clone();
                // Reads to the end, so that the server can write.
                thread::spawn(move || {
                    BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sends.send(line)));
                });
            }
            drop(sends);
            let process = Process(child);
            loop {
                match lines.recv_timeout(LIMIT) {
                    Ok(line) if line.contains(ready) => return Self { addr, _process: process, _folder: folder },
                    Ok(line) => said.extend([&line, "\n"]),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                    Err(mpsc::RecvTimeoutError::Timeout) => panic!("not ready after {LIMIT:?}:\n{said}"),
                }
            }
        }
        panic!("it did not start:\n{said}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // PostgreSQL takes it as a fast shutdown, and cleans up. It fails if the process has ended.
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// A command that is run by the user `postgres` if this user is root, which PostgreSQL refuses.
fn unprivileged(program: &Path) -> Command {
    let output = Command::new("id").arg("-u").output().expect("id is installed");
    if output.stdout != b"0\n" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    // Where that user may be.
    command.current_dir("/");
    command
}
