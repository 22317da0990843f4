//! The behaviour of a network in its simplest form: plain maps, one operation at a time, and no waiting.
//!
//! The model follows the promises of the crate's documentation, and not the crate's implementation. A pending operation
//! is kept in a map; [`Model::poll`] returns its outcome if it is done by now, and [`Model::stirs`] whether a poll
//! would advance it, so that its task has to be woken.

mod death;
mod dial;
mod fault;
mod socket;
pub(crate) mod stream;
mod wait;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use death::Host;
use death::{Life, Power};
pub use fault::{Fault, Way};
pub use socket::{How, Socket};
use stream::{End, Stream};
pub use wait::{Done, REFUSED, Verdict, Wait};

use crate::address;

/// The number of a socket or of a pending operation.
pub type Id = u32;

/// A host and a port.
#[derive(Clone, Debug, PartialEq)]
pub struct Addr {
    /// The host's name.
    pub host: Rc<str>,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Addr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The properties of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The network's full name.
    pub network: &'static str,
    /// The registry's name in errors.
    pub registry: &'static str,
    /// The maximum number of hosts.
    pub hosts: usize,
    /// The maximum number of sockets, of all hosts together.
    pub sockets: usize,
    /// The maximum number of connections.
    pub pipes: usize,
    /// The maximum number of dials that wait at a listener.
    pub backlog: usize,
    /// The number of bytes in each direction of a connection.
    pub buffer: usize,
    /// Whether a write is done when its bytes are read.
    pub rendezvous: bool,
    /// Whether an end that is closed with bytes unread resets.
    pub reset_unread: bool,
    /// Whether an accepted connection keeps the listener's port.
    pub share_port: bool,
    /// Whether the backend acknowledges claimed connections.
    pub acknowledged: bool,
    /// Whether partitions stop what is sent.
    pub faults: bool,
    /// The failures of engine and registry when they are closed.
    pub close_failures: [Option<&'static str>; 2],
}

/// No limit.
pub const ENDLESS: usize = usize::MAX;

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The network's properties.
    pub rules: Rules,
    up: bool,
    /// The cause of the network's failure, if it failed.
    failed: Option<&'static str>,
    auto_close: bool,
    /// All hosts, also those that were made anew.
    hosts: BTreeMap<Host, Life>,
    sockets: BTreeMap<Id, Socket>,
    pipes: BTreeMap<Id, Pipe>,
    waits: BTreeMap<Id, Wait>,
    /// All faults that began or ended, in order.
    faults: Vec<(Way, Fault)>,
    /// The hosts that have ever lost their power, where peers are told nothing of that.
    powers: BTreeMap<Rc<str>, Power>,
    last: Id,
}

/// A connection: the host of each side, the stream written by it, and whether its end is still held.
#[derive(Clone, Debug, PartialEq)]
struct Pipe {
    hosts: [Rc<str>; 2],
    written_by: [Stream; 2],
    held: [bool; 2],
    /// Whether each end has vanished, with the power of its host.
    vanished: [bool; 2],
    /// Whether each end, which has vanished, answers by a reset that has not arrived.
    answers: [bool; 2],
}

impl Pipe {
    /// What the end `side` has sent arrives, unless it is stopped: bytes, and how it has shut down. `sent` is whether it
    /// has sent anything that was not stopped.
    fn arrive(&mut self, side: usize, sent: bool) {
        if self.written_by[side].stopped {
            return;
        }
        let arrives = self.written_by[side].show();
        if !self.vanished[side] {
            self.written_by[1 - side].tell_writer();
        }
        if self.vanished[1 - side] && (sent || arrives) {
            self.answers[1 - side] = true;
            self.arrive(1 - side, false);
        }
        if std::mem::take(&mut self.answers[side]) {
            self.written_by.iter_mut().for_each(Stream::break_off);
        }
    }
}

