//! Addresses and their parser.

use core::fmt;
use core::str::FromStr;

use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::addr::text::{first, write_host_port};

mod equal;
pub(crate) mod ip;
pub(crate) mod name;
pub(crate) mod text;
pub(crate) mod to_addr;

/// The address of a socket: network, host and port.
///
/// Prints as `host:port`, the host in brackets if it contains a colon.
///
/// Parsing follows the rules of Go's `net.SplitHostPort` and `strconv.Atoi`. The host may be in brackets, and must be
/// if it contains a colon. An empty host means the host that uses the address. A parsed address names no network; the
/// addresses that a network hands out do.
///
/// # Equality
///
/// Equality, order and hash use host and port only: `b:1` equals `b:1` of every network, and
/// [`network_name`](Self::network_name) distinguishes them. A string equals the address that prints as the string, so
/// `a:01` equals no address. A pair equals the address with its host and port. Both sides of `==` may be the address.
///
/// # Examples
///
/// ```
/// use virtnet::Addr;
///
/// let addr: Addr = "alpha:80".parse()?;
/// assert_eq!((addr.host(), addr.port()), ("alpha", 80));
/// assert_eq!(addr, "alpha:80");
/// assert_eq!(addr, ("alpha", 80));
/// assert_eq!(addr, Addr::new("pipet", "alpha", 80)?);
/// assert_eq!("[a:b]:1".parse::<Addr>()?.to_string(), "[a:b]:1");
///
/// let error = "a:b:c".parse::<Addr>().unwrap_err();
/// assert_eq!(error.to_string(), "address a:b:c: too many colons in address");
/// # Ok::<(), virtnet::AddrError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Addr {
    pub(crate) network: NetworkName,
    pub(crate) host: HostName,
    pub(crate) port: u16,
}

impl Addr {
    /// An address on a named network.
    ///
    /// # Errors
    ///
    /// `invalid network name` or `invalid host name`. An empty network means an unnamed one, and an empty host the host
    /// that uses the address.
    pub fn new(network: &str, host: &str, port: u16) -> Result<Self, AddrError> {
        let network = match network {
            "" => NetworkName::EMPTY,
            name => NetworkName::valid(name, "").ok_or_else(|| AddrError::new(name, AddrReason::InvalidNetworkName))?,
        };
        Ok(Self { network, host: host_name(host, host)?, port })
    }

    /// The full name of the network, empty if the address names none. Comparisons of addresses ignore it.
    #[must_use]
    pub fn network_name(&self) -> &str {
        &self.network
    }

    /// The name of the host, without brackets; empty for the host that uses the address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 asks a listener for the first free one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The text that the address prints.
    pub(crate) fn text(&self) -> ErrorText {
        let mut text = ErrorText::EMPTY;
        // Writing to a text cannot fail.
        let _ = write_host_port(&mut text, &self.host, "", self.port);
        text
    }
}

impl FromStr for Addr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        let failed = |reason| AddrError::new(text, reason);
        let (host, port) = split(text).map_err(failed)?;
        let port = parse_port(port).ok_or(failed(AddrReason::InvalidPort))?;
        Ok(Self { network: NetworkName::EMPTY, host: host_name(host, text)?, port })
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host_port(f, &self.host, "", self.port)
    }
}

/// Prints as the string that the address equals, so that a failing assertion shows only the difference.
impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name in brackets, a colon and five digits.
        let mut text = heapless::String::<{ 63 + 2 + 1 + 5 }>::new();
        write_host_port(&mut text, &self.host, "", self.port)?;
        fmt::Debug::fmt(&*text, f)
    }
}

/// The name `host`, empty or valid; an error shows `input`.
pub(crate) fn host_name(host: &str, input: &str) -> Result<HostName, AddrError> {
    match host {
        "" => Ok(HostName::EMPTY),
        name => HostName::valid(name, "").ok_or_else(|| AddrError::new(input, AddrReason::InvalidHostName)),
    }
}

/// Splits `host:port` as Go's `net.SplitHostPort` does.
pub(crate) fn split(text: &str) -> Result<(&str, &str), AddrReason> {
    let colon = last(text, b':').ok_or(AddrReason::MissingPort)?;
    let (before, port) = around(text, colon);
    let (host, inside, after) = match text.strip_prefix("[") {
        Some(rest) => {
            let bracket = first(rest, b']').ok_or(AddrReason::MissingBracket)?;
            let (host, after) = around(rest, bracket);
            if !after.starts_with(":") {
                return Err(AddrReason::MissingPort);
            }
            if after.len() != port.len() + 1 {
                return Err(AddrReason::TooManyColons);
            }
            (host, rest, after)
        }
        None if first(before, b':').is_some() => return Err(AddrReason::TooManyColons),
        None => (before, text, text),
    };
    if first(inside, b'[').is_some() {
        return Err(AddrReason::UnexpectedOpen);
    }
    if first(after, b']').is_some() {
        return Err(AddrReason::UnexpectedClose);
    }
    Ok((host, port))
}

/// The last position of an ASCII character, as [`first`] finds the first one.
fn last(text: &str, character: u8) -> Option<usize> {
    text.bytes().rposition(|byte| byte == character)
}

/// The parts before and after the ASCII character at `at`.
fn around(text: &str, at: usize) -> (&str, &str) {
    (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default())
}

