//! The listener of a subnetwork.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::OnceLock;

use mio::Token;
use mio::net::{TcpListener, TcpStream};

use crate::addr::name::NetworkName;
use crate::sync::{AtomicBool, Lock, SleepLock};
use crate::wire::link::Link;
use crate::wire::own::Source;
use crate::wire::reactor::Work;
use crate::wire::ready::Ready;
use crate::wire::room::Place;
use crate::wire::socket::{Common, Socket};
use crate::wire::watched::Attended;

/// The listener of a subnetwork, and what its connections have in common.
pub(crate) struct Listening {
    pub(crate) common: Arc<Common>,
    pub(crate) network: NetworkName,
    /// The listener, until the subnetwork is closed.
    door: SleepLock<Option<Arc<Door>>>,
    /// What the reactor knows of it.
    ready: Arc<Ready>,
    token: Token,
    attended: Attended,
    /// Makes the handshake of an accepted socket.
    serve: OnceLock<Serve>,
    /// Where other subnetworks reach it.
    pub(crate) addr: String,
    closed: AtomicBool,
    /// The hosts that were announced. For a moment, the subnetwork does not know them yet.
    announced: Lock<BTreeSet<String>>,
}

/// Makes the handshake of a socket that the system has accepted.
pub(crate) type Serve = Box<dyn Fn(Arc<Listening>, Arc<Socket>, Place) -> Work + Send + Sync>;

/// A listener of the system.
pub(crate) struct Door {
    listener: TcpListener,
    /// What a thread knows of it that attends it.
    ready: Arc<Ready>,
}

/// One end of a connection through a socket.
#[derive(Clone, Debug)]
pub struct SocketLink(pub(crate) Link<Socket>);

impl Listening {
    /// Listens at a free port of the loopback interface.
    pub(crate) fn open(network: NetworkName, common: Common) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())?;
        let addr = listener.local_addr()?.to_string();
        let ready = Arc::new(Ready::new());
        let token = common.shared.register(listener.as_raw_fd(), &ready)?;
        let door = Arc::new(Door { listener, ready: Arc::new(Ready::new()) });
        Ok(Self {
            common: Arc::new(common),
            network,
            door: SleepLock::new(Some(door)),
            ready,
            token,
            attended: Attended::new(),
            serve: OnceLock::new(),
            addr,
            closed: AtomicBool::new(false),
            announced: Lock::new(BTreeSet::new()),
        })
    }

    /// From now on, handshakes are made by `serve`.
    pub(crate) fn start(&self, serve: Serve) {
        // An engine starts once.
        let _ = self.serve.set(serve);
    }

    /// The next connection that the system has accepted; `None` once the listener is closed.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<TcpStream>>> {
        self.ready.read.poll(cx.waker(), || match self.door() {
            Some(door) => door.accept().map_ok(Some),
            None => Poll::Ready(Ok(None)),
        })
    }

    pub(crate) fn door(&self) -> Option<Arc<Door>> {
        self.door.with(|door| door.clone())
    }

    /// The handshake of an accepted connection.
    pub(crate) fn begin(self: &Arc<Self>, stream: TcpStream) -> Option<Work> {
        let socket = Socket::new(stream, &self.common).ok()?;
        let place = self.common.unfinished.enter(socket.ready().clone());
        if self.is_closed() {
            socket.ready().cut();
        }
        self.serve.get().map(|serve| serve(self.clone(), socket, place))
    }

    /// A thread begins to attend the listener, instead of the reactor. Returns whether it can.
    pub(crate) fn attend(&self) -> bool {
        self.attended.begin(|| self.have_reactor_look(false))
    }

    /// The thread attends it no more.
    pub(crate) fn leave(&self) {
        self.attended.end(|| self.have_reactor_look(true));
    }

    fn have_reactor_look(&self, on: bool) {
        self.door.with(|door| {
            if let Some(door) = door {
                self.common.shared.listen(door.fd(), self.token, on);
            }
        });
    }

    /// Notes a host that is about to be announced.
    pub(crate) fn add(&self, host: &str) {
        let name = String::from(host);
        self.announced.with(|announced| announced.insert(name));
    }

    /// Forgets a host that could not be announced.
    pub(crate) fn remove(&self, host: &str) {
        let gone = self.announced.with(|announced| announced.take(host));
        drop(gone);
    }

    pub(crate) fn has(&self, host: &str) -> bool {
        self.announced.with(|announced| announced.contains(host))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes the listener, and ends the handshakes whose request has not come.
    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.common.shared.deregister(self.token);
            drop(self.door.with(Option::take));
            self.ready.change();
            self.common.unfinished.cut_all();
        }
    }
}

impl Door {
    /// The next connection, for a thread that attends the listener.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        self.ready.read.poll(cx.waker(), || self.accept())
    }

    fn accept(&self) -> Poll<io::Result<TcpStream>> {
        match self.listener.accept() {
            Ok((stream, _)) => Poll::Ready(Ok(stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Source for Door {
    fn fd(&self) -> RawFd {
        self.listener.as_raw_fd()
    }

    fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }
}

/// Whether an accept failed because the client has given up.
pub(crate) fn has_passed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}
