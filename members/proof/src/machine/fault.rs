//! Faults that begin and end.

use std::rc::Rc;

use virtnet::NetRef;
use virtnet::sim::Faults;

use super::{Report, World};
use crate::model::{Fault, Way};
use crate::op::Op;

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Partitions can stop what is sent.
    pub(super) fn faulty(mut self, faults: &'w Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    pub(super) fn exec_fault(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let Some(faults) = self.faults else { return Ok(false) };
        let known = self.model.newest_hosts();
        let name = |number: u8| known[usize::from(number) % known.len()].name.clone();
        let (a, b) = (name(op.on / 16), name(op.on / 16 + 1 + op.with / 128));
        let way = |from: Option<&Rc<str>>, to: Option<&Rc<str>>| Way { from: from.cloned(), to: to.cloned() };
        let (text, route, ways) = match op.on % 16 {
            0..=3 => (
                format!("route({a:?}, {b:?})"),
                faults.route(&a, &b),
                vec![way(Some(&a), Some(&b)), way(Some(&b), Some(&a))],
            ),
            4..=9 => (format!("oneway({a:?}, {b:?})"), faults.oneway(&a, &b), vec![way(Some(&a), Some(&b))]),
            10 => (format!("to({a:?})"), faults.to(&a), vec![way(None, Some(&a))]),
            11 => (format!("from({a:?})"), faults.from(&a), vec![way(Some(&a), None)]),
            12 | 13 => (format!("of({a:?})"), faults.of(&a), vec![way(Some(&a), None), way(None, Some(&a))]),
            _ => ("all()".into(), faults.all(), vec![way(None, None)]),
        };
        let fault = [Fault::Partition, Fault::Repair, Fault::Hold, Fault::Release, Fault::Clear]
            [[0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4][usize::from(op.with) % 11]];
        report.say(|| format!("faults.{text}.{fault}();"));
        match fault {
            Fault::Partition => route.partition(),
            Fault::Repair => route.repair(),
            Fault::Hold => route.hold(),
            Fault::Release => route.release(),
            Fault::Clear => route.clear(),
        };
        report.count(&fault.to_string());
        self.model.fault(ways, fault);
        Ok(true)
    }
}
