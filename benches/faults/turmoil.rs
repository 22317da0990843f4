//! turmoil: the program steps the simulation, a tick of all hosts at a time.

use std::io;
use std::time::Duration;

use tokio::time;
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use crate::machine::Stopwatch;
use crate::plan::{self, Asker, Host, MILLISECOND, Plan, Shared};

struct Turmoil;

impl Host for Turmoil {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen(&self) -> TcpListener {
        TcpListener::bind("0.0.0.0:80").await.expect("a free port")
    }

    async fn accept(&self, listener: &TcpListener) -> TcpStream {
        listener.accept().await.expect("another host connects").0
    }

    async fn dial(&self, number: usize) -> io::Result<TcpStream> {
        TcpStream::connect((name(number), 80)).await
    }

    async fn sleep(&self, length: Duration) {
        time::sleep(length).await;
    }

    fn partition_and_repair(&self) {
        turmoil::partition_oneway("host-0", "host-1");
        turmoil::repair_oneway("host-0", "host-1");
    }
}

fn name(number: usize) -> String {
    format!("host-{number}")
}

/// Carries a plan out.
pub(crate) fn start(plan: &Plan) -> impl FnMut(u64) -> Duration + use<> {
    let (mut sim, mut asker) = prepare(plan);
    move |times| {
        let start = Stopwatch::of_thread();
        asker.ask(times);
        while !asker.is_done() {
            step(&mut sim);
        }
        start.elapsed()
    }
}

/// Carries a plan out that does something each second, a fifth of a second at a time.
pub(crate) fn fifths(plan: &Plan) -> impl FnMut(u64) -> Duration + use<> {
    let (mut sim, mut asker) = prepare(plan);
    let ticks = FIFTH.as_millis() / tick(plan.latency).as_millis();
    // Nothing, once host 0 is connected.
    asker.ask(0);
    while !asker.is_done() {
        step(&mut sim);
    }
    asker.ask(u64::MAX);
    move |times| {
        let start = Stopwatch::of_thread();
        for _ in 0..times {
            (0..ticks).for_each(|_| step(&mut sim));
        }
        start.elapsed()
    }
}

/// What `fifths` does at a time.
pub(crate) const FIFTH: Duration = Duration::from_millis(200);

fn prepare(plan: &Plan) -> (Sim<'static>, Asker) {
    let (mut sim, (asker, jobs), shared) = (simulation(plan.latency), plan::jobs(), Shared::default());
    let lead = (plan.clone(), shared.clone());
    sim.client(name(0), async move {
        lead.0.lead(Turmoil, lead.1, jobs).await;
        Ok(())
    });
    for number in 1..plan.hosts {
        let (plan, shared) = (plan.clone(), shared.clone());
        sim.host(name(number), move || {
            let (plan, shared) = (plan.clone(), shared.clone());
            async move {
                plan.follow(Turmoil, number, shared).await;
                Ok(())
            }
        });
    }
    (sim, asker)
}

/// A tick of so many hosts that do nothing.
pub(crate) fn idle(hosts: usize) -> impl FnMut(u64) -> Duration {
    let mut sim = simulation(MILLISECOND);
    for number in 0..hosts {
        sim.host(name(number), std::future::pending);
    }
    move |times| {
        let start = Stopwatch::of_thread();
        (0..times).for_each(|_| step(&mut sim));
        start.elapsed()
    }
}

/// The longest tick in which nothing comes later than the latency says.
fn tick(latency: Duration) -> Duration {
    latency.max(MILLISECOND)
}

fn simulation(latency: Duration) -> Sim<'static> {
    Builder::new()
        .simulation_duration(Duration::MAX)
        .tick_duration(tick(latency))
        .min_message_latency(latency)
        .max_message_latency(latency)
        .rng_seed(1)
        .build()
}

fn step(sim: &mut Sim<'_>) {
    sim.step().expect("no host fails");
}
