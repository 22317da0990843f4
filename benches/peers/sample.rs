//! Taking samples: of all contestants in turn, so that what the machine does meanwhile hits all alike.

use std::time::{Duration, Instant};

use crate::report;
use crate::result::{Against, Aim, Goal, Results, Row, Unit, Value};

/// Takes the samples, and keeps what they say.
pub(crate) struct Bench {
    /// Whether it is to be over soon.
    pub(crate) quick: bool,
    /// Only work with one of these words is done, if there are any.
    pub(crate) words: Vec<String>,
    pub(crate) results: Results,
}

/// Does something so many times, and says how long it took.
type Sample<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

struct Contestant<'a> {
    name: String,
    /// How many operations one time is.
    operations: f64,
    sample: Sample<'a>,
}

/// One kind of work to be measured.
pub(crate) struct Work<'a> {
    row: Row,
    contestants: Vec<Contestant<'a>>,
    aims: Vec<Aim>,
    /// How long a sample takes, beside those of other work.
    stretch: u32,
    /// How many samples there are at most: fewer than of other work, if they take long.
    pub(crate) rounds: usize,
}

/// The contestant that all this is about.
pub(crate) const OURS: &str = "virtnet";

impl<'a> Work<'a> {
    pub(crate) fn new(work: &str, unit: Unit) -> Self {
        let row = Row { work: work.to_owned(), unit, chart: false, values: Vec::new() };
        Self { row, contestants: Vec::new(), aims: Vec::new(), stretch: 1, rounds: 31 }
    }

    /// The chart shows it.
    pub(crate) fn chart(mut self) -> Self {
        self.row.chart = true;
        self
    }

    /// Its samples take longer than others, as what they are about does.
    pub(crate) fn stretch(mut self, factor: u32) -> Self {
        self.stretch = factor;
        self
    }

    pub(crate) fn add(&mut self, name: &str, sample: impl FnMut(u64) -> Duration + 'a) {
        self.add_many(name, 1, sample);
    }

    /// Adds a contestant that does so many operations at a time.
    pub(crate) fn add_many(&mut self, name: &str, operations: u32, sample: impl FnMut(u64) -> Duration + 'a) {
        let (name, operations) = (name.to_owned(), f64::from(operations));
        self.contestants.push(Contestant { name, operations, sample: Box::new(sample) });
    }

    /// What the first needs is to be at most `bound` times what the second does.
    pub(crate) fn at_most(&mut self, bound: f64, this: &str, peer: &str) {
        self.aim(this, Against::Peer(peer.to_owned()), false, bound);
    }

    /// The first is to do at least `bound` times as much in the same time as the second.
    pub(crate) fn at_least(&mut self, bound: f64, this: &str, peer: &str) {
        self.aim(this, Against::Peer(peer.to_owned()), true, bound);
    }

    /// What it needs is to be at most `bound` of units that are `divisor` large.
    pub(crate) fn below(&mut self, bound: f64, unit: &str, divisor: f64, this: &str) {
        self.aim(this, Against::Itself { divisor, unit: unit.to_owned() }, false, bound);
    }

    fn aim(&mut self, this: &str, against: Against, rate: bool, bound: f64) {
        self.aims.push(Aim { this: this.to_owned(), against, rate, bound });
    }
}

impl Bench {
    /// Whether this work is asked for.
    pub(crate) fn wants(&self, work: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| work.contains(word.as_str()))
    }

    /// Measures all contestants.
    pub(crate) fn run(&mut self, mut work: Work<'_>) {
        if !self.wants(&work.row.work) {
            return;
        }
        let (rounds, target) =
            if self.quick { (15, Duration::from_millis(5)) } else { (31, Duration::from_millis(20)) };
        let (rounds, target) = (rounds.min(work.rounds), target * work.stretch);
        let times: Vec<_> = work.contestants.iter_mut().map(|contestant| calibrate(contestant, target)).collect();
        let mut samples = vec![Vec::with_capacity(rounds); times.len()];
        for round in 0..rounds {
            // Nobody always comes after the same.
            for turn in 0..times.len() {
                let at = (turn + round) % times.len();
                let contestant = &mut work.contestants[at];
                let took = (contestant.sample)(times[at]).as_nanos() as f64;
                samples[at].push(took / (times[at] as f64 * contestant.operations));
            }
        }
        let names = work.contestants.iter().map(|contestant| contestant.name.as_str());
        self.note(work.row, &names.zip(samples).collect::<Vec<_>>(), work.aims);
    }

    /// Keeps what was measured, a list of samples for each contestant.
    pub(crate) fn note(&mut self, mut row: Row, samples: &[(&str, Vec<f64>)], aims: Vec<Aim>) {
        row.values = samples.iter().map(|(name, samples)| value(name, samples)).collect();
        report::print_row(&row);
        let find = |name: &str| samples.iter().find(|(other, _)| *other == name).map(|(_, samples)| samples);
        for aim in aims {
            let Some(this) = find(&aim.this) else { continue };
            let ratios: Vec<f64> = match &aim.against {
                Against::Itself { divisor, .. } => this.iter().map(|sample| sample / divisor).collect(),
                Against::Peer(peer) => {
                    let Some(peer) = find(peer) else { continue };
                    let pairs = this.iter().zip(peer);
                    pairs.map(|(this, peer)| if aim.rate { peer / this } else { this / peer }).collect()
                }
            };
            let Value { low, median: ratio, high, .. } = value("", &ratios);
            self.results.goals.push(Goal { work: row.work.clone(), aim, low, ratio, high });
        }
        self.results.rows.push(row);
    }

    /// Keeps what is counted and not sampled.
    pub(crate) fn count(&mut self, work: Work<'_>, counts: &[(&str, f64)]) {
        let samples: Vec<_> = counts.iter().map(|(name, count)| (*name, vec![*count])).collect();
        self.note(work.row, &samples, work.aims);
    }
}

/// How many times to do it for a sample to take so long. It is warm then, too.
fn calibrate(contestant: &mut Contestant<'_>, target: Duration) -> u64 {
    let mut times = 1;
    loop {
        let start = Instant::now();
        let took = (contestant.sample)(times);
        if took * 4 >= target || start.elapsed() >= target * 4 {
            let fitting = times as f64 * target.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return (fitting as u64).clamp(1, times * 8);
        }
        times *= 4;
    }
}

/// The median and the quartiles.
pub(crate) fn value(name: &str, samples: &[f64]) -> Value {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Three digits after the point say enough.
    let at = |part: f64| (sorted[((sorted.len() - 1) as f64 * part).round() as usize] * 1e3).round() / 1e3;
    Value { name: name.to_owned(), low: at(0.25), median: at(0.5), high: at(0.75) }
}
