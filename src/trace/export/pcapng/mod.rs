//! Views as captures for Wireshark.

mod block;
mod flow;
mod frame;
mod ports;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::format;
use std::io::{self, Write};
use std::string::String;
use std::vec::Vec;

use crate::trace::export::pcapng::ports::{DISSECTED, shifted};
use crate::trace::export::pcapng::writer::Writer;
use crate::trace::slot::Code;
use crate::trace::view::View;

impl View {
    /// The events as a capture file in the format pcapng, for Wireshark and `tshark`.
    ///
    /// Keep all bytes ([`Builder::bytes`](crate::trace::Builder::bytes) with `u32::MAX`) and ask for reads
    /// ([`View::reads`]), else packets are cut and never acknowledged.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::builder().bytes(u32::MAX).build();
    /// trace.note("no packet, but a row of its own");
    /// let view = trace.view().reads(true);
    /// let capture = view.pcapng().decode("a:10", "http2");
    /// let mut file = Vec::new();
    /// capture.write(&mut file)?;
    /// assert_eq!(file[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    /// assert_eq!(capture.command("t.pcapng"), "tshark -r t.pcapng -d tcp.port==10,http2");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pcapng(&self) -> Pcapng<'_> {
        Pcapng { view: self, keys: String::new(), decode: Vec::new(), offset: 0, accepted: false }
    }
}

/// A capture of a trace, that can be written; see [`View::pcapng`].
///
/// Each network is an interface with its name, each host has the address `10.0.0.N` in the order of hosts, and its name
/// is in the file. A connection is one of TCP between the port of the dial and the port that was dialled:
///
/// | event | packet |
/// |---|---|
/// | `dial`, `accept`, `connect` | SYN, SYN/ACK, ACK |
/// | `write` | segments of up to 1460 bytes, each at its offset |
/// | `read`, `read: end` | an ACK, so that unread bytes are bytes in flight |
/// | `shutdown`, `close`, `drop` | FIN |
/// | `abort`, a close that resets, a refused, withdrawn or timed out dial | RST |
/// | all others | none; a row with the event's text, as an entry of systemd's journal |
///
/// Each first packet of an event has the event as its comment. In a network with rendezvous, bytes are sent when they
/// are known to be taken. Events of a connection whose ports another one uses by then are rows, too.
#[must_use]
pub struct Pcapng<'a> {
    view: &'a View,
    keys: String,
    /// Ports with the protocol that is spoken there.
    decode: Vec<(u16, String)>,
    offset: u16,
    accepted: bool,
}

impl Pcapng<'_> {
    /// Adds keys of TLS, so that Wireshark decrypts: the lines of an `SSLKEYLOGFILE`, such as rustls' `KeyLog` writes.
    /// The file then holds the keys, and with them everything that was said.
    pub fn keys(mut self, keys: &str) -> Self {
        self.keys.push_str(keys);
        self
    }

    /// Tells which protocol is spoken at an address, or at a port of all hosts, in the words of `tshark -d`, for
    /// [`Pcapng::command`]. HTTP/2 without TLS is never guessed.
    pub fn decode(mut self, addr: &str, protocol: &str) -> Self {
        let port = addr.rsplit(':').next().and_then(|port| port.parse().ok());
        self.decode.extend(port.map(|port| (port, protocol.into())));
        self
    }

    /// Adds this to each port, where that gives a port. Low ports, which dials take first, are those of well-known
    /// protocols, so Wireshark may take a client's port for a service: with 40000 it does not.
    pub fn port_offset(self, offset: u16) -> Self {
        Self { offset, ..self }
    }

    /// Gives connections the port that their listener took for them, and not the port that was dialled. By default all
    /// of a service have its port, as with TCP, so that Wireshark knows its protocol.
    pub fn accepted_ports(self) -> Self {
        Self { accepted: true, ..self }
    }

    /// The command that reads the file, with the protocols that [`decode`](Pcapng::decode) named. A port of a client
    /// that belongs to a well-known protocol is taken for one of its service, or for plain data.
    #[must_use]
    pub fn command(&self, file: &str) -> String {
        let mut hints = BTreeMap::<u16, &str>::new();
        for (_, _, slot) in self.view.frozen.slots().filter(|(.., slot)| slot.code == Code::Dialled) {
            let [client, server] = [slot.ports[0], slot.ports[1]];
            let known = self.decode.iter().find(|(port, _)| *port == server).map(|(_, protocol)| &**protocol);
            let client = shifted(client, self.offset);
            if DISSECTED.binary_search(&client).is_ok() {
                let hint = hints.entry(client).or_insert(known.unwrap_or("data"));
                *hint = if *hint == known.unwrap_or("data") { *hint } else { "data" };
            }
        }
        for (port, protocol) in &self.decode {
            hints.insert(shifted(*port, self.offset), protocol);
        }
        let mut command = format!("tshark -r {file}");
        hints.iter().for_each(|(port, hint)| command += &format!(" -d tcp.port=={port},{hint}"));
        command
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut writer = Writer::new(self.view, self.offset, self.accepted, to);
        writer.write_head(&self.keys)?;
        self.view.events().try_for_each(|event| writer.write_event(&event))?;
        writer.flush()
    }
}

impl fmt::Debug for Pcapng<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the keys.
        write!(f, "Pcapng({} bytes of keys, {:?}, port offset {})", self.keys.len(), self.decode, self.offset)
    }
}
