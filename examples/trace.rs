//! A small cluster, first in threads and then in tokio tasks, and what happened in it: a leader waits until all followers
//! have joined, and then answers each.
//!
//! The trace of both runs is compared with the same lines. Which follower comes first is not determined, so the
//! comparison is one up to causality: events that the network does not order may stand in either order.
//!
//! ```sh
//! cargo run --example trace --features trace          # in threads
//! cargo run --example trace --features trace,tokio    # and in tasks
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::thread;

use virtnet::trace::Trace;
use virtnet::{Bare, pipenet};

type Layers = (Trace, Bare);
type Host = pipenet::Host<Layers>;
type Listener = pipenet::Listener<Layers>;

/// An accepted connection takes the lowest free port of the leader: the first follower has a:2, whichever it is (`*`).
const EXPECTED: &str = r#"
host a
host b
host c
listen a:1
dial b:1->a:1
dial c:1->a:1
accept a:1: a:2<-*:1
connect *:1->a:1: a:2
write *:1->a:2: 6 "join *"
accept a:1: a:3<-*:1
connect *:1->a:1: a:3
write *:1->a:3: 6 "join *"
drop a:1
write a:2->*:1: 2 "ok"
drop a:2->*:1
read a:2->*:1: end
drop *:1->a:2
write a:3->*:1: 2 "ok"
drop a:3->*:1
read a:3->*:1: end
drop *:1->a:3
"#;

fn main() -> Result<(), Box<dyn Error>> {
    check("threads", in_threads)?;
    #[cfg(feature = "tokio")]
    check("tasks", |listener, followers| {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(in_tasks(listener, followers))
    })?;
    Ok(())
}

/// Runs the cluster, and looks at what happened.
fn check(
    what: &str,
    cluster: impl FnOnce(Listener, [Host; 2]) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let trace = Trace::new();
    let _shown = trace.on_panic();
    let net = pipenet::Network::builder("t").layer(trace.clone()).build()?;
    let [a, b, c] = ["a", "b", "c"].map(|name| net.host(name));
    cluster(a?.listen(":1")?, [b?, c?])?;

    trace.view().same(EXPECTED)?;
    // Questions instead of a sequence.
    let [join, answer] = [trace.one("write c:1->a:*: 6 \"join c\"")?, trace.one("write a:*->b:1: 2 \"ok\"")?];
    assert!(trace.before(join, answer), "the leader answers b after c has joined");
    trace.never("*: connection reset")?;
    println!("in {what}, {} events as expected; those of b:\n{}", trace.count("*"), trace.view().of("b"));
    Ok(())
}

fn in_threads(listener: Listener, followers: [Host; 2]) -> Result<(), Box<dyn Error>> {
    let joining = followers.map(|host| {
        thread::spawn(move || {
            let mut conn = host.dial("a:1").wait()?;
            conn.write_all(format!("join {}", host.name()).as_bytes())?;
            let mut answer = String::new();
            conn.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        })
    });
    let mut joined = Vec::new();
    while joined.len() < joining.len() {
        let mut conn = listener.accept().wait()?;
        conn.read_exact(&mut [0; 6])?;
        joined.push(conn);
    }
    drop(listener);
    for mut conn in joined {
        conn.write_all(b"ok")?;
    }
    for follower in joining {
        assert_eq!(follower.join().expect("no follower panics")?, "ok");
    }
    Ok(())
}

#[cfg(feature = "tokio")]
async fn in_tasks(listener: Listener, followers: [Host; 2]) -> Result<(), Box<dyn Error>> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let joining = followers.map(|host| {
        tokio::spawn(async move {
            let mut conn = host.dial("a:1").await?;
            AsyncWriteExt::write_all(&mut conn, format!("join {}", host.name()).as_bytes()).await?;
            let mut answer = String::new();
            AsyncReadExt::read_to_string(&mut conn, &mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        })
    });
    let mut joined = Vec::new();
    while joined.len() < joining.len() {
        let mut conn = listener.accept().await?;
        AsyncReadExt::read_exact(&mut conn, &mut [0; 6]).await?;
        joined.push(conn);
    }
    drop(listener);
    for mut conn in joined {
        AsyncWriteExt::write_all(&mut conn, b"ok").await?;
    }
    for follower in joining {
        assert_eq!(follower.await??, "ok");
    }
    Ok(())
}
