//! A `Networker` around another one: it counts the dials, and logs how each of them ends.
//!
//! The functions that use it are written for any `Networker`, so they do not notice it.
//!
//! ```sh
//! cargo run --example decorator
//! ```

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::thread;

use virtnet::{
    CloseError, Error, HostName, NetListener as _, NetStream as _, Networker, OnTimeout, Op, ToAddr, pipenet,
};

/// Counts and logs the dials of `inner`.
struct Logged<S> {
    inner: S,
    log: Mutex<Log>,
}

#[derive(Debug, Default, PartialEq)]
struct Log {
    /// The dials that were started.
    dials: usize,
    /// How those that are done have ended.
    lines: Vec<String>,
}

impl<S: Networker> Logged<S> {
    fn new(inner: S) -> Self {
        Self { inner, log: Mutex::default() }
    }

    fn log<R>(&self, step: impl FnOnce(&mut Log) -> R) -> R {
        step(&mut self.log.lock().expect("no step panics"))
    }

    fn into_log(self) -> Log {
        self.log.into_inner().expect("no step panics")
    }
}

impl<S: Networker> Networker for Logged<S> {
    type Conn = S::Conn;
    type Listener = S::Listener;

    fn network_name(&self) -> &str {
        self.inner.network_name()
    }

    fn name(&self) -> HostName {
        self.inner.name()
    }

    fn dial(&self, addr: impl ToAddr + Send) -> Op<impl OnTimeout<Output = Result<S::Conn, Error>> + Send> {
        self.log(|log| log.dials += 1);
        self.inner.dial(addr).map(|dialled| {
            let line = match &dialled {
                Ok(conn) => format!("{} -> {}", conn.local_addr(), conn.peer_addr()),
                Err(error) => error.to_string(),
            };
            self.log(|log| log.lines.push(line));
            dialled
        })
    }

    fn listen(&self, addr: impl ToAddr) -> Result<S::Listener, Error> {
        self.inner.listen(addr)
    }

    fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send> {
        self.inner.close()
    }
}

/// Asks the server that `listener` is at for its greeting, over any network.
fn greeting<S, C>(listener: &S::Listener, client: &C) -> std::io::Result<String>
where
    S: Networker<Conn: Write>,
    C: Networker<Conn: Read>,
{
    thread::scope(|scope| {
        let serving = scope.spawn(|| listener.accept().wait()?.write_all(b"hi"));
        let mut text = String::new();
        client.dial(listener.local_addr()).wait()?.read_to_string(&mut text)?;
        serving.join().expect("the server does not panic")?;
        Ok(text)
    })
}

pub(crate) fn main() -> Result<(), Box<dyn StdError>> {
    let net = pipenet::Network::new("t");
    let (server, client) = (net.host("a")?, Logged::new(net.host("b")?));
    let listener = server.listen(":10")?;
    assert_eq!(greeting::<pipenet::Host, _>(&listener, &client)?, "hi");
    // A dial that reaches its timeout is logged, too.
    let error = client.dial("a:10").wait_timeout(std::time::Duration::ZERO).map(drop).unwrap_err();
    listener.close();
    let refused = client.dial("a:10").wait().map(drop).unwrap_err();
    client.close().wait()?;

    let log = client.into_log();
    log.lines.iter().for_each(|line| println!("{line}"));
    let lines = vec!["b:1 -> a:1".into(), error.to_string(), refused.to_string()];
    assert_eq!(log, Log { dials: 3, lines });
    assert_eq!(error.to_string(), "dial pipet b:1->a:10: timed out");
    Ok(())
}
