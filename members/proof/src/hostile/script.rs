//! The next action of a hostile backend, and the record of the links that it handed over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtnet::{AddrError, Cause, InvalidInput, RegistryError, RegistryReason, Resource};

/// The bytes that determine the actions of the backend and of the program that uses it. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(super) struct Script(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bytes: VecDeque<u8>,
    links: BTreeMap<u32, Ledger>,
    engine_closes: u32,
    registry_closes: u32,
    /// The depth of the network calls that the backend makes from within its own calls.
    depth: u32,
}

/// The state of an end of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    handed_over: bool,
    shut: u32,
    released: u32,
}

impl Script {
    pub(super) fn new(data: &[u8]) -> Self {
        let state = State {
            bytes: data.iter().copied().collect(),
            links: BTreeMap::new(),
            engine_closes: 0,
            registry_closes: 0,
            depth: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next byte, or 0, which stands for good behaviour, when no bytes are left.
    pub(super) fn byte(&self) -> u8 {
        self.state().bytes.pop_front().unwrap_or(0)
    }

    /// The next choice below `end`.
    pub(super) fn below(&self, end: u8) -> u8 {
        self.byte() % end
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().bytes.is_empty()
    }

    /// Ends all bad behaviour.
    pub(super) fn end(&self) {
        self.state().bytes.clear();
    }

    /// Returns any of the causes.
    pub(super) fn cause(&self) -> Cause {
        let long = "a cable that is very long, was wound around a chair, and then — é — came unplugged at both ends";
        match self.below(22) {
            0 => Cause::NetworkDown,
            1 => Cause::HostDown,
            2 => Cause::SocketDown,
            3 => Cause::AddrInUse,
            4 => Cause::AddrNotAvailable,
            5 => Cause::ConnectionRefused,
            6 => Cause::ConnectionReset,
            7 => Cause::BrokenPipe,
            8 => Cause::TimedOut,
            9 => Cause::WouldBlock,
            10 => Cause::NoSuchHost,
            11 => Cause::HostExists,
            12 => Cause::NoOpenHost,
            13 => Cause::RegistryDown,
            14 => Cause::Invalid(InvalidInput::Timeout),
            15 => Cause::Full(Resource::Pipes, u32::MAX),
            16 => Cause::Full(Resource::Backlog, 0),
            17 => "a:b:c".parse::<virtnet::Addr>().map_or_else(|error: AddrError| error.into(), |_| Cause::WouldBlock),
            18 => self.refusal("x", "γ").into(),
            19 => Cause::backend(&""),
            20 => Cause::backend(&long),
            _ => Cause::backend(&"cable unplugged\n\0"),
        }
    }

    /// Returns any error of a registry.
    pub(super) fn refusal(&self, name: &str, host: &str) -> RegistryError {
        match self.below(5) {
            0 => RegistryError::query(name, host, RegistryReason::NoSuchHost),
            1 => RegistryError::announce(name, host, &"\0\0", RegistryReason::HostExists),
            2 => RegistryError::query("", "", RegistryReason::Down),
            3 => RegistryError::other(name, &"é".repeat(70)),
            _ => RegistryError::announce(&"n".repeat(80), &"h".repeat(80), &(), RegistryReason::Other),
        }
    }

    /// Makes a new end of a connection.
    pub(super) fn link(&self) -> Link {
        let mut state = self.state();
        let number = state.links.len() as u32;
        state.links.insert(number, Ledger::default());
        Link(number)
    }

    /// Records that the core owns the end from now on.
    pub(super) fn hand_over(&self, link: &Link) {
        self.ledger(link, |ledger| ledger.handed_over = true);
    }

    pub(super) fn shut(&self, link: &Link) {
        self.ledger(link, |ledger| ledger.shut += 1);
    }

    pub(super) fn release(&self, link: &Link) {
        self.ledger(link, |ledger| {
            assert!(ledger.handed_over, "{link:?} was released and not handed over");
            assert!(ledger.shut > 0, "{link:?} was released and not shut down");
            assert_eq!(ledger.released, 0, "{link:?} was released before");
            ledger.released += 1;
        });
    }

    /// Asserts that the end was not released before it is used.
    pub(super) fn used(&self, link: &Link) {
        self.ledger(link, |ledger| assert_eq!(ledger.released, 0, "{link:?} is used and was released"));
    }

    fn ledger<T>(&self, link: &Link, step: impl FnOnce(&mut Ledger) -> T) -> T {
        step(self.state().links.get_mut(&link.0).expect("a link is in the books"))
    }

    pub(super) fn engine_closed(&self) {
        self.state().engine_closes += 1;
    }

    pub(super) fn registry_closed(&self) {
        self.state().registry_closes += 1;
    }

    /// Starts a call of the network if the backend may make one; returns whether it may.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.state();
        let may = state.depth < 2;
        state.depth += u32::from(may);
        may
    }

    pub(super) fn leave(&self) {
        self.state().depth -= 1;
    }

    /// Asserts that every link handed over was released.
    pub(super) fn check(&self) {
        let state = self.state();
        for (number, ledger) in &state.links {
            assert_eq!(u32::from(ledger.handed_over), ledger.released, "link {number}: {ledger:?}");
        }
        assert!(state.engine_closes >= 1 && state.registry_closes >= 1, "engine and registry are closed in the end");
    }
}

/// An end of a connection, which consists of a number only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link(u32);
