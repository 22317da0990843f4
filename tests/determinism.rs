//! A single-threaded program has the same ports, events and texts in each run: 3 hosts and 50 connections.
//!
//! The transcript is printed to standard output, each line after `| `, so that two processes can be compared:
//!
//! ```sh
//! cargo test --test determinism -- --nocapture | grep '^| '
//! ```

#![cfg(feature = "pipenet")]

use std::fmt::{Display, Write as _};
use std::pin::pin;

use virtnet::pipenet::fixed;
use virtnet::{Conn, Error, Host, Listener, NetRef};

const CONNECTIONS: usize = 50;
const BUFFER: usize = 16;

#[test]
fn two_runs_give_one_transcript() {
    let first = on_statics();
    assert_eq!(first, on_statics());
    for line in first.lines() {
        println!("| {line}");
    }
    let heads: Vec<_> = first.lines().take(6).collect();
    assert_eq!(
        heads,
        [
            "a listens at a:7",
            "b listens at b:7",
            "c listens at c:7",
            "0: a:1 -> b:1",
            r#"0: pipet b:1 read "connection 0""#,
            "0: left open",
        ]
    );
    for line in [
        "1: write, closed: write pipet c:1->b:2: broken pipe",
        "5: write to fill: write pipet c:1->b:3: would block",
        "6: read at the other end: read pipet a:3->a:4: connection reset",
        "refused: dial pipet a:3->b:9: connection refused",
        r#"nobody: dial pipet a:3->d:1: ram(pipet): query ["d"]: no such host"#,
        // Until then, connection 0 had port 1 of host a.
        "0: closed: a:1 -> b:1\n12: a:1 -> c:3",
        "48: write, dialled end: write pipet a:1->c:3: broken pipe",
        "48: write, accepted end: write pipet c:3->a:1: host is down",
        "48: write, accepted end: write pipet c:3->a:1: network is down",
    ] {
        assert!(first.contains(&format!("\n{line}\n")), "{line}");
    }
}

#[cfg(feature = "alloc")]
#[test]
fn a_growing_network_and_a_fixed_one_give_one_transcript() {
    let net = virtnet::pipenet::Network::builder("t").buffer(BUFFER).build().expect("valid options");
    let close = || net.close().expect("nothing can go wrong");
    let on_heap = Program::run(|name| net.host(name).expect("a valid name"), close);
    assert_eq!(on_heap, on_statics());
}

fn on_statics() -> String {
    let memory = fixed::Memory::<3, 128, 64, BUFFER>::new();
    let net = fixed::Network::new("t", &memory);
    let transcript =
        Program::run(|name| net.host(name).expect("a valid name"), || net.close().expect("nothing can go wrong"));
    assert_eq!(net.pipes(), 0, "all pipes are back");
    transcript
}

/// The program, and its transcript so far.
struct Program<N: NetRef> {
    hosts: [Host<N>; 3],
    listeners: [Listener<N>; 3],
    /// Open connections with their numbers; the dialled end comes first.
    open: Vec<(usize, Conn<N>, Conn<N>)>,
    seen: Transcript,
}

impl<N: NetRef> Program<N> {
    fn run(host: impl Fn(&str) -> Host<N>, close: impl FnOnce()) -> String {
        let hosts = ["a", "b", "c"].map(host);
        let listeners = [0, 1, 2].map(|index: usize| hosts[index].listen(":7").expect("a free port"));
        let mut program = Self { hosts, listeners, open: Vec::new(), seen: Transcript(String::new()) };
        for index in 0..3 {
            let addr = program.listeners[index].local_addr();
            program.seen.note(format_args!("{} listens at {addr}", addr.host()));
        }
        for number in 0..CONNECTIONS {
            program.connection(number);
            if number % 10 == 5 {
                program.failures(number);
            }
            if number % 12 == 11 {
                program.close_oldest();
            }
        }
        program.close_host();
        close();
        program.after_close();
        let Self { hosts, listeners, open, seen } = program;
        drop((listeners, open));
        assert_eq!([0, 1, 2].map(|index: usize| hosts[index].sockets()), [0; 3], "all sockets are back");
        seen.0
    }