/// Parses a decimal number with an optional sign, as Go's `strconv.Atoi` does; `None` if it is not a port.
fn parse_port(text: &str) -> Option<u16> {
    match text.strip_prefix("-") {
        Some(digits) if digits.starts_with("+") => None,
        Some(digits) => digits.parse().ok().filter(|&port: &u16| port == 0),
        None => text.parse().ok(),
    }
}

/// Why an address was refused. Prints `address ADDRESS: REASON`, or only the reason if the address is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddrError {
    pub(crate) input: ErrorText,
    pub(crate) reason: AddrReason,
}

impl AddrError {
    pub(crate) fn new(input: &str, reason: AddrReason) -> Self {
        Self { input: input.into(), reason }
    }

    /// The error of an empty address, which asks a listener for any port.
    pub(crate) const MISSING: Self = Self { input: ErrorText::EMPTY, reason: AddrReason::MissingPort };

    /// Why the address was refused.
    #[must_use]
    pub fn reason(&self) -> AddrReason {
        self.reason
    }

    /// The refused address as the caller passed it, cut at 63 bytes.
    #[must_use]
    pub fn input(&self) -> &ErrorText {
        &self.input
    }
}

impl fmt::Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.input.as_str().is_empty() {
            write!(f, "address {}: ", self.input)?;
        }
        fmt::Display::fmt(&self.reason, f)
    }
}

impl core::error::Error for AddrError {}

/// The reasons to refuse an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddrReason {
    /// No colon with a port follows the host.
    MissingPort,
    /// The host contains a colon and is not in brackets.
    TooManyColons,
    /// A `[` is never closed.
    MissingBracket,
    /// A `[` does not open the host.
    UnexpectedOpen,
    /// A `]` does not close the host.
    UnexpectedClose,
    /// The port is not a decimal number from 0 to 65535.
    InvalidPort,
    /// The host's name is too long or contains a forbidden character.
    InvalidHostName,
    /// The network's name is too long or contains a forbidden character.
    InvalidNetworkName,
    /// No host of that name is here; returned to a backend that announces a connection to it.
    NoSuchHost,
}

impl AddrReason {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::MissingPort => "missing port in address",
            Self::TooManyColons => "too many colons in address",
            Self::MissingBracket => "missing ']' in address",
            Self::UnexpectedOpen => "unexpected '[' in address",
            Self::UnexpectedClose => "unexpected ']' in address",
            Self::InvalidPort => "invalid port",
            Self::InvalidHostName => "invalid host name",
            Self::InvalidNetworkName => "invalid network name",
            Self::NoSuchHost => "no such host",
        }
    }
}

impl fmt::Display for AddrReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    use super::*;

    fn parsed(text: &str) -> String {
        match text.parse::<Addr>() {
            Ok(addr) => format!("{}|{}|{addr}", addr.host(), addr.port()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_text_parses_to_its_address_or_error() {
        for (text, want) in [
            ("a:1", "a|1|a:1"),
            (":0", "|0|:0"),
            ("[a:b]:1", "a:b|1|[a:b]:1"),
            ("[a]:1", "a|1|a:1"),
            ("[]:1", "|1|:1"),
            ("α:1", "α|1|α:1"),
            ("a:01", "a|1|a:1"),
            ("a:+1", "a|1|a:1"),
            ("a:-0", "a|0|a:0"),
            ("a%z:1", "a%z|1|a%z:1"),
            ("a:65535", "a|65535|a:65535"),
            ("", "missing port in address"),
            ("a", "address a: missing port in address"),
            ("a:b:c", "address a:b:c: too many colons in address"),
            ("[a:b]:1:2", "address [a:b]:1:2: too many colons in address"),
            ("[a]1", "address [a]1: missing port in address"),
            ("[a]1:2", "address [a]1:2: missing port in address"),
            ("[a:1", "address [a:1: missing ']' in address"),
            ("a]:1", "address a]:1: unexpected ']' in address"),
            ("[a]:]1", "address [a]:]1: unexpected ']' in address"),
            ("a[:1", "address a[:1: unexpected '[' in address"),
            ("[[a]:1", "address [[a]:1: unexpected '[' in address"),
            ("a:b", "address a:b: invalid port"),
            ("a:", "address a:: invalid port"),
            ("a:-1", "address a:-1: invalid port"),
            ("a:-+0", "address a:-+0: invalid port"),
            ("a:--0", "address a:--0: invalid port"),
            ("a:+-0", "address a:+-0: invalid port"),
            ("a: 1", "address a: 1: invalid port"),
            ("a:1_0", "address a:1_0: invalid port"),
            ("a:65536", "address a:65536: invalid port"),
            ("a:99999999999999999999", "address a:99999999999999999999: invalid port"),
            ("a\u{85}b:1", "address a\u{85}b:1: invalid host name"),
            ("a\0:1", "address a\0:1: invalid host name"),
        ] {
            assert_eq!(parsed(text), want, "{text:?}");
        }
    }

    #[test]
    fn an_overlong_host_is_invalid_and_cut_in_the_error() {
        let longest = "h".repeat(63);
        assert_eq!(parsed(&format!("{longest}:1")), format!("{longest}|1|{longest}:1"));
        assert_eq!(parsed(&format!("{longest}i:1")), format!("address {longest}…: invalid host name"));
        let wide = "é".repeat(32);
        assert_eq!(parsed(&format!("{wide}:1")), format!("address {}…: invalid host name", "é".repeat(31)));
    }
}
