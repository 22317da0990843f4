//! The operating system's TCP over loopback: a connection, and a check that all of its packets have arrived.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;

/// A connection over loopback: the dialled and the accepted end.
pub(super) fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    (dialled, accepted)
}

pub(super) fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// The two ends of a connection, as named in the kernel's table of sockets.
pub(super) struct Ends([String; 2]);

impl Ends {
    pub(super) fn of(stream: &TcpStream) -> Self {
        Self([stream.local_addr(), stream.peer_addr()].map(|addr| name(addr.unwrap())))
    }

    fn are_settled(&self, rows: &[Row<'_>]) -> bool {
        let [a, b] = &self.0;
        let find = |local, remote| rows.iter().find(|row| (row.local, row.remote) == (local, remote));
        match (find(a, b), find(b, a)) {
            (None, None) => true,
            // The missing end has reset the other end, or ended after it.
            (Some(row), None) | (None, Some(row)) => row.state == TIME_WAIT,
            (Some(near), Some(far)) => near.has_arrived_at(far) && far.has_arrived_at(near),
        }
    }
}

/// Waits until the effects of each end's actions have arrived at the other end, for each connection.
pub(super) fn settle<'a>(connections: impl Iterator<Item = &'a Ends> + Clone) {
    loop {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let rows: Vec<_> = table.lines().skip(1).map(Row::parse).collect();
        if connections.clone().all(|ends| ends.are_settled(&rows)) {
            return;
        }
        thread::yield_now();
    }
}

struct Row<'a> {
    local: &'a str,
    remote: &'a str,
    state: &'a str,
    /// The number of bytes that the peer has not acknowledged, including the end of the stream.
    sent: &'a str,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Self {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let [local, remote, state, queues] = std::array::from_fn(|_| columns.next().unwrap());
        Self { local, remote, state, sent: queues.split(':').next().unwrap() }
    }

    /// Whether everything that this end sent has arrived at the other end, acknowledged or not.
    fn has_arrived_at(&self, other: &Row<'_>) -> bool {
        let ended = [FIN_WAIT_1, CLOSING, LAST_ACK].contains(&self.state);
        let end_arrived = [CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT].contains(&other.state);
        end_arrived || (!ended && self.sent.bytes().all(|digit| digit == b'0'))
    }
}

const FIN_WAIT_1: &str = "04";
const TIME_WAIT: &str = "06";
const CLOSE_WAIT: &str = "08";
const LAST_ACK: &str = "09";
const CLOSING: &str = "0B";

fn name(addr: SocketAddr) -> String {
    let SocketAddr::V4(addr) = addr else { unreachable!("it is IPv4's loopback") };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(SocketAddrV4::ip(&addr).octets()), addr.port())
}
