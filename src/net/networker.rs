//! The traits of [`Networker`] for hosts, listeners and connections.

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::addr::to_addr::ToAddr;
use crate::contract::networker::{NetListener, NetStream, Networker};
use crate::error::Error;
use crate::error::close::CloseError;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;
use crate::wait::{OnTimeout, Op};

impl<N: NetRef> Networker for Host<N> {
    type Conn = Conn<N>;
    type Listener = Listener<N>;

    fn network_name(&self) -> &str {
        Host::network_name(self)
    }

    fn name(&self) -> HostName {
        Host::name(self)
    }

    fn dial(&self, addr: impl ToAddr + Send) -> Op<impl OnTimeout<Output = Result<Conn<N>, Error>> + Send> {
        Host::dial(self, addr)
    }

    fn listen(&self, addr: impl ToAddr) -> Result<Listener<N>, Error> {
        Host::listen(self, addr)
    }

    fn close(&self) -> Op<impl OnTimeout<Output = Result<(), CloseError>> + Send> {
        Host::close(self)
    }
}

impl<N: NetRef> NetListener for Listener<N> {
    type Conn = Conn<N>;

    fn accept(&self) -> Op<impl OnTimeout<Output = Result<Conn<N>, Error>> + Send> {
        Listener::accept(self)
    }

    fn local_addr(&self) -> Addr {
        Listener::local_addr(self)
    }

    fn close(&self) {
        Listener::close(self);
    }
}

impl<N: NetRef> NetStream for Conn<N> {
    fn local_addr(&self) -> Addr {
        Conn::local_addr(self)
    }

    fn peer_addr(&self) -> Addr {
        Conn::peer_addr(self)
    }

    fn close_write(&self) -> Result<(), Error> {
        Conn::close_write(self)
    }

    fn close_read(&self) -> Result<(), Error> {
        Conn::close_read(self)
    }

    fn abort(&self) {
        Conn::abort(self);
    }
}
