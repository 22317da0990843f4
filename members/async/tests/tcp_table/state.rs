//! The states of a connection, each as the steps that lead to it.

use std::fmt;
use std::net::Shutdown;

/// The action of one of the two ends. Sent bytes are never read, so they wait at the other end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Sends,
    Shuts(Shutdown),
    PeerSends,
    PeerShutsWrite,
    PeerCloses,
    PeerAborts,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sends => "sends",
            Self::Shuts(Shutdown::Read) => "shuts read",
            Self::Shuts(Shutdown::Write) => "shuts write",
            Self::Shuts(Shutdown::Both) => "shuts both",
            Self::PeerSends => "peer sends",
            Self::PeerShutsWrite => "peer shuts write",
            Self::PeerCloses => "peer closes",
            Self::PeerAborts => "peer aborts",
        })
    }
}

/// The actions on a connection, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State(pub(super) Vec<Step>);

impl State {
    pub(super) fn has(&self, step: Step) -> bool {
        self.0.contains(&step)
    }

    /// Whether the peer has reset the connection: aborted it, or closed it with bytes unread.
    pub(super) fn is_reset(&self) -> bool {
        self.has(Step::PeerAborts) || self.has(Step::Sends) && self.has(Step::PeerCloses)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self.0.iter().map(Step::to_string).collect();
        f.write_str(&if steps.is_empty() { "open".into() } else { steps.join(", ") })
    }
}

/// Each way to shut the local end, combined with each way in which the peer ends, with and without bytes to read.
pub(super) fn states() -> Vec<State> {
    use Step::{PeerAborts, PeerCloses, PeerSends, PeerShutsWrite, Sends, Shuts};

    let own: [&[Step]; 4] = [&[], &[Shuts(Shutdown::Write)], &[Shuts(Shutdown::Read)], &[Shuts(Shutdown::Both)]];
    // The steps before the local end is shut, and the peer's steps after that.
    let peer: [(&[Step], &[Step]); 9] = [
        (&[], &[]),
        (&[], &[PeerShutsWrite]),
        (&[], &[PeerCloses]),
        (&[], &[PeerAborts]),
        (&[], &[PeerShutsWrite, PeerAborts]),
        (&[Sends], &[PeerCloses]),
        (&[Sends], &[PeerShutsWrite, PeerCloses]),
        (&[Sends], &[PeerAborts]),
        (&[], &[PeerSends]),
    ];
    let unread: [&[Step]; 2] = [&[], &[PeerSends]];
    let mut states = Vec::new();
    for own in own {
        for (before, after) in peer {
            for unread in unread {
                // The peer sends at most once.
                if !(unread == [PeerSends] && after == [PeerSends]) {
                    states.push(State([unread, before, own, after].concat()));
                }
            }
        }
    }
    states.dedup();
    states
}
