//! Every scenario of the recorded streams, between two processes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, fs, process, thread};

use serde_json::{Value, json};

/// A peer in a process of its own.
struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    /// Answers that came before they were asked for.
    early: Vec<Value>,
    next: u64,
}

/// A request that was not answered yet.
struct Asked(u64);

impl Peer {
    fn start(folder: &Folder) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lonet_peer"));
        command.env("TMPDIR", &folder.0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (requests, lines) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()).lines());
        let (answered, answers) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test has ended.
                let Ok(()) = answered.send(serde_json::from_str(&line).unwrap()) else { break };
            }
        });
        Self { process, requests, answers, early: Vec::new(), next: 0 }
    }

    /// Starts a peer with a network and hosts in it.
    fn with_hosts(folder: &Folder, hosts: &[&str]) -> Self {
        let mut peer = Self::start(folder);
        assert_eq!(peer.ok("join", &["n", "net"]), "lonetnet");
        hosts.iter().for_each(|host| assert_eq!(peer.ok("host", &["n", host]), *host));
        peer
    }

    /// Sends a request.
    fn ask(&mut self, op: &str, args: &[&str]) -> Asked {
        let args: Vec<String> = args.iter().map(|arg| latin(arg.as_bytes())).collect();
        self.send(op, &args)
    }

    fn send(&mut self, op: &str, args: &[String]) -> Asked {
        self.next += 1;
        writeln!(self.requests, "{}", json!({"id": self.next, "op": op, "a": args})).unwrap();
        Asked(self.next)
    }

    /// Waits for the answer of a request.
    fn answer(&mut self, asked: Asked) -> Result<String, String> {
        let found = self.early.iter().position(|answer| answer["id"] == asked.0);
        let answer = found.map(|at| self.early.remove(at)).unwrap_or_else(|| {
            loop {
                let answer = self.answers.recv_timeout(LIMIT).expect("an answer in time");
                if answer["id"] == asked.0 {
                    return answer;
                }
                self.early.push(answer);
            }
        });
        match answer["ok"].as_str() {
            Some(ok) => Ok(plain(ok)),
            None => Err(plain(answer["err"].as_str().unwrap())),
        }
    }

    #[track_caller]
    fn ok(&mut self, op: &str, args: &[&str]) -> String {
        let asked = self.ask(op, args);
        self.answer(asked).unwrap()
    }

    #[track_caller]
    fn err(&mut self, op: &str, args: &[&str]) -> String {
        let asked = self.ask(op, args);
        self.answer(asked).unwrap_err()
    }

    /// Reads until the end of the stream, or an error.
    fn rest(&mut self, conn: &str) -> (String, Option<String>) {
        let mut all = String::new();
        loop {
            let asked = self.ask("read", &[conn]);
            match self.answer(asked) {
                Ok(end) if end == "EOF" => return (all, None),
                Ok(bytes) => all += &bytes,
                Err(error) => return (all, Some(error)),
            }
        }
    }

    /// Writes until that fails.
    fn broken(&mut self, conn: &str) -> String {
        loop {
            let asked = self.ask("write", &[conn, "x"]);
            if let Err(error) = self.answer(asked) {
                return error;
            }
            thread::yield_now();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Bytes as one character each.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The text whose bytes are these characters.
fn plain(text: &str) -> String {
    let bytes: Vec<u8> = text.chars().map(|character| u8::try_from(character).unwrap()).collect();
    String::from_utf8(bytes).unwrap()
}

/// A folder for temporary files.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("virtnet-peer-{}-{name}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two peers with a host each: `α` listens at port 10, `β` dials.
fn pair(name: &str) -> (Peer, Peer, Folder) {
    let folder = Folder::new(name);
    let mut listening = Peer::with_hosts(&folder, &["α"]);
    assert_eq!(listening.ok("listen", &["α", ":10"]), "α:10");
    let dialling = Peer::with_hosts(&folder, &["β"]);
    (listening, dialling, folder)
}

/// A connection: `c1` at both.
fn connect(listening: &mut Peer, dialling: &mut Peer) {
    let dial = dialling.ask("dial", &["β", "α:10"]);
    assert_eq!(listening.ok("accept", &["α:10"]), "c1 α:1<-β:1");
    assert_eq!(dialling.answer(dial).unwrap(), "c1 β:1<-α:1");
}

fn data_both_ways(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    connect(&mut a, &mut b);
    assert_eq!((b.ok("write", &["c1", "ping"]), a.ok("read", &["c1"])), ("4".into(), "ping".into()));
    assert_eq!((a.ok("write", &["c1", "pong"]), b.ok("read", &["c1"])), ("4".into(), "pong".into()));
    b.ok("cclose", &["c1"]);
    assert_eq!(a.ok("read", &["c1"]), "EOF");
    assert_eq!(a.broken("c1"), "write lonetnet α:1->β:1: broken pipe");
    assert_eq!(b.err("read", &["c1"]), "read lonetnet α:1->β:1: socket is down");
}

fn listener_writes_and_closes(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    connect(&mut a, &mut b);
    a.ok("write", &["c1", "bye"]);
    a.ok("cclose", &["c1"]);
    assert_eq!(b.rest("c1"), ("bye".into(), None));
}

fn closed_with_unread_data(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    connect(&mut a, &mut b);
    b.ok("write", &["c1", "unread"]);
    a.ok("write", &["c1", "ab"]);
    assert_eq!(b.ok("read", &["c1"]), "ab");
    // The bytes have arrived before the answer has.
    a.ok("cclose", &["c1"]);
    assert_eq!(b.rest("c1"), ("".into(), Some("read lonetnet α:1->β:1: connection reset".into())));
    assert_eq!(b.err("write", &["c1", "x"]), "write lonetnet β:1->α:1: connection reset");
}

fn half_close(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    connect(&mut a, &mut b);
    b.ok("write", &["c1", "last words"]);
    b.ok("halfclose", &["c1"]);
    assert_eq!(a.rest("c1"), ("last words".into(), None));
    assert_eq!((a.ok("write", &["c1", "heard"]), b.ok("read", &["c1"])), ("5".into(), "heard".into()));
    assert_eq!(b.err("write", &["c1", "x"]), "write lonetnet β:1->α:1: broken pipe");
}

fn refused_without_listener(name: &str) {
    let (_a, mut b, _folder) = pair(name);
    for port in ["9", "0", "65535"] {
        let error = b.err("dial", &["β", &format!("α:{port}")]);
        assert_eq!(error, format!("dial lonetnet β:1->α:{port}: connection refused"));
    }
}

fn refused_at_port_of_connection(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    connect(&mut a, &mut b);
    assert_eq!(b.err("dial", &["β", "α:1"]), "dial lonetnet β:2->α:1: connection refused");
}

/// A dial from `β` that waits to be accepted. Two requests at once may take their ports in either order.
fn waiting(b: &mut Peer) -> Asked {
    let dial = b.ask("dial", &["β", "α:10"]);
    is_dial_error(&b.err("dial", &["β", "α:10", "200"]), "timed out");
    dial
}

#[track_caller]
fn is_dial_error(error: &str, cause: &str) {
    let ends = error.strip_prefix("dial lonetnet β:").and_then(|rest| rest.strip_suffix(cause));
    assert!(matches!(ends, Some("1->α:10: " | "2->α:10: ")), "{error}");
}

/// A dial that waits is refused when `op` closes what it waits for.
fn waits_until_closed(name: &str, op: &str, arg: &str) {
    let (mut a, mut b, _folder) = pair(name);
    let dial = waiting(&mut b);
    a.ok(op, &[arg]);
    is_dial_error(&b.answer(dial).unwrap_err(), "connection refused");
}

fn dialling_subnetwork_closed(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    let dial = waiting(&mut b);
    b.ok("close", &["n"]);
    is_dial_error(&b.answer(dial).unwrap_err(), "network is down");
    // Both dials are withdrawn.
    assert_eq!(a.err("accept", &["α:10", "200"]), "accept lonetnet α:10: timed out");
}

fn subnetwork_closed_with_open_connection(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    connect(&mut a, &mut b);
    a.ok("close", &["n"]);
    assert_eq!(b.rest("c1"), ("".into(), None));
    assert_eq!(a.err("read", &["c1"]), "read lonetnet β:1->α:1: network is down");
    assert_eq!(b.err("dial", &["β", "α:10"]), "dial lonetnet β:2->α:10: connection refused");
}

fn simultaneous_dials(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    assert_eq!(b.ok("listen", &["β", ":10"]), "β:10");
    let (from_a, from_b) = (a.ask("dial", &["α", "β:10"]), b.ask("dial", &["β", "α:10"]));
    let accepted = [a.ok("accept", &["α:10"]), b.ok("accept", &["β:10"])];
    let dialled = [b.answer(from_b).unwrap(), a.answer(from_a).unwrap()];
    // Each has two ports, in the order in which its dial and its accept took them.
    for (host, ends) in [("α", [&accepted[0], &dialled[1]]), ("β", [&accepted[1], &dialled[0]])] {
        let mut ports = ends.map(|end| ends_of(end)[0].clone());
        ports.sort();
        assert_eq!(ports, [format!("{host}:1"), format!("{host}:2")]);
    }
    for (accepted, dialled) in accepted.iter().zip(&dialled) {
        let [local, remote] = ends_of(accepted);
        assert_eq!(ends_of(dialled), [remote, local]);
    }
}

/// Both ends of a connection, as `cN LOCAL<-REMOTE` has them.
fn ends_of(text: &str) -> [String; 2] {
    let (_, ends) = text.split_once(' ').unwrap();
    let (local, remote) = ends.split_once("<-").unwrap();
    [local.into(), remote.into()]
}

fn second_host_of_the_same_process(name: &str) {
    let (mut a, mut b, _folder) = pair(name);
    a.ok("host", &["n", "γ"]);
    a.ok("listen", &["γ", ":10"]);
    let dial = b.ask("dial", &["β", "γ:10"]);
    assert_eq!(a.ok("accept", &["γ:10"]), "c1 γ:1<-β:1");
    assert_eq!(b.answer(dial).unwrap(), "c1 β:1<-γ:1");
    // Two hosts of one process, and one host and itself.
    for dst in ["γ:10", "α:10"] {
        let dial = a.ask("dial", &["α", dst]);
        let accepted = a.ok("accept", &[dst]);
        assert!(accepted.ends_with("<-α:1") || accepted.ends_with("<-α:2"), "{accepted}");
        a.answer(dial).unwrap();
    }
}

/// A host with a name that is one here, too.
fn named(scenario: &str, name: &str) {
    let folder = Folder::new(scenario);
    let (mut a, mut b) = (Peer::with_hosts(&folder, &[name]), Peer::with_hosts(&folder, &["β"]));
    let addr = format!("{name}:10");
    assert_eq!(a.ok("listen", &[name, ":10"]), addr);
    let dial = b.ask("dial", &["β", &addr]);
    assert_eq!(a.ok("accept", &[&addr]), format!("c1 {name}:1<-β:1"));
    assert_eq!(b.answer(dial).unwrap(), format!("c1 β:1<-{name}:1"));
}

/// A host with a name that is none here.
fn not_named(scenario: &str, name: &[u8]) {
    let folder = Folder::new(scenario);
    let mut peer = Peer::with_hosts(&folder, &[]);
    let asked = peer.send("host", &["n".into(), latin(name)]);
    let error = peer.answer(asked).unwrap_err();
    assert!(error.ends_with("invalid host name") || error.starts_with("invalid utf-8"), "{error}");
}

/// Runs the scenario with this name. Returns whether there is one.
fn run(scenario: &str, id: &str) -> bool {
    match scenario {
        "accepted, data both ways, dialer closes" => data_both_ways(id),
        "accepted, listener writes and closes" => listener_writes_and_closes(id),
        "closed with unread data: reset" => closed_with_unread_data(id),
        "half close" => half_close(id),
        "refused: no listener" => refused_without_listener(id),
        "refused: port held by a connection" => refused_at_port_of_connection(id),
        "nobody accepts; then the listener is closed" => waits_until_closed(id, "lclose", "α:10"),
        "nobody accepts; then the listening subnetwork is closed" => waits_until_closed(id, "close", "n"),
        "the dialling subnetwork is closed, then accept" => dialling_subnetwork_closed(id),
        "subnetwork closed with an open connection" => subnetwork_closed_with_open_connection(id),
        "simultaneous dials: α to β" | "simultaneous dials: β to α" => simultaneous_dials(id),
        "second host of the same process" => second_host_of_the_same_process(id),
        r"name '\u200b'" => named(id, "\u{200b}"),
        r"name '\xa0'" => named(id, "\u{a0}"),
        r"name '\u202e'" => named(id, "\u{202e}"),
        r"name '\U0001fae8'" => named(id, "\u{1fae8}"),
        r"name '\u2028'" => named(id, "\u{2028}"),
        "name '日本'" => named(id, "日本"),
        "name \"it's\"" => named(id, "it's"),
        "name '%s%d'" => named(id, "%s%d"),
        r"name '\x01'" => not_named(id, b"\x01"),
        r"name '\x7f'" => not_named(id, b"\x7f"),
        r"name b'\xff\xfe'" => not_named(id, b"\xff\xfe"),
        "name 'x'*400" => not_named(id, &[b'x'; 400]),
        "name 'z'*990" => not_named(id, &[b'z'; 990]),
        "name '[x]'" => not_named(id, b"[x]"),
        _ => return false,
    }
    true
}

#[test]
fn each_recorded_scenario_runs_between_two_processes() {
    let lines = include_str!("../../../tests/lonet/vectors.jsonl").lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|line| line["source"] == "wire");
    let scenarios: BTreeSet<String> = lines.map(|line| line["scenario"].as_str().unwrap().into()).collect();
    for (at, scenario) in scenarios.iter().enumerate() {
        assert!(run(scenario, &at.to_string()), "no scenario is named {scenario:?}");
    }
    println!("{} scenarios", scenarios.len());
}

#[test]
fn a_peer_answers_what_it_does_not_understand() {
    let folder = Folder::new("unknown");
    let mut peer = Peer::start(&folder);
    assert_eq!(peer.err("fly", &[]), "unknown op");
    assert_eq!(peer.err("host", &["n", "a"]), "unknown network");
    assert_eq!(peer.err("dial", &["a", "b:1"]), "unknown host");
    assert_eq!(peer.err("accept", &["a:1"]), "unknown listener");
    assert_eq!(peer.err("read", &["c0"]), "unknown connection");
    assert_eq!(peer.err("join", &["n", "a/b"]), "lonet: join \"a/b\": invalid network name");
    peer.ask("exit", &[]);
    assert!(peer.process.wait().unwrap().success());
}

/// Long enough for every answer.
const LIMIT: Duration = Duration::from_secs(20);
