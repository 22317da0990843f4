//! Bridges on tokio.
//!
//! One task accepts, and owns the tasks of the connections. It ends when the bridge drops its `stop`: it closes the
//! listener, cancels the other tasks and waits for them. A cancelled task aborts its connection as it drops it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::vec;
use std::vec::Vec;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::runtime::Handle;
use ::tokio::sync::{oneshot, watch};
use ::tokio::task::JoinSet;

use super::guarded::Guarded;
use super::tally::{Counts, Retry, Tally};
use super::{BUFFER, LIMIT, destination};
use crate::addr::Addr;
use crate::addr::to_addr::ToAddr;
use crate::contract::networker::{NetListener, NetStream, Networker};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};

/// A bridge on tokio: carries each connection of a listener to an address of another network; see the
/// [module](crate::bridge). It has one task, and one more for each connection.
///
/// Dropping it stops it without waiting: its tasks end as soon as the runtime runs them, and so does
/// [`stop`](TokioBridge::stop).
pub struct TokioBridge {
    local: Addr,
    tally: Arc<Mutex<Tally>>,
    /// Dropped to stop the bridge.
    stop: Mutex<Option<oneshot::Sender<()>>>,
    /// Closed when all tasks have ended.
    running: watch::Receiver<()>,
}

impl TokioBridge {
    /// Starts a bridge from a listener to the address `to`, which `host` dials for each connection. At most 1024
    /// connections are open at a time; see [`start_with_limit`](TokioBridge::start_with_limit).
    ///
    /// # Errors
    ///
    /// A malformed address, or `not within a tokio runtime`. The listener is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tokio::net::TcpStream;
    /// use virtnet::bridge::TokioBridge;
    /// use virtnet::{Networker, TokioTcp, pipenet};
    ///
    /// let net = pipenet::Network::new("t");
    /// let web = net.host("web")?.listen(":80")?;
    /// let server = tokio::spawn(async move { web.accept().await?.write_all(b"hi").await });
    ///
    /// let listener = TokioTcp::new("127.0.0.1")?.listen("")?;
    /// let bridge = TokioBridge::start(listener, net.host("gateway")?, "web:80")?;
    /// let mut conn = TcpStream::connect(bridge.local_addr().to_string()).await?;
    /// let mut text = String::new();
    /// conn.read_to_string(&mut text).await?;
    /// assert_eq!(text, "hi");
    /// bridge.stop().await;
    /// assert_eq!((bridge.counts().open, bridge.counts().total), (0, 1));
    /// # server.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start<L, N>(listener: L, host: N, to: impl ToAddr) -> Result<Self, Error>
    where
        L: NetListener<Conn: NetStream + AsyncRead + AsyncWrite + Unpin + 'static> + 'static,
        N: Networker<Conn: AsyncRead + AsyncWrite + Unpin + 'static> + 'static,
    {
        Self::start_with_limit(LIMIT, listener, host, to)
    }

    /// Starts a bridge with at most `limit` open connections, at least one. Beyond that, clients wait in the listener's
    /// backlog until a connection closes.
    ///
    /// # Errors
    ///
    /// Those of [`start`](TokioBridge::start).
    pub fn start_with_limit<L, N>(limit: usize, listener: L, host: N, to: impl ToAddr) -> Result<Self, Error>
    where
        L: NetListener<Conn: NetStream + AsyncRead + AsyncWrite + Unpin + 'static> + 'static,
        N: Networker<Conn: AsyncRead + AsyncWrite + Unpin + 'static> + 'static,
    {
        let to = destination(&host, to)?;
        let local = listener.local_addr();
        let no_runtime = Cause::backend(&"not within a tokio runtime");
        let failed = |_| Error::new(Operation::Accept, local.network_name(), None, Some(local), no_runtime);
        let runtime = Handle::try_current().map_err(failed)?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = oneshot::channel();
        let (runs, running) = watch::channel(());
        let carrier = Arc::new(Carrier { tally: tally.clone(), host, to });
        runtime.spawn(async move {
            accept_all(carrier, limit.max(1), listener, stopped).await;
            drop(runs);
        });
        Ok(Self { local, tally, stop: Mutex::new(Some(stop)), running })
    }

    /// The address of the listener.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.local
    }

    /// The number of connections.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.tally).counts
    }

    /// The error of the dial or accept that failed last.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        lock(&self.tally).last_error
    }

    /// Closes the listener, aborts all connections, and waits until the tasks of the bridge have ended. Stopping it
    /// again does nothing.
    ///
    /// # Cancel safety
    ///
    /// The first poll stops the bridge. Dropping the future after that only ends the waiting.
    pub async fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        // It ends with an error, as no value is ever sent.
        let _ = self.running.clone().changed().await;
    }
}

