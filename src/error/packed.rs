//! Causes packed for errors: a code, and a text that is stored among the error's texts.

use crate::addr::name::ErrorText;
use crate::addr::{AddrError, AddrReason};
use crate::error::cause::{Cause, InvalidInput, Resource};
use crate::error::kind::ErrorKind;
use crate::error::registry::{Call, RegistryError, RegistryReason};

/// A cause without its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackedCause {
    /// A cause without data, which its kind identifies.
    Plain(ErrorKind),
    Invalid(InvalidInput),
    Full(Resource, u32),
    PeerFull(u16),
    Addr(AddrReason),
    Registry(Call, RegistryReason),
    Backend,
}

impl PackedCause {
    pub(crate) fn of(cause: Cause) -> (Self, ErrorText) {
        match cause {
            Cause::Invalid(input) => (Self::Invalid(input), ErrorText::EMPTY),
            Cause::Full(table, capacity) => (Self::Full(table, capacity), ErrorText::EMPTY),
            Cause::PeerFull(host, capacity) => (Self::PeerFull(capacity), host),
            Cause::Addr(AddrError { input, reason }) => (Self::Addr(reason), input),
            Cause::Registry(RegistryError { call, words, reason }) => (Self::Registry(call, reason), words),
            Cause::Backend(text) => (Self::Backend, text),
            plain => {
                debug_assert!(Cause::plain(plain.kind()) == Some(plain), "a cause with data has an arm of its own");
                (Self::Plain(plain.kind()), ErrorText::EMPTY)
            }
        }
    }

    pub(crate) fn cause(self, text: ErrorText) -> Cause {
        match self {
            Self::Plain(kind) => Cause::plain(kind).unwrap_or(Cause::NetworkDown),
            Self::Invalid(input) => Cause::Invalid(input),
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
    use crate::error::cause::plain_causes;

    macro_rules! list {
        ($($(#[$doc:meta])* $plain:ident = $text:literal,)*) => {
            &[$(Cause::$plain),*]
        };
    }

    #[test]
    fn unpacked_causes_equal_the_packed_ones() {
        let plain: &[Cause] = plain_causes!(list);
        let inputs =
            [InvalidInput::HostName, InvalidInput::NetworkName, InvalidInput::BufferSize, InvalidInput::Timeout];
        let tables = [Resource::Hosts, Resource::Ports, Resource::Pipes, Resource::Backlog];
        let others = inputs.map(Cause::Invalid).into_iter().chain(tables.map(|table| Cause::Full(table, 7)));
        for cause in plain.iter().copied().chain(others) {
            let (code, text) = PackedCause::of(cause);
            assert_eq!((code.cause(text), text), (cause, ErrorText::EMPTY));
        }
        let (code, text) = PackedCause::of(Cause::PeerFull("a".into(), 7));
        assert_eq!((code.cause(text), text), (Cause::PeerFull("a".into(), 7), "a".into()));
    }
}
