//! The outcomes of operations, on the network and in the model.

use std::sync::Arc;

use virtnet::{Conn, Error, NetRef};

use super::{Ends, Report, World, differ};
use crate::model::{Done, Id, Model};

/// The outcome of an operation.
pub(super) enum Actual<N: NetRef> {
    Conn(Conn<N>),
    Bytes(Vec<u8>),
    Count(usize),
    Nothing,
    Failed(String),
}

impl<N: NetRef> Actual<N> {
    pub(super) fn conn(made: Result<Conn<N>, Error>) -> Self {
        made.map_or_else(|error| Self::Failed(error.to_string()), Self::Conn)
    }

    pub(super) fn read(read: Result<usize, impl ToString>, mut buf: Vec<u8>) -> Self {
        match read {
            Ok(count) => {
                buf.truncate(count);
                Self::Bytes(buf)
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }

    pub(super) fn count(written: Result<usize, impl ToString>) -> Self {
        written.map_or_else(|error| Self::Failed(error.to_string()), Self::Count)
    }

    pub(super) fn nothing(done: Result<(), Error>) -> Self {
        done.map_or_else(|error| Self::Failed(error.to_string()), |()| Self::Nothing)
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Conn(conn) => format!("{} -> {}", conn.local_addr(), conn.peer_addr()),
            Self::Bytes(bytes) => format!("{bytes:?}"),
            Self::Count(count) => count.to_string(),
            Self::Nothing => "done".into(),
            Self::Failed(error) => error.clone(),
        }
    }
}

fn text(model: &Model, done: &Done) -> String {
    match done {
        Done::Conn(id) => {
            let socket = model.socket(*id);
            format!("{} -> {}", socket.addr(), socket.peer().expect("a connection has a peer"))
        }
        Done::Bytes(bytes) => format!("{bytes:?}"),
        Done::Count(count) => count.to_string(),
        Done::Nothing => "done".into(),
        Done::Failed(error) => error.clone(),
    }
}

/// The last part of an error's text, without its numbers.
pub(super) fn cause(error: &str) -> &str {
    let cause = error.trim_end().rsplit(": ").next().unwrap_or(error);
    cause.split(" (").next().unwrap_or(cause)
}

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Compares the outcome of an operation with that of the model.
    pub(super) fn compare(
        &mut self,
        id: Id,
        want: Option<Done>,
        actual: Option<Actual<N>>,
        report: &mut Report,
    ) -> Result<(), String> {
        let got_text = actual.as_ref().map_or("pending".into(), Actual::text);
        let want_text = want.as_ref().map_or("pending".into(), |done| text(&self.model, done));
        report.note(|| got_text.clone());
        report.count(match &want {
            None => "pending",
            Some(Done::Conn(_)) => "a connection",
            Some(Done::Bytes(bytes)) if bytes.is_empty() => "end of stream",
            Some(Done::Failed(error)) => cause(error),
            Some(_) => "done",
        });
        if got_text != want_text {
            return Err(differ(&format!("operation {id}"), &got_text, &want_text));
        }
        if let (Some(Actual::Conn(conn)), Some(Done::Conn(id))) = (actual, want) {
            report.note(|| format!("as c{id}"));
            self.conns.insert(id, Ends::Whole(Arc::new(conn)));
        }
        Ok(())
    }
}
