//! A custom engine and registry, about as small as they can reasonably be, and two hosts that talk over them.
//!
//! A network consists of an engine, which connects hosts and moves bytes, and a registry, which finds hosts by name.
//! The crate provides the rest: ports, listeners and their queues, closing, and the texts of errors.
//!
//! This engine moves bytes through queues in memory. The queues are unbounded, so a write never has to wait; an engine
//! with bounded queues also keeps the wakers of waiting writers. Run it: `cargo run --example custom_engine`.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use virtnet::table::Heap;
use virtnet::{
    Accept as _, Addr, Cause, Engine, NetRefExt as _, Notifier, Registry, RegistryError, RegistryReason, Shutdown,
    SubNetwork,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let net = Arc::new(SubNetwork::new("queues", Queues, Names::default(), Heap::new()));
    let (a, b) = (net.new_host("a").wait()?, net.new_host("b").wait()?);

    let listener = a.listen(":7")?;
    println!("{} listens", listener.local_addr());
    let server = thread::spawn(move || {
        let mut conn = listener.accept().wait()?;
        let mut request = String::new();
        conn.read_to_string(&mut request)?;
        println!("{} heard {request:?} from {}", conn.local_addr(), conn.peer_addr());
        conn.write_all(request.to_uppercase().as_bytes())
    });

    let mut conn = b.dial("a:7").wait()?;
    println!("{} is connected to {}", conn.local_addr(), conn.peer_addr());
    conn.write_all(b"hello")?;
    conn.close_write()?;
    let mut answer = String::new();
    conn.read_to_string(&mut answer)?;
    println!("{} heard {answer:?} from {}", conn.local_addr(), conn.peer_addr());
    server.join().expect("the server does not panic")?;

    assert_eq!(answer, "HELLO");
    assert_eq!((conn.local_addr().to_string(), conn.peer_addr().to_string()), ("b:1".into(), "a:1".into()));
    drop(conn);
    assert_eq!((a.sockets(), b.sockets()), (0, 0));
    let refused = b.dial("a:7").wait().expect_err("the listener is gone");
    assert_eq!(refused.to_string(), "dial queues b:1->a:7: connection refused");
    let unknown = b.dial("c:7").wait().expect_err("nobody is called c");
    assert_eq!(unknown.to_string(), r#"dial queues b:1->c:7: names: query ["c"]: no such host"#);
    net.close().wait()?;
    println!("{refused}\n{unknown}");
    Ok(())
}

/// The registry: the registered names. All hosts of this network are in one place, so the registry stores no locations.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Registry for Names {
    type Data = ();

    async fn announce(&self, host: &str, (): ()) -> Result<(), RegistryError> {
        if self.0.lock().unwrap().insert(host.into()) {
            Ok(())
        } else {
            Err(RegistryError::announce("names", host, &(), RegistryReason::HostExists))
        }
    }

    async fn query(&self, host: &str) -> Result<(), RegistryError> {
        if self.0.lock().unwrap().contains(host) {
            Ok(())
        } else {
            Err(RegistryError::query("names", host, RegistryReason::NoSuchHost))
        }
    }

    async fn close(&self) -> Result<(), Cause> {
        Ok(())
    }
}

/// The engine. All of its state is in the ends of its connections.
struct Queues;

/// One end of a connection: a queue to write to, and one to read from.
#[derive(Clone, Default)]
struct End {
    outgoing: Arc<Mutex<Queue>>,
    incoming: Arc<Mutex<Queue>>,
}

/// The bytes in one direction.
#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    /// The writer has finished writing.
    ended: bool,
    /// The reader has finished reading, and written bytes are dropped.
    deaf: bool,
    /// The reader is closed.
    closed: bool,
    /// One end has reset the connection.
    reset: bool,
    /// The wakers of tasks that wait for bytes.
    readers: Vec<Waker>,
}

impl Engine for Queues {
    type Link = End;
    type Data = ();

