//! The operating system's TCP on tokio as a [`Networker`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::{self, Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::runtime;
use ::tokio::sync::Notify;
use ::tokio::sync::futures::Notified;
use socket2::SockRef;

use super::access::{Access, Close};
use super::{NETWORK, os_addr, os_cause};
use crate::addr::name::HostName;
use crate::addr::to_addr::ToAddr;
use crate::addr::{Addr, AddrError};
use crate::contract::networker::{NetListener, NetStream, Networker};
use crate::error::cause::Cause;
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
use crate::wait::{Expiring, OnTimeout, Op};

/// The operating system's TCP at one of its IP addresses, on tokio, as a [`Networker`]. Its name is the IP address, and
/// its network is `tcp`. Clones are the same access point.
///
/// Use it within a tokio runtime; outside of one, dial and listen fail.
///
/// # Panics
///
/// Like tokio's sockets, dial and listen panic in a runtime whose I/O is not enabled.
#[derive(Clone)]
pub struct TokioTcp {
    shared: Arc<Shared>,
}

struct Shared {
    access: Access,
    /// Ends pending dials.
    closing: Notify,
}

impl TokioTcp {
    /// TCP at an IP address of this machine, such as `127.0.0.1` or `::1`.
    ///
    /// # Errors
    ///
    /// `invalid host name` if `ip` is not an IP address.
    pub fn new(ip: &str) -> Result<Self, Error> {
        Ok(Self { shared: Arc::new(Shared { access: Access::new(ip)?, closing: Notify::new() }) })
    }

    fn check_up(&self) -> Result<(), Cause> {
        runtime::Handle::try_current().map_err(|_| Cause::backend(&"not within a tokio runtime"))?;
        self.shared.access.check_up()
    }

    fn stream(&self, stream: TcpStream) -> Result<TokioTcpStream, Cause> {
        let local = os_addr(stream.local_addr().map_err(os_cause)?);
        let peer = os_addr(stream.peer_addr().map_err(os_cause)?);
        let stream = Arc::new(stream);
        self.shared.access.keep(&stream)?;
        Ok(TokioTcpStream { stream, local, peer })
    }

    /// Invariant: closing the access point ends a pending dial. The dial registers with `closing` before it checks
    /// whether the access point is closed, so a close between the check and the first poll ends it too. Without the
    /// notification, `closing_loopback_tcp_wakes_a_dial` hangs.
    async fn connect(self, addr: Result<Addr, AddrError>) -> Result<TokioTcpStream, Error> {
        let failed = |addr, cause| Error::new(Operation::Dial, NETWORK, None, addr, cause);
        let addr = addr.map_err(|error| failed(None, error.into()))?;
        let connect = async {
            let mut closing = pin!(self.shared.closing.notified());
            closing.as_mut().enable();
            self.check_up()?;
            let connecting = TcpStream::connect((addr.host(), addr.port()));
            self.stream(unless(closing, connecting).await.ok_or(Cause::HostDown)?.map_err(os_cause)?)
        };
        connect.await.map_err(|cause| failed(Some(addr), cause))
    }

    fn bind(&self, addr: SocketAddr) -> Result<TokioTcpListener, Cause> {
        self.check_up()?;
        let listener = net::TcpListener::bind(addr).map_err(os_cause)?;
        listener.set_nonblocking(true).map_err(os_cause)?;
        let addr = listener.local_addr().map_err(os_cause)?;
        let listener = TcpListener::from_std(listener).map_err(os_cause)?;
        let listener = Mutex::new(Some(Arc::new(listener)));
        let socket = Arc::new(Socket { listener, addr, closing: Notify::new() });
        self.shared.access.keep(&socket)?;
        Ok(TokioTcpListener { socket, access: self.clone() })
    }
}

impl Networker for TokioTcp {
    type Conn = TokioTcpStream;
    type Listener = TokioTcpListener;

    fn network_name(&self) -> &str {
        NETWORK
    }

    fn name(&self) -> HostName {
        self.shared.access.name
    }

    fn dial(&self, addr: impl ToAddr + Send) -> Op<impl OnTimeout<Output = Result<TokioTcpStream, Error>> + Send> {
        let addr = self.shared.access.resolve(&addr);
        let asked = addr.ok();
        Op::new(Expiring {
            future: self.clone().connect(addr),
            expired: move || Err(Error::new(Operation::Dial, NETWORK, None, asked, Cause::TimedOut)),
        })
    }

