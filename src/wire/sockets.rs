//! The engine of networks of several processes.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::addr::Addr;
use crate::addr::name::NetworkName;
use crate::contract::engine::{Engine, LinkStatus, Shutdown};
use crate::contract::notifier::Notifier;
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::wire::handshake::{Failure, accepted, serve};
use crate::wire::line::Request;
use crate::wire::link::{Link, Stream as _};
use crate::wire::listening::{Listening, SocketLink, has_passed};
use crate::wire::own::Source as _;
use crate::wire::porter;
use crate::wire::reactor::{Reactor, Shared, yield_now};
use crate::wire::room::Room;
use crate::wire::socket::{Common, Socket};
use crate::wire::swept::Swept;

/// The engine of a network whose subnetworks reach each other through sockets of the operating system.
///
/// All hosts of the subnetwork are behind one listener of the system.
pub struct Sockets {
    reactor: Reactor,
    listening: Arc<Listening>,
    /// Whether an end that is closed while bytes wait unread at it resets.
    reset_unread: bool,
}

/// Options of the sockets of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    /// The size of each buffer of the system, unless it decides.
    pub(crate) buffer: Option<usize>,
    /// How long the peer of a closed connection may take to read what was written.
    pub(crate) linger: Duration,
    /// Whether an end that is closed while bytes wait unread at it resets.
    pub(crate) reset_unread: bool,
}

impl Sockets {
    /// Listens at a free port of the loopback interface, for the network with this full name.
    pub(crate) fn open(network: NetworkName, options: SocketOptions) -> io::Result<Self> {
        let reactor = Reactor::get()?;
        let SocketOptions { buffer, linger, reset_unread } = options;
        let common = Common {
            shared: reactor.shared().clone(),
            buffer,
            linger,
            draining: Room::new(MOST_DRAINING),
            closed: Swept::new(),
            unfinished: Room::new(MOST_UNFINISHED),
            open: AtomicUsize::new(0),
        };
        let listening = Arc::new(Listening::open(network, common)?);
        Ok(Self { reactor, listening, reset_unread })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.reactor.shared()
    }

    /// How many sockets of the system are open: those of connections, of handshakes, and of closed connections whose
    /// peer still reads.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.listening.common.open.load(Ordering::Relaxed)
    }

    /// Where other subnetworks reach this one: an address of the system.
    #[must_use]
    pub fn addr(&self) -> &str {
        &self.listening.addr
    }

    /// Both ends of a connection that was not dialled, for the conformance suite.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn link_pair(&self) -> io::Result<(SocketLink, SocketLink)> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let near = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        let link = |stream: std::net::TcpStream| {
            stream.set_nonblocking(true)?;
            let socket = Socket::new(mio::net::TcpStream::from_std(stream), &self.listening.common)?;
            let link = Link::vacant(socket.ready().clone());
            // A new link is not closed.
            let _ = link.install(socket);
            Ok::<_, io::Error>(SocketLink(link))
        };
        Ok((link(near)?, link(far)?))
    }

    /// Fails in a process that was forked, in which no thread waits for sockets.
    fn check(&self) -> Result<(), Cause> {
        if self.shared().is_forked() { Err(Cause::backend(&"used after a fork")) } else { Ok(()) }
    }

    async fn connect(&self, src: &Addr, dst: &Addr, data: &str) -> Result<(SocketLink, Addr), Failure> {
        let at = address(data)?;
        let socket = Socket::connect(at, &self.listening.common).await.map_err(|error| Failure::of(at, &error))?;
        let mut dialled = Dialled { socket: Some(socket.clone()) };
        let network = &*self.listening.network;
        let request = Request::line(network, &src.to_string(), &dst.to_string());
        let failed = |error: io::Error| Failure::of(at, &error);
        socket.write_all(&request).await.map_err(failed)?;
        let line = socket.read_line().await.map_err(failed)?;
        if line == request && socket.is_own_peer() {
            return Err(failed(ErrorKind::ConnectionRefused.into()));
        }
        let peer = match accepted(&line, network, dst) {
            Ok(peer) => peer,
            Err(refusal) => {
                // The peer has answered: its answer is the end.
                dialled.socket = None;
                socket.finish();
                return Err(Failure::refused(at, refusal));
            }
        };
        let link = Link::vacant(socket.ready().clone());
        drop(socket);
        // A new link is not closed.
        if let Some(socket) = dialled.socket.take() {
            let _ = link.install(socket);
        }
        Ok((SocketLink(link), peer))
    }
}

