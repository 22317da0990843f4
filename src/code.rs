//! Causes packed for errors: a code, and a text that stands among the error's words.

use crate::addr::{AddrError, AddrReason};
use crate::cause::{Cause, Input, RegistryError, RegistryReason, Table};
use crate::name::Text;

/// A cause without its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Plain(Plain),
    Full(Table, u32),
    Addr(AddrReason),
    Registry(RegistryReason),
    Backend,
}

/// The causes that have nothing but a name.
type Plain = u8;

const PLAIN: [Cause; 18] = [
    Cause::NetworkDown,
    Cause::HostDown,
    Cause::SocketDown,
    Cause::AddrInUse,
    Cause::AddrNotAvailable,
    Cause::ConnectionRefused,
    Cause::ConnectionReset,
    Cause::BrokenPipe,
    Cause::TimedOut,
    Cause::WouldBlock,
    Cause::NoSuchHost,
    Cause::HostExists,
    Cause::NoOpenHost,
    Cause::RegistryDown,
    Cause::Invalid(Input::HostName),
    Cause::Invalid(Input::NetworkName),
    Cause::Invalid(Input::BufferSize),
    Cause::Invalid(Input::Timeout),
];

impl Code {
    pub(crate) fn of(cause: Cause) -> (Self, Text) {
        match cause {
            Cause::Full(table, capacity) => (Self::Full(table, capacity), Text::EMPTY),
            Cause::Addr(AddrError { input, reason }) => (Self::Addr(reason), input),
            Cause::Registry(RegistryError { call, reason }) => (Self::Registry(reason), call),
            Cause::Backend(text) => (Self::Backend, text),
            plain => {
                let code = PLAIN.iter().position(|known| *known == plain);
                debug_assert!(code.is_some(), "each cause without a text stands in PLAIN");
                (Self::Plain(code.unwrap_or_default() as Plain), Text::EMPTY)
            }
        }
    }

    pub(crate) fn cause(self, text: &str) -> Cause {
        match self {
            Self::Plain(code) => PLAIN.get(usize::from(code)).copied().unwrap_or(Cause::NetworkDown),
            Self::Full(table, capacity) => Cause::Full(table, capacity),
            Self::Addr(reason) => Cause::Addr(AddrError { input: Text::uncut(text), reason }),
            Self::Registry(reason) => Cause::Registry(RegistryError { call: Text::uncut(text), reason }),
            Self::Backend => Cause::Backend(Text::uncut(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_without_a_text_survives_the_packing() {
        let tables = [Table::Hosts, Table::Ports, Table::Pipes, Table::Backlog].map(|table| Cause::Full(table, 7));
        for cause in PLAIN.into_iter().chain(tables) {
            let (code, text) = Code::of(cause);
            assert_eq!((code.cause(""), text), (cause, Text::EMPTY));
        }
    }
}
