//! Random faults, and what is known of the directions that they are set for.

use std::collections::BTreeMap;
use std::time::Duration;

use virtnet::sim::{Cut, Faults, Limit, Route};

use super::HOSTS;
use crate::random::Random;

/// What is known of each direction.
#[derive(Default)]
pub(super) struct Links(BTreeMap<[usize; 2], Link>);

#[derive(Clone, Copy, Default)]
struct Link {
    least: Duration,
    cut: bool,
    held: bool,
    timeout: bool,
    limit: bool,
    reset: bool,
}

/// A change, and the directions that it is for.
pub(super) struct Change {
    pub(super) name: &'static str,
    ways: Vec<[usize; 2]>,
    resets: bool,
}

impl Change {
    pub(super) const NONE: Self = Self { name: "nothing", ways: Vec::new(), resets: false };

    /// Whether it resets connections with this direction.
    pub(super) fn resets(&self, way: [usize; 2]) -> bool {
        self.resets && self.ways.contains(&way)
    }
}

impl Links {
    fn link(&self, way: [usize; 2]) -> Link {
        self.0.get(&way).copied().unwrap_or_default()
    }

    /// How long what is sent takes at least.
    pub(super) fn least(&self, way: [usize; 2]) -> Duration {
        self.link(way).least
    }

    /// Whether nothing arrives.
    pub(super) fn is_shut(&self, way: [usize; 2]) -> bool {
        let link = self.link(way);
        link.cut || link.held
    }

    /// Whether an end may time out, by bytes that it sends this way; whether the number of these is limited; whether a
    /// reset may come at any time.
    pub(super) fn times_out(&self, way: [usize; 2]) -> bool {
        self.link(way).timeout
    }

    pub(super) fn limits(&self, way: [usize; 2]) -> bool {
        self.link(way).limit
    }

    pub(super) fn resets(&self, way: [usize; 2]) -> bool {
        self.link(way).reset
    }

    /// Makes a random change.
    pub(super) fn change(&mut self, faults: &Faults, [from, to]: [usize; 2], random: &mut Random) -> Change {
        let (a, b) = (HOSTS[from], HOSTS[to]);
        let (route, matches): (Route, &dyn Fn(usize, usize) -> bool) = match random.below(6) {
            0 => (faults.route(a, b), &|x, y| [x, y] == [from, to] || [y, x] == [from, to]),
            1 => (faults.oneway(a, b), &|x, y| [x, y] == [from, to]),
            2 => (faults.to(a), &|_, y| y == from),
            3 => (faults.from(a), &|x, _| x == from),
            4 => (faults.of(a), &|x, y| x == from || y == from),
            _ => (faults.all(), &|_, _| true),
        };
        let all = (0..3).flat_map(|x| (0..3).map(move |y| [x, y]));
        let ways: Vec<[usize; 2]> = all.filter(|&[x, y]| x != y && matches(x, y)).collect();
        let mut links: Vec<Link> = ways.iter().map(|&way| self.link(way)).collect();
        let mut each = |change: &dyn Fn(&mut Link)| links.iter_mut().for_each(change);
        let millis = Duration::from_millis(random.below(400) as u64);
        let on = random.below(2) == 0;
        let mut resets = false;
        let name = match random.below(22) {
            0 | 1 => {
                route.partition();
                each(&|link| link.cut = true);
                "partition"
            }
            2 => {
                route.partition_for(millis);
                "partition for a time"
            }
            3..=5 => {
                route.repair();
                each(&|link| link.cut = false);
                "repair"
            }
            6 => {
                route.hold();
                each(&|link| link.held = true);
                "hold"
            }
            7 | 8 => {
                route.release();
                each(&|link| link.held = false);
                "release"
            }
            9 => {
                route.latency(millis);
                each(&|link| link.least = millis);
                "latency"
            }
            10 => {
                route.latency_between(millis..2 * millis);
                each(&|link| link.least = millis);
                "latency between"
            }
            11 => {
                route.jitter(millis).pair_latency(Duration::ZERO..millis);
                "jitter"
            }
            12 => {
                route.bandwidth([0, 100, 10_000, 1_000_000][random.below(4)]);
                "bandwidth"
            }
            13 => {
                route.loss([0.0, 0.3, 1.0][random.below(3)]);
                "loss"
            }
            14 => {
                route.slow_close(millis).accept_delay(millis);
                "slow close"
            }
            15 => {
                route.slicer(random.below(9) as u32, 3).short_reads(on);
                "slicer"
            }
            16 => {
                match random.below(3) {
                    0 => route.reset_peer(),
                    1 => {
                        each(&|link| link.reset = true);
                        route.reset_after(millis)
                    }
                    _ => {
                        each(&|link| link.cut = false);
                        route.cut(Cut::Reset)
                    }
                };
                resets = true;
                "reset"
            }
            17 => {
                route.refuse(on);
                "refuse"
            }
            18 => {
                route.blackhole(on);
                "blackhole"
            }
            19 => {
                let limit = [Limit::Close, Limit::Reset, Limit::Stall][random.below(3)];
                route.limit_data(on.then_some((random.below(100) as u64, limit)));
                each(&|link| (link.limit, link.reset) = (true, true));
                "limit data"
            }
            20 => {
                route.user_timeout(on.then_some(millis)).connect_timeout(on.then_some(millis));
                each(&|link| link.timeout = true);
                "timeouts"
            }
            _ => {
                route.clear();
                each(&|link| *link = Link { reset: link.reset, ..Link::default() });
                "clear"
            }
        };
        self.0.extend(ways.iter().copied().zip(links));
        Change { name, ways, resets }
    }
}
