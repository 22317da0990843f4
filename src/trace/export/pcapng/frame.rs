//! Packets: a segment of TCP within IPv4 within Ethernet.

use std::vec::Vec;

use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, TcpHeader, TcpOptionElement};

/// The payload of a segment is at most so long.
pub(super) const SEGMENT: usize = 1460;

/// One side of a connection: the number of its host, from 1 on, and its port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Side {
    pub(super) host: u32,
    pub(super) port: u16,
}

/// A segment without its payload.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Segment {
    pub(super) seq: u32,
    /// `None` for the first segment of a connection.
    pub(super) ack: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) psh: bool,
}

/// The address of a host.
pub(super) fn ip(host: u32) -> [u8; 4] {
    let [_, b, c, d] = host.to_be_bytes();
    [10, b, c, d]
}

/// Makes `frame` the packet with this segment.
pub(super) fn make(frame: &mut Vec<u8>, [from, to]: [Side; 2], segment: Segment, payload: &[u8]) {
    let mac = |host: u32| {
        let [a, b, c, d] = host.to_be_bytes();
        [2, 0, a, b, c, d]
    };
    let ethernet = Ethernet2Header { source: mac(from.host), destination: mac(to.host), ether_type: EtherType::IPV4 };
    // A window of 65535 << 14 bytes never fills.
    let mut tcp = TcpHeader::new(from.port, to.port, segment.seq, u16::MAX);
    (tcp.syn, tcp.fin, tcp.rst, tcp.psh) = (segment.syn, segment.fin, segment.rst, segment.psh);
    (tcp.ack, tcp.acknowledgment_number) = (segment.ack.is_some(), segment.ack.unwrap_or(0));
    if segment.syn {
        let options = [TcpOptionElement::MaximumSegmentSize(SEGMENT as u16), TcpOptionElement::WindowScale(14)];
        tcp.set_options(&options).expect("two options fit");
    }
    let mut ipv4 = Ipv4Header {
        total_len: (Ipv4Header::MIN_LEN + tcp.header_len() + payload.len()) as u16,
        dont_fragment: true,
        time_to_live: 64,
        protocol: IpNumber::TCP,
        source: ip(from.host),
        destination: ip(to.host),
        ..Ipv4Header::default()
    };
    ipv4.header_checksum = ipv4.calc_header_checksum();
    tcp.checksum = tcp.calc_checksum_ipv4(&ipv4, payload).expect("a segment is short");
    frame.clear();
    frame.extend_from_slice(&ethernet.to_bytes());
    frame.extend_from_slice(&ipv4.to_bytes());
    frame.extend_from_slice(&tcp.to_bytes());
    frame.extend_from_slice(payload);
}
