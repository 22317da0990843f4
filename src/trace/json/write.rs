//! Views as JSON lines.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write};

use crate::addr::Addr;
use crate::addr::text::write_host_port;
use crate::contract::observe::How;
use crate::error::Operation;
use crate::trace::event::{Event, Kind};
use crate::trace::export::write_runs;
use crate::trace::json::base64::write_base64;
use crate::trace::slot::{Code, Slot};
use crate::trace::view::View;

impl View {
    /// Writes the events as JSON lines, one object for each, after a header line with the version of the format and how
    /// many events were dropped.
    ///
    /// | key | value |
    /// |---|---|
    /// | `seq`, `at_ns` | the event's number, and its time in nanoseconds if the trace has a clock |
    /// | `actor`, `net` | its thread or task, and the full name of its network |
    /// | `net_no` | of several networks of one name, how many came before; left out for the first |
    /// | `conn`, `end` | the number of its connection, and `dialled` or `accepted` |
    /// | `kind`, `text` | the kind, and the line that the event prints |
    /// | `host`, `addr`, `src`, `dst`, `peer` | the host, or the addresses; bytes flow from `src` to `dst` |
    /// | `off`, `len`, `of`, `bytes` | the offset in the stream, how many bytes of how many, and those that are kept, in base64 |
    /// | `reset` | whether a close reset the connection |
    /// | `cause` | why an operation or the network failed |
    /// | `guessed` | true if a merge chose the connection by time; else left out |
    /// | `dropped` | the size of a gap |
    /// | `token` | the number of a token, which a line of the kind `token` made, or one of the kind `join` joined |
    ///
    /// Lines of tokens are no events, and have no `text`. A file from which a trace is read again should have
    /// [`reads`](View::reads), as these are a part of its order.
    ///
    /// In the words of OpenTelemetry, `src` and `dst` are `network.local.address` and `network.peer.address` with their
    /// ports, or the reverse for a read.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::trace::Trace;
    ///
    /// let trace = Trace::new();
    /// trace.note("leader is \"b\"");
    /// let mut json = String::new();
    /// trace.view().write_json(&mut json)?;
    /// assert_eq!(
    ///     json,
    ///     r#"{"virtnet_trace":1,"dropped":0}
    /// {"seq":1,"actor":1,"kind":"note","text":"note: leader is \"b\""}
    /// "#
    /// );
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    pub fn write_json(&self, to: &mut impl Write) -> fmt::Result {
        let dropped = &self.frozen.dropped;
        writeln!(to, "{{\"virtnet_trace\":1,\"dropped\":{}}}", dropped.end - dropped.start)?;
        let mut marks = self.frozen.slots().filter(|(.., slot)| !slot.code.is_event()).peekable();
        let networks = &self.frozen.names().networks;
        for row in self.rows() {
            let comes_before = |&(at, _, mark): &(usize, _, &Slot)| match row.position {
                Some(position) => at < position,
                None => mark.seq < self.frozen.dropped.start,
            };
            while let Some((_, _, mark)) = marks.next_if(comes_before) {
                write_mark(&mut *to, mark)?;
            }
            let Some(event) = self.event(&row) else { continue };
            let network = row.position.and_then(|at| self.frozen.slot(at)).map_or(0, |(_, slot)| slot.network.into());
            let before = networks.iter().take(network).filter(|name| **name == event.network).count();
            let line = |to: &mut Escaped<'_, _>| self.write_line(&row, to);
            write_event(&mut Object { to: &mut *to, empty: true }, &event, before, line)?;
            to.write_str("}\n")?;
        }
        marks.try_for_each(|(_, _, mark)| write_mark(&mut *to, mark))
    }
}

/// An object that is being written.
struct Object<'a, W> {
    to: &'a mut W,
    empty: bool,
}

