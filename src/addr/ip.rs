//! IP addresses as text.

use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr};

use crate::addr::name::ErrorText;
use crate::addr::text::write_number;

/// An IPv4 address as text, without `core::fmt` for addresses: a program may need that code for nothing else.
pub(crate) fn ipv4_text(ip: Ipv4Addr) -> ErrorText {
    let (mut text, mut before) = (ErrorText::EMPTY, "");
    for octet in ip.octets() {
        // Writing to a text cannot fail.
        let _ = text.write_str(before).and_then(|()| write_number(&mut text, octet.into()));
        before = ".";
    }
    text
}

/// An IP address as text.
pub(crate) fn ip_text(ip: IpAddr) -> ErrorText {
    match ip {
        IpAddr::V4(ip) => ipv4_text(ip),
        IpAddr::V6(ip) => ErrorText::display(&ip),
    }
}
