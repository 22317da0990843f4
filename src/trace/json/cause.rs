//! Causes of failures, from the texts that they print.

use crate::addr::name::ErrorText;
use crate::addr::{AddrError, AddrReason};
use crate::error::cause::{Cause, InvalidInput, Resource, plain_causes};
use crate::error::registry::{RegistryError, RegistryReason};

macro_rules! list {
    ($($(#[$doc:meta])* $plain:ident = $text:literal,)*) => {
        &[$(Cause::$plain),*]
    };
}

const PLAIN: &[Cause] = plain_causes!(list);

const INPUTS: [InvalidInput; 4] =
    [InvalidInput::HostName, InvalidInput::NetworkName, InvalidInput::BufferSize, InvalidInput::Timeout];

const RESOURCES: &[Resource] = &[
    Resource::Hosts,
    Resource::Ports,
    Resource::Pipes,
    Resource::Backlog,
    #[cfg(feature = "sim")]
    Resource::Faults,
];

const ADDR_REASONS: [AddrReason; 9] = [
    AddrReason::MissingPort,
    AddrReason::TooManyColons,
    AddrReason::MissingBracket,
    AddrReason::UnexpectedOpen,
    AddrReason::UnexpectedClose,
    AddrReason::InvalidPort,
    AddrReason::InvalidHostName,
    AddrReason::InvalidNetworkName,
    AddrReason::NoSuchHost,
];

const REGISTRY_REASONS: [RegistryReason; 3] =
    [RegistryReason::NoSuchHost, RegistryReason::HostExists, RegistryReason::Down];

/// The cause that prints this text, of the same kind; one that no other part of the crate has is a backend's.
pub(super) fn read_cause(text: &str) -> Cause {
    let plain = PLAIN.iter().copied().find(|cause| *ErrorText::display(cause).as_str() == *text);
    let known =
        plain.or_else(|| invalid(text)).or_else(|| full(text)).or_else(|| addr(text)).or_else(|| registry(text));
    known.unwrap_or_else(|| Cause::Backend(read_text(text)))
}

/// A text that is cut if it ends in `…`.
pub(super) fn read_text(text: &str) -> ErrorText {
    text.strip_suffix('…').map_or_else(|| text.into(), |kept| ErrorText::head(kept, true))
}

fn invalid(text: &str) -> Option<Cause> {
    let input = text.strip_prefix("invalid ")?;
    INPUTS.into_iter().find(|known| known.text() == input).map(Cause::Invalid)
}

fn full(text: &str) -> Option<Cause> {
    let (table, capacity) = text.strip_suffix(')')?.rsplit_once(" is full (")?;
    if let Some(host) = table.strip_prefix("port table of \"") {
        let host = host.strip_suffix('"').map_or_else(|| read_text(host), ErrorText::from);
        return Some(Cause::PeerFull(host, capacity.parse().ok()?));
    }
    let table = RESOURCES.iter().copied().find(|known| known.text() == table)?;
    Some(Cause::Full(table, capacity.parse().ok()?))
}

fn addr(text: &str) -> Option<Cause> {
    let reason = ADDR_REASONS.into_iter().find(|known| text.ends_with(known.text()))?;
    let before = text.strip_suffix(reason.text())?;
    let input = match before.strip_prefix("address ").and_then(|input| input.strip_suffix(": ")) {
        Some(input) => read_text(input),
        None if before.is_empty() => ErrorText::EMPTY,
        None => return None,
    };
    Some(Cause::Addr(AddrError { input, reason }))
}

fn registry(text: &str) -> Option<Cause> {
    let reason = REGISTRY_REASONS.into_iter().find(|known| text.ends_with(known.text()))?;
    let (registry, call) = text.strip_suffix(reason.text())?.split_once(": ")?;
    let host = call.strip_prefix("query [\"").and_then(|host| host.strip_suffix("\"]"));
    let error = match host.filter(|host| !host.contains('\\')) {
        Some(host) => RegistryError::query(registry, host, reason),
        None => RegistryError { reason, ..RegistryError::told(registry, read_text(call)) },
    };
    Some(Cause::Registry(error))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn causes_are_read_as_they_print() {
        let addrs = ADDR_REASONS.map(|reason| Cause::Addr(AddrError::new("a:b: c", reason)));
        let queries = REGISTRY_REASONS.map(|reason| Cause::Registry(RegistryError::query("ram(t)", "γ", reason)));
        let others = [
            Cause::Full(Resource::Backlog, 4096),
            Cause::PeerFull("a".into(), 65535),
            Cause::Addr(AddrError::MISSING),
            Cause::Addr(AddrError::new(&"a".repeat(70), AddrReason::InvalidHostName)),
            Cause::Backend("engine is down".into()),
            Cause::Backend("".into()),
            Cause::Backend("invalid state".into()),
            Cause::Backend("x is full (7)".into()),
            Cause::Backend(ErrorText::from(&*"t".repeat(70))),
        ];
        let inputs = INPUTS.map(Cause::Invalid);
        for cause in PLAIN.iter().copied().chain(addrs).chain(queries).chain(others).chain(inputs) {
            assert_eq!(read_cause(&cause.to_string()), cause);
        }
    }

    #[test]
    fn a_registry_keeps_text_and_kind() {
        for (registry, host) in [("ram(t)", "a\"b"), ("ram(t)", "\u{85}"), ("a: b", "c")] {
            for reason in REGISTRY_REASONS {
                let errors = [
                    RegistryError::query(registry, host, reason),
                    RegistryError::announce(registry, host, &"data", reason),
                ];
                for cause in errors.map(Cause::Registry) {
                    let read = read_cause(&cause.to_string());
                    assert_eq!((read.to_string(), read.kind()), (cause.to_string(), cause.kind()));
                }
            }
        }
    }
}
