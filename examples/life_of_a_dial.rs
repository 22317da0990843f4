//! The life of a dial: the calls and their arguments, and the ports in use meanwhile.
//!
//! The engine, the registry and the notifier between them and the listener belong to this program, and print each of
//! their calls. They move no bytes (`custom_engine` does): this example shows how a connection is established, or
//! fails. Run it: `cargo run --example life_of_a_dial`.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use virtnet::table::Heap;
use virtnet::{
    Accept, Addr, Cause, Engine, Error, NetRefExt as _, Notifier, Registry, RegistryError, RegistryReason, Shutdown,
    SubNetwork,
};

type Host = virtnet::Host<Arc<SubNetwork<Wires, Names, Heap<End>>>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let net = Arc::new(SubNetwork::new("n", Wires, Names::default(), Heap::new()));
    note("# Two hosts");
    let (a, b) = (net.new_host("a").wait()?, net.new_host("b").wait()?);
    dial_that_is_accepted(&a, &b)?;
    dials_that_fail(&a, &b);
    dial_that_is_withdrawn(&a, &b)?;
    note("# The end");
    net.close().wait()?;

    let noted = NOTES.lock().unwrap().join("\n");
    assert_eq!(noted.trim(), EXPECTED.trim());
    Ok(())
}

fn dial_that_is_accepted(a: &Host, b: &Host) -> Result<(), Error> {
    note("# A dial that is accepted");
    let listener = a.listen(":7")?;
    let mut dial = pin!(b.dial("a:7"));
    note("b: dial a:7");
    assert!(dial.as_mut().try_wait().is_none());
    note_ports("the dial has its source port, and waits at the listener", a, b);
    note("a: accept at :7");
    assert!(listener.try_accept().is_err());
    note_ports("the connection has a port of its own over there", a, b);
    note("b: dial goes on");
    let dialled = dial.try_wait().expect("the listener has taken it")?;
    let accepted = listener.try_accept()?;
    note(&format!("b: {} -> {}", dialled.local_addr(), dialled.peer_addr()));
    note(&format!("a: {} <- {}", accepted.local_addr(), accepted.peer_addr()));
    note("b: close");
    drop(dialled);
    note_ports("one end has freed its port, the other has not", a, b);
    note("a: close");
    drop((accepted, listener));
    note_ports("all is as it was", a, b);
    Ok(())
}

fn dials_that_fail(a: &Host, b: &Host) {
    note("# Dials that fail");
    for addr in ["a", "c:7", "a:7"] {
        let error = b.dial(addr).wait().expect_err("nobody is there");
        note(&format!("b: {error}"));
    }
    note_ports("the source ports are free", a, b);
}

fn dial_that_is_withdrawn(a: &Host, b: &Host) -> Result<(), Error> {
    note("# A dial that is withdrawn");
    let listener = a.listen(":7")?;
    {
        let mut dial = pin!(b.dial("a:7"));
        assert!(dial.as_mut().try_wait().is_none());
        note_ports("the dial waits", a, b);
    }
    note_ports("it is gone", a, b);
    let error = listener.try_accept().expect_err("nobody dials");
    note(&format!("a: {error}"));
    Ok(())
}

const EXPECTED: &str = r#"
# Two hosts
engine: new host "a"
  registry: announce "a" with "data of a"
engine: new host "b"
  registry: announce "b" with "data of b"
# A dial that is accepted
b: dial a:7
  registry: query "a"
  engine: dial b:1 -> a:7 with "data of a"
    notifier: accept b:1 -> a:7, Far end
= the dial has its source port, and waits at the listener: a has 2 sockets, free from :1; b has 1, free from :2
a: accept at :7
= the connection has a port of its own over there: a has 2 sockets, free from :2; b has 1, free from :2
b: dial goes on
    notifier: a listener has reserved a:1
    notifier: acknowledged
  engine: connected, Near end
b: b:1 -> a:1
a: a:1 <- b:1
b: close
  engine: shut down Near end: CloseOrReset
  engine: release Near end
= one end has freed its port, the other has not: a has 2 sockets, free from :2; b has 0, free from :1
a: close
  engine: shut down Far end: CloseOrReset
  engine: release Far end
= all is as it was: a has 0 sockets, free from :1; b has 0, free from :1
# Dials that fail
b: dial n b:1: address a: missing port in address
  registry: query "c"
b: dial n b:1->c:7: names: query ["c"]: no such host
  registry: query "a"
  engine: dial b:1 -> a:7 with "data of a"
    notifier: accept b:1 -> a:7, Far end
  engine: shut down Far end: CloseOrReset
  engine: release Far end
    notifier: connection refused
