//! What the hosts of a simulation do, written once for all of them. Also a module of the program of `members/madsim_peer`.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// A host of a simulation, as a program on it sees it.
pub(crate) trait Host {
    type Listener;
    type Stream: AsyncRead + AsyncWrite + Unpin;

    async fn listen(&self) -> Self::Listener;
    async fn accept(&self, listener: &Self::Listener) -> Self::Stream;
    /// Connects to the listener of the host of that number.
    async fn dial(&self, number: usize) -> io::Result<Self::Stream>;
    async fn sleep(&self, length: Duration);
    /// Stops what goes from host 0 to host 1, and lets it pass again.
    fn partition_and_repair(&self);
}

/// What is done, in a network of so many hosts, between any two of which there is a latency.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) hosts: usize,
    pub(crate) latency: Duration,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    /// So many bytes there and back.
    RoundTrips(usize),
    /// Connects, accepts, and closes both ends.
    Dials,
    /// Nothing, for so long.
    Idle(Duration),
    /// 64 bytes a millisecond.
    Deliveries,
    /// A second in which each host writes to its neighbours.
    Heartbeats,
    /// Two hosts sleep in turn, twice.
    Sleeps,
    /// A direction that has so many connections is cut and repaired.
    Partitions(usize),
}

const fn plan(name: &'static str, hosts: usize, latency: Duration, act: Act) -> Plan {
    Plan { name, hosts, latency, act }
}

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// The hosts that send heartbeats, and how many others each sends them to.
pub(crate) const CROWD: usize = 500;
pub(crate) const NEIGHBOURS: usize = 8;
pub(crate) const HEARTBEAT_LATENCY: Duration = Duration::from_millis(20);
/// The bytes of a short message, and of a long one.
pub(crate) const SHORT: usize = 64;
pub(crate) const LONG: usize = 16 << 10;
/// How many connections there are in a direction that is cut.
pub(crate) const CONNECTIONS: usize = 1_000;

pub(crate) const ROUND_TRIPS: Plan = plan("round-trips", 2, Duration::ZERO, Act::RoundTrips(SHORT));
pub(crate) const LONG_ROUND_TRIPS: Plan = plan("long-round-trips", 2, Duration::ZERO, Act::RoundTrips(LONG));
pub(crate) const DIALS: Plan = plan("dials", 2, Duration::ZERO, Act::Dials);
pub(crate) const IDLE_DAY: Plan = plan("idle-day", 1_000, HEARTBEAT_LATENCY, Act::Idle(DAY));
pub(crate) const IDLE_SECOND: Plan = plan("idle-second", 1_000, HEARTBEAT_LATENCY, Act::Idle(SECOND));
pub(crate) const DELIVERIES: Plan = plan("deliveries", 2, MILLISECOND, Act::Deliveries);
pub(crate) const HEARTBEATS: Plan = plan("heartbeats", CROWD, HEARTBEAT_LATENCY, Act::Heartbeats);
pub(crate) const SLEEPS: Plan = plan("sleeps", 2, Duration::ZERO, Act::Sleeps);
pub(crate) const PARTITIONS: Plan = plan("partitions", 2, Duration::ZERO, Act::Partitions(CONNECTIONS));

pub(crate) const ALL: [Plan; 9] =
    [ROUND_TRIPS, LONG_ROUND_TRIPS, DIALS, IDLE_DAY, IDLE_SECOND, DELIVERIES, HEARTBEATS, SLEEPS, PARTITIONS];

/// How host 0 is asked for more.
pub(crate) struct Jobs {
    asked: UnboundedReceiver<u64>,
    done: UnboundedSender<()>,
    busy: bool,
}

/// Asks for something so many times, and waits for it.
pub(crate) struct Asker {
    ask: UnboundedSender<u64>,
    done: UnboundedReceiver<()>,
}

pub(crate) fn jobs() -> (Asker, Jobs) {
    let ((ask, asked), (tell, done)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    (Asker { ask, done }, Jobs { asked, done: tell, busy: false })
}

impl Asker {
    pub(crate) fn ask(&self, times: u64) {
        self.ask.send(times).expect("host 0 waits for it");
    }

    pub(crate) fn is_done(&mut self) -> bool {
        self.done.try_recv().is_ok()
    }

    pub(crate) async fn done(&mut self) {
        self.done.recv().await.expect("host 0 does not end");
    }
}

impl Jobs {
    /// Reports that the last job is done, and waits for another one.
    async fn next(&mut self) -> u64 {
        if self.busy {
            // Nobody waits for it at the end of all.
            let _ = self.done.send(());
        }
        self.busy = true;
        match self.asked.recv().await {
            Some(times) => times,
            None => pending().await,
        }
    }
}

/// What host 0 and the others share, beside the network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    /// How many messages were read.
    read: Arc<AtomicU64>,
}

