//! The death of hosts, and their return.

use virtnet::table::Heap;
use virtnet::{Error, Host, NetRef, NetRefExt as _};

use super::net::{NAMES, same};
use super::{Report, World};
use crate::op::{Kind, Op};

/// How the hosts of a network die, and return.
pub(super) struct Death<N: NetRef> {
    crash: fn(&N, &str) -> Result<(), Error>,
    power_off: fn(&N, &str) -> Result<(), Error>,
    restart: fn(&N, &str) -> Result<Host<N>, Error>,
    bounce: fn(&N, &str) -> Result<Host<N>, Error>,
}

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Its hosts can die and return, as in all growable networks.
    pub(super) fn growable<L: Clone + Send + Sync>(mut self) -> Self
    where
        N: NetRef<Tables = Heap<L>>,
    {
        let death = Death { crash: N::crash, power_off: N::power_off, restart: N::restart, bounce: N::bounce };
        self.death = Some(death);
        self
    }

    pub(super) fn exec_death(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let Some(death) = &self.death else { return Ok(false) };
        let known = self.model.newest_hosts();
        let name = if op.with < 240 {
            known[usize::from(op.on) % known.len()].name.to_string()
        } else {
            NAMES[usize::from(op.on) % NAMES.len()].into()
        };
        let (net, model, name) = (&self.net, &mut self.model, &*name);
        let (verb, got, want) = match op.kind {
            Kind::Crash => ("crash", (death.crash)(net, name).map(|()| None), model.crash(name).map(|()| None)),
            Kind::PowerOff => {
                ("power_off", (death.power_off)(net, name).map(|()| None), model.power_off(name).map(|()| None))
            }
            Kind::Restart => ("restart", (death.restart)(net, name).map(Some), model.restart(name).map(Some)),
            _ => (
                "bounce",
                (death.bounce)(net, name).map(Some),
                model.crash(name).and_then(|()| model.restart(name)).map(Some),
            ),
        };
        report.say(|| format!("net.{verb}({name:?});"));
        same(
            got.as_ref().map(drop).map_err(ToString::to_string),
            want.as_ref().map(drop).map_err(Clone::clone),
            report,
        )?;
        if let (Ok(host), Ok(life)) = (got, want) {
            report.count(verb);
            self.hosts.extend(life.zip(host));
        }
        Ok(true)
    }
}
