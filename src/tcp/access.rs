//! The parts of an access point that threads and tokio share: its name, and the sockets that are closed with it.

use std::net::{IpAddr, SocketAddr};
use std::string::ToString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::vec::Vec;

use super::NETWORK;
use crate::addr::name::{HostName, NetworkName};
use crate::addr::to_addr::{ToAddr, to_listen_addr};
use crate::addr::{Addr, AddrError};
use crate::error::cause::{Cause, InvalidInput};
use crate::error::{Error, Operation};

/// One IP address of the operating system's TCP.
pub(super) struct Access {
    pub(super) name: HostName,
    ip: IpAddr,
    closed: AtomicBool,
    /// The sockets to close with the access point.
    sockets: Mutex<Vec<Weak<dyn Close>>>,
}

/// A socket that is closed with its access point.
pub(super) trait Close: Send + Sync {
    fn close(&self);
}

impl Access {
    pub(super) fn new(ip: &str) -> Result<Self, Error> {
        let invalid =
            |_| Error::subnet(Operation::NewHost, NETWORK.into(), &ip.into(), Cause::Invalid(InvalidInput::HostName));
        let ip: IpAddr = ip.parse().map_err(invalid)?;
        Ok(Self {
            name: HostName::cut(&ip.to_string()).0,
            ip,
            closed: AtomicBool::default(),
            sockets: Mutex::default(),
        })
    }

    pub(super) fn check_up(&self) -> Result<(), Cause> {
        if self.closed.load(Ordering::SeqCst) { Err(Cause::HostDown) } else { Ok(()) }
    }

    /// Registers a socket, which is closed with the access point.
    pub(super) fn keep<S: Close + 'static>(&self, socket: &Arc<S>) -> Result<(), Cause> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_up()?;
        sockets.retain(|socket| socket.strong_count() > 0);
        let socket: Weak<S> = Arc::downgrade(socket);
        sockets.push(socket);
        Ok(())
    }

    /// Closes all sockets. Later ones are refused.
    pub(super) fn close(&self) {
        let sockets = {
            let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            self.closed.store(true, Ordering::SeqCst);
            core::mem::take(&mut *sockets)
        };
        sockets.iter().filter_map(Weak::upgrade).for_each(|socket| socket.close());
    }

    /// Resolves an address: an empty host is this access point.
    pub(super) fn resolve(&self, addr: &impl ToAddr) -> Result<Addr, AddrError> {
        addr.to_addr().map(|addr| self.complete(addr))
    }

    /// Listens at an address of this access point: `bind` makes the socket.
    pub(super) fn listen<L>(
        &self,
        addr: &impl ToAddr,
        bind: impl FnOnce(SocketAddr) -> Result<L, Cause>,
    ) -> Result<L, Error> {
        let failed = |addr, cause| Error::new(Operation::Listen, NETWORK, None, addr, cause);
        let addr = to_listen_addr(addr).map_err(|error| failed(None, error.into()))?;
        let addr = self.complete(addr);
        let check = || if addr.host == self.name { self.check_up() } else { Err(Cause::AddrNotAvailable) };
        check().and_then(|()| bind(SocketAddr::new(self.ip, addr.port()))).map_err(|cause| failed(Some(addr), cause))
    }

    fn complete(&self, mut addr: Addr) -> Addr {
        addr.network = NetworkName::cut(NETWORK).0;
        if addr.host.is_empty() {
            addr.host = self.name;
        }
        addr
    }
}
