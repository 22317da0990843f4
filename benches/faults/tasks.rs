//! virtnet as its peers are used: programs of tasks on a paused runtime, with tokio's traits.

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time;
use virtnet::sim::{Faults, Route};
use virtnet::{Clock, pipenet};

use crate::machine::Stopwatch;
use crate::ours::Layers;
use crate::plan::{self, Host, Plan, Shared};

struct Tasks {
    host: pipenet::Host<Layers>,
    /// From host 0 to host 1.
    route: Route,
}

impl Host for Tasks {
    type Listener = pipenet::Listener<Layers>;
    type Stream = pipenet::Conn<Layers>;

    async fn listen(&self) -> Self::Listener {
        self.host.listen(":80").expect("a free port")
    }

    async fn accept(&self, listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("another host dials")
    }

    async fn dial(&self, number: usize) -> io::Result<Self::Stream> {
        Ok(self.host.dial(format!("host-{number}:80")).await?)
    }

    async fn sleep(&self, length: Duration) {
        time::sleep(length).await;
    }

    fn partition_and_repair(&self) {
        self.route.partition().repair();
    }
}

/// Carries a plan out.
pub(crate) fn start(plan: &Plan) -> impl FnMut(u64) -> Duration + use<> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let tasks = LocalSet::new();
    let ((mut asker, jobs), shared) = (plan::jobs(), Shared::default());
    let faults = Faults::new().clock({
        let _inside = runtime.enter();
        Clock::tokio()
    });
    if !plan.latency.is_zero() {
        faults.all().latency(plan.latency);
    }
    let net = pipenet::Network::builder("t").layer(faults.clone()).build().expect("a valid name");
    let host = |number| Tasks {
        host: net.host(&format!("host-{number}")).expect("a new host"),
        route: faults.oneway("host-0", "host-1"),
    };
    for number in 1..plan.hosts {
        let (plan, shared, host) = (plan.clone(), shared.clone(), host(number));
        tasks.spawn_local(async move { plan.follow(host, number, shared).await });
    }
    let (plan, host) = (plan.clone(), host(0));
    tasks.spawn_local(async move { plan.lead(host, shared, jobs).await });
    move |times| {
        let start = Stopwatch::of_thread();
        asker.ask(times);
        tasks.block_on(&runtime, asker.done());
        start.elapsed()
    }
}
