//! One trace of the files of several processes.
//!
//! The lines of a file stay in their order. Edges between files come from connections whose ends are in two files, as
//! `ends` finds them. Of the lines that may be next, the earliest is taken, on clocks that `clock` has set right.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::addr::name::HostName;
use crate::error::Operation;
use crate::error::kind::ErrorKind;
use crate::trace::event::{Actor, Kind};
use crate::trace::json::clock::Clock;
use crate::trace::json::ends::pair;
use crate::trace::json::failure::{JsonError, place};
use crate::trace::json::file::{At, Causes, File, HostPlace};
use crate::trace::json::load::Loader;
use crate::trace::json::read::read;
use crate::trace::recorder::Trace;

impl Trace {
    /// Merges the JSON lines of several processes whose networks are one, each with the name of its file.
    ///
    /// The ends of connections find each other by network, dialling and accepted address, and by how often these two
    /// were connected before. So a dial comes before its accept, a write before the read of its bytes, and a close
    /// before the end that the peer finds. Other lines follow by their times. A file whose clock contradicts that order
    /// is shifted to the middle of what is possible. Networks of one name are one network.
    ///
    /// If a listener accepts a dial that was dropped, there is an accept without a connect. Which one that is, is
    /// guessed by time: the lines of these accepts end in ` ?`, and [`Event::guessed`](crate::trace::Event) is true.
    ///
    /// # Errors
    ///
    /// A line that is no event; a gap; bytes that were read and not written, or a connect without an accept, where the
    /// file of the peer is there; and lines each of which comes before the other. The error names the lines.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(all(feature = "pipenet", feature = "std"))]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use virtnet::pipenet;
    /// use virtnet::trace::Trace;
    ///
    /// // As if each host were in a process of its own.
    /// let trace = Trace::new();
    /// let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
    /// let (a, b) = (net.host("a")?, net.host("b")?);
    /// let listener = a.listen(":10")?;
    /// let dial = std::thread::spawn(move || b.dial("a:10").wait().map(drop));
    /// listener.accept().wait()?;
    /// dial.join().unwrap()?;
    /// let [mut of_a, mut of_b] = [String::new(), String::new()];
    /// trace.view().reads(true).of("a").write_json(&mut of_a)?;
    /// trace.view().reads(true).of("b").write_json(&mut of_b)?;
    ///
    /// let merged = Trace::merge_json(&[("a.jsonl", &of_a), ("b.jsonl", &of_b)])?;
    /// assert!(merged.before(merged.one("dial *")?, merged.one("accept *")?));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "pipenet", feature = "std")))]
    /// # fn main() {}
    /// ```
    pub fn merge_json(files: &[(&str, &str)]) -> Result<Self, JsonError> {
        let read = |&(name, text)| Ok(File { name, lines: read(name, text)? });
        let mut files = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut loader = Loader::new();
        for file in &mut files {
            for line in &mut file.lines {
                if let Kind::Gap { .. } = line.event.kind {
                    let text = format!("{}: a trace with a gap cannot be merged", line.event);
                    return Err(JsonError::new(file.name, line.number, &text));
                }
                line.network = loader.network(line.event.network, line.network_before);
            }
        }
        let causes = pair(&mut files)?;
        Merge::new(&files, &causes).run(loader)
    }
}

/// A merge under way.
struct Merge<'a> {
    files: &'a [File<'a>],
    causes: &'a Causes,
    clock: Clock,
    /// The number of the next line of each file, and the latest time so far.
    next: Vec<usize>,
    times: Vec<i128>,
    /// Listeners that are open, and the lines that close one, or all of a host.
    open: BTreeSet<(HostPlace, u16)>,
    closes: BTreeMap<HostPlace, Vec<(At, Option<u16>)>>,
}

