//! Operations on a network, and the bytes that stand for them.
//!
//! Any bytes are a program: four for the kind of network, then four for each operation. What an operation is about is
//! named by a number that counts among what there is, so that a program from which some operations are taken out is still
//! one; that is how a failing one is made smaller.

use crate::random::Random;

/// Four bytes.
pub type Word = [u8; 4];

/// In the second byte of a program, what makes it one of a rendezvous network.
pub const RENDEZVOUS: u8 = 1;

/// In the second byte of a program, what lets all be polled that is woken after each operation.
pub const EAGER: u8 = 1 << 3;

/// The most operations that a program has.
pub const MOST: usize = 96;

/// The kind of a network, and what is done with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The kind of network.
    pub config: Word,
    /// The operations.
    pub ops: Vec<Word>,
}

impl Program {
    /// The program that these bytes stand for.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        let mut words = data.chunks(4).map(|chunk| std::array::from_fn(|at| chunk.get(at).copied().unwrap_or(0)));
        let config = words.next().unwrap_or_default();
        Self { config, ops: words.take(MOST).collect() }
    }

    /// A program at random. Each leaves out some kinds of operations, so that some go further with the others; some are
    /// about one direction of one connection alone, which is polled at random.
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
        let words = std::iter::repeat_with(|| random_word(random)).filter(|&word| {
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

/// An operation: of a kind, on something, with a number that says more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Op {
    /// What is done.
    pub kind: Kind,
    /// What it is done to, among those that there are.
    pub on: u8,
    /// What else it takes.
    pub with: u8,
    /// How it waits.
    pub mode: Mode,
    /// Which task does it, among those that write more than once.
    pub task: u8,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Makes a host, or finds one.
    Host,
    /// Makes a host of a new name.
    NewHost,
    /// Closes a host.
    CloseHost,
    /// Asks for the network to be closed with its last host.
    AutoClose,
    /// Closes the network.
    CloseNetwork,
    /// The backend says that the network failed.
    Fail,
    /// Listens.
    Listen,
    /// Closes a listener.
    CloseListener,
    /// Drops a listener.
    DropListener,
    /// Dials a listener.
    Dial,
    /// Dials what may not be there.
    DialAstray,
    /// Accepts.
    Accept,
    /// Dials a listener and accepts.
    Connect,
    /// Reads.
    Read,
    /// Looks at what there is to read.
    Peek,
    /// Writes.
    Write,
    /// Waits until there is something to read.
    Readable,
    /// Waits until there is room.
    Writable,
    /// Polls for what was written to be on its way.
    Flush,
    /// Ends the own stream.
    CloseWrite,
    /// Stops reading.
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
    /// Puts two halves together.
    Reunite,
    /// Polls what waits.
    Poll,
    /// Polls what waits as another task.
    PollElsewhere,
    /// Goes on with a write with other bytes.
    Rewrite,
    /// Drops what waits.
    GiveUp,
    /// Polls all that is worth it.
    Settle,
    /// The backend acknowledges a connection.
    Acknowledge,
    /// The backend refuses a connection.
    Refuse,
}

/// How an operation waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Not at all.
    Now,
    /// It is polled, and again later.
    Later,
    /// It is polled later for the first time.
    Idle,
    /// With a time limit that is over at once.
    Timed,
}

/// How often each kind comes up, of 256 times.
const WEIGHTS: [(Kind, u8); 35] = [
    (Kind::Connect, 14),
    (Kind::Host, 3),
    (Kind::NewHost, 4),
    (Kind::CloseHost, 3),
    (Kind::AutoClose, 2),
    (Kind::CloseNetwork, 1),
    (Kind::Fail, 1),
    (Kind::Listen, 16),
    (Kind::CloseListener, 4),
    (Kind::DropListener, 4),
    (Kind::Dial, 26),
    (Kind::DialAstray, 5),
    (Kind::Accept, 28),
    (Kind::Read, 26),
    (Kind::Peek, 6),
    (Kind::Write, 30),
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
    /// Whether it is about one direction of one connection.
    fn talks(self) -> bool {
        match self.kind {
            Kind::Write | Kind::Writable | Kind::CloseWrite => self.on.is_multiple_of(2),
            Kind::Read | Kind::Peek => !self.on.is_multiple_of(2),
            Kind::Poll | Kind::PollElsewhere | Kind::Rewrite | Kind::GiveUp => true,
            _ => false,
        }
    }

    /// Bytes that stand for this operation.
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

    /// The operation that these bytes stand for.
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
