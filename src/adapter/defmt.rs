//! `defmt`: logging without formatting on the chip. A log reads like the texts that [`Display`](core::fmt::Display) and
//! [`Debug`](core::fmt::Debug) print, except for quotes.

use ::defmt::{Format, Formatter, write};

use crate::addr::name::{ErrorText, Name};
use crate::addr::{Addr, AddrError, AddrReason};
use crate::error::cause::{Cause, InvalidInput, Resource, plain_causes};
use crate::error::close::CloseError;
use crate::error::registry::{Call, RegistryError, RegistryReason};
use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
#[cfg(feature = "alloc")]
use crate::snapshot::{HostRow, Snapshot};
use crate::snapshot::{LiveHost, LiveView};

impl<const N: usize> Format for Name<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=str}", self.as_str());
    }
}

impl Format for ErrorText {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=str}{=str}", self.as_str(), self.tail());
    }
}

impl Format for Addr {
    fn format(&self, f: Formatter<'_>) {
        HostPort(self.host(), "", self.port()).format(f);
    }
}

/// An address without its network: the host, the mark behind a cut host, and the port.
struct HostPort<'a>(&'a str, &'static str, u16);

impl Format for HostPort<'_> {
    fn format(&self, f: Formatter<'_>) {
        let (open, close) = if self.0.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{=str}{=str}{=str}{=str}:{=u16}", open, self.0, self.1, close, self.2);
    }
}

impl Format for AddrError {
    fn format(&self, f: Formatter<'_>) {
        match self.input().as_str() {
            "" => write!(f, "{=str}", self.reason().text()),
            _ => write!(f, "address {}: {=str}", self.input(), self.reason().text()),
        }
    }
}

impl Format for RegistryError {
    fn format(&self, f: Formatter<'_>) {
        let [registry, host, data] = self.words.split('\0');
        match self.call {
            Call::Announce => write!(f, "{}: announce [{} {}]", registry, host, data),
            Call::Query => write!(f, "{}: query [{}]", registry, host),
            Call::Other => write!(f, "{}: {}", registry, host),
        }
        write!(f, "{=str}", self.reason().text());
    }
}

macro_rules! format_cause {
    ($($(#[$doc:meta])* $plain:ident = $text:literal,)*) => {
        impl Format for Cause {
            fn format(&self, f: Formatter<'_>) {
                match self {
                    $(Self::$plain => write!(f, $text),)*
                    Self::Invalid(input) => write!(f, "invalid {=str}", input.text()),
                    Self::Full(table, capacity) => write!(f, "{=str} is full ({=u32})", table.text(), capacity),
                    Self::PeerFull(host, capacity) => write!(f, "port table of {} is full ({=u16})", host, capacity),
                    Self::Addr(error) => error.format(f),
                    Self::Registry(error) => error.format(f),
                    Self::Backend(text) => text.format(f),
                }
            }
        }
    };
}

plain_causes!(format_cause);

macro_rules! format_as_text {
    ($($name:ty)*) => {
        $(impl Format for $name {
            fn format(&self, f: Formatter<'_>) {
                write!(f, "{=str}", self.text());
            }
        })*
    };
}

format_as_text! { AddrReason InvalidInput Operation Resource }

impl Format for RegistryReason {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=str}", self.text().trim_start_matches(": "));
    }
}

impl Format for Error {
    fn format(&self, f: Formatter<'_>) {
        match (self.operation(), self.source_addr(), self.addr()) {
            (operation, _, Some((host, _))) if operation.is_of_host() => {
                write!(f, "virtnet {}: {=str} {}", self.network_name(), self.operation().text(), host);
            }
            (Operation::NewHost | Operation::Resolve | Operation::NewNetwork | Operation::AutoClose, ..) => {
                write!(f, "virtnet {}: {=str}", self.network_name(), self.operation().text());
            }
            (operation, Some((source, from)), Some((host, port))) => {
                let source = HostPort(source.as_str(), source.tail(), from);
                let addr = HostPort(host.as_str(), host.tail(), port);
                write!(f, "{=str} {} {}->{}", operation.text(), self.network_name(), source, addr);
            }
            (operation, Some((host, port)), None) | (operation, None, Some((host, port))) => {
                let addr = HostPort(host.as_str(), host.tail(), port);
                write!(f, "{=str} {} {}", operation.text(), self.network_name(), addr);
            }
            (operation, None, None) => write!(f, "{=str} {}", operation.text(), self.network_name()),
        }
        write!(f, ": {}", self.cause());
    }
}

impl Format for CloseError {
    fn format(&self, f: Formatter<'_>) {
        if let Some(host) = self.host() {
            write!(f, "virtnet {}: host {}: close: ", self.network_name(), host);
        }
        write!(f, "virtnet {}: close", self.network_name());
        self.causes().for_each(|cause| write!(f, ": {}", cause));
    }
}

impl<N: NetRef> Format for Host<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Host({=str} {})", self.network_name(), self.name());
    }
}

impl<N: NetRef> Format for Listener<N> {
    fn format(&self, f: Formatter<'_>) {
        let addr = self.local_addr();
        write!(f, "Listener({=str} {})", addr.network_name(), addr);
    }
}

impl<N: NetRef> Format for Conn<N> {
    fn format(&self, f: Formatter<'_>) {
        let addr = self.local_addr();
        write!(f, "Conn({=str} {}->{})", addr.network_name(), addr, self.peer_addr());
    }
}

impl<N: NetRef> Format for ReadHalf<'_, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "ReadHalf({})", self.as_ref());
    }
}

impl<N: NetRef> Format for WriteHalf<'_, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "WriteHalf({})", self.as_ref());
    }
}

impl<N: NetRef> Format for OwnedReadHalf<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "OwnedReadHalf({})", self.as_ref());
    }
}

impl<N: NetRef> Format for OwnedWriteHalf<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "OwnedWriteHalf({})", self.as_ref());
    }
}

/// The whole view, with a line for each host and socket.
impl<N: NetRef> Format for LiveView<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "network {=str}: {=str}", self.network_name(), if self.is_up() { "up" } else { "down" });
        write!(f, "{=str}", if self.is_auto_close() { ", auto-close" } else { "" });
        for host in self.hosts() {
            write!(f, "\n{}", host);
            host.sockets().for_each(|socket| write!(f, "\n{}", socket));
        }
    }
}

impl<N: NetRef> Format for LiveHost<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "host {}: {=str}", self.name(), if self.is_open() { "open" } else { "closed" });
    }
}

/// The whole snapshot, with a line for each host and socket.
#[cfg(feature = "alloc")]
impl Format for Snapshot {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "network {=str}: {=str}", self.network_name(), if self.is_up() { "up" } else { "down" });
        write!(f, "{=str}", if self.is_auto_close() { ", auto-close" } else { "" });
        for host in self.hosts() {
            write!(f, "\n{}", host);
            host.sockets().for_each(|socket| write!(f, "\n{}", socket));
        }
    }
}

#[cfg(feature = "alloc")]
impl Format for HostRow {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "host {}: {=str}", self.name(), if self.is_open() { "open" } else { "closed" });
    }
}