impl<W: Write> Object<'_, W> {
    fn key(&mut self, key: &str) -> fmt::Result {
        self.to.write_str(if self.empty { "{\"" } else { ",\"" })?;
        self.empty = false;
        self.to.write_str(key)?;
        self.to.write_str("\":")
    }

    fn plain(&mut self, key: &str, value: impl fmt::Display) -> fmt::Result {
        self.key(key)?;
        write!(self.to, "{value}")
    }

    /// A number, without `core::fmt`: most of a file are numbers, addresses and words.
    fn number(&mut self, key: &str, number: impl Into<u64>) -> fmt::Result {
        self.key(key)?;
        let (mut digits, mut start, mut rest) = ([b'0'; 20], 20, number.into());
        while rest > 0 || start == 20 {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.to.write_str(str::from_utf8(&digits[start..]).map_err(|_| fmt::Error)?)
    }

    /// A string that `write` writes.
    fn string(&mut self, key: &str, write: impl FnOnce(&mut Escaped<'_, W>) -> fmt::Result) -> fmt::Result {
        self.key(key)?;
        self.to.write_str("\"")?;
        write(&mut Escaped(self.to))?;
        self.to.write_str("\"")
    }

    fn word(&mut self, key: &str, word: &str) -> fmt::Result {
        self.string(key, |to| to.write_str(word))
    }

    fn text(&mut self, key: &str, value: impl fmt::Display) -> fmt::Result {
        self.string(key, |to| write!(to, "{value}"))
    }

    fn addr(&mut self, key: &str, addr: &Addr) -> fmt::Result {
        self.string(key, |to| write_host_port(to, &addr.host, "", addr.port))
    }

    fn ends(&mut self, src: &Addr, dst: &Addr) -> fmt::Result {
        self.addr("src", src)?;
        self.addr("dst", dst)
    }

    fn bytes(&mut self, offset: Option<u64>, count: u32, bytes: &[u8]) -> fmt::Result {
        offset.map_or(Ok(()), |offset| self.number("off", offset))?;
        self.number("len", count)?;
        if bytes.is_empty() { Ok(()) } else { self.string("bytes", |to| write_base64(to.0, bytes)) }
    }
}

/// A token that was made or joined.
fn write_mark(to: &mut impl Write, slot: &Slot) -> fmt::Result {
    let kind = if slot.code == Code::Token { "token" } else { "join" };
    writeln!(to, r#"{{"seq":{},"actor":{},"kind":"{kind}","token":{}}}"#, slot.seq, slot.actor, slot.offset)
}

/// `before` networks of the same name came before that of the event. `line` writes its line.
fn write_event<W: Write>(
    to: &mut Object<'_, W>,
    event: &Event,
    before: usize,
    line: impl FnOnce(&mut Escaped<'_, W>) -> fmt::Result,
) -> fmt::Result {
    to.number("seq", event.seq)?;
    // Times are kept in as many bits.
    event.at.map_or(Ok(()), |at| to.number("at_ns", at.as_nanos() as u64))?;
    if event.actor.0 != 0 {
        to.number("actor", event.actor.0)?;
    }
    if !event.network.is_empty() {
        to.word("net", &event.network)?;
    }
    if before != 0 {
        to.number("net_no", before as u64)?;
    }
    if let Some(end) = event.end {
        to.number("conn", end.conn)?;
        to.word("end", if end.accepted { "accepted" } else { "dialled" })?;
    }
    to.word("kind", &kind(&event.kind))?;
    to.string("text", line)?;
    match &event.kind {
        Kind::HostMade { host } | Kind::HostClosed { host } | Kind::HostDied { host, .. } | Kind::HostBack { host } => {
            to.word("host", host)
        }
        Kind::Listened { addr } | Kind::ListenerClosed { addr, .. } => to.addr("addr", addr),
        Kind::Dialled { src, dst } | Kind::Withdrawn { src, dst } | Kind::Ended { src, dst } => to.ends(src, dst),
        Kind::Accepted { listener, local, peer } => {
            to.addr("addr", listener)?;
            if event.guessed {
                to.plain("guessed", true)?;
            }
            to.ends(local, peer)
        }
        Kind::Connected { src, dialled, peer } => {
            to.ends(src, peer)?;
            to.addr("addr", dialled)
        }
        Kind::Wrote { src, dst, offset, count, of, bytes } => {
            to.ends(src, dst)?;
            to.number("of", *of)?;
            to.bytes(*offset, *count, bytes)
        }
        Kind::Taken { src, dst, offset, count, of } => {
            to.ends(src, dst)?;
            to.number("of", *of)?;
            to.bytes(*offset, *count, &[])
        }
        Kind::Read { src, dst, offset, count, bytes } => {
            to.ends(src, dst)?;
            to.bytes(*offset, *count, bytes)
        }
        Kind::Shut { local, peer, reset, .. } => {
            to.ends(local, peer)?;
            to.plain("reset", reset)
        }
        Kind::Failed { error } => {
            let addrs = [("src", error.source_addr()), ("dst", error.addr())];
            for (key, (host, port)) in addrs.into_iter().filter_map(|(key, addr)| Some((key, addr?))) {
                to.string(key, |to| write_host_port(to, host.as_str(), host.tail(), port))?;
            }
            to.text("cause", error.cause())
        }
        Kind::NetworkDown { cause } => to.text("cause", cause),
        Kind::Gap { dropped } => to.number("dropped", *dropped),
        Kind::NetworkClosed | Kind::Fault { .. } | Kind::FaultEnded { .. } | Kind::Note { .. } => Ok(()),
    }
}

/// The word for a kind.
fn kind(kind: &Kind) -> Cow<'static, str> {
    let word = match kind {
        Kind::HostMade { .. } => "host",
        Kind::HostClosed { .. } => "close_host",
        Kind::HostDied { power_off: false, .. } => "crash",
        Kind::HostDied { power_off: true, .. } => "power_off",
        Kind::HostBack { .. } => "restart",
        Kind::Listened { .. } => "listen",
        Kind::ListenerClosed { dropped: false, .. } => "close_listener",
        Kind::ListenerClosed { dropped: true, .. } => "drop_listener",
        Kind::Dialled { .. } => "dial",
        Kind::Withdrawn { .. } => "withdrawn",
        Kind::Accepted { .. } => "accept",
        Kind::Connected { .. } => "connect",
        Kind::Wrote { .. } => "write",
        Kind::Taken { .. } => "written",
        Kind::Read { .. } => "read",
        Kind::Ended { .. } => "end",
        Kind::Shut { how: How::Shutdown, .. } => "shutdown",
        Kind::Shut { how: How::ShutdownRead, .. } => "shutdown_read",
        Kind::Shut { how: How::Close, .. } => "close",
        Kind::Shut { how: How::Abort, .. } => "abort",
        Kind::Shut { how: How::Drop, .. } => "drop",
        Kind::Failed { error } => return failed(error.operation()).into(),
        Kind::Fault { .. } => "fault",
        Kind::FaultEnded { .. } => "fault_end",
        Kind::NetworkDown { .. } => "network_down",
        Kind::NetworkClosed => "close_network",
        Kind::Note { .. } => "note",
        Kind::Gap { .. } => "gap",
    };
    word.into()
}

/// The word for a failed operation.
pub(super) fn failed(operation: Operation) -> String {
    alloc::format!("{operation}_failed").replace(' ', "_")
}

/// Writes the content of a JSON string.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly all texts are plain, and need no second look.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
            return self.0.write_str(text);
        }
        // Line separators end a line for some readers, though JSON allows them.
        let is_plain = |character: char| !matches!(character, '"' | '\\' | '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
        write_runs(self.0, text, is_plain, |to, character| match character {
            '"' => to.write_str("\\\""),
            '\\' => to.write_str("\\\\"),
            _ => write!(to, "\\u{:04x}", u32::from(character)),
        })
    }
}
