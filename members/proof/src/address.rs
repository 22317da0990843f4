//! An independent parser of addresses and names: the crate's parser is compared with it, and the model uses it.

use std::net::IpAddr;

use virtnet::{Addr, HostName, pipenet};

/// A parsed address.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The host; empty for the local one.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Whether a host may have this name.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    is_name(name, 63)
}

fn is_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len()) && !name.chars().any(|c| c == '[' || c == ']' || c.is_control())
}

/// Parses `host:port`, or returns the cause of the failure.
///
/// # Errors
///
/// The text of the cause, such as `address a: missing port in address`.
pub fn parse(text: &str) -> Result<Parsed, String> {
    parts(text).map_err(|reason| match text {
        "" => reason.into(),
        _ => format!("address {}: {reason}", cut(text)),
    })
}

fn parts(text: &str) -> Result<Parsed, &'static str> {
    let colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at).collect();
    let &last = colons.last().ok_or("missing port in address")?;
    let mut host = &text[..last];
    // The parts of the text in which no bracket may open, and in which none may close.
    let (mut no_open, mut no_close) = (text, text);
    if let Some(inside) = text.strip_prefix('[') {
        let close = text.find(']').ok_or("missing ']' in address")?;
        if close + 1 != last {
            let colon_follows = colons.contains(&(close + 1));
            return Err(if colon_follows { "too many colons in address" } else { "missing port in address" });
        }
        host = &text[1..close];
        (no_open, no_close) = (inside, &text[close + 1..]);
    } else if colons.len() > 1 {
        return Err("too many colons in address");
    }
    if no_open.contains('[') {
        return Err("unexpected '[' in address");
    }
    if no_close.contains(']') {
        return Err("unexpected ']' in address");
    }
    let port = number(&text[last + 1..]).ok_or("invalid port")?;
    if !host.is_empty() && !is_host_name(host) {
        return Err("invalid host name");
    }
    Ok(Parsed { host: host.into(), port })
}

/// A decimal number with at most one sign, if it is a port.
fn number(text: &str) -> Option<u16> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value: u32, digit| (value * 10 + u32::from(digit - b'0')).min(100_000));
    u16::try_from(value).ok().filter(|&port| port == 0 || !negative)
}

/// The part of a text that an error keeps: 63 bytes, in whole characters.
fn cut(text: &str) -> String {
    if text.len() <= 63 {
        return text.into();
    }
    let end = (0..=63).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// Compares the crate with this parser: with `data` as an address, and as the name of a host and of a network.
///
/// # Panics
///
/// If the two differ.
pub fn address(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let got = text.parse::<Addr>();
    match (parse(text), &got) {
        (Ok(want), Ok(got)) => {
            assert_eq!((got.host(), got.port(), got.network_name()), (&*want.host, want.port, ""), "{text:?}");
            let printed = got.to_string();
            assert_eq!(printed.parse().as_ref(), Ok(got), "{text:?}: what it prints is the same address");
            assert_eq!(*got == text, printed == text, "{text:?}: an address equals what it prints");
        }
        (want, got) => {
            let got = got.as_ref().map(Addr::to_string).map_err(|error| error.to_string());
            assert_eq!(got, want.map(|want| format!("{want:?}")), "{text:?}");
        }
    }
    name(text);
    listen(text);
}

/// Compares `text` as a name.
fn name(text: &str) {
    let valid = is_host_name(text);
    let made = Addr::new("", text, 7).map(|addr| (addr.host().to_owned(), addr.port()));
    match text {
        "" => assert_eq!(made, Ok((String::new(), 7))),
        _ if valid => assert_eq!(made, Ok((text.to_owned(), 7))),
        _ => {
            let error = made.expect_err("the name is invalid").to_string();
            assert_eq!(error, format!("address {}: invalid host name", cut(text)));
        }
    }
    let net = pipenet::Network::new("t");
    match net.new_host(text) {
        Ok(host) => {
            let kept: HostName = host.name();
            assert_eq!((&*kept, valid), (text, true));
            assert_eq!(net.get_host(text).as_ref(), Some(&host));
        }
        Err(error) => {
            assert!(!valid, "{text:?}: {error}");
            assert!(error.to_string().ends_with(": invalid host name"), "{error}");
            assert_eq!(net.get_host(text), None);
        }
    }
    let built = pipenet::Network::builder(text).build();
    assert_eq!(built.is_ok(), is_name(&format!("pipe{text}"), 31), "{text:?} as a network's name");
    if let Err(error) = built {
        assert!(error.to_string().ends_with(": new network: invalid network name"), "{error}");
    }
}

/// Whether the only host, which is named `a`, is meant by this name where TCP's names are understood.
fn is_a(name: &str) -> bool {
    let own = ["10.0.0.1", "0.0.0.0", "::", "::1", "::ffff:10.0.0.1", "::ffff:0.0.0.0"];
    let own = own.map(|own| own.parse::<IpAddr>().expect("an IP address"));
    let is_loopback = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 127,
        IpAddr::V6(ip) => ip.to_string().starts_with("::ffff:127."),
    };
    let ip = name.parse().ok();
    ["", "a", "localhost"].contains(&name) || ip.is_some_and(|ip| own.contains(&ip) || is_loopback(&ip))
}

/// Compares `text` as the address that a host named `a` listens at and dials.
fn listen(text: &str) {
    let a = pipenet::Network::new("t").host("a").expect("a valid name");
    let parsed = if text.is_empty() { Ok(Parsed { host: String::new(), port: 0 }) } else { parse(text) };
    let listening = a.listen(text).map(|listener| listener.local_addr());
    match &parsed {
        Ok(Parsed { host, port }) if is_a(host) => {
            let addr = listening.expect("a free port");
            assert_eq!((addr.host(), addr.port()), ("a", (*port).max(1)));
        }
        Ok(_) => {
            let error = listening.expect_err("another host's address").to_string();
            assert!(error.ends_with(": cannot listen on requested address"), "{error}");
        }
        Err(cause) => told(&listening.expect_err("an invalid address"), &format!("listen pipet: {cause}")),
    }
    let dialled = std::pin::pin!(a.dial(text)).try_wait().expect("nobody listens").expect_err("nobody listens");
    match parse(text) {
        Ok(Parsed { host, .. }) if is_a(&host) => {
            assert!(dialled.to_string().ends_with(": connection refused"), "{dialled}");
        }
        Ok(_) => assert!(dialled.to_string().ends_with(": no such host"), "{dialled}"),
        Err(cause) => told(&dialled, &format!("dial pipet a:1: {cause}")),
    }
    assert_eq!(a.sockets(), 0, "nothing is left");
}

/// Asserts that an error has this text, of which it may keep a part if the text is long.
fn told(error: &virtnet::Error, want: &str) {
    let got = error.to_string();
    if got.contains('…') || want.contains('…') {
        let reason = |text: &str| text.rsplit(": ").next().map(str::to_owned);
        assert_eq!(reason(&got), reason(want), "{got}");
    } else {
        assert_eq!(got, want);
    }
}
