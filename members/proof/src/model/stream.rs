//! One direction of a connection.

use super::Id;

/// The way in which an end has shut down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Open,
    /// The writer has half-closed.
    Finished,
    Closed,
    /// The end has reset the connection, and the peer can read the bytes that reached it.
    Reset,
    /// The end has reset the connection, and the bytes in flight are dropped.
    Aborted,
}

/// One direction of a connection, from its writer to its reader.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    /// The bytes that were written and not read.
    bytes: Vec<u8>,
    /// The number of the last of them that have not arrived.
    hidden: usize,
    /// Whether nothing that the writer sends arrives.
    pub(super) stopped: bool,
    /// How the writer has shut down, and how the reader knows it.
    writer: [End; 2],
    /// How the reader has shut down, and how the writer knows it.
    reader: [End; 2],
    /// In a rendezvous: the latest write in progress, with its task; `bytes` is the part of it that is unread.
    offer: Option<(Id, Vec<u8>)>,
    /// In a rendezvous: the bytes read from earlier writes, whose tasks have yet to fetch their counts.
    answers: Vec<(Id, Vec<u8>)>,
}

/// The outcome of reading or writing; `None` if the operation waits.
pub(crate) type Progress<T> = Option<Result<T, &'static str>>;

impl Stream {
    pub(crate) fn new() -> Self {
        let (writer, reader) = ([End::Open; 2], [End::Open; 2]);
        Self { bytes: Vec::new(), hidden: 0, stopped: false, writer, reader, offer: None, answers: Vec::new() }
    }

    /// Returns the first bytes, for an open reader.
    pub(crate) fn read(&mut self, len: usize, take: bool) -> Progress<Vec<u8>> {
        if self.writer[1] == End::Aborted {
            return Some(Err("connection reset"));
        }
        if self.is_empty() {
            return match (self.writer[1], self.reader[0]) {
                (End::Reset, _) => Some(Err("connection reset")),
                (End::Open, End::Open) => None,
                _ => Some(Ok(Vec::new())),
            };
        }
        let count = len.min(self.bytes.len() - self.hidden);
        let read = self.bytes[..count].to_vec();
        if take {
            self.bytes.drain(..count);
        }
        Some(Ok(read))
    }

    /// The failure of a write, for a writer that has not closed.
    fn failure(&self) -> Option<&'static str> {
        match (self.writer[0], self.reader[1]) {
            (_, End::Reset | End::Aborted) => Some("connection reset"),
            (End::Finished, _) | (_, End::Closed) => Some("broken pipe"),
            _ => None,
        }
    }

    /// Writes as many bytes as there is room for. `down` is the cause if the writer's local side is down.
    pub(crate) fn write(&mut self, down: Option<&'static str>, bytes: &[u8], room: usize) -> Progress<usize> {
        if let Some(cause) = down.or(self.failure()) {
            return Some(Err(cause));
        }
        if self.reader[0] == End::Finished {
            return Some(Ok(bytes.len()));
        }
        let count = bytes.len().min(room - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        if self.stopped {
            self.hidden += count;
        }
        (count > 0).then_some(Ok(count))
    }

    /// Writes, and completes when all bytes were read.
    pub(crate) fn rendezvous(
        &mut self,
        down: Option<&'static str>,
        by: Id,
        bytes: &[u8],
        room: usize,
    ) -> Progress<usize> {
        if let Some((_, offered)) = self.offer.take_if(|(writer, _)| *writer == by) {
            if !bytes.starts_with(&offered) {
                // The bytes differ, so the task has dropped its previous write.
                self.bytes.clear();
            } else if !self.bytes.is_empty() {
                self.offer = Some((by, offered));
                return None;
            } else if !offered.is_empty() {
                return Some(Ok(offered.len()));
            }
        }
        if let Some(at) = self.answers.iter().position(|(writer, _)| *writer == by) {
            let (_, taken) = self.answers.remove(at);
            if bytes.starts_with(&taken) && !taken.is_empty() {
                return Some(Ok(taken.len()));
            }
        }
        if let Some(cause) = down.or(self.failure()) {
            return Some(Err(cause));
        }
        if self.reader[0] == End::Finished {
            return Some(Ok(bytes.len()));
        }
        if self.bytes.is_empty() {
            self.answers.extend(self.offer.take());
            self.bytes = bytes[..bytes.len().min(room)].to_vec();
            self.offer = Some((by, self.bytes.clone()));
        }
        None
    }

    /// Withdraws the unread bytes of a write that timed out, and returns how many were read.
    pub(crate) fn withdraw(&mut self, by: Id) -> usize {
        let Some((_, offered)) = self.offer.take_if(|(writer, _)| *writer == by) else { return 0 };
        let taken = offered.len() - self.bytes.len();
        self.bytes.clear();
        taken
    }

    /// The tasks that have yet to fetch the count of a write.
    pub(crate) fn late(&self) -> impl Iterator<Item = Id> {
        self.answers.iter().chain(&self.offer).map(|&(writer, _)| writer)
    }

    /// Whether there are no bytes that have arrived and are unread.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.hidden
    }

    /// Whether an open writer could write without waiting.
    pub(crate) fn is_writable(&self, rendezvous: bool, room: usize) -> bool {
        let free = if rendezvous { self.bytes.is_empty() } else { self.bytes.len() < room };
        free || self.failure().is_some()
    }

    /// Shuts down the writer, and tells the reader.
    pub(crate) fn shut_writer(&mut self, how: End) {
        self.leave_writer(how);
        self.show();
    }

    /// Shuts down the reader, and tells the writer.
    pub(crate) fn shut_reader(&mut self, how: End) {
        self.leave_reader(how);
        self.tell_writer();
    }

    /// Shuts down the writer, unknown to the reader.
    pub(super) fn leave_writer(&mut self, how: End) {
        let known = self.writer[0];
        if known == End::Open || known == End::Finished && how != End::Finished {
            self.writer[0] = how;
            if how != End::Finished {
                self.take_back();
            }
        }
    }

    /// Shuts down the reader, unknown to the writer. Only one that closes tells it: after `Finished`, the writer
    /// continues as if all bytes were read.
    pub(super) fn leave_reader(&mut self, how: End) {
        let known = self.reader[0];
        if known == End::Open || known == End::Finished && how != End::Finished {
            self.reader[0] = how;
            if how == End::Finished {
                self.reader[1] = how;
                self.clear();
            }
        }
    }

    /// All that the writer has sent arrives; returns whether anything does.
    pub(super) fn show(&mut self) -> bool {
        let arrives = self.hidden > 0 || self.writer[1] != self.writer[0];
        self.hidden = 0;
        self.writer[1] = self.writer[0];
        if self.writer[1] == End::Aborted {
            self.bytes.clear();
        }
        arrives
    }

    /// The connection is reset, by neither end.
    pub(super) fn break_off(&mut self) {
        (self.writer, self.reader) = ([End::Aborted; 2], [End::Aborted; 2]);
        self.clear();
    }

    /// The writer gets to know how the reader has shut down, and unread bytes are dropped.
    pub(super) fn tell_writer(&mut self) {
        if self.reader[1] != self.reader[0] {
            self.reader[1] = self.reader[0];
            self.take_back();
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.hidden = 0;
    }

    /// Withdraws the unread bytes of a rendezvous write.
    fn take_back(&mut self) {
        if let Some((_, offered)) = &mut self.offer {
            offered.truncate(offered.len() - self.bytes.len());
            self.bytes.clear();
        }
    }
}
