//! JSON lines, read.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Map, Value};

use crate::addr::Addr;
use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::contract::observe::How;
use crate::error::{Error, Operation};
use crate::trace::event::{Actor, End, Event, Kind};
use crate::trace::json::base64::read_base64;
use crate::trace::json::cause::{read_cause, read_text};
use crate::trace::json::failure::JsonError;
use crate::trace::json::write::failed;
use crate::trace::recorder::line;
use crate::trace::slot::Code;

/// A line of a file. The network of its end has no number.
pub(super) struct Line {
    pub(super) number: usize,
    /// The number of its network, once it has one.
    pub(super) network: u16,
    /// How many networks of the same name came before its network.
    pub(super) network_before: u16,
    /// Whether it is no event, but a token that was made or joined, with the number of the token.
    pub(super) mark: Option<(Code, u64)>,
    pub(super) event: Event,
}

/// Numbers are not greater than those that each program reads exactly, and times not than those that a trace has.
const LARGEST: u64 = (1 << 53) - 1;
const LATEST: u64 = u64::MAX >> 1;

/// The events of a file, and the tokens.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Line>, JsonError> {
    let mut texts = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    let (at, header) = texts.next().unwrap_or((0, "{}"));
    let failed = |number: usize, text: String| JsonError::new(file, number, &text);
    let fields = Fields::parse(header).map_err(|text| failed(at + 1, text))?;
    fields.header().map_err(|text| failed(at + 1, text))?;
    let (mut lines, mut next, mut is_cut) = (Vec::new(), 1, false);
    for (at, text) in texts {
        let read = Fields::parse(text).and_then(|fields| fields.line(at + 1)).and_then(|line| {
            let Line { event: Event { seq, ref kind, .. }, ref mark, .. } = line;
            // A mark has the number of the event before it.
            let least = if mark.is_some() { next - 1 } else { next };
            if seq < least {
                return Err(format!("expected \"seq\", a number from {least} on, found {seq}"));
            }
            next = seq + 1;
            if let &Kind::Gap { dropped } = kind {
                if is_cut {
                    return Err("expected one gap, found another".into());
                }
                (next, is_cut) = (seq + dropped, true);
            }
            Ok(line)
        });
        lines.push(read.map_err(|text| failed(at + 1, text))?);
    }
    Ok(lines)
}

/// The values of a line.
struct Fields(Map<String, Value>);

