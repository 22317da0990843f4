//! Causes packed for errors: a code, and a text that is stored among the error's texts.

use crate::addr::name::ErrorText;
use crate::addr::{AddrError, AddrReason};
use crate::error::cause::{Cause, InvalidInput, Resource};
use crate::error::registry::{Call, RegistryError, RegistryReason};

/// A cause without its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackedCause {
    Plain(Plain),
    Full(Resource, u32),
    PeerFull(u16),
    Addr(AddrReason),
    Registry(Call, RegistryReason),
    Backend,
}

/// The number of a cause without data.
type Plain = u8;

/// Numbers the causes without data, in both directions.
macro_rules! plain {
    ($($number:literal: $name:ident $((InvalidInput::$input:ident))?,)*) => {
        fn number(cause: &Cause) -> Option<Plain> {
            match cause {
                $(Cause::$name $((InvalidInput::$input))? => Some($number),)*
                _ => None,
            }
        }

        fn plain(number: Plain) -> Option<Cause> {
            match number {
                $($number => Some(Cause::$name $((InvalidInput::$input))?),)*
                _ => None,
            }
        }
    };
}

plain! {
    0: NetworkDown,
    1: HostDown,
    2: SocketDown,
    3: AddrInUse,
    4: AddrNotAvailable,
    5: ConnectionRefused,
    6: ConnectionReset,
    7: BrokenPipe,
    8: TimedOut,
    9: WouldBlock,
    10: NoSuchHost,
    11: HostExists,
    12: NoOpenHost,
    13: RegistryDown,
    14: Invalid(InvalidInput::HostName),
    15: Invalid(InvalidInput::NetworkName),
    16: Invalid(InvalidInput::BufferSize),
    17: Invalid(InvalidInput::Timeout),
}

impl PackedCause {
    pub(crate) fn of(cause: Cause) -> (Self, ErrorText) {
        match cause {
            Cause::Full(table, capacity) => (Self::Full(table, capacity), ErrorText::EMPTY),
            Cause::PeerFull(host, capacity) => (Self::PeerFull(capacity), host),
            Cause::Addr(AddrError { input, reason }) => (Self::Addr(reason), input),
            Cause::Registry(RegistryError { call, words, reason }) => (Self::Registry(call, reason), words),
            Cause::Backend(text) => (Self::Backend, text),
            plain => {
                let number = number(&plain);
                debug_assert!(number.is_some(), "each cause without a text has a number");
                (Self::Plain(number.unwrap_or_default()), ErrorText::EMPTY)
            }
        }
    }

    pub(crate) fn cause(self, text: ErrorText) -> Cause {
        match self {
            Self::Plain(number) => plain(number).unwrap_or(Cause::NetworkDown),
            Self::Full(table, capacity) => Cause::Full(table, capacity),
            Self::PeerFull(capacity) => Cause::PeerFull(text, capacity),
            Self::Addr(reason) => Cause::Addr(AddrError { input: text, reason }),
            Self::Registry(call, reason) => Cause::Registry(RegistryError { call, words: text, reason }),
            Self::Backend => Cause::Backend(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacked_causes_equal_the_packed_ones() {
        let tables =
            [Resource::Hosts, Resource::Ports, Resource::Pipes, Resource::Backlog].map(|table| Cause::Full(table, 7));
        for cause in (0..).map_while(plain).chain(tables) {
            let (code, text) = PackedCause::of(cause);
            assert_eq!((code.cause(text), text), (cause, ErrorText::EMPTY));
        }
        let (code, text) = PackedCause::of(Cause::PeerFull("a".into(), 7));
        assert_eq!((code.cause(text), text), (Cause::PeerFull("a".into(), 7), "a".into()));
    }
}
