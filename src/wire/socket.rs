//! Sockets of the operating system that are registered at the reactor.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Instant;

use mio::Token;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::wait::block::sleeper::{is_parking, set_far};
use crate::wait::waker::{is_noop, noop_waker};
use crate::wire::Driven;
use crate::wire::line::MAX_LINE;
use crate::wire::link::{Link, Stream, retried};
use crate::wire::own::{self, Source};
use crate::wire::reactor::Shared;
use crate::wire::ready::Ready;
use crate::wire::room::{Place, Room};
use crate::wire::swept::Swept;
use crate::wire::watched::Watched;

/// What the sockets of a network have in common.
pub(crate) struct Common {
    pub(crate) shared: Arc<Shared>,
    /// The size of each buffer of the system, unless it decides.
    pub(crate) buffer: Option<usize>,
    /// How long the peer of a closed connection may take to read what was written.
    pub(crate) linger: Duration,
    /// Closed sockets whose peers still read.
    pub(crate) draining: Arc<Room>,
    /// Those of them that the reactor does not watch yet.
    pub(crate) closed: Swept<Closed>,
    /// Accepted sockets whose request has not come.
    pub(crate) unfinished: Arc<Room>,
    /// How many sockets are open.
    pub(crate) open: AtomicUsize,
}

/// A connected socket.
pub(crate) struct Socket {
    stream: TcpStream,
    /// By which token the reactor watches it.
    watched: Watched<Token>,
    /// Whether the driver of a runtime watches it.
    driven: Driven,
    ready: Arc<Ready>,
    common: Arc<Common>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, common: &Arc<Common>) -> io::Result<Arc<Self>> {
        common.open.fetch_add(1, Ordering::Relaxed);
        let (watched, ready) = (Watched::new(), Arc::new(Ready::new()));
        let driven = Driven::new(&ready);
        let socket = Self { stream, watched, driven, ready, common: common.clone() };
        socket.stream.set_nodelay(true)?;
        if let Some(bytes) = common.buffer {
            let options = SockRef::from(&socket.stream);
            options.set_send_buffer_size(bytes)?;
            options.set_recv_buffer_size(bytes)?;
        }
        Ok(Arc::new(socket))
    }

    /// Connects to a listener of the system.
    pub(crate) async fn connect(addr: SocketAddr, common: &Arc<Common>) -> io::Result<Arc<Self>> {
        let socket = Self::new(TcpStream::connect(addr)?, common)?;
        // On Linux, a write waits for the connection, and is told why there is none.
        if cfg!(not(target_os = "linux")) {
            poll_fn(|cx| socket.poll_write(cx.waker(), || socket.connected())).await?;
        }
        Ok(socket)
    }

    /// Whether it is connected to itself: its own port happens to be the one at which no socket listens any more.
    pub(crate) fn is_own_peer(&self) -> bool {
        self.stream.local_addr().is_ok_and(|local| self.stream.peer_addr().is_ok_and(|peer| peer == local))
    }

    /// Whether the connection is established.
    fn connected(&self) -> Poll<io::Result<()>> {
        let Err(unconnected) = self.stream.peer_addr() else { return Poll::Ready(Ok(())) };
        match self.stream.take_error() {
            Ok(None) if unconnected.kind() == ErrorKind::NotConnected => Poll::Pending,
            Ok(None) => Poll::Ready(Err(unconnected)),
            Ok(Some(error)) | Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Makes attempts to read until one has an outcome, or has the task of `waker` woken.
    fn poll_read<R>(
        self: &Arc<Self>,
        waker: &Waker,
        attempt: impl FnMut() -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let outcome = self.ready.read.poll(waker, attempt);
        self.settled(outcome, waker)
    }

    /// Makes attempts to write until one has an outcome, or has the task of `waker` woken.
    fn poll_write<R>(
        self: &Arc<Self>,
        waker: &Waker,
        attempt: impl FnMut() -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let outcome = self.ready.write.poll(waker, attempt);
        self.settled(outcome, waker)
    }

    fn settled<R>(self: &Arc<Self>, outcome: Poll<io::Result<R>>, waker: &Waker) -> Poll<io::Result<R>> {
        if outcome.is_pending()
            && let Err(error) = self.watch(waker)
        {
            return Poll::Ready(Err(error));
        }
        outcome
    }

    /// Has the reactor watch it.
    fn attach(&self) -> io::Result<()> {
        self.watched.attach(|| self.common.shared.register(self.fd(), &self.ready))
    }

    /// It is watched for the task of `waker`: the reactor need not, unless another task waits, too.
    fn detach(&self, waker: &Waker) {
        self.watched.detach(&self.ready, waker, |token| self.common.shared.unregister(self.fd(), token));
    }

    /// Reads a line, and nothing behind it. A line that is too long ends where it became so.
    pub(crate) async fn read_line(self: &Arc<Self>) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        poll_fn(|cx| self.poll_read(cx.waker(), || self.read_more(&mut line))).await?;
        Ok(line)
    }

    fn read_more(&self, line: &mut Vec<u8>) -> Poll<io::Result<()>> {
        let mut buf = [0; MAX_LINE];
        loop {
            let room = &mut buf[..MAX_LINE - line.len()];
            let got = match retried(|| self.stream.peek(room)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let end = room[..got].iter().position(|&byte| byte == b'\n');
            let part = &mut room[..end.map_or(got, |end| end + 1)];
            // These bytes are there, and no other task reads.
            match retried(|| (&self.stream).read(part)) {
                Ok(read) => line.extend(&part[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if line.ends_with(b"\n") || line.len() == MAX_LINE {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(self: &Arc<Self>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut attempt = || match retried(|| (&self.stream).write(bytes)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
                outcome => Poll::Ready(outcome),
            };
            let count = poll_fn(|cx| self.poll_write(cx.waker(), &mut attempt)).await?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ready once the peer is gone, in both directions. A peer that only writes no more is not.
    pub(crate) fn poll_gone(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_gone = || {
            let reset = matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() != ErrorKind::WouldBlock && error.kind() != ErrorKind::Interrupted);
            if reset || self.ready.is_gone() { Poll::Ready(Ok(())) } else { Poll::Pending }
        };
        self.poll_read(cx.waker(), is_gone).map(drop)
    }

    /// Reads and drops what arrives. Ready at the end of the stream.
    fn poll_drained(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let drain = || if self.ready.is_cut() { Poll::Ready(Ok(())) } else { self.drain(cx) };
        self.poll_read(cx.waker(), drain).map(drop)
    }

    fn is_drained(self: &Arc<Self>) -> bool {
        self.poll_drained(&mut Context::from_waker(noop_waker())).is_ready()
    }

    fn drain(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut buf = [0; DRAINED];
        for _ in 0..DRAINS {
            match retried(|| (&self.stream).read(&mut buf)) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                Ok(0) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
        // Others have a turn, too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A closed socket whose peer has not closed its own end yet.
pub(crate) struct Closed {
    socket: Arc<Socket>,
    /// When it is given up.
    deadline: Instant,
    _place: Place,
}

impl Closed {
    /// Waits for the peer.
    async fn drained(self) {
        let shared = &self.socket.common.shared;
        let _: Option<()> = shared.until(self.deadline, poll_fn(|cx| self.socket.poll_drained(cx))).await;
    }
}

/// Most peers close their ends soon. So a closed socket is looked at when the next ones are closed, and the reactor has
/// nothing to do with it, unless the peer takes its time.
impl Common {
    /// Looks at the socket that has been closed for longest.
    fn sweep(&self) {
        drop(self.closed.pop_if(|closed| closed.socket.is_drained()));
    }

    /// Has the reactor watch the closed sockets, until there are none.
    async fn sweep_all(self: Arc<Self>) {
        loop {
            self.shared.sleep(SWEEP).await;
            let Some(closed) = self.closed.take_all() else { return };
            for closed in closed.into_iter().filter(|closed| !closed.socket.is_drained()) {
                self.shared.spawn(closed.drained());
            }
        }
    }
}

impl Source for Socket {
    fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }
}

impl Stream for Socket {
    #[inline]
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.stream).read(buf)
    }

    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buf)
    }

    #[inline]
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        (&self.stream).write(buf)
    }

    fn watch(self: &Arc<Self>, waker: &Waker) -> io::Result<()> {
        if is_noop(waker) {
            return Ok(());
        }
        let source: Arc<dyn Source> = self.clone();
        if is_parking(waker) && own::watch(&source, self.common.shared.queues()) {
            self.detach(waker);
            self.driven.leave(waker);
            return Ok(());
        }
        if self.driven.watch(self.fd(), waker) {
            self.detach(waker);
            return Ok(());
        }
        set_far();
        self.attach()
    }

    fn look(&self) {
        if !self.driven.is_current() && !self.watched.is_attached() {
            own::look(self);
        }
    }

    fn shut_write(&self) {
        // It fails if the connection is over already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn reset(self: Arc<Self>) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// The system would reset the connection at the next byte from the peer, and drop what the peer has not read. So the
    /// socket lives until the peer has closed its end, or for a while.
    fn finish(self: Arc<Self>) {
        self.shut_write();
        let is_over = self.is_drained();
        let common = self.common.clone();
        common.sweep();
        if is_over {
            return;
        }
        let deadline = Instant::now() + common.linger;
        let place = common.draining.enter(self.ready.clone());
        let closed = Closed { socket: self, deadline, _place: place };
        if common.linger < SWEEP {
            common.shared.spawn(closed.drained());
        } else if common.closed.push(closed) && !common.shared.spawn(common.clone().sweep_all()) {
            drop(common.closed.take_all());
        }
    }

    fn discard(link: Link<Self>) {
        let Some(common) = link.socket().map(|socket| socket.common.clone()) else { return };
        common.shared.spawn(poll_fn(move |cx| link.poll_discard(cx.waker())));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.driven.end();
        self.watched.end().into_iter().for_each(|token| self.common.shared.deregister(token));
        self.common.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a closed socket waits for the next look at it.
const SWEEP: Duration = Duration::from_millis(10);
/// How many bytes are dropped at once.
const DRAINED: usize = 4096;
/// How often, before another task has its turn.
const DRAINS: usize = 64;
