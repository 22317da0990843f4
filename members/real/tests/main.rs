//! Bridges to and from real programs: PostgreSQL and Redis under the names of virtual hosts, and a web server of a virtual
//! host for curl and Chromium.
//!
//! A test whose program is not installed is skipped, and says so. With `VIRTNET_REAL=1`, it fails.

mod database;
mod faults;
mod server;
mod web;

use std::future::Future;
use std::panic;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use virtnet::bridge::TokioBridge;

/// The time limit of a test.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a test as a task of a new runtime, within the time limit.
fn run(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(runtime.block_on(async { tokio::spawn(test).await })));
    match outcome.recv_timeout(LIMIT) {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => panic::resume_unwind(failure.into_panic()),
        Err(_) => panic!("not done after {LIMIT:?}"),
    }
}

/// Waits until all connections of a bridge have closed: libraries drop theirs with a delay. Returns how many there were
/// and how many failed.
async fn all_closed(bridge: &TokioBridge) -> (u64, u64) {
    while bridge.counts().open > 0 {
        tokio::task::yield_now().await;
    }
    (bridge.counts().total, bridge.counts().failed)
}