impl Fields {
    fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(other) => Err(format!("expected a JSON object, found {}", shown(&other))),
            Err(error) => {
                let (text, column) = (error.to_string(), error.column());
                let text = text.split(" at line ").next().unwrap_or_default();
                Err(format!("expected a JSON object: {text} at column {column}"))
            }
        }
    }

    fn header(&self) -> Result<(), String> {
        match self.0.get("virtnet_trace").and_then(Value::as_u64) {
            Some(1) => Ok(()),
            Some(version) => Err(format!("expected version 1 of the format, found {version}")),
            None => Err("expected the header of a trace, an object with \"virtnet_trace\"".into()),
        }
    }

    fn line(&self, number: usize) -> Result<Line, String> {
        if self.0.contains_key("virtnet_trace") {
            return Err("expected an event, found the header of another trace".into());
        }
        let network = match self.optional("net", Self::text)? {
            Some(name) => NetworkName::valid(name, "").ok_or_else(|| self.wrong("net", "the name of a network"))?,
            None => NetworkName::EMPTY,
        };
        let word = self.text("kind")?;
        let mark = match word {
            "token" => Some((Code::Token, self.number("token", u64::MAX)?)),
            "join" => Some((Code::Joined, self.number("token", u64::MAX)?)),
            _ => None,
        };
        let kind = if mark.is_some() { Kind::Note { text: String::new() } } else { self.kind(word, network)? };
        let event = Event {
            seq: self.number("seq", LARGEST)?,
            at: self.optional("at_ns", |this, key| this.number(key, LATEST))?.map(Duration::from_nanos),
            actor: Actor(self.optional("actor", Self::small)?.unwrap_or(0)),
            network,
            end: self.end()?,
            guessed: self.optional("guessed", Self::flag)?.unwrap_or(false),
            kind,
        };
        let network_before = self.optional("net_no", |this, key| this.number(key, u16::MAX.into()))?;
        Ok(Line { number, network: 0, network_before: network_before.unwrap_or(0) as u16, mark, event })
    }

    fn kind(&self, word: &str, network: NetworkName) -> Result<Kind, String> {
        let addr = |key| self.addr(key, network);
        let ends = || Ok::<_, String>((addr("src")?, addr("dst")?));
        let host = || {
            let name = HostName::valid(self.text("host")?, "");
            name.ok_or_else(|| self.wrong("host", "the name of a host"))
        };
        let offset = || self.optional("off", |this, key| this.number(key, LARGEST));
        let text = |before: &str| {
            let text = self.text("text")?.strip_prefix(before).map(line);
            text.ok_or_else(|| self.wrong("text", &format!("a text after {before:?}")))
        };
        let shut = |how| {
            let (local, peer) = ends()?;
            Ok::<_, String>(Kind::Shut { local, peer, how, reset: self.flag("reset")? })
        };
        let kind = match word {
            "host" => Kind::HostMade { host: host()? },
            "close_host" => Kind::HostClosed { host: host()? },
            "crash" => Kind::HostDied { host: host()?, power_off: false },
            "power_off" => Kind::HostDied { host: host()?, power_off: true },
            "restart" => Kind::HostBack { host: host()? },
            "listen" => Kind::Listened { addr: addr("addr")? },
            "close_listener" => Kind::ListenerClosed { addr: addr("addr")?, dropped: false },
            "drop_listener" => Kind::ListenerClosed { addr: addr("addr")?, dropped: true },
            "dial" => ends().map(|(src, dst)| Kind::Dialled { src, dst })?,
            "withdrawn" => ends().map(|(src, dst)| Kind::Withdrawn { src, dst })?,
            "accept" => {
                let (local, peer) = ends()?;
                Kind::Accepted { listener: addr("addr")?, local, peer }
            }
            "connect" => {
                let (src, peer) = ends()?;
                Kind::Connected { src, dialled: addr("addr")?, peer }
            }
            "write" => {
                let ((src, dst), (count, bytes)) = (ends()?, self.bytes()?);
                Kind::Wrote { src, dst, offset: offset()?, count, of: self.of(count)?, bytes }
            }
            "written" => {
                let ((src, dst), count) = (ends()?, self.small("len")?);
                Kind::Taken { src, dst, offset: offset()?, count, of: self.of(count)? }
            }
            "read" => {
                let ((src, dst), (count, bytes)) = (ends()?, self.bytes()?);
                Kind::Read { src, dst, offset: offset()?, count, bytes }
            }
            "end" => ends().map(|(src, dst)| Kind::Ended { src, dst })?,
            "shutdown" => shut(How::Shutdown)?,
            "shutdown_read" => shut(How::ShutdownRead)?,
            "close" => shut(How::Close)?,
            "abort" => shut(How::Abort)?,
            "drop" => shut(How::Drop)?,
            "fault" => Kind::Fault { text: text("fault ")? },
            "fault_end" => Kind::FaultEnded { text: text("fault end ")? },
            "network_down" => Kind::NetworkDown { cause: read_cause(self.text("cause")?) },
            "close_network" => Kind::NetworkClosed,
            "note" => Kind::Note { text: text("note: ")? },
            "gap" => Kind::Gap { dropped: self.number("dropped", LARGEST)? },
            _ => {
                let operation = Operation::ALL.into_iter().find(|operation| failed(*operation) == word);
                let operation = operation.ok_or_else(|| self.wrong("kind", "a kind of event"))?;
                Kind::Failed { error: self.error(operation, network)? }
            }
        };
        Ok(kind)
    }

    fn error(&self, operation: Operation, network: NetworkName) -> Result<Error, String> {
        let side = |key| {
            let Some(text) = self.optional(key, Self::text)? else { return Ok((ErrorText::from(""), 0)) };
            // The name of a host may be cut.
            let host_port = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let (host, port) = host_port.ok_or_else(|| self.wrong(key, "an address such as a:10"))?;
            let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            Ok::<_, String>((read_text(inside.unwrap_or(host)), port))
        };
        let cause = read_cause(self.text("cause")?);
        Ok(Error::restored(operation, network.as_str(), [side("src")?, side("dst")?], cause))
    }

    fn end(&self) -> Result<Option<End>, String> {
        let Some(conn) = self.optional("conn", |this, key| this.number(key, u64::from(u32::MAX >> 1) - 1))? else {
            return Ok(None);
        };
        let accepted = match self.text("end")? {
            "accepted" => true,
            "dialled" => false,
            _ => return Err(self.wrong("end", "dialled or accepted")),
        };
        Ok(Some(End { network: 0, conn: conn as u32, accepted }))
    }

    /// How many bytes were moved, and those of them that are kept.
    fn bytes(&self) -> Result<(u32, Vec<u8>), String> {
        let count = self.small("len")?;
        let bytes = self.optional("bytes", |this, key| {
            let bytes = read_base64(this.text(key)?).filter(|bytes| bytes.len() <= count as usize);
            bytes.ok_or_else(|| this.wrong(key, &format!("up to {count} bytes in base64")))
        })?;
        Ok((count, bytes.unwrap_or_default()))
    }

    fn of(&self, count: u32) -> Result<u32, String> {
        let of = self.small("of")?;
        if count <= of { Ok(of) } else { Err(self.wrong("of", &format!("a number from {count} on"))) }
    }

    fn addr(&self, key: &str, network: NetworkName) -> Result<Addr, String> {
        let addr: Option<Addr> = self.text(key)?.parse().ok();
        let addr = addr.ok_or_else(|| self.wrong(key, "an address such as a:10"))?;
        Ok(Addr { network, ..addr })
    }

    fn small(&self, key: &str) -> Result<u32, String> {
        Ok(self.number(key, u32::MAX.into())? as u32)
    }

    fn number(&self, key: &str, most: u64) -> Result<u64, String> {
        let number = self.0.get(key).and_then(Value::as_u64).filter(|number| *number <= most);
        number.ok_or_else(|| self.wrong(key, &format!("a number up to {most}")))
    }

    fn flag(&self, key: &str) -> Result<bool, String> {
        self.0.get(key).and_then(Value::as_bool).ok_or_else(|| self.wrong(key, "true or false"))
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        self.0.get(key).and_then(Value::as_str).ok_or_else(|| self.wrong(key, "a text"))
    }

    /// A value that may be left out.
    fn optional<'a, T>(
        &'a self,
        key: &str,
        read: impl FnOnce(&'a Self, &str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        if self.0.contains_key(key) { read(self, key).map(Some) } else { Ok(None) }
    }

    fn wrong(&self, key: &str, expected: &str) -> String {
        let found = self.0.get(key).map_or_else(|| "nothing".into(), shown);
        format!("expected {key:?}, {expected}, found {found}")
    }
}

/// The first part of a value.
fn shown(value: &Value) -> String {
    ErrorText::display(value).to_string()
}
