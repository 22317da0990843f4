//! The listener of a subnetwork.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;

use mio::Token;
use mio::net::{TcpListener, TcpStream};

use crate::addr::name::NetworkName;
use crate::sync::{AtomicBool, Lock, SleepLock};
use crate::wire::link::Link;
use crate::wire::ready::Ready;
use crate::wire::socket::{Common, Socket};

/// The listener of a subnetwork, and what its connections have in common.
pub(crate) struct Listening {
    pub(crate) common: Arc<Common>,
    pub(crate) network: NetworkName,
    /// The listener, until the subnetwork is closed.
    listener: SleepLock<Option<TcpListener>>,
    ready: Arc<Ready>,
    token: Token,
    /// Where other subnetworks reach it.
    pub(crate) addr: String,
    closed: AtomicBool,
    /// The hosts that were announced. For a moment, the subnetwork does not know them yet.
    announced: Lock<BTreeSet<String>>,
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
        let (common, listener) = (Arc::new(common), SleepLock::new(Some(listener)));
        Ok(Self {
            common,
            network,
            listener,
            ready,
            token,
            addr,
            closed: AtomicBool::new(false),
            announced: Lock::new(BTreeSet::new()),
        })
    }

    /// The next connection that the system has accepted; `None` once the listener is closed.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<TcpStream>>> {
        self.ready.read.poll(cx.waker(), || self.accept())
    }

    fn accept(&self) -> Poll<io::Result<Option<TcpStream>>> {
        self.listener.with(|listener| {
            let Some(listener) = listener else { return Poll::Ready(Ok(None)) };
            match listener.accept() {
                Ok((stream, _)) => Poll::Ready(Ok(Some(stream))),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
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
            drop(self.listener.with(Option::take));
            self.ready.change();
            self.common.unfinished.cut_all();
        }
    }
}
