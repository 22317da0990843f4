//! A table of the outcome of each call in each state, made by running the calls.

use std::fmt;
use std::io;
use std::net::Shutdown;

use super::state::{State, Step, states};

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) call: &'static str,
    /// The outcomes of the call and of its repetition.
    pub(super) outcome: [String; 2],
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.outcome;
        write!(f, "{}: {}: {first}, then {second}", self.state, self.call)
    }
}

/// A network to make a table on.
pub(super) trait Side {
    /// The end under test.
    type End;
    type Peer: Peer;

    /// Makes a new connection.
    async fn connect(&self) -> (Self::End, Self::Peer);

    fn send(end: &mut Self::End);

    fn shut(end: &mut Self::End, how: Shutdown);

    /// Makes a call by its name, and returns its outcome.
    async fn call(end: &mut Self::End, call: &str) -> String;

    /// Waits until the effects of all actions have arrived.
    async fn settle(ends: &mut [Self::End]);
}

/// The peer's end.
pub(super) trait Peer {
    fn send(&mut self);

    fn shut_write(&mut self);

    fn abort(self);
}

/// The bytes of one send.
pub(super) const BYTES: &[u8; 3] = b"abc";

/// Makes each call in each state, each on a separate connection.
pub(super) async fn table<S: Side>(side: &S, calls: &[&'static str]) -> Vec<Row> {
    let mut rows = Vec::new();
    for state in states() {
        let (mut ends, mut peers) = (Vec::new(), Vec::new());
        for _ in calls {
            let (end, peer) = side.connect().await;
            ends.push(end);
            peers.push(peer);
        }
        S::settle(&mut ends).await;
        for step in &state.0 {
            take::<S>(*step, &mut ends, &mut peers);
            S::settle(&mut ends).await;
        }
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            for (end, call) in ends.iter_mut().zip(calls) {
                outcomes.push(S::call(end, call).await);
            }
            S::settle(&mut ends).await;
        }
        let (first, second) = outcomes.split_at(calls.len());
        rows.extend(calls.iter().zip(first.iter().zip(second)).map(|(&call, (first, second))| Row {
            state: state.clone(),
            call,
            outcome: [first.clone(), second.clone()],
        }));
    }
    rows
}

/// Takes one step on each connection.
fn take<S: Side>(step: Step, ends: &mut [S::End], peers: &mut Vec<S::Peer>) {
    match step {
        Step::Sends => ends.iter_mut().for_each(S::send),
        Step::Shuts(how) => ends.iter_mut().for_each(|end| S::shut(end, how)),
        Step::PeerSends => peers.iter_mut().for_each(Peer::send),
        Step::PeerShutsWrite => peers.iter_mut().for_each(Peer::shut_write),
        Step::PeerCloses => peers.clear(),
        Step::PeerAborts => peers.drain(..).for_each(Peer::abort),
    }
}

/// The outcome of a call, in the table's notation.
pub(super) fn told<T: fmt::Debug>(outcome: io::Result<T>) -> String {
    outcome.map_or_else(|error| format!("Err({:?})", error.kind()), |value| format!("Ok({value:?})"))
}
