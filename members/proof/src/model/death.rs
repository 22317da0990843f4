//! Hosts, and how they die and return.

use std::fmt;
use std::rc::Rc;

use super::{How, Id, Model};

/// A host in one of its lives, which are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    /// Its name.
    pub name: Rc<str>,
    /// The number of its restarts before.
    pub life: u32,
}

/// As an expression of a program.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.life {
            0 => write!(f, "net.host({:?})?", self.name),
            life => write!(f, "net.host({:?})? /* life {life} */", self.name),
        }
    }
}

/// The state of a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Life {
    Open,
    Closed,
    /// It has crashed.
    Dead,
    /// It has lost its power, and its peers are told nothing.
    Off,
}

/// The power of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Power {
    pub(super) off: bool,
    /// How often it was cut.
    pub(super) cuts: u32,
}

impl Model {
    /// All hosts, in all of their lives.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.keys()
    }

    /// Each host in its newest life.
    #[must_use]
    pub fn newest_hosts(&self) -> Vec<Host> {
        self.hosts().filter(|host| self.newest(&host.name) == Some(host)).cloned().collect()
    }

    /// The host of that name in its newest life.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&Host> {
        self.hosts().filter(|host| &*host.name == name).last()
    }

    /// Whether the host is open.
    #[must_use]
    pub fn is_open(&self, host: &Host) -> bool {
        self.hosts[host] == Life::Open
    }

    pub(super) fn any_open(&self) -> bool {
        self.hosts.values().any(|&life| life == Life::Open)
    }

    /// Ends the life of a host that is open; returns whether it was. Its sockets keep their ports.
    pub(super) fn end_life(&mut self, host: &Host, how: Life) -> bool {
        let was_open = self.is_open(host);
        if was_open {
            self.hosts.insert(host.clone(), how);
            let of_host = self.sockets.iter().filter(|(_, socket)| socket.host == *host);
            for id in of_host.map(|(&id, _)| id).collect::<Vec<Id>>() {
                self.shut_with_host(id, self.ending(host));
            }
            self.travel();
        }
        was_open
    }

    /// How the connections of a host end that is not open.
    pub(super) fn ending(&self, host: &Host) -> How {
        match self.hosts[host] {
            Life::Open | Life::Closed => How::Close,
            Life::Dead => How::Abort,
            Life::Off => How::Vanish,
        }
    }

    fn find(&self, operation: &str, name: &str) -> Result<Host, String> {
        let failed = |cause: &str| format!("virtnet {:?}: {operation} {name:?}: {cause}", self.rules.network);
        if !self.up {
            return Err(failed("network is down"));
        }
        self.newest(name).cloned().ok_or_else(|| failed("no such host"))
    }

    /// A host crashes, if it is open. It never closes the network.
    pub fn crash(&mut self, name: &str) -> Result<(), String> {
        let host = self.find("crash", name)?;
        self.end_life(&host, Life::Dead);
        Ok(())
    }

    /// A host loses its power, if it is open: a crash where faults cannot keep its peers from being told.
    pub fn power_off(&mut self, name: &str) -> Result<(), String> {
        let host = self.find("power off", name)?;
        if !self.rules.faults {
            self.end_life(&host, Life::Dead);
            return Ok(());
        }
        let is_open = self.is_open(&host);
        self.travel();
        let power = self.powers.entry(host.name.clone()).or_default();
        power.cuts += 1;
        power.off |= is_open;
        self.follow();
        self.end_life(&host, Life::Off);
        Ok(())
    }

    /// How often a host has lost its power.
    pub(super) fn cuts(&self, name: &str) -> u32 {
        self.powers.get(name).map_or(0, |power| power.cuts)
    }

    /// Makes a host anew that is not open: its ports start from 1 again.
    pub fn restart(&mut self, name: &str) -> Result<Host, String> {
        let Host { name, life } = self.find("restart", name)?;
        if self.is_open(&Host { name: name.clone(), life }) {
            let network = self.rules.network;
            return Err(format!("virtnet {network:?}: restart {name:?}: host already registered"));
        }
        let host = Host { name, life: life + 1 };
        self.hosts.insert(host.clone(), Life::Open);
        self.travel();
        if let Some(power) = self.powers.get_mut(&host.name) {
            power.off = false;
            self.follow();
        }
        Ok(host)
    }
}