/// A socket of a dial that is under way. If the dial is given up, the peer is told by a reset: it could not tell the end
/// of the stream from a peer that writes no more.
struct Dialled {
    socket: Option<Arc<Socket>>,
}

impl Drop for Dialled {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.reset();
        }
    }
}

/// Where a host is, as the registry has it.
fn address(data: &str) -> Result<SocketAddr, Failure> {
    let text = data.strip_prefix("localhost:").or(data.strip_prefix(':'));
    let addr = match text {
        Some(port) => port.parse().ok().map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
        None => data.parse().ok(),
    };
    let addr = addr.filter(|addr| addr.ip().is_loopback() && addr.port() > 0);
    addr.map(SocketAddr::from).ok_or_else(|| Failure::text(format_args!("dial tcp4: address {data}: invalid")))
}

/// Accepts connections until the subnetwork is closed.
async fn accept_all(listening: Arc<Listening>) {
    let common = &listening.common;
    for number in 1_u64.. {
        if number % ROUND == 0 {
            // The handshakes have a turn, too.
            yield_now().await;
        }
        match poll_fn(|cx| listening.poll_accept(cx)).await {
            Ok(Some(stream)) => {
                if let Some(handshake) = listening.begin(stream) {
                    common.shared.take_over(handshake);
                }
            }
            Ok(None) => return,
            Err(error) if has_passed(&error) => {}
            // There is no file descriptor left, or no memory. That may pass.
            Err(_) => common.shared.sleep(PAUSE).await,
        }
    }
}

impl Engine for Sockets {
    type Link = SocketLink;

    /// Where the host's subnetwork listens: an address of the operating system.
    type Data = String;

    fn start<N>(&self, notifier: impl FnOnce() -> N)
    where
        N: Notifier<Link = SocketLink> + 'static,
    {
        let notifier = Arc::new(notifier());
        self.listening.start(Box::new(move |listening, socket, place| {
            let notifier = notifier.clone();
            Box::pin(async move { serve(&listening, &*notifier, socket, place).await })
        }));
        self.shared().spawn(accept_all(self.listening.clone()));
    }

    async fn new_host<R: Registry<Data = Self::Data>>(&self, host: &str, registry: &R) -> Result<(), Cause> {
        self.check()?;
        let known = self.listening.has(host);
        self.listening.add(host);
        let announced = registry.announce(host, self.listening.addr.clone()).await;
        if announced.is_err() && !known {
            self.listening.remove(host);
        }
        Ok(announced?)
    }

    async fn dial<N: Notifier<Link = Self::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: Self::Data,
        _: &N,
    ) -> Result<(Self::Link, Addr), Cause> {
        self.check()?;
        self.connect(src, dst, &data).await.map_err(Failure::into_cause)
    }

    #[inline]
    fn poll_read(&self, link: &SocketLink, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        link.0.read(cx.waker(), buf)
    }

    fn poll_peek(&self, link: &SocketLink, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        link.0.peek(cx.waker(), buf)
    }

    #[inline]
    fn poll_write(&self, link: &SocketLink, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        link.0.write(cx.waker(), buf)
    }

    fn poll_writable(&self, link: &SocketLink, cx: &mut Context<'_>) -> Poll<()> {
        link.0.writable(cx.waker())
    }

    fn cancel_read(&self, link: &SocketLink, waker: &Waker) {
        link.0.cancel_read(waker);
    }

    fn cancel_write(&self, link: &SocketLink, waker: &Waker) {
        link.0.cancel_write(waker);
    }

    fn status(&self, link: &SocketLink) -> LinkStatus {
        link.0.status()
    }

    fn watch(&self, link: &SocketLink, waker: &Waker) {
        link.0.watch(waker);
    }

    #[inline]
    fn attend(&self, cx: &mut Context<'_>) {
        porter::attend(&self.listening, cx);
    }

    fn shutdown(&self, link: &SocketLink, how: Shutdown) -> bool {
        link.0.shutdown(how, self.reset_unread)
    }

    /// The socket was closed by the shutdown.
    fn release(&self, _: &SocketLink) {}

    async fn close(&self) -> Result<(), Cause> {
        self.listening.close();
        Ok(())
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.listening.close();
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("addr", &self.addr()).finish_non_exhaustive()
    }
}

/// How many connections are accepted in a row.
const ROUND: u64 = 64;
/// Closed connections whose peers still read, at most.
const MOST_DRAINING: usize = 1000;
/// Accepted sockets whose request has not come, at most.
const MOST_UNFINISHED: usize = 256;
/// How long to wait if the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);
