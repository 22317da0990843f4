//! The operating system's TCP as a [`Networker`], for threads.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::access::{Access, Close};
use super::{NETWORK, os_addr, os_cause};
use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::addr::to_addr::ToAddr;
use crate::contract::networker::{NetListener, NetStream, Networker};
use crate::error::cause::Cause;
use crate::error::close::CloseError;
use crate::error::{Error, Operation};
use crate::wait::{OnTimeout, Op};

/// The operating system's TCP at one of its IP addresses, as a [`Networker`]. Its name is the IP address, and its
/// network is `tcp`. Clones are the same access point.
///
/// At `0.0.0.0` or `::` it listens at all addresses of the machine. A dialled host may be a name of at most 63 bytes,
/// which the operating system resolves. An error of the operating system without a matching
/// [`ErrorKind`](crate::ErrorKind) becomes a `Backend` error with its text.
///
/// A poll of a dial or an accept makes the system call and blocks in it, so use [`Op::wait`], not an executor.
/// [`Op::wait_timeout`] waits for as long: the system call cannot be interrupted, and its outcome is returned however late
/// it comes. An accept ends when its listener or the access point is closed, a dial when the operating system gives up.
/// [`AsRef`] of a connection gives access to std's timeouts of reads and writes.
#[derive(Clone)]
pub struct Tcp {
    access: Arc<Access>,
}

impl Tcp {
    /// TCP at an IP address of this machine, such as `127.0.0.1` or `::1`.
    ///
    /// # Errors
    ///
    /// `invalid host name` if `ip` is not an IP address.
    pub fn new(ip: &str) -> Result<Self, Error> {
        Ok(Self { access: Arc::new(Access::new(ip)?) })
    }

    fn connect(&self, addr: &Addr) -> Result<TcpConn, Cause> {
        self.access.check_up()?;
        TcpConn::new(TcpStream::connect((addr.host(), addr.port())).map_err(os_cause)?, &self.access)
    }
}

impl Networker for Tcp {
    type Conn = TcpConn;
    type Listener = TcpListener;

    fn network_name(&self) -> &str {
        NETWORK
    }

    fn name(&self) -> HostName {
        self.access.name
    }

    fn dial(&self, addr: impl ToAddr + Send) -> Op<impl OnTimeout<Output = Result<TcpConn, Error>> + Send> {
        Op::new(SystemCall(move || {
            let failed = |addr, cause| Error::new(Operation::Dial, NETWORK, None, addr, cause);
            let addr = self.access.resolve(&addr).map_err(|error| failed(None, error.into()))?;
            self.connect(&addr).map_err(|cause| failed(Some(addr), cause))
        }))
    }

    fn listen(&self, addr: impl ToAddr) -> Result<TcpListener, Error> {
        self.access.listen(&addr, |addr| {
            let listener = net::TcpListener::bind(addr).map_err(os_cause)?;
            let addr = listener.local_addr().map_err(os_cause)?;
            let socket = Arc::new(ListenerSocket { listener: Mutex::new(Some(Arc::new(listener))), addr });
            self.access.keep(&socket)?;
            Ok(TcpListener { socket, access: self.access.clone() })
        })
    }

    fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send> {
        Op::new(SystemCall(|| {
            self.access.close();
            Ok(())
        }))
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tcp({})", self.access.name)
    }
}

/// A listener of [`Tcp`]. Dropping it closes it.
pub struct TcpListener {
    socket: Arc<ListenerSocket>,
    access: Arc<Access>,
}

/// Invariant: closing the socket ends every accept that blocks in the system call.
///
/// Closing takes `listener`, but an accept that has cloned it already may be blocked, or block later. If there is a
/// clone, the close connects to the listener once ([`nudge`](Self::nudge)). An accept that returns from the system call
/// checks `listener` again: if it was taken, the accept drops its connection, nudges the next accept, and fails.
struct ListenerSocket {
    /// `None` once the socket is closed. A pending accept keeps a clone until it ends.
    listener: Mutex<Option<Arc<net::TcpListener>>>,
    addr: SocketAddr,
}

impl ListenerSocket {
    fn listener(&self) -> Option<Arc<net::TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn accept(&self, access: &Access) -> Result<TcpConn, Cause> {
        let down = || access.check_up().err().unwrap_or(Cause::SocketDown);
        let listener = self.listener().ok_or_else(down)?;
        let (stream, _) = listener.accept().map_err(os_cause)?;
        if self.listener().is_some() {
            return TcpConn::new(stream, access);
        }
        self.nudge(listener);
        Err(down())
    }

    /// Ends one other accept that blocks at the closed listener, by connecting to the listener. The accept drops that
    /// connection.
    fn nudge(&self, listener: Arc<net::TcpListener>) {
        let ip = match self.addr.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        if Arc::strong_count(&listener) > 1 {
            drop(TcpStream::connect((ip, self.addr.port())));
        }
    }
}

impl Close for ListenerSocket {
    fn close(&self) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            self.nudge(listener);
        }
    }
}

impl NetListener for TcpListener {
    type Conn = TcpConn;

