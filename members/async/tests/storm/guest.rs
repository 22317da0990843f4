//! A task in a storm.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use virtnet::pipenet::{Conn, NetHandle};
use virtnet::{Error, ErrorKind, Host};

use super::rng::Rng;
use super::stream::{Receiver, Sender};
use super::worker::{Alarm, cause, is_strict};
use super::world::{Node, Tally, World};

/// A task in a storm.
pub(crate) struct Guest {
    world: Arc<World<NetHandle>>,
    number: usize,
    rng: Rng,
    tally: Tally,
}

impl Guest {
    pub(crate) fn new(world: Arc<World<NetHandle>>, number: usize, rng: Rng) -> Self {
        Self { world, number, rng, tally: Tally::default() }
    }

    /// Runs until the storm is over; returns the count of each operation.
    pub(crate) async fn run(mut self) -> Tally {
        let world = self.world.clone();
        let alarm = Alarm::new(&world, self.number);
        while !world.stopped() {
            if self.rng.once_in(2) {
                self.serve().await
            } else {
                self.dial().await
            }
            tokio::task::yield_now().await;
        }
        drop(alarm);
        self.tally
    }

    fn at(&mut self, doing: &'static str) {
        self.world.watch.at(self.number, Some(doing));
        self.tally.count(doing);
    }

    fn limit(&mut self) -> Duration {
        Duration::from_micros(self.rng.below(1500))
    }

    /// Listens, and accepts for a while.
    async fn serve(&mut self) {
        self.at("task listens");
        let node = self.world.node(&mut self.rng);
        let port = [0, 100, 101][self.rng.below(3) as usize];
        let listener = match node.host.listen(port) {
            Ok(listener) => Arc::new(listener),
            Err(error) => return self.world.expect(&error, "listen", Some(&node), &[ErrorKind::AddrInUse]),
        };
        self.world.listeners.put(&listener);
        for _ in 0..self.rng.below(10) {
            if self.world.stopped() {
                return;
            }
            self.at("task accepts");
            let accepted = if self.rng.once_in(2) {
                match timeout(self.limit(), listener.accept()).await {
                    Ok(accepted) => accepted,
                    Err(_) => continue,
                }
            } else {
                listener.accept().await
            };
            match accepted {
                Ok(conn) => self.talk(conn, &node, listener.local_addr().port(), true).await,
                Err(error) => return self.world.expect(&error, "accept", Some(&node), &[ErrorKind::SocketDown]),
            }
        }
    }

    /// Dials, and sometimes drops the dial.
    async fn dial(&mut self) {
        self.at("task dials");
        let node = self.world.node(&mut self.rng);
        let Some(addr) = self.world.listeners.any(&mut self.rng).map(|listener| listener.local_addr()) else { return };
        let dial = dial(node.host.clone(), addr);
        let dialled = match self.rng.below(4) {
            0 => timeout(self.limit(), dial).await.ok(),
            1 => {
                let task = tokio::spawn(dial);
                tokio::task::yield_now().await;
                task.abort();
                task.await.ok()
            }
            _ => Some(dial.await),
        };
        match dialled {
            Some(Ok(conn)) => self.talk(conn, &node, addr.port(), false).await,
            Some(Err(error)) => {
                self.world.expect(&error, "dial", Some(&node), &[ErrorKind::ConnectionRefused, ErrorKind::BacklogFull]);
            }
            None => self.tally.count("task gave up"),
        }
    }

    /// Moves bytes by the protocol of the port, as the threads do.
    async fn talk(&mut self, conn: Conn, node: &Node<NetHandle>, port: u16, serves: bool) {
        let conn = Arc::new(conn);
        if self.rng.once_in(2) {
            self.world.conns.put(&conn);
        }
        let world = self.world.clone();
        let line = Line { world: &world, node, conn: &conn };
        let (own, peer) = (conn.local_addr(), conn.peer_addr());
        let (sender, mut receiver) = (world.ledger.send(own, peer), world.ledger.receive(peer, own));
        let len = self.rng.below(5000);
        match (is_strict(port), serves) {
            (true, true) => {
                self.at("task answers");
                line.read_to_end(&mut receiver).await;
                line.write_all(&sender, len).await;
            }
            (true, false) => {
                self.at("task asks");
                let ask = async {
                    line.write_all(&sender, len).await;
                    line.close_write().await;
                };
                tokio::join!(ask, line.read_to_end(&mut receiver));
            }
            (false, _) => self.ramble(&line, sender, receiver).await,
        }
    }

    /// Reads and writes in any order, never for long, and stops at any time.
    async fn ramble(&mut self, line: &Line<'_>, sender: Sender<'_>, mut receiver: Receiver<'_>) {
        let (mut sender, mut ended) = (Some(sender), false);
        for _ in 0..self.rng.below(30) {
            self.at("task rambles");
            let limit = self.limit();
            match self.rng.below(16) {
                0..8 => ended |= timeout(limit, line.read(&mut receiver)).await == Ok(false),
                8..15 => {
                    let (len, Some(sending)) = (1 + self.rng.below(400), &sender) else { continue };
                    match timeout(limit, line.write(sending, len)).await {
                        Ok(Some(_)) => {}
                        Ok(None) => sender = None,
                        // The peer may have received the bytes.
                        Err(_) if line.world.rendezvous => {
                            sender.take().into_iter().for_each(|sender| sender.perhaps_sent(len as usize));
                        }
                        Err(_) => {}
                    }
                }
                _ => {
                    line.close_write().await;
                    sender = None;
                }
            }
            if ended && sender.is_none() {
                break;
            }
        }
    }
}

/// A dial that can be spawned.
async fn dial(host: Host<NetHandle>, addr: virtnet::Addr) -> Result<Conn, Error> {
    host.dial(addr).await
}

/// One end of a connection.
struct Line<'a> {
    world: &'a World<NetHandle>,
    node: &'a Node<NetHandle>,
    conn: &'a Conn,
}

impl Line<'_> {
    /// Reads; returns whether more bytes may arrive.
    async fn read(&self, receiver: &mut Receiver<'_>) -> bool {
        let mut buf = [0; 300];
        match { self.conn }.read(&mut buf).await {
            Ok(0) => receiver.ended(),
            Ok(count) => {
                receiver.received(&buf[..count]);
                return true;
            }
            Err(error) => self.expect(&error, "read", &[ErrorKind::SocketDown, ErrorKind::ConnectionReset]),
        }
        false
    }

    async fn read_to_end(&self, receiver: &mut Receiver<'_>) {
        while self.read(receiver).await {}
    }

    /// Writes up to `len` bytes; returns how many, if writing is possible.
    async fn write(&self, sender: &Sender<'_>, len: u64) -> Option<u64> {
        match { self.conn }.write(&sender.next(len)).await {
            Ok(count) => {
                sender.sent(count);
                Some(count as u64)
            }
            Err(error) => {
                let kinds = [ErrorKind::BrokenPipe, ErrorKind::SocketDown, ErrorKind::ConnectionReset];
                self.expect(&error, "write", &kinds);
                None
            }
        }
    }

    async fn write_all(&self, sender: &Sender<'_>, mut len: u64) {
        while len > 0 {
            let Some(count) = self.write(sender, len).await else { return };
            len -= count;
        }
    }

    async fn close_write(&self) {
        if let Err(error) = { self.conn }.shutdown().await {
            self.expect(&error, "close write", &[ErrorKind::SocketDown]);
        }
    }

    fn expect(&self, error: &std::io::Error, doing: &str, kinds: &[ErrorKind]) {
        self.world.expect(cause(error), doing, Some(self.node), kinds);
    }
}