    fn listen(&self, addr: impl ToAddr) -> Result<TokioTcpListener, Error> {
        self.shared.access.listen(&addr, |addr| self.bind(addr))
    }

    fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send> {
        let shared = self.shared.clone();
        let future = async move {
            shared.access.close();
            shared.closing.notify_waiters();
            Ok(())
        };
        Op::new(Expiring { future, expired: || Ok(()) })
    }
}

impl fmt::Debug for TokioTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokioTcp({})", self.shared.access.name)
    }
}

/// A listener of [`TokioTcp`]. Dropping it closes it.
pub struct TokioTcpListener {
    socket: Arc<Socket>,
    access: TokioTcp,
}

struct Socket {
    /// `None` once the socket is closed. A pending accept keeps a clone until it ends.
    listener: Mutex<Option<Arc<TcpListener>>>,
    addr: SocketAddr,
    closing: Notify,
}

impl Socket {
    async fn accept(&self, access: &TokioTcp) -> Result<TokioTcpStream, Cause> {
        let mut closing = pin!(self.closing.notified());
        closing.as_mut().enable();
        let down = || access.check_up().err().unwrap_or(Cause::SocketDown);
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(down)?;
        // Not `poll_accept`, which wakes only the task that called it last. With it,
        // `each_of_two_accepts_on_loopback_tcp_gets_a_connection` hangs.
        let (stream, _) = unless(closing, listener.accept()).await.ok_or_else(down)?.map_err(os_cause)?;
        access.stream(stream)
    }
}

impl Close for Socket {
    fn close(&self) {
        drop(self.listener.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.closing.notify_waiters();
    }
}

/// The output of `future`, or `None` if `closing` is notified first.
async fn unless<T>(mut closing: Pin<&mut Notified<'_>>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match closing.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}

impl NetListener for TokioTcpListener {
    type Conn = TokioTcpStream;

    fn accept(&self) -> Op<impl OnTimeout<Output = Result<TokioTcpStream, Error>> + Send> {
        let failed = |cause| Error::new(Operation::Accept, NETWORK, None, Some(self.local_addr()), cause);
        let future = async move { self.socket.accept(&self.access).await.map_err(failed) };
        Op::new(Expiring { future, expired: move || Err(failed(Cause::TimedOut)) })
    }

    fn local_addr(&self) -> Addr {
        os_addr(self.socket.addr)
    }

    fn close(&self) {
        self.socket.close();
    }
}

impl fmt::Debug for TokioTcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokioTcpListener({})", self.local_addr())
    }
}

/// A connection of [`TokioTcp`]. [`AsRef`] returns the stream of tokio.
pub struct TokioTcpStream {
    stream: Arc<TcpStream>,
    local: Addr,
    peer: Addr,
}

impl Close for TcpStream {
    fn close(&self) {
        // The shutdown fails only if the connection is already down.
        let _ = SockRef::from(self).shutdown(Shutdown::Both);
    }
}

impl NetStream for TokioTcpStream {
    fn local_addr(&self) -> Addr {
        self.local
    }

    fn peer_addr(&self) -> Addr {
        self.peer
    }

    fn close_write(&self) -> Result<(), Error> {
        self.shut(Shutdown::Write)
    }

    fn close_read(&self) -> Result<(), Error> {
        self.shut(Shutdown::Read)
    }

    /// The operating system sends the reset when the stream is dropped: after a shutdown, it would first send the end.
    fn abort(&self) {
        // It fails only if the connection is already down.
        let _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl TokioTcpStream {
    fn shut(&self, how: Shutdown) -> Result<(), Error> {
        let failed =
            |error| Error::new(Operation::Shutdown, NETWORK, Some(self.local), Some(self.peer), os_cause(error));
        SockRef::from(&*self.stream).shutdown(how).map_err(failed)
    }
}

impl AsRef<TcpStream> for TokioTcpStream {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for TokioTcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            // Unlike `try_read`, it does not initialize the buffer.
            match self.stream.try_read_buf(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome.map(|_| ())),
            }
        }
    }
}

impl AsyncWrite for TokioTcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write_vectored(bufs) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.close_write().map_err(io::Error::from))
    }
}

impl fmt::Debug for TokioTcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokioTcpStream({}->{})", self.local, self.peer)
    }
}
