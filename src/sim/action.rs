//! What a step on the world leaves to be done under no lock.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::contract::engine::Shutdown;
use crate::sim::letter::{Letter, Outcome};
use crate::sim::wire::Wire;

/// What is left to be done after a step.
pub(super) enum Action {
    Show(Arc<dyn Wire>, usize, usize),
    End(Arc<dyn Wire>, usize, Shutdown, bool),
    Hold(Arc<dyn Wire>, usize, bool),
    Look(Arc<dyn Wire>, usize, bool, bool),
    Break(Arc<dyn Wire>),
    Resume(Arc<dyn Wire>, usize),
    TimeOut(Arc<dyn Wire>, usize),
    SettleDial(Arc<dyn Wire>, Outcome),
    Settle(Arc<Letter>),
}

impl Action {
    pub(super) fn run(self) {
        match self {
            Self::Show(wire, side, count) => wire.show(side, count),
            Self::End(wire, side, how, released) => wire.end(side, how, released),
            Self::Hold(wire, side, on) => wire.hold(side, on),
            Self::Look(wire, side, writes, reads) => wire.look(side, writes, reads),
            Self::Break(wire) => wire.break_off(),
            Self::Resume(wire, side) => wire.resume(side),
            Self::TimeOut(wire, side) => wire.time_out(side),
            Self::SettleDial(wire, outcome) => wire.settle_dial(outcome),
            Self::Settle(letter) => letter.settle(Outcome::Arrived),
        }
    }
}

/// What is left to be done after a step, in order. Most steps leave one thing at most, which takes no heap.
#[derive(Default)]
pub(super) struct Actions {
    first: Option<Action>,
    others: Vec<Action>,
}

impl Actions {
    pub(super) fn push(&mut self, action: Action) {
        if self.first.is_none() {
            self.first = Some(action);
        } else {
            self.others.push(action);
        }
    }

    pub(super) fn extend(&mut self, actions: impl IntoIterator<Item = Action>) {
        actions.into_iter().for_each(|action| self.push(action));
    }

    /// Carries them out.
    pub(super) fn run(&mut self) {
        if let Some(first) = self.first.take() {
            first.run();
            self.others.drain(..).for_each(Action::run);
        }
    }
}