b: dial n b:1->a:7: connection refused
= the source ports are free: a has 0 sockets, free from :1; b has 0, free from :1
# A dial that is withdrawn
  registry: query "a"
  engine: dial b:1 -> a:7 with "data of a"
    notifier: accept b:1 -> a:7, Far end
= the dial waits: a has 2 sockets, free from :1; b has 1, free from :2
  engine: shut down Far end: CloseOrReset
  engine: release Far end
= it is gone: a has 1 sockets, free from :1; b has 0, free from :1
a: accept n a:7: would block
# The end
engine: close
  registry: close
"#;

/// The engine. Its wires are imaginary.
struct Wires;

/// One end of a wire.
#[derive(Clone, Copy, Debug)]
enum End {
    Near,
    Far,
}

impl Engine for Wires {
    type Link = End;
    type Data = String;

    async fn new_host<R: Registry<Data = String>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        note(&format!("engine: new host {host:?}"));
        Ok(registry.announce(host, format!("data of {host}")).await?)
    }

    async fn dial<N: Notifier<Link = End>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: String,
        notifier: &N,
    ) -> Result<(End, Addr), Cause> {
        note(&format!("  engine: dial {src} -> {dst} with {data:?}"));
        let accept = Noting(notifier).accept(src, dst, End::Far).await?;
        let peer = accept.local_addr();
        accept.acknowledge()?;
        note(&format!("  engine: connected, {:?} end", End::Near));
        Ok((End::Near, peer))
    }

    fn poll_read(&self, _: &End, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Cause>> {
        Poll::Ready(Ok(0))
    }

    fn poll_peek(&self, _: &End, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Cause>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write(&self, _: &End, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Cause>> {
        Poll::Ready(Err(Cause::BrokenPipe))
    }

    fn poll_writable(&self, _: &End, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn shutdown(&self, end: &End, how: Shutdown) -> bool {
        note(&format!("  engine: shut down {end:?} end: {how:?}"));
        false
    }

    fn release(&self, end: &End) {
        note(&format!("  engine: release {end:?} end"));
    }

    async fn close(&self) -> Result<(), Cause> {
        note("engine: close");
        Ok(())
    }
}

/// The registry.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Registry for Names {
    type Data = String;

    async fn announce(&self, host: &str, data: String) -> Result<(), RegistryError> {
        note(&format!("  registry: announce {host:?} with {data:?}"));
        if self.0.lock().unwrap().insert(host.into()) {
            Ok(())
        } else {
            Err(RegistryError::announce("names", host, &data, RegistryReason::HostExists))
        }
    }

    async fn query(&self, host: &str) -> Result<String, RegistryError> {
        note(&format!("  registry: query {host:?}"));
        if self.0.lock().unwrap().contains(host) {
            Ok(format!("data of {host}"))
        } else {
            Err(RegistryError::query("names", host, RegistryReason::NoSuchHost))
        }
    }

    async fn close(&self) -> Result<(), Cause> {
        note("  registry: close");
        Ok(())
    }
}

/// A notifier that prints its calls, and passes them to the network's notifier.
struct Noting<T>(T);

impl<N: Notifier<Link = End>> Notifier for Noting<&N> {
    type Link = End;
    type Accept = Noting<N::Accept>;

    async fn accept(&self, src: &Addr, dst: &Addr, end: End) -> Result<Noting<N::Accept>, Cause> {
        note(&format!("    notifier: accept {src} -> {dst}, {end:?} end"));
        let accept = self.0.accept(src, dst, end).await.inspect_err(|cause| note(&format!("    notifier: {cause}")))?;
        note(&format!("    notifier: a listener has reserved {}", accept.local_addr()));
        Ok(Noting(accept))
    }

    async fn connect(&self, src: &Addr, dst: &Addr, end: End) -> Result<Addr, Cause> {
        self.0.connect(src, dst, end).await
    }

    async fn down(&self, cause: Cause) {
        self.0.down(cause).await;
    }
}

impl<A: Accept> Accept for Noting<A> {
    fn local_addr(&self) -> Addr {
        self.0.local_addr()
    }

    fn acknowledge(self) -> Result<(), Cause> {
        note("    notifier: acknowledged");
        self.0.acknowledge()
    }

    fn refuse(self) {
        self.0.refuse();
    }
}

/// All notes, to check at the end.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(line: &str) {
    println!("{line}");
    NOTES.lock().unwrap().push(line.into());
}

/// Notes how many sockets the hosts have, and the lowest free port.
fn note_ports(what: &str, a: &Host, b: &Host) {
    let (of_a, of_b) = (a.sockets(), b.sockets());
    let free = |host: &Host| host.listen("").expect("a port is free").local_addr().port();
    let (free_a, free_b) = (free(a), free(b));
    note(&format!("= {what}: a has {of_a} sockets, free from :{free_a}; b has {of_b}, free from :{free_b}"));
}
