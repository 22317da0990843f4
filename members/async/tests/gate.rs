//! A check that decides the order of tasks.

use tokio::runtime::{Builder, Runtime};
use virtnet::pipenet::Network;
use virtnet::trace::Trace;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Two tasks that dial, in the order of `turns`, and a third that accepts.
async fn race(turns: [&'static str; 2]) -> Outcome {
    let trace = Trace::new();
    let net = Network::builder("t").layer(trace.clone()).build()?;
    let listener = net.host("a")?.listen(":10")?;
    let b = net.host("b")?;
    let mut gate = trace.gate().by_actor();
    let dials = ["x", "y"].map(|name| {
        let (b, trace) = (b.clone(), trace.clone());
        tokio::spawn(async move {
            trace.name_actor(name);
            b.dial("a:10").await.map(|conn| conn.local_addr().port())
        })
    });
    let server = tokio::spawn({
        let trace = trace.clone();
        async move {
            trace.name_actor("server");
            // Both ends stay open until both dials are done.
            Ok::<_, virtnet::Error>([listener.accept().await?, listener.accept().await?])
        }
    });
    gate.expect(turns[0], "dial b:1->a:10").await?;
    gate.expect(turns[1], "dial b:2->a:10").await?;
    gate.expect("server", "accept a:10: a:1<-b:1").await?;
    gate.expect("server", "accept a:10: a:2<-b:2").await?;
    gate.open();
    for (name, dial) in ["x", "y"].into_iter().zip(dials) {
        assert_eq!(dial.await??, if name == turns[0] { 1 } else { 2 });
    }
    server.await??;
    Ok(())
}

fn races(runtime: &Runtime) -> Outcome {
    runtime.block_on(async {
        for _ in 0..1_000 {
            race(["x", "y"]).await?;
            race(["y", "x"]).await?;
        }
        Ok(())
    })
}

#[test]
fn the_gate_decides_the_order_of_tasks_on_one_thread() -> Outcome {
    races(&Builder::new_current_thread().enable_time().build()?)
}

#[test]
fn the_gate_decides_the_order_of_tasks_on_two_threads() -> Outcome {
    races(&Builder::new_multi_thread().worker_threads(2).enable_time().build()?)
}

#[test]
fn a_runtime_is_never_held() -> Outcome {
    let trace = Trace::new();
    let net = Network::builder("t").layer(trace.clone()).build()?;
    let a = net.host("a")?;
    // Made by a thread of its own, so that no other thread is free because of it.
    let made = std::thread::spawn(move || trace.gate().hold_threads(true).by_actor());
    let mut gate = made.join().map_err(|_| "no panic")?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    runtime.block_on(async {
        drop(a.listen(":1")?);
        let task = tokio::spawn({
            let a = a.clone();
            async move { a.listen(":2").map(drop) }
        });
        task.await??;
        // A thread that runs no tasks is held.
        let thread = std::thread::spawn(move || a.listen(":3").map(|listener| listener.close()));
        gate.skip("#1", "*");
        gate.skip("#2", "*");
        gate.expect("#3", "listen a:3").await?;
        gate.expect("#3", "close a:3").await?;
        gate.end()?;
        thread.join().map_err(|_| "no panic")??;
        Ok(())
    })
}