impl fmt::Debug for TokioBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokioBridge({} {:?})", self.local, self.counts())
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts until the listener is closed or the bridge stops, and carries each connection in a task of its own. Returns
/// when these have ended.
async fn accept_all<L, N>(carrier: Arc<Carrier<N>>, limit: usize, listener: L, mut stopped: oneshot::Receiver<()>)
where
    L: NetListener<Conn: NetStream + AsyncRead + AsyncWrite + Unpin + 'static>,
    N: Networker<Conn: AsyncRead + AsyncWrite + Unpin + 'static> + 'static,
{
    let mut tasks = JoinSet::new();
    // How many connections may be open for the next accept.
    let mut most = limit;
    loop {
        let next = {
            let mut accept = pin!(listener.accept());
            poll_fn(|cx| {
                if Pin::new(&mut stopped).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
                if tasks.len() < most { accept.as_mut().poll(cx).map(Some) } else { Poll::Pending }
            })
            .await
        };
        most = limit;
        match next {
            Some(Ok(near)) => {
                tasks.spawn(carrier.clone().carry(Guarded::new(near), CountedConn::new(&carrier.tally)));
            }
            Some(Err(error)) => {
                let retry = lock(&carrier.tally).accept_failed(error);
                match retry {
                    Retry::Now => {}
                    Retry::OnceClosed => most = tasks.len(),
                    Retry::Never => break,
                }
            }
            None => {
                drop(listener);
                return tasks.shutdown().await;
            }
        }
    }
    drop(listener);
    // The accepts have ended, the connections go on until they end or the bridge stops.
    poll_fn(|cx| {
        if Pin::new(&mut stopped).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while ready!(tasks.poll_join_next(cx)).is_some() {}
        Poll::Ready(())
    })
    .await;
    tasks.shutdown().await;
}

/// An open connection. Dropping it counts it as closed, so it is dropped after the sockets.
struct CountedConn(Arc<Mutex<Tally>>);

impl CountedConn {
    fn new(tally: &Arc<Mutex<Tally>>) -> Self {
        lock(tally).accepted();
        Self(tally.clone())
    }
}

impl Drop for CountedConn {
    fn drop(&mut self) {
        lock(&self.0).closed();
    }
}

/// What the tasks of a bridge share.
struct Carrier<N> {
    tally: Arc<Mutex<Tally>>,
    host: N,
    to: Addr,
}

impl<N: Networker<Conn: AsyncRead + AsyncWrite + Unpin>> Carrier<N> {
    /// Dials the far side, and copies in both directions until both streams have ended.
    async fn carry<A>(self: Arc<Self>, near: Guarded<A>, opened: CountedConn)
    where
        A: NetStream + AsyncRead + AsyncWrite + Unpin,
    {
        // Dropped in the opposite order, as what is counted as closed has to be.
        let _opened = opened;
        let mut near = near;
        let mut far = match self.host.dial(self.to).await {
            Ok(far) => Guarded::new(far),
            Err(error) => return lock(&self.tally).failed(error),
        };
        let (mut up, mut down) = (Direction::new(), Direction::new());
        let reset = poll_fn(|cx| {
            // Both are polled, as the one that ends may end the other.
            let up = up.poll(cx, &mut near.conn, &mut far.conn);
            let down = down.poll(cx, &mut far.conn, &mut near.conn);
            match (up, down) {
                (Poll::Ready(End::SourceReset), _) | (_, Poll::Ready(End::SourceReset)) => Poll::Ready(true),
                (Poll::Ready(up), Poll::Ready(down)) => Poll::Ready([up, down].contains(&End::TargetReset)),
                _ => Poll::Pending,
            }
        })
        .await;
        if !reset {
            near.set_ended();
            far.set_ended();
        }
    }
}

/// One direction of a connection.
struct Direction {
    buf: Vec<u8>,
    /// The bytes of `buf` that were read and have not been written.
    start: usize,
    end: usize,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    Copying,
    /// The stream has ended, and the one at the other side is about to be ended.
    Closing,
    Ended(End),
}

/// How a direction has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The stream has ended, or the peer at the other side no longer reads.
    Stream,
    /// The connection to read from was reset, or is down. Nothing can be written to it either.
    SourceReset,
    /// The connection to write to was reset, or is down. There may be bytes left to read from it.
    TargetReset,
}

impl Direction {
    fn new() -> Self {
        Self { buf: vec![0; BUFFER], start: 0, end: 0, phase: Phase::Copying }
    }

    /// Copies until the stream has ended; see the module of bridges for what it passes on.
    fn poll<S, D>(&mut self, cx: &mut Context<'_>, from: &mut S, to: &mut D) -> Poll<End>
    where
        S: NetStream + AsyncRead + Unpin,
        D: AsyncWrite + Unpin,
    {
        loop {
            self.phase = match self.phase {
                Phase::Copying if self.start == self.end => match ready!(self.poll_fill(cx, from, to)) {
                    Ok(()) if self.end == 0 => Phase::Closing,
                    Ok(()) => Phase::Copying,
                    Err(()) => Phase::Ended(End::SourceReset),
                },
                Phase::Copying => match ready!(Pin::new(&mut *to).poll_write(cx, &self.buf[self.start..self.end])) {
                    Ok(count) if count > 0 => {
                        self.start += count;
                        Phase::Copying
                    }
                    outcome => {
                        // The other direction may still have bytes to read from `to`, and ends with that end's stream.
                        let _ = from.close_read();
                        let reset = outcome.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe);
                        Phase::Ended(if reset { End::TargetReset } else { End::Stream })
                    }
                },
                Phase::Closing => {
                    // It fails only if that end is down, and then there is no peer to tell.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    Phase::Ended(End::Stream)
                }
                Phase::Ended(end) => return Poll::Ready(end),
            }
        }
    }

    /// Reads into the empty buffer. Until there are bytes, it flushes those that were written.
    fn poll_fill<S: AsyncRead + Unpin, D: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut S,
        to: &mut D,
    ) -> Poll<Result<(), ()>> {
        let mut buf = ReadBuf::new(&mut self.buf);
        match Pin::new(from).poll_read(cx, &mut buf) {
            Poll::Ready(outcome) => {
                (self.start, self.end) = (0, buf.filled().len());
                Poll::Ready(outcome.map_err(drop))
            }
            Poll::Pending => {
                // If it fails, so does the next write.
                let _ = Pin::new(to).poll_flush(cx);
                Poll::Pending
            }
        }
    }
}
