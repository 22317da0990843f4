//! Operations on a network, and their encoding as bytes.
//!
//! Any sequence of bytes is a program: four bytes for the kind of network, then four for each operation. An operation
//! names its object by an index into the existing ones, so a program is still valid after some operations are removed.
//! This is how a failing program is reduced.

use crate::random::Random;

/// Four bytes.
pub type Word = [u8; 4];

/// The bit in the second byte of a program that selects a rendezvous network.
pub const RENDEZVOUS: u8 = 1;

/// The bit in the second byte of a program that makes all woken operations be polled after each operation.
pub const EAGER: u8 = 1 << 3;

/// The bit in the first byte of a program that gives a network on the heap faults.
const FAULTS: u8 = 1 << 7;

/// The kinds that are more frequent in such networks.
const FAULTS_MORE: [Kind; 8] =
    [Kind::Fault, Kind::Fault, Kind::Fault, Kind::Fault, Kind::Fault, Kind::PowerOff, Kind::Restart, Kind::Restart];

/// Whether the network of a program has faults.
#[must_use]
pub fn has_faults([backend, ..]: Word) -> bool {
    backend & FAULTS != 0 && backend % 8 <= 2
}

/// The maximum number of operations of a program.
pub const MOST: usize = 96;

/// The kind of a network, and the operations on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The kind of network.
    pub config: Word,
    /// The operations.
    pub ops: Vec<Word>,
}

impl Program {
    /// Decodes a program from bytes.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        let mut words = data.chunks(4).map(|chunk| std::array::from_fn(|at| chunk.get(at).copied().unwrap_or(0)));
        let config = words.next().unwrap_or_default();
        Self { config, ops: words.take(MOST).collect() }
    }

    /// Makes a random program. Each program leaves out some kinds of operations, so that the other kinds make more
    /// progress. Some programs use a single direction of one connection, which is polled at random.
    #[must_use]
    pub fn random(random: &mut Random) -> Self {
        let mut config = random_word(random);
        let left_out: Vec<Kind> = (0..random.below(6)).map(|_| Op::decode(random_word(random)).kind).collect();
        let len = 4 + random.below(52);
        let talks = random.below(6) == 0;
        if talks {
            config[1] = config[1] & !EAGER | RENDEZVOUS;
        }
        let connect = Op { kind: Kind::Connect, on: 0, with: 0, mode: Mode::Later, task: 0 };
        let words = std::iter::repeat_with(|| {
            let op = Op::decode(random_word(random));
            let more = has_faults(config) && random.below(8) == 0;
            if more { Op { kind: FAULTS_MORE[random.below(8)], ..op } } else { op }.encode()
        });
        let words = words.filter(|&word| {
            let op = Op::decode(word);
            !left_out.contains(&op.kind) && (!talks || op.talks())
        });
        let ops = talks.then(|| connect.encode()).into_iter().chain(words).take(len).collect();
        Self { config, ops }
    }
}

fn random_word(random: &mut Random) -> Word {
    std::array::from_fn(|_| random.number() as u8)
}

/// An operation: its kind, its object, and a number as an argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Op {
    /// The kind of the operation.
    pub kind: Kind,
    /// The index of its object among the existing ones.
    pub on: u8,
    /// The argument.
    pub with: u8,
    /// The way in which the operation waits.
    pub mode: Mode,
    /// The task that performs it, among those that write repeatedly.
    pub task: u8,
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Makes a host, or gets an existing one.
    Host,
    /// Makes a host with a new name.
    NewHost,
    /// Closes a host.
    CloseHost,
    /// A host crashes.
    Crash,
    /// A host loses its power.
    PowerOff,
    /// Makes a host anew.
    Restart,
    /// A host crashes, and is made anew.
    Bounce,
    /// Begins or ends a fault.
    Fault,
    /// Makes the network close with its last host.
    AutoClose,
    /// Closes the network.
    CloseNetwork,
    /// The backend reports that the network failed.
    Fail,
    /// Listens.
    Listen,
    /// Closes a listener.
    CloseListener,
    /// Drops a listener.
    DropListener,
    /// Dials a listener.
    Dial,
    /// Dials an address that may not exist.
    DialAstray,
    /// Accepts.
    Accept,
    /// Dials a listener and accepts.
    Connect,
    /// Reads.
    Read,
    /// Peeks at the available bytes.
    Peek,
    /// Writes.
    Write,
    /// Waits until there are bytes to read.
    Readable,
    /// Waits until there is room for a write.
    Writable,
    /// Polls a flush.
    Flush,
    /// Closes the write direction.
    CloseWrite,
    /// Closes the read direction.
    CloseRead,
    /// Closes a connection.
    Close,
    /// Resets a connection.
    Abort,
    /// Drops a connection.
    Drop,
    /// Splits a connection into halves.
    Split,
    /// Drops the reading half.
    DropRead,
    /// Drops the writing half.
    DropWrite,
    /// Reunites two halves.
    Reunite,
    /// Polls a pending operation.
    Poll,
    /// Polls a pending operation in another task.
    PollElsewhere,
    /// Continues a write with other bytes.
    Rewrite,
    /// Drops a pending operation.
    GiveUp,
    /// Polls all operations that can advance.
    Settle,
    /// The backend acknowledges a connection.
    Acknowledge,
    /// The backend refuses a connection.
    Refuse,
}

