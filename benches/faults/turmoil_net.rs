//! turmoil-net: its network belongs to a thread, so each contestant has one, whose fixture moves the time by ticks of a
//! millisecond.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::time;
use turmoil_net::fixture::ClientServer;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
use turmoil_net::{KernelConfig, Latency, Verdict};

use crate::machine::Stopwatch;
use crate::plan::{self, Host, Plan, Shared};

struct TurmoilNet;

impl Host for TurmoilNet {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen(&self) -> TcpListener {
        TcpListener::bind("0.0.0.0:80").await.expect("a free port")
    }

    async fn accept(&self, listener: &TcpListener) -> TcpStream {
        listener.accept().await.expect("another host connects").0
    }

    async fn dial(&self, number: usize) -> io::Result<TcpStream> {
        TcpStream::connect((name(number).as_str(), 80)).await
    }

    async fn sleep(&self, length: Duration) {
        time::sleep(length).await;
    }

    fn partition_and_repair(&self) {
        let [from, to] = ["host-0", "host-1"].map(|name| turmoil_net::lookup_host(name).expect("it was made"));
        drop(turmoil_net::rule(
            move |packet: &turmoil_net::Packet| {
                if packet.src == from && packet.dst == to { Verdict::Drop } else { Verdict::Pass }
            },
        ));
    }
}

fn name(number: usize) -> String {
    format!("host-{number}")
}

/// Carries a plan out.
pub(crate) fn start(plan: &Plan) -> impl FnMut(u64) -> Duration + use<> {
    let (plan, (ask, asked), (answer, answered)) = (plan.clone(), mpsc::channel::<u64>(), mpsc::channel());
    // It ends when nothing can be asked any more.
    thread::spawn(move || {
        let ((mut asker, jobs), shared) = (plan::jobs(), Shared::default());
        // By default a packet is sent again after three ticks without an answer, however long the latency is.
        let mut fixture = ClientServer::with_config(KernelConfig::default().retx_threshold(1_000));
        for number in 1..plan.hosts {
            let (plan, shared) = (plan.clone(), shared.clone());
            let follow = async move { plan.follow(TurmoilNet, number, shared).await };
            fixture = fixture.server(name(number).as_str(), follow);
        }
        fixture.run("host-0", async move {
            if !plan.latency.is_zero() {
                turmoil_net::rule(Latency::fixed(plan.latency)).forget();
            }
            let answers = async {
                while let Ok(times) = asked.recv() {
                    let start = Stopwatch::of_thread();
                    asker.ask(times);
                    asker.done().await;
                    if answer.send(start.elapsed()).is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = answers => (),
                () = plan.lead(TurmoilNet, shared, jobs) => (),
            }
        });
    });
    move |times| {
        ask.send(times).expect("the thread is there");
        answered.recv().expect("the thread does not panic")
    }
}
