//! madsim's hosts: a program of its own, as madsim takes a flag of the compiler and replaces functions of libc.
//!
//! `madsim_peer PLAN` reads from each line how many times to do it, and answers with the nanoseconds that it took.

use std::env;
use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use madsim::net::{NetSim, TcpListener, TcpStream};
use madsim::runtime::Runtime;
use madsim::task::NodeId;
use madsim::{Config, time};
use rustix::time::{ClockId, clock_gettime};

use crate::plan::{Host, Plan, Shared};

// Some of what it has is done by other peers only.
#[allow(dead_code)]
#[path = "../plan.rs"]
mod plan;

/// A node, by its number, and the first two.
struct Node(usize, [NodeId; 2]);

impl Host for Node {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen(&self) -> TcpListener {
        TcpListener::bind(address(self.0)).await.expect("a free port")
    }

    async fn accept(&self, listener: &TcpListener) -> TcpStream {
        listener.accept().await.expect("another node connects").0
    }

    async fn dial(&self, number: usize) -> io::Result<TcpStream> {
        TcpStream::connect(address(number)).await
    }

    async fn sleep(&self, length: Duration) {
        time::sleep(length).await;
    }

    fn partition_and_repair(&self) {
        let (net, [from, to]) = (NetSim::current(), self.1);
        net.clog_link(from, to);
        net.unclog_link(from, to);
    }
}

fn address(number: usize) -> SocketAddr {
    let [.., high, low] = (number + 1).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 80))
}

fn main() {
    let name = env::args().nth(1).unwrap_or_default();
    let Some(plan) = plan::ALL.into_iter().find(|plan| plan.name == name) else {
        eprintln!("madsim_peer PLAN; run it by `cargo bench --bench faults`");
        return;
    };
    let mut sample = start(plan);
    for line in io::stdin().lock().lines() {
        let times = line.expect("it is text").parse().expect("a number of times");
        println!("{}", sample(times).as_nanos());
        io::stdout().flush().expect("the benchmark reads it");
    }
}

fn start(plan: Plan) -> impl FnMut(u64) -> Duration {
    let mut config = Config::default();
    // A range that is empty is an error.
    config.net.send_latency = plan.latency..plan.latency + Duration::from_nanos(1);
    let runtime = Runtime::with_seed_and_config(1, config);
    let nodes: Vec<_> = (0..plan.hosts).map(|number| runtime.create_node().ip(address(number).ip()).build()).collect();
    let first = [nodes[0].id(), nodes[1].id()];
    let ((mut asker, jobs), shared) = (plan::jobs(), Shared::default());
    runtime.block_on(async {
        for (number, node) in nodes.iter().enumerate().skip(1) {
            let (plan, shared) = (plan.clone(), shared.clone());
            node.spawn(async move { plan.follow(Node(number, first), number, shared).await });
        }
        nodes[0].spawn(async move { plan.lead(Node(0, first), shared, jobs).await });
    });
    move |times| {
        let start = cpu_time();
        runtime.block_on(async {
            asker.ask(times);
            asker.done().await;
        });
        cpu_time() - start
    }
}

/// How long this thread has computed. madsim's own functions of time are those of the simulation.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
