//! The connections of several files: which ends belong together, and which lines come before which.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use crate::addr::Addr;
use crate::addr::name::{ErrorText, HostName};
use crate::contract::observe::How;
use crate::error::Operation;
use crate::error::kind::ErrorKind;
use crate::trace::event::{Event, Kind};
use crate::trace::json::clock::Clock;
use crate::trace::json::failure::{JsonError, place};
use crate::trace::json::file::{At, Causes, File, HostPlace};
use crate::trace::json::read::Line;

/// A port of a host.
type Place = (u16, HostName, u16);

/// A dial that did not connect: its line, its outcome, and whether an accept has it.
struct Dial {
    dialled: At,
    dst: Addr,
    ended: Option<At>,
    is_taken: bool,
}

/// The connections of all files, each end of which has a number of its own at first.
#[derive(Default)]
struct Conns {
    /// The lines of an accept and of a connect of each connection, by its number.
    begun: BTreeMap<u32, [Option<At>; 2]>,
    /// The numbers of accepted ends whose dialled ends have another one.
    joined: BTreeMap<u32, u32>,
    /// Dials without a connect, by their port.
    dials: BTreeMap<Place, Vec<Dial>>,
    /// The dials that accepts without a connect took, with their outcomes.
    dropped: BTreeMap<u32, (At, Option<At>)>,
    /// The hosts that have lines.
    hosts: BTreeSet<HostPlace>,
}