/// The ways in which an operation waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// The operation does not wait.
    Now,
    /// The operation is polled now, and again later.
    Later,
    /// The operation is polled later for the first time.
    Idle,
    /// The operation has a time limit that has passed at once.
    Timed,
}

/// How often each kind is chosen, out of 256 times.
const WEIGHTS: [(Kind, u8); 41] = [
    (Kind::Connect, 13),
    (Kind::Host, 3),
    (Kind::NewHost, 4),
    (Kind::CloseHost, 3),
    (Kind::AutoClose, 2),
    (Kind::CloseNetwork, 1),
    (Kind::Fail, 1),
    (Kind::Listen, 14),
    (Kind::Restart, 2),
    (Kind::CloseListener, 4),
    (Kind::DropListener, 4),
    (Kind::Dial, 21),
    (Kind::Crash, 2),
    (Kind::PowerOff, 1),
    (Kind::DialAstray, 5),
    (Kind::Accept, 25),
    (Kind::Bounce, 1),
    (Kind::Restart, 1),
    (Kind::Read, 24),
    (Kind::Peek, 6),
    (Kind::Write, 28),
    (Kind::Fault, 8),
    (Kind::Readable, 4),
    (Kind::Writable, 5),
    (Kind::Flush, 1),
    (Kind::CloseWrite, 5),
    (Kind::Close, 6),
    (Kind::Abort, 4),
    (Kind::Drop, 6),
    (Kind::Split, 4),
    (Kind::DropRead, 2),
    (Kind::DropWrite, 2),
    (Kind::Reunite, 2),
    (Kind::Poll, 16),
    (Kind::PollElsewhere, 3),
    (Kind::Rewrite, 2),
    (Kind::GiveUp, 8),
    (Kind::Settle, 4),
    (Kind::Acknowledge, 4),
    (Kind::Refuse, 2),
    (Kind::CloseRead, 3),
];

const KINDS: [Kind; 256] = kinds();

const fn kinds() -> [Kind; 256] {
    let mut kinds = [Kind::Connect; 256];
    let (mut at, mut row) = (0, 0);
    while row < WEIGHTS.len() {
        let mut left = WEIGHTS[row].1;
        while left > 0 {
            kinds[at] = WEIGHTS[row].0;
            at += 1;
            left -= 1;
        }
        row += 1;
    }
    assert!(at == kinds.len(), "the weights add up");
    kinds
}

impl Op {
    /// Whether the operation uses one direction of one connection only.
    fn talks(self) -> bool {
        match self.kind {
            Kind::Write | Kind::Writable | Kind::CloseWrite => self.on.is_multiple_of(2),
            Kind::Read | Kind::Peek => !self.on.is_multiple_of(2),
            Kind::Poll | Kind::PollElsewhere | Kind::Rewrite | Kind::GiveUp => true,
            _ => false,
        }
    }

    /// Encodes this operation as bytes.
    #[must_use]
    pub fn encode(self) -> Word {
        let kind = KINDS.iter().position(|&kind| kind == self.kind).expect("each kind has a weight");
        let mode = match self.mode {
            Mode::Later => 0,
            Mode::Now => 9,
            Mode::Idle => 13,
            Mode::Timed => 14,
        };
        [kind as u8, self.on, self.with, mode | self.task << 4]
    }

    /// Decodes an operation from bytes.
    #[must_use]
    pub fn decode([kind, on, with, mode]: Word) -> Self {
        let task = mode >> 4;
        let mode = match mode % 16 {
            0..=8 => Mode::Later,
            9..=12 => Mode::Now,
            13 => Mode::Idle,
            _ => Mode::Timed,
        };
        Self { kind: KINDS[usize::from(kind)], on, with, mode, task }
    }
}
