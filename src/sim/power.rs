//! Hosts that lose their power, and have it again.
//!
//! While a host has none, nothing that is sent to it arrives, as if its directions were held. At its return, what would
//! have arrived meanwhile is sent again. The ends of its connections have vanished: they are known until their
//! peers close, and answer what reaches them by a reset.
//!
//! A host is powered off before the core kills it, and on after the core has made it anew, so that nothing is refused in
//! between. The cuts are counted, since two threads may power off one host of which one finds it dead.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::addr::name::HostName;
use crate::sim::action::Actions;
use crate::sim::direction::{Item, Place};
use crate::sim::setting::Way;
use crate::sim::world::World;

impl World {
    /// How often a host has lost its power.
    pub(super) fn cuts(&self, host: &HostName) -> u64 {
        self.powers.get(host).map_or(0, |power| power.cuts)
    }

    /// A host loses its power, or has it again.
    pub(super) fn power(&mut self, host: &HostName, on: bool, now: u64, actions: &mut Actions) {
        let power = self.powers.entry(*host).or_default();
        if on {
            power.off = power.off.saturating_sub(1);
        } else {
            power.off += 1;
            power.cuts += 1;
        }
        let off = power.off > 0;
        for dir in self.known(&Way { from: None, to: Some(*host) }) {
            if self.dirs[dir].is_off() == off {
                continue;
            }
            let before = (self.delays(dir), self.looks(dir));
            self.dirs[dir].set_off(off);
            if on {
                self.send_again(dir, now);
            }
            self.schedule(dir);
            self.follow_all(dir, before, actions);
        }
    }

    /// Sends again what would have arrived, and what follows that: a connection's bytes and dials stay in their order.
    fn send_again(&mut self, dir: usize, now: u64) {
        let direction = &mut self.dirs[dir];
        let time = direction.time(now);
        let latency = direction.latency(direction.draws, 0, false, direction.epoch.into());
        let due = time.saturating_add(latency);
        let mut late: BTreeSet<Option<(u64, usize)>> = BTreeSet::new();
        let is_late = |(place, item): (&Place, &Item)| {
            // Dials wait for dials.
            let line = item.lane();
            let is_late = place.0 <= time || late.contains(&line);
            if is_late {
                late.insert(line);
            }
            is_late.then_some(*place)
        };
        let places: Vec<Place> = direction.queue.range(..(due, 0)).filter_map(is_late).collect();
        direction.last_dial = direction.last_dial.max(due);
        for place in places {
            self.replace(dir, place, due);
        }
    }
}