/// Numbers the connections of all files, so that both ends of each have one number, and marks the accepts that are
/// guessed. Returns the causes of lines in other files.
pub(super) fn pair(files: &mut [File<'_>]) -> Result<Causes, JsonError> {
    let mut conns = Conns::new(files);
    let mut unsure = Vec::new();
    for (_, [accepts, connects]) in conns.lone(files) {
        if accepts.len() == connects.len() {
            accepts.iter().zip(&connects).for_each(|(&accept, &connect)| conns.join(files, accept, connect));
        } else {
            unsure.push((accepts, connects));
        }
    }
    let causes = edges(files, &conns)?;
    let clock = Clock::new(files, &causes);
    for (accepts, connects) in unsure {
        conns.guess(files, &clock, &accepts, &connects)?;
    }
    let causes = edges(files, &conns)?;
    for end in files.iter_mut().flat_map(|file| &mut file.lines).filter_map(|line| line.event.end.as_mut()) {
        end.conn = conns.number(end.conn);
    }
    Ok(causes)
}

impl Conns {
    fn new(files: &mut [File<'_>]) -> Self {
        let (mut conns, mut numbers) = (Self::default(), BTreeMap::new());
        for (file, File { lines, .. }) in files.iter_mut().enumerate() {
            for (at, line) in lines.iter_mut().enumerate() {
                let (at, network, event) = ((file, at), line.network, &mut line.event);
                if let Some(end) = &mut event.end {
                    let next = numbers.len() as u32 + 1;
                    end.conn = *numbers.entry((file, network, end.conn)).or_insert(next);
                }
                conns.hosts.extend(event.host().map(|host| (network, host)));
                conns.add(at, network, event);
            }
        }
        conns
    }

    fn add(&mut self, at: At, network: u16, event: &Event) {
        let number = event.end.map(|end| end.conn);
        let place = |addr: &Addr| (network, addr.host, addr.port);
        match &event.kind {
            Kind::Accepted { .. } => {
                number.into_iter().for_each(|number| self.begun.entry(number).or_default()[0] = Some(at));
            }
            Kind::Connected { src, .. } => {
                number.into_iter().for_each(|number| self.begun.entry(number).or_default()[1] = Some(at));
                self.dials.get_mut(&place(src)).map(Vec::pop);
            }
            Kind::Dialled { src, dst } => {
                let dial = Dial { dialled: at, dst: *dst, ended: None, is_taken: false };
                self.dials.entry(place(src)).or_default().push(dial);
            }
            Kind::Withdrawn { src, .. } => self.end_dial(place(src), at),
            Kind::Failed { error } if error.operation() == Operation::Dial => {
                let host = |(host, port): (ErrorText, u16)| Some((HostName::valid(host.as_str(), "")?, port));
                if let Some((host, port)) = error.source_addr().and_then(host) {
                    self.end_dial((network, host, port), at);
                }
            }
            _ => {}
        }
    }

    fn end_dial(&mut self, place: Place, at: At) {
        if let Some(dial) = self.dials.get_mut(&place).and_then(|dials| dials.last_mut()) {
            dial.ended.get_or_insert(at);
        }
    }

    /// Accepts and connects whose other ends are in other files, by dialling and accepted address.
    fn lone(&self, files: &[File<'_>]) -> BTreeMap<(Place, Place), [Vec<At>; 2]> {
        let mut lone = BTreeMap::<_, [Vec<At>; 2]>::new();
        for begun in self.begun.values() {
            let (side, at) = match *begun {
                [Some(accept), None] => (0, accept),
                [None, Some(connect)] => (1, connect),
                _ => continue,
            };
            let line = &files[at.0].lines[at.1];
            let (src, dst) = match &line.event.kind {
                Kind::Accepted { local, peer, .. } => (peer, local),
                Kind::Connected { src, peer, .. } => (src, peer),
                _ => continue,
            };
            let place = |addr: &Addr| (line.network, addr.host, addr.port);
            lone.entry((place(src), place(dst))).or_default()[side].push(at);
        }
        lone.values_mut().flatten().for_each(|ends| ends.sort_unstable());
        lone
    }

    fn join(&mut self, files: &[File<'_>], accept: At, connect: At) {
        if let (Some(accepted), Some(dialled)) = (number(files, accept), number(files, connect)) {
            self.joined.insert(accepted, dialled);
        }
    }

    /// The number that both ends of a connection have.
    fn number(&self, conn: u32) -> u32 {
        self.joined.get(&conn).copied().unwrap_or(conn)
    }

    /// Chooses, by time, which accepts of one pair of addresses belong to its connects.
    fn guess(
        &mut self,
        files: &mut [File<'_>],
        clock: &Clock,
        accepts: &[At],
        connects: &[At],
    ) -> Result<(), JsonError> {
        let Some(&some) = accepts.first().or(connects.first()) else { return Ok(()) };
        let line = &files[some.0].lines[some.1];
        let has = |addr: &Addr| self.hosts.contains(&(line.network, addr.host));
        match &line.event.kind {
            // The file of the other host is not there.
            Kind::Accepted { peer, .. } if connects.is_empty() && !has(peer) => return Ok(()),
            Kind::Connected { peer, .. } if !has(peer) => return Ok(()),
            _ => {}
        }
        if let Some(&lone) = connects.get(accepts.len()) {
            let File { name, ref lines } = files[lone.0];
            let text = format!("{}: there is no accept of it", lines[lone.1].event);
            return Err(JsonError::new(name, lines[lone.1].number, &text));
        }
        let mut left: Vec<_> = accepts.to_vec();
        for (before, &connect) in connects.iter().enumerate().rev() {
            // The latest one that is not later, and leaves enough for the connects before.
            let fits = |&accept: &usize| clock.time(files, left[accept]) <= clock.time(files, connect);
            let chosen = (before..left.len()).rev().find(fits).unwrap_or(left.len() - 1);
            self.join(files, left[chosen], connect);
            let later = left.split_off(chosen);
            later[1..].iter().for_each(|&accept| self.take_dial(files, clock, accept));
        }
        left.iter().for_each(|&accept| self.take_dial(files, clock, accept));
        for &(file, at) in accepts {
            files[file].lines[at].event.guessed = true;
        }
        Ok(())
    }

    /// Gives an accept without a connect the latest dial that it can have taken.
    fn take_dial(&mut self, files: &[File<'_>], clock: &Clock, accept: At) {
        let Line { network, event, .. } = &files[accept.0].lines[accept.1];
        let (Kind::Accepted { listener, peer, .. }, Some(end)) = (&event.kind, event.end) else { return };
        let dials = self.dials.get_mut(&(*network, peer.host, peer.port)).into_iter().flatten();
        let fits = |dial: &&mut Dial| {
            !dial.is_taken
                && dial.dialled.0 != accept.0
                && (dial.dst.host, dial.dst.port) == (listener.host, listener.port)
        };
        let early = |dial: &&mut Dial| clock.time(files, dial.dialled) <= clock.time(files, accept);
        if let Some(dial) = dials.filter(fits).filter(early).last() {
            dial.is_taken = true;
            self.dropped.insert(end.conn, (dial.dialled, dial.ended));
        }
    }
}

/// The number of the connection that a line is about.
fn number(files: &[File<'_>], (file, at): At) -> Option<u32> {
    files[file].lines[at].event.end.map(|end| end.conn)
}

/// One end of a connection, as its file shows it. Lines are given by their numbers in the file.
struct EndLines {
    file: usize,
    host: HostPlace,
    begun: usize,
    dialled: Option<usize>,
    /// The offsets at which writes start and end, in order.
    writes: Vec<(u64, u64, usize)>,
    reads: Vec<(u64, u64, usize)>,
    /// Whether all bytes that were written have offsets.
    is_whole: bool,
    write_closed: Option<usize>,
    read_closed: Option<usize>,
    closed: Option<usize>,
    reset: Option<usize>,
}

/// The causes of lines in other files.
fn edges(files: &[File<'_>], conns: &Conns) -> Result<Causes, JsonError> {
    let (mut ends, mut deaths) = (BTreeMap::new(), BTreeMap::<_, Vec<usize>>::new());
    for (file, File { lines, .. }) in files.iter().enumerate() {
        let mut dials = BTreeMap::new();
        for (at, line) in lines.iter().enumerate() {
            match &line.event.kind {
                Kind::Dialled { src, .. } => drop(dials.insert((line.network, src.host, src.port), at)),
                Kind::HostClosed { host } | Kind::HostDied { host, .. } => {
                    deaths.entry((file, line.network, Some(*host))).or_default().push(at);
                }
                Kind::NetworkDown { .. } | Kind::NetworkClosed => {
                    deaths.entry((file, line.network, None)).or_default().push(at);
                }
                kind => {
                    let Some(end) = line.event.end else { continue };
                    let key = (conns.number(end.conn), end.accepted);
                    if let Kind::Accepted { local, .. } | Kind::Connected { src: local, .. } = kind {
                        let dialled = dials.get(&(line.network, local.host, local.port)).copied();
                        ends.entry(key).or_insert(EndLines::new(file, at, (line.network, local.host), dialled));
                    }
                    if let Some(state) = ends.get_mut(&key).filter(|state| state.file == file) {
                        state.add(at, kind);
                    }
                }
            }
        }
    }
    let mut causes = Causes::new();
    for (at, line) in files.iter().enumerate().flat_map(|(number, file)| file.all(number)) {
        let Some(end) = line.event.end else { continue };
        let conn = conns.number(end.conn);
        let Some(own) = ends.get(&(conn, end.accepted)).filter(|own| own.file == at.0) else { continue };
        let found: Vec<At> = match (ends.get(&(conn, !end.accepted)), conns.dropped.get(&end.conn)) {
            (Some(peer), _) if peer.file != at.0 => {
                let (network, host) = peer.host;
                let death = [Some(host), None].into_iter().filter_map(|host| {
                    let lines = deaths.get(&(peer.file, network, host))?;
                    lines.get(lines.partition_point(|&line| line < peer.begun)).copied()
                });
                if let Some(written) = own.orphan(peer, &line.event.kind) {
                    let first = place(files[peer.file].name, files[peer.file].lines[written].number);
                    let text = format!(
                        "{}: these bytes were not written: {first} ({}) is the last line that could have",
                        line.event, files[peer.file].lines[written].event
                    );
                    return Err(JsonError::new(files[at.0].name, line.number, &text));
                }
                own.causes(peer, at.1, &line.event.kind, death.min())
                    .into_iter()
                    .map(|cause| (peer.file, cause))
                    .collect()
            }
            (None, Some(&(dialled, ended))) => match &line.event.kind {
                Kind::Accepted { .. } => [dialled].into(),
                Kind::Ended { .. } if own.read_closed.is_none() => ended.into_iter().collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        if !found.is_empty() {
            causes.insert(at, found);
        }
    }
    Ok(causes)
}

impl EndLines {
    fn new(file: usize, begun: usize, host: HostPlace, dialled: Option<usize>) -> Self {
        let (writes, reads, is_whole) = (Vec::new(), Vec::new(), true);
        let [write_closed, read_closed, closed, reset] = [None; 4];
        Self { file, host, begun, dialled, writes, reads, is_whole, write_closed, read_closed, closed, reset }
    }

    fn add(&mut self, at: usize, kind: &Kind) {
        let range = |offset: u64, count: &u32| (offset, offset.saturating_add((*count).into()), at);
        match kind {
            Kind::Wrote { offset: Some(offset), count, .. } => self.writes.push(range(*offset, count)),
            Kind::Read { offset: Some(offset), count, .. } => self.reads.push(range(*offset, count)),
            Kind::Wrote { offset: None, .. } => self.is_whole = false,
            Kind::Shut { how: How::ShutdownRead, .. } => drop(self.read_closed.get_or_insert(at)),
            Kind::Shut { how: How::Shutdown, .. } => drop(self.write_closed.get_or_insert(at)),
            Kind::Shut { how, reset, .. } => {
                self.write_closed.get_or_insert(at);
                self.closed.get_or_insert(at);
                if *reset || *how == How::Abort {
                    self.reset.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// If bytes were read that `peer` has not written, its last line that could have.
    fn orphan(&self, peer: &Self, kind: &Kind) -> Option<usize> {
        let Kind::Read { offset: Some(offset), count, .. } = kind else { return None };
        let (_, end, last) = peer.writes.last().copied().unwrap_or((0, 0, peer.begun));
        (peer.is_whole && end < offset.saturating_add((*count).into())).then_some(last)
    }

    /// The lines of `peer` that come before the line `at` of this end. `death` is the one that closed the peer's host.
    fn causes(&self, peer: &Self, at: usize, kind: &Kind, death: Option<usize>) -> Vec<usize> {
        let earliest = |lines: [Option<usize>; 2]| lines.into_iter().flatten().min().into_iter().collect();
        let closed_here = |line: Option<usize>| line.is_some_and(|line| line < at);
        match kind {
            Kind::Accepted { .. } => peer.dialled.into_iter().collect(),
            Kind::Connected { .. } => [peer.begun].into(),
            Kind::Read { offset: Some(offset), count, .. } => overlapping(&peer.writes, *offset, *count),
            Kind::Taken { offset: Some(offset), count, .. } => overlapping(&peer.reads, *offset, *count),
            Kind::Ended { .. } if !closed_here(self.read_closed) => earliest([peer.write_closed, death]),
            Kind::Failed { error } => match error.kind() {
                ErrorKind::ConnectionReset => earliest([peer.reset, death]),
                ErrorKind::BrokenPipe if !closed_here(self.write_closed) => earliest([peer.closed, death]),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

/// The lines that moved some of these bytes.
fn overlapping(lines: &[(u64, u64, usize)], offset: u64, count: u32) -> Vec<usize> {
    let first = lines.partition_point(|&(_, end, _)| end <= offset);
    let last = offset.saturating_add(count.into());
    lines[first..].iter().take_while(|(start, ..)| *start < last).map(|&(.., at)| at).collect()
}