impl Plan {
    /// Runs on host 0.
    pub(crate) async fn lead(&self, host: impl Host, shared: Shared, mut jobs: Jobs) {
        match self.act {
            Act::RoundTrips(size) => {
                let (mut stream, from, mut to) = (dial(&host, 1).await, vec![1; size], vec![0; size]);
                loop {
                    for _ in 0..jobs.next().await {
                        write(&mut stream, &from).await;
                        read(&mut stream, &mut to).await;
                    }
                }
            }
            Act::Dials => loop {
                for _ in 0..jobs.next().await {
                    drop(dial(&host, 1).await);
                }
            },
            Act::Idle(length) => loop {
                for _ in 0..jobs.next().await {
                    host.sleep(length).await;
                }
            },
            Act::Deliveries => {
                let (mut stream, mut written) = (dial(&host, 1).await, 0);
                loop {
                    for _ in 0..jobs.next().await {
                        write(&mut stream, &[1; SHORT]).await;
                        written += 1;
                        host.sleep(MILLISECOND).await;
                    }
                    while shared.read.load(Ordering::Relaxed) < written {
                        host.sleep(MILLISECOND).await;
                    }
                }
            }
            Act::Heartbeats => {
                let mut streams = neighbours(&host, 0).await;
                loop {
                    for _ in 0..jobs.next().await {
                        heartbeat(&host, &mut streams).await;
                    }
                }
            }
            Act::Sleeps => loop {
                for _ in 0..jobs.next().await {
                    host.sleep(2 * MILLISECOND).await;
                }
            },
            Act::Partitions(connections) => {
                let mut streams = Vec::with_capacity(connections);
                for _ in 0..connections {
                    streams.push(dial(&host, 1).await);
                }
                loop {
                    for _ in 0..jobs.next().await {
                        host.partition_and_repair();
                    }
                }
            }
        }
    }

    /// Runs on each other host.
    pub(crate) async fn follow(&self, host: impl Host, number: usize, shared: Shared) {
        match self.act {
            Act::RoundTrips(size) => {
                let (mut stream, mut bytes) = (host.accept(&host.listen().await).await, vec![0; size]);
                loop {
                    read(&mut stream, &mut bytes).await;
                    write(&mut stream, &bytes).await;
                }
            }
            Act::Dials => {
                let listener = host.listen().await;
                loop {
                    drop(host.accept(&listener).await);
                }
            }
            Act::Idle(_) => pending().await,
            Act::Deliveries => {
                let mut stream = host.accept(&host.listen().await).await;
                loop {
                    read(&mut stream, &mut [0; SHORT]).await;
                    shared.read.fetch_add(1, Ordering::Relaxed);
                }
            }
            Act::Heartbeats => {
                let mut streams = neighbours(&host, number).await;
                loop {
                    heartbeat(&host, &mut streams).await;
                }
            }
            Act::Sleeps => {
                host.sleep(MILLISECOND).await;
                loop {
                    host.sleep(2 * MILLISECOND).await;
                }
            }
            Act::Partitions(_) => {
                let (listener, mut streams) = (host.listen().await, Vec::new());
                loop {
                    streams.push(host.accept(&listener).await);
                }
            }
        }
    }
}

async fn dial<H: Host>(host: &H, number: usize) -> H::Stream {
    loop {
        // It is refused until the other host listens.
        match host.dial(number).await {
            Ok(stream) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => host.sleep(MILLISECOND).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Connections to the neighbours of a host, and from those that it is a neighbour of.
async fn neighbours<H: Host>(host: &H, number: usize) -> (Vec<H::Stream>, Vec<H::Stream>) {
    let listener = host.listen().await;
    let dials = async {
        let mut streams = Vec::with_capacity(NEIGHBOURS);
        for next in 1..=NEIGHBOURS {
            streams.push(dial(host, (number + next) % CROWD).await);
        }
        streams
    };
    let accepts = async {
        let mut streams = Vec::with_capacity(NEIGHBOURS);
        for _ in 0..NEIGHBOURS {
            streams.push(host.accept(&listener).await);
        }
        streams
    };
    tokio::join!(dials, accepts)
}

async fn heartbeat<H: Host>(host: &H, (to, from): &mut (Vec<H::Stream>, Vec<H::Stream>)) {
    for stream in to {
        write(stream, b"beat").await;
    }
    host.sleep(SECOND).await;
    for stream in from {
        read(stream, &mut [0; 4]).await;
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.expect("the other end reads");
    // Without this, madsim sends nothing.
    stream.flush().await.expect("the other end reads");
}

async fn read(stream: &mut (impl AsyncRead + Unpin), bytes: &mut [u8]) {
    stream.read_exact(bytes).await.expect("the other end writes");
}