impl<'a> Merge<'a> {
    fn new(files: &'a [File<'a>], causes: &'a Causes) -> Self {
        let mut closes = BTreeMap::<HostPlace, Vec<_>>::new();
        for (at, line) in files.iter().enumerate().flat_map(|(file, lines)| lines.all(file)) {
            match &line.event.kind {
                Kind::ListenerClosed { addr, .. } => {
                    closes.entry((line.network, addr.host)).or_default().push((at, Some(addr.port)));
                }
                Kind::HostClosed { host } | Kind::HostDied { host, .. } => {
                    closes.entry((line.network, *host)).or_default().push((at, None));
                }
                _ => {}
            }
        }
        let (next, times) = (alloc::vec![0; files.len()], alloc::vec![0; files.len()]);
        Self { files, causes, clock: Clock::new(files, causes), next, times, open: BTreeSet::new(), closes }
    }

    fn run(mut self, mut loader: Loader) -> Result<Trace, JsonError> {
        let (mut actors, mut tokens) = (BTreeMap::new(), BTreeMap::new());
        let mut seq = 0;
        while let Some(file) = self.choose()? {
            let at = (file, self.next[file]);
            let line = &self.files[file].lines[at.1];
            self.next[file] += 1;
            self.times[file] = self.time(at);
            self.note(line.network, &line.event.kind);
            let mut event = line.event.clone();
            seq += u64::from(line.mark.is_none());
            event.seq = seq;
            event.at = event.at.map(|_| Duration::from_nanos(self.times[file].clamp(0, i64::MAX.into()) as u64));
            if event.actor != Actor(0) {
                let number = actors.len() as u32 + 1;
                event.actor = Actor(*actors.entry((file, event.actor)).or_insert(number));
            }
            let mark = line.mark.map(|(code, token)| {
                let number = tokens.len() as u64;
                (code, *tokens.entry((file, token)).or_insert(number))
            });
            loader.add(line.network, mark, &event);
        }
        Ok(loader.trace())
    }

    /// The file whose line is next; `None` if all are done.
    fn choose(&self) -> Result<Option<usize>, JsonError> {
        let left = || (0..self.files.len()).filter(|&file| self.next[file] < self.files[file].lines.len());
        let ready = left().filter(|&file| self.blocker(file).is_none());
        // A dial is not refused while its listener is open.
        let next = ready.min_by_key(|&file| {
            let at = (file, self.next[file]);
            (self.is_early(at), self.time(at), file)
        });
        match (next, left().next()) {
            (None, Some(first)) => Err(self.circle(first)),
            (next, _) => Ok(next),
        }
    }

    /// The time of a line on the clock of the first file. One without a time follows the line before it.
    fn time(&self, at: At) -> i128 {
        let (before, is_first) = (self.times[at.0], at.1 == 0);
        self.clock.time(self.files, at).map_or(before, |time| if is_first { time } else { time.max(before) })
    }

    /// A line of another file that has to come before the next one of this file.
    fn blocker(&self, file: usize) -> Option<At> {
        let causes = self.causes.get(&(file, self.next[file])).into_iter().flatten();
        causes.copied().find(|&(other, at)| at >= self.next[other])
    }

    /// Whether it is a refusal by a listener that is open, and will be closed.
    fn is_early(&self, (file, at): At) -> bool {
        let line = &self.files[file].lines[at];
        let Kind::Failed { error } = &line.event.kind else { return false };
        let is_refused = error.operation() == Operation::Dial && error.kind() == ErrorKind::ConnectionRefused;
        let Some((host, port)) = error.addr().filter(|_| is_refused) else { return false };
        let Some(host) = HostName::valid(host.as_str(), "") else { return false };
        let place = (line.network, host);
        let closes = self.closes.get(&place).into_iter().flatten();
        let mut to_come = closes.filter(|((other, at), _)| *other != file && *at >= self.next[*other]);
        self.open.contains(&(place, port)) && to_come.any(|(_, closed)| closed.is_none_or(|closed| closed == port))
    }

    /// Opens and closes listeners.
    fn note(&mut self, network: u16, kind: &Kind) {
        match kind {
            Kind::Listened { addr } => {
                self.open.insert(((network, addr.host), addr.port));
            }
            Kind::ListenerClosed { addr, .. } => {
                self.open.remove(&((network, addr.host), addr.port));
            }
            Kind::HostClosed { host } | Kind::HostDied { host, .. } => {
                self.open.retain(|(place, _)| *place != (network, *host));
            }
            _ => {}
        }
    }

    /// The error of lines that wait for each other; the next line of `first` is one, or waits for one.
    fn circle(&self, first: usize) -> JsonError {
        let (mut passed, mut file) = (Vec::new(), first);
        while !passed.contains(&file) {
            passed.push(file);
            file = self.blocker(file).map_or(file, |(other, _)| other);
        }
        let start = passed.iter().position(|&known| known == file).unwrap_or(0);
        let after = |&file: &usize| {
            let line = self.shown((file, self.next[file]));
            let cause = self.blocker(file).map_or(String::new(), |cause| self.shown(cause));
            format!("{line} comes after {cause}")
        };
        let texts: Vec<_> = passed[start..].iter().map(after).collect();
        let line = self.files[file].lines[self.next[file]].number;
        JsonError::new(self.files[file].name, line, &format!("a circle: {}", texts.join(", and ")))
    }

    fn shown(&self, (file, at): At) -> String {
        let File { name, lines } = &self.files[file];
        format!("{} ({})", place(name, lines[at].number), lines[at].event)
    }
}