    fn accept(&self) -> Op<impl OnTimeout<Output = Result<TcpConn, Error>> + Send> {
        Op::new(SystemCall(|| {
            let failed = |cause| Error::new(Operation::Accept, NETWORK, None, Some(self.local_addr()), cause);
            self.socket.accept(&self.access).map_err(failed)
        }))
    }

    fn local_addr(&self) -> Addr {
        os_addr(self.socket.addr)
    }

    fn close(&self) {
        self.socket.close();
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpListener({})", self.local_addr())
    }
}

/// A connection of [`Tcp`]. [`AsRef`] returns the stream of the standard library.
pub struct TcpConn {
    stream: Arc<TcpStream>,
    local: Addr,
    peer: Addr,
}

impl TcpConn {
    fn new(stream: TcpStream, access: &Access) -> Result<Self, Cause> {
        let (local, peer) = (stream.local_addr().map_err(os_cause)?, stream.peer_addr().map_err(os_cause)?);
        let stream = Arc::new(stream);
        access.keep(&stream)?;
        Ok(Self { stream, local: os_addr(local), peer: os_addr(peer) })
    }
}

impl Close for TcpStream {
    fn close(&self) {
        // The shutdown fails only if the connection is already down.
        let _ = self.shutdown(net::Shutdown::Both);
    }
}

impl NetStream for TcpConn {
    fn local_addr(&self) -> Addr {
        self.local
    }

    fn peer_addr(&self) -> Addr {
        self.peer
    }

    fn close_write(&self) -> Result<(), Error> {
        self.shut(net::Shutdown::Write)
    }

    fn close_read(&self) -> Result<(), Error> {
        self.shut(net::Shutdown::Read)
    }
}

impl TcpConn {
    fn shut(&self, how: net::Shutdown) -> Result<(), Error> {
        let failed =
            |error| Error::new(Operation::Shutdown, NETWORK, Some(self.local), Some(self.peer), os_cause(error));
        self.stream.shutdown(how).map_err(failed)
    }
}

impl AsRef<TcpStream> for TcpConn {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl Read for &TcpConn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self.stream).read_vectored(bufs)
    }
}

impl Write for &TcpConn {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.stream).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.stream).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

impl Read for TcpConn {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.stream).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self.stream).read_vectored(bufs)
    }
}

impl Write for TcpConn {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.stream).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.stream).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

impl fmt::Debug for TcpConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpConn({}->{})", self.local, self.peer)
    }
}

/// An operation whose poll blocks until the operation is complete, so that it never reaches a timeout.
struct SystemCall<F>(F);

impl<F> Unpin for SystemCall<F> {}

impl<T, F: FnMut() -> T> Future for SystemCall<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready((self.0)())
    }
}

impl<T, F: FnMut() -> T> OnTimeout for SystemCall<F> {
    fn expire(mut self: Pin<&mut Self>, _: &Waker) -> Self::Output {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{self, JoinHandle};
    use std::time::Duration;
    use std::vec::Vec;

    use super::*;
    use crate::error::kind::ErrorKind;

    /// The time limit of a test, in case that an accept is never woken.
    const LIMIT: Duration = Duration::from_secs(60);

    type Accepting = JoinHandle<Result<(), ErrorKind>>;

    /// A listener with threads that have entered its accept: each is blocked in the system call, or is about to be.
    fn with_accepts<const N: usize>(timeout: Duration) -> (Arc<TcpListener>, [Accepting; N]) {
        let listener = Arc::new(Tcp::new("127.0.0.1").expect("an IP address").listen("").expect("a free port"));
        let accepts = [(); N].map(|()| {
            let listener = listener.clone();
            thread::spawn(move || listener.accept().wait_timeout(timeout).map(drop).map_err(|error| error.kind()))
        });
        let entered = || listener.socket.listener().map_or(0, |listener| Arc::strong_count(&listener) - 2);
        while entered() < N && !accepts.iter().any(JoinHandle::is_finished) {
            thread::yield_now();
        }
        (listener, accepts)
    }

    /// The outcomes of the accepts, within the time limit.
    fn outcomes<const N: usize>(accepts: [Accepting; N]) -> Vec<Result<(), ErrorKind>> {
        let (ended, outcomes) = mpsc::channel();
        for accept in accepts {
            let ended = ended.clone();
            thread::spawn(move || ended.send(accept.join().expect("an accept does not panic")));
        }
        (0..N).map(|_| outcomes.recv_timeout(LIMIT).expect("the accept ends")).collect()
    }

    #[test]
    fn closing_a_listener_wakes_two_threads_that_accept() {
        let (listener, accepts) = with_accepts::<2>(Duration::MAX);
        NetListener::close(&*listener);
        assert_eq!(outcomes(accepts), [Err(ErrorKind::SocketDown); 2]);
    }

    #[test]
    fn an_accept_outlasts_its_timeout() {
        let (listener, accepts) = with_accepts::<1>(Duration::ZERO);
        let _dialled = TcpStream::connect(listener.socket.addr).expect("the listener is open");
        assert_eq!(outcomes(accepts), [Ok(())]);
    }
}