    async fn new_host<R: Registry<Data = ()>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        Ok(registry.announce(host, ()).await?)
    }

    async fn dial<N: Notifier<Link = End>>(
        &self,
        src: &Addr,
        dst: &Addr,
        (): (),
        notifier: &N,
    ) -> Result<(End, Addr), Cause> {
        let near = End::default();
        let far = End { outgoing: near.incoming.clone(), incoming: near.outgoing.clone() };
        // Waits until the listener at `dst` accepts the far end. If that fails or is cancelled, the network closes the
        // far end, and the near end was never visible.
        let accept = notifier.accept(src, dst, far).await?;
        let peer = accept.local_addr();
        // From here on the listener owns the connection, and there is nothing left to wait for.
        accept.acknowledge()?;
        Ok((near, peer))
    }

    fn poll_read(&self, end: &End, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        end.poll_incoming(cx, |bytes| bytes.read(buf))
    }

    fn poll_peek(&self, end: &End, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        end.poll_incoming(cx, |bytes| bytes.as_slices().0.read(buf))
    }

    fn poll_write(&self, end: &End, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let closed = end.incoming.lock().unwrap().closed;
        let mut queue = end.outgoing.lock().unwrap();
        match () {
            () if closed => return Poll::Ready(Err(Cause::SocketDown)),
            () if queue.reset => return Poll::Ready(Err(Cause::ConnectionReset)),
            () if queue.ended || queue.closed => return Poll::Ready(Err(Cause::BrokenPipe)),
            () if queue.deaf => return Poll::Ready(Ok(buf.len())),
            () => queue.bytes.extend(buf),
        }
        let readers = std::mem::take(&mut queue.readers);
        // A woken task may read at once, so it is woken outside of the lock.
        drop(queue);
        readers.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_writable(&self, _: &End, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn cancel_read(&self, end: &End, waker: &Waker) {
        end.incoming.lock().unwrap().readers.retain(|reader| !reader.will_wake(waker));
    }

    fn shutdown(&self, end: &End, how: Shutdown) -> bool {
        if end.incoming.lock().unwrap().closed {
            return false;
        }
        let closes = !matches!(how, Shutdown::Read | Shutdown::Write);
        let mut resets = matches!(how, Shutdown::Reset | Shutdown::Abort);
        if how != Shutdown::Write {
            end.change(&end.incoming, |queue| {
                resets |= how == Shutdown::CloseOrReset && !queue.bytes.is_empty();
                (queue.deaf, queue.closed) = (true, closes);
                queue.reset |= resets;
                queue.bytes.clear();
            });
        }
        if how != Shutdown::Read {
            end.change(&end.outgoing, |queue| (queue.ended, queue.reset) = (true, queue.reset || resets));
        }
        if how == Shutdown::Abort {
            end.change(&end.outgoing, |queue| queue.bytes.clear());
        }
        resets
    }

    fn release(&self, _: &End) {}

    async fn close(&self) -> Result<(), Cause> {
        Ok(())
    }
}

impl End {
    /// Performs an operation on the incoming bytes, or waits for bytes.
    fn poll_incoming(
        &self,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut VecDeque<u8>) -> std::io::Result<usize>,
    ) -> Poll<Result<usize, Cause>> {
        let mut queue = self.incoming.lock().unwrap();
        match () {
            () if queue.closed => Poll::Ready(Err(Cause::SocketDown)),
            () if queue.reset && queue.bytes.is_empty() => Poll::Ready(Err(Cause::ConnectionReset)),
            () if queue.ended || queue.deaf || !queue.bytes.is_empty() => {
                Poll::Ready(step(&mut queue.bytes).map_err(|error| Cause::backend(&error)))
            }
            () => {
                if !queue.readers.iter().any(|reader| reader.will_wake(cx.waker())) {
                    queue.readers.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Changes one of the queues and wakes the tasks that wait for it.
    fn change(&self, queue: &Mutex<Queue>, change: impl FnOnce(&mut Queue)) {
        let mut queue = queue.lock().unwrap();
        change(&mut queue);
        let readers = std::mem::take(&mut queue.readers);
        drop(queue);
        readers.into_iter().for_each(Waker::wake);
    }
}