    /// Makes a connection, moves some bytes, and closes it in one of eight ways.
    fn connection(&mut self, number: usize) {
        // Each host dials every host, including itself.
        let (from, to) = (number % 3, (number / 3 + number + 1) % 3);
        let (client, server) = connect(&self.hosts[from], &self.listeners[to]);
        self.seen.note(format_args!("{number}: {} -> {}", client.local_addr(), server.local_addr()));
        assert_eq!(client.peer_addr(), server.local_addr());
        assert_eq!(server.peer_addr(), client.local_addr());

        let sent = format!("connection {number}");
        assert_eq!(client.try_write(sent.as_bytes()), Ok(sent.len()));
        let text = read(&server);
        self.seen.note(format_args!(
            "{number}: {} {} read {text:?}",
            self.hosts[to].network_name(),
            server.local_addr()
        ));
        match number % 8 {
            0 | 4 => {
                self.seen.note(format_args!("{number}: left open"));
                self.open.push((number, client, server));
            }
            1 => {
                drop(client);
                self.note_ends(number, "closed", &server);
            }
            2 => {
                client.close();
                self.note_ends(number, "closed", &client);
                self.note_ends(number, "the other end", &server);
            }
            3 => {
                let shut = client.close_write().map(|()| "ok");
                self.seen.outcome(format_args!("{number}: shut down writing"), shut);
                self.note_ends(number, "the other end", &server);
                self.seen.outcome(format_args!("{number}: read of the answer"), client.try_read(&mut [0; BUFFER]));
                self.seen.outcome(format_args!("{number}: write after that"), client.try_write(b"x"));
            }
            5 => {
                let full: Vec<_> = (0..3).map(|_| client.try_write(&[b'x'; BUFFER / 2 + 1])).collect();
                for written in full {
                    self.seen.outcome(format_args!("{number}: write to fill"), written);
                }
                drop(client);
                self.note_ends(number, "what was left", &server);
            }
            6 => {
                client.abort();
                let read = |conn: &Conn<N>| conn.try_read(&mut [0; BUFFER]);
                let (here, there) = (read(&client), read(&server));
                self.seen.outcome(format_args!("{number}: read at this end"), here);
                self.seen.outcome(format_args!("{number}: read at the other end"), there);
                self.seen.outcome(format_args!("{number}: write at the other end"), server.try_write(b"x"));
            }
            _ => {
                let (read, write) = server.into_split();
                drop(write);
                self.note_ends(number, "a half dropped", &client);
                drop(read);
                self.note_ends(number, "both halves dropped", &client);
            }
        }
    }

    /// Reads and writes once.
    fn note_ends(&mut self, number: usize, what: &str, conn: &Conn<N>) {
        self.seen.outcome(format_args!("{number}: read, {what}"), conn.try_read(&mut [0; BUFFER]));
        self.seen.outcome(format_args!("{number}: write, {what}"), conn.try_write(b"x"));
    }