impl Model {
    /// Makes a network without hosts.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            up: true,
            failed: None,
            auto_close: false,
            hosts: BTreeMap::new(),
            sockets: BTreeMap::new(),
            pipes: BTreeMap::new(),
            waits: BTreeMap::new(),
            faults: Vec::new(),
            powers: BTreeMap::new(),
            last: 0,
        }
    }

    fn next(&mut self) -> Id {
        self.last += 1;
        self.last
    }

    /// Makes a host.
    pub fn new_host(&mut self, name: &str) -> Result<(), String> {
        let Rules { network, registry, hosts, .. } = self.rules;
        let failed = |cause: &str| Err(format!("virtnet {network:?}: new host {name:?}: {cause}"));
        if !address::is_host_name(name) {
            return failed("invalid host name");
        }
        if !self.up {
            return failed("network is down");
        }
        if self.newest(name).is_some() {
            return failed(&format!(r#"{registry}: announce [{name:?} ""]: host already registered"#));
        }
        if self.hosts.len() == hosts {
            return failed(&format!("host table is full ({hosts})"));
        }
        self.hosts.insert(Host { name: name.into(), life: 0 }, Life::Open);
        Ok(())
    }

    /// Closes a host. Its sockets keep their ports.
    pub fn close_host(&mut self, host: &Host) -> Result<(), String> {
        if self.end_life(host, Life::Closed) && self.auto_close && self.up && !self.any_open() {
            let (network, name) = (self.rules.network, &*host.name);
            return self.close().map_err(|error| format!("virtnet {network:?}: host {name:?}: close: {error}"));
        }
        Ok(())
    }

    /// Makes the network close with its last open host.
    pub fn auto_close(&mut self) -> Result<(), String> {
        let failed = |cause: &str| Err(format!("virtnet {:?}: auto close: {cause}", self.rules.network));
        match (self.up, self.any_open()) {
            (false, _) => failed("network is down"),
            (true, false) => failed("no open host"),
            (true, true) => {
                self.auto_close = true;
                Ok(())
            }
        }
    }

    /// The backend reports that the network failed.
    pub fn fail(&mut self, cause: &'static str) {
        if self.up {
            self.failed = Some(cause);
            // The failure is reported by the next close.
            let _ = self.close();
        }
    }

    /// Closes the network. Every close returns the same outcome.
    pub fn close(&mut self) -> Result<(), String> {
        self.up = false;
        for host in self.hosts().cloned().collect::<Vec<_>>() {
            self.end_life(&host, Life::Closed);
        }
        let [engine, registry] = self.rules.close_failures;
        let failures: Vec<_> = [self.failed, engine, registry].into_iter().flatten().collect();
        let head = format!("virtnet {:?}: close: ", self.rules.network);
        match &failures[..] {
            [] => Ok(()),
            [one] => Err(format!("{head}{one}")),
            _ => {
                let list: String = failures.iter().map(|failure| format!("\t- {failure}\n")).collect();
                Err(format!("{head}{} errors:\n{list}", failures.len()))
            }
        }
    }

    /// Whether the network is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// The number of sockets that the host has in use.
    #[must_use]
    pub fn sockets_of(&self, host: &Host) -> usize {
        self.sockets.values().filter(|socket| socket.host == *host).count()
    }

    /// The number of connections in use.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.pipes.len()
    }

    /// A socket.
    #[must_use]
    pub fn socket(&self, id: Id) -> &Socket {
        &self.sockets[&id]
    }

    /// The outermost cause of what is down: the network comes before the host.
    fn down(&self, host: &Host) -> Option<&'static str> {
        match (self.up, self.is_open(host)) {
            (false, _) => Some("network is down"),
            (true, false) => Some("host is down"),
            (true, true) => None,
        }
    }

    /// The text of an error.
    fn error(&self, operation: &str, source: Option<&Addr>, addr: Option<&Addr>, cause: &str) -> String {
        let network = self.rules.network;
        match (source, addr) {
            (Some(source), Some(addr)) => format!("{operation} {network} {source}->{addr}: {cause}"),
            (Some(one), None) | (None, Some(one)) => format!("{operation} {network} {one}: {cause}"),
            (None, None) => format!("{operation} {network}: {cause}"),
        }
    }

    /// Makes a pipe, if there is room for one.
    fn new_pipe(&mut self, hosts: [Rc<str>; 2]) -> Result<Id, String> {
        if self.pipes.len() == self.rules.pipes {
            return Err(format!("pipe pool is full ({})", self.rules.pipes));
        }
        let pipe = self.next();
        let [from, to] = &hosts;
        let mut written_by = [Stream::new(), Stream::new()];
        written_by[0].stopped = self.stops(from, to);
        written_by[1].stopped = self.stops(to, from);
        self.pipes.insert(pipe, Pipe { hosts, written_by, held: [true; 2], vanished: [false; 2], answers: [false; 2] });
        Ok(pipe)
    }

    /// The stream that an end writes, and the one that it reads.
    fn streams(&mut self, (pipe, side): (Id, usize)) -> [&mut Stream; 2] {
        let [dialled, accepted] = &mut self.pipes.get_mut(&pipe).expect("an end that is held has a pipe").written_by;
        if side == 0 { [dialled, accepted] } else { [accepted, dialled] }
    }

    /// Shuts down both directions of an end, unless it has vanished.
    fn shut(&mut self, end: (Id, usize), how: End) {
        if self.pipes[&end.0].vanished[end.1] {
            return;
        }
        let [outgoing, incoming] = self.streams(end);
        outgoing.leave_writer(how);
        incoming.leave_reader(how);
        self.send(end, false);
    }

    /// What an end has sent arrives, unless it is stopped.
    fn send(&mut self, (pipe, side): (Id, usize), sent: bool) {
        let pipe = self.pipes.get_mut(&pipe).expect("an end that is held has a pipe");
        pipe.arrive(side, sent);
    }

    /// Closes an end. If it is neither aborted nor vanishes, it resets if it has bytes unread.
    fn close_end(&mut self, end: (Id, usize), how: How) {
        let resets = self.rules.reset_unread && !self.rules.rendezvous && !self.streams(end)[1].is_empty();
        let how = match how {
            How::Abort => End::Aborted,
            How::Close if resets => End::Reset,
            How::Close => End::Closed,
            How::Vanish => {
                let pipe = self.pipes.get_mut(&end.0).expect("an end that is held has a pipe");
                pipe.vanished[end.1] = true;
                pipe.written_by[1 - end.1].leave_reader(End::Closed);
                return;
            }
        };
        self.shut(end, how);
    }

    /// Closes an end and releases it.
    fn let_go(&mut self, end: (Id, usize), how: How) {
        self.close_end(end, how);
        let pipe = self.pipes.get_mut(&end.0).expect("an end that is held has a pipe");
        pipe.held[end.1] = false;
        if pipe.held == [false; 2] {
            self.pipes.remove(&end.0);
        }
    }
}
