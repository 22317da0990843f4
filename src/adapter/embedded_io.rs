//! `embedded-io`: blocking reads and writes, and checks whether they would block.

use core::convert::identity;
use core::task::Context;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::net_ref::NetRef;
use crate::wait::waker::noop_waker;

impl<N: NetRef> ErrorType for Conn<N> {
    type Error = Error;
}

impl<N: NetRef> ErrorType for &Conn<N> {
    type Error = Error;
}

impl<N: NetRef> ErrorType for ReadHalf<'_, N> {
    type Error = Error;
}

impl<N: NetRef> ErrorType for WriteHalf<'_, N> {
    type Error = Error;
}

impl<N: NetRef> ErrorType for OwnedReadHalf<N> {
    type Error = Error;
}

impl<N: NetRef> ErrorType for OwnedWriteHalf<N> {
    type Error = Error;
}

/// With `std`, a read that waits parks its thread. Without, it polls, and calls the network's `relax` between polls.
impl<N: NetRef> Read for &Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        self.end.wait_read(self.timeout(false), buf, identity)
    }
}

impl<N: NetRef> Write for &Conn<N> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.end.wait_write(self.timeout(true), buf, identity)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.end.wait_flush(self.timeout(true), identity)
    }
}

/// A read is also ready at the end of the stream, and if it would fail.
impl<N: NetRef> ReadReady for &Conn<N> {
    fn read_ready(&mut self) -> Result<bool, Error> {
        Ok(self.poll_read_ready(&mut Context::from_waker(noop_waker())).is_ready())
    }
}

/// A write is also ready if it would fail.
impl<N: NetRef> WriteReady for &Conn<N> {
    fn write_ready(&mut self) -> Result<bool, Error> {
        Ok(self.poll_write_ready(&mut Context::from_waker(noop_waker())).is_ready())
    }
}

impl<N: NetRef> Read for Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        Read::read(&mut &*self, buf)
    }
}

impl<N: NetRef> Write for Conn<N> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        Write::write(&mut &*self, buf)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Write::flush(&mut &*self)
    }
}

impl<N: NetRef> ReadReady for Conn<N> {
    fn read_ready(&mut self) -> Result<bool, Error> {
        (&*self).read_ready()
    }
}

impl<N: NetRef> WriteReady for Conn<N> {
    fn write_ready(&mut self) -> Result<bool, Error> {
        (&*self).write_ready()
    }
}

impl<N: NetRef> Read for ReadHalf<'_, N> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        Read::read(&mut self.as_ref(), buf)
    }
}

impl<N: NetRef> ReadReady for ReadHalf<'_, N> {
    fn read_ready(&mut self) -> Result<bool, Error> {
        self.as_ref().read_ready()
    }
}

impl<N: NetRef> Read for OwnedReadHalf<N> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        Read::read(&mut self.as_ref(), buf)
    }
}

impl<N: NetRef> ReadReady for OwnedReadHalf<N> {
    fn read_ready(&mut self) -> Result<bool, Error> {
        self.as_ref().read_ready()
    }
}

impl<N: NetRef> Write for WriteHalf<'_, N> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        Write::write(&mut self.as_ref(), buf)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Write::flush(&mut self.as_ref())
    }
}

impl<N: NetRef> WriteReady for WriteHalf<'_, N> {
    fn write_ready(&mut self) -> Result<bool, Error> {
        self.as_ref().write_ready()
    }
}

impl<N: NetRef> Write for OwnedWriteHalf<N> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Error> {
        Write::write(&mut self.as_ref(), buf)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Write::flush(&mut self.as_ref())
    }
}

impl<N: NetRef> WriteReady for OwnedWriteHalf<N> {
    fn write_ready(&mut self) -> Result<bool, Error> {
        self.as_ref().write_ready()
    }
}