    /// Provokes errors.
    fn failures(&mut self, number: usize) {
        let [a, b, _] = self.hosts.clone();
        for (what, addr) in [
            ("refused", "b:9"),
            ("port 0", "b:0"),
            ("nobody", "d:1"),
            ("no port", "b"),
            ("bracket", "b]:1"),
            ("colons", "b:1:1"),
        ] {
            let error = pin!(a.dial(addr)).try_wait().expect("it fails at once").unwrap_err();
            self.seen.note(format_args!("{what}: {error}"));
        }
        for addr in ["a:7", "b:1", ":70000", "[a"] {
            self.seen.note(format_args!("listen: {}", a.listen(addr).unwrap_err()));
        }
        let blocked = self.listeners[1].try_accept().map(|conn| conn.peer_addr());
        self.seen.outcome("nobody dials", blocked);

        // A dropped dial is never seen; a waiting dial is refused when the listener closes.
        let listener = b.listen("").expect("a free port");
        let addr = listener.local_addr();
        let mut waits = pin!(a.dial(addr));
        assert!(waits.as_mut().try_wait().is_none());
        {
            let mut withdrawn = pin!(a.dial(addr));
            assert!(withdrawn.as_mut().try_wait().is_none());
            self.seen.note(format_args!("{number}: {} sockets, one dial to be withdrawn", a.sockets()));
        }
        self.seen.note(format_args!("{number}: {} sockets, it is withdrawn", a.sockets()));
        listener.close();
        let refused = waits.try_wait().expect("the listener is closed").map(|conn| conn.peer_addr());
        self.seen.outcome("the listener closes", refused);
        self.seen.outcome("it is closed", listener.try_accept().map(|conn| conn.peer_addr()));
    }

    /// Closes the oldest open connection first, so that its ports are used again.
    fn close_oldest(&mut self) {
        let (number, client, server) = self.open.remove(0);
        self.seen.note(format_args!("{number}: closed: {} -> {}", client.local_addr(), server.local_addr()));
    }

    /// Closes host c, and notes the state of the open connections.
    fn close_host(&mut self) {
        let host = self.hosts[2].clone();
        host.close().wait_with(core::hint::spin_loop).expect("nothing can go wrong");
        self.seen.note("c is closed");
        self.look_at_open();
        self.seen.outcome("listen on c", host.listen("").map(|listener| listener.local_addr()));
        for (from, addr) in [(0, "c:7"), (2, "a:7")] {
            let failed = pin!(self.hosts[from].dial(addr)).try_wait().expect("it fails at once");
            self.seen.outcome("dial", failed.map(|conn| conn.peer_addr()));
        }
        self.seen.outcome("accept on c", self.listeners[2].try_accept().map(|conn| conn.peer_addr()));
    }

    /// Notes the state of everything after the network is closed.
    fn after_close(&mut self) {
        self.seen.note("the network is closed");
        self.look_at_open();
        for index in 0..3 {
            let accepted = self.listeners[index].try_accept().map(|conn| conn.peer_addr());
            self.seen.outcome("accept", accepted);
            let listening = self.hosts[index].listen("").map(|listener| listener.local_addr());
            self.seen.outcome("listen", listening);
        }
    }

    fn look_at_open(&mut self) {
        let open = core::mem::take(&mut self.open);
        for (number, client, server) in &open {
            self.note_ends(*number, "dialled end", client);
            self.note_ends(*number, "accepted end", server);
        }
        self.open = open;
    }
}

/// The transcript, one line for each event.
struct Transcript(String);

impl Transcript {
    fn note(&mut self, line: impl Display) {
        writeln!(self.0, "{line}").expect("a string takes all");
    }

    fn outcome<T: Display>(&mut self, what: impl Display, outcome: Result<T, impl Display>) {
        match outcome {
            Ok(value) => self.note(format_args!("{what}: {value}")),
            Err(error) => self.note(format_args!("{what}: {error}")),
        }
    }
}

/// Both ends of a new connection; the dialled end comes first.
fn connect<N: NetRef>(host: &Host<N>, listener: &Listener<N>) -> (Conn<N>, Conn<N>) {
    let mut dial = pin!(host.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none(), "a dial waits until it is accepted");
    let accepted = listener.try_accept().expect("somebody dials");
    let dialled: Result<_, Error> = dial.try_wait().expect("it is accepted");
    (dialled.expect("it is accepted"), accepted)
}

/// The bytes available to read.
fn read<N: NetRef>(conn: &Conn<N>) -> String {
    let mut bytes = [0; BUFFER];
    let count = conn.try_read(&mut bytes).expect("something is there");
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}
