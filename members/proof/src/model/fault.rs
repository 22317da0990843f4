//! Partitions: what is sent in a direction that is cut or held arrives when it is open again.
//!
//! There is no latency, so everything else arrives as it is sent.

use std::fmt;
use std::rc::Rc;

use super::wait::Wait;
use super::{Id, Model};

/// Directions, by the names of their hosts; none is each host.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// The host that sends.
    pub from: Option<Rc<str>>,
    /// The host at which it arrives.
    pub to: Option<Rc<str>>,
}

impl Way {
    /// Whether it contains a direction. That of a host to itself has to be named.
    fn contains(&self, from: &str, to: &str) -> bool {
        let is = |named: &Option<Rc<str>>, name: &str| named.as_ref().is_none_or(|named| &**named == name);
        is(&self.from, from) && is(&self.to, to) && (from != to || self.from.is_some() && self.to.is_some())
    }
}

/// A fault that begins or ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Begins a partition.
    Partition,
    /// Ends it.
    Repair,
    /// Begins to hold what is sent.
    Hold,
    /// Ends that.
    Release,
    /// Ends both.
    Clear,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partition => "partition",
            Self::Repair => "repair",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Clear => "clear",
        })
    }
}

/// Whether an answer was sent, and has arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Answer {
    NotSent,
    OnItsWay,
    Arrived,
}

impl Model {
    /// Begins or ends a fault.
    pub fn fault(&mut self, ways: impl IntoIterator<Item = Way>, fault: Fault) {
        self.travel();
        self.faults.extend(ways.into_iter().map(|way| (way, fault)));
        self.follow();
    }

    /// What nothing stops any more arrives.
    pub(super) fn follow(&mut self) {
        for id in self.pipes.keys().copied().collect::<Vec<_>>() {
            for side in 0..2 {
                let pipe = &self.pipes[&id];
                let stops = self.stops(&pipe.hosts[side], &pipe.hosts[1 - side]);
                let Some(pipe) = self.pipes.get_mut(&id) else { continue };
                pipe.written_by[side].stopped = stops;
                pipe.arrive(side, false);
            }
        }
        self.travel();
    }

    /// Whether nothing arrives in a direction.
    pub(super) fn stops(&self, from: &str, to: &str) -> bool {
        let (mut cut, mut held) = (false, false);
        for (_, fault) in self.faults.iter().filter(|(way, _)| way.contains(from, to)) {
            match fault {
                Fault::Partition => cut = true,
                Fault::Repair => cut = false,
                Fault::Hold => held = true,
                Fault::Release => held = false,
                Fault::Clear => (cut, held) = (false, false),
            }
        }
        cut || held || from != to && self.powers.get(to).is_some_and(|power| power.off)
    }

    /// Dials and their answers arrive where nothing stops them, in the order in which they were sent.
    pub(super) fn travel(&mut self) {
        if !self.rules.faults {
            return;
        }
        let mut dials: Vec<(Id, Id)> = Vec::new();
        for (&id, wait) in &self.waits {
            if let Wait::Dial { begun: Some(begun), .. } = wait {
                dials.push((begun.sent, id));
            }
        }
        dials.sort_unstable();
        for (_, id) in dials {
            let Some(Wait::Dial { begun: Some(begun), .. }) = self.waits.get(&id) else { continue };
            let mut begun = begun.clone();
            self.arrive(&mut begun);
            if begun.stopped {
                self.settle(&mut begun);
            }
            if begun.answer == Answer::OnItsWay || self.is_decided(&begun) {
                self.answer(&mut begun);
            }
            if let Some(Wait::Dial { begun: kept, .. }) = self.waits.get_mut(&id) {
                *kept = Some(begun);
            }
        }
    }
}
