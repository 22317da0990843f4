//! `embedded-io-async`: reads and writes as futures.
//!
//! Their cancel safety is that of [`Conn`]: a dropped read or write has moved no bytes, except that in a rendezvous
//! network the peer may have received the bytes of the write.

use core::future::{Future, poll_fn};

use embedded_io_async::{Read, Write};

use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::net_ref::NetRef;

impl<N: NetRef> Read for &Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_read(cx, buf))
    }
}

impl<N: NetRef> Write for &Conn<N> {
    fn write(&mut self, buf: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_write(cx, buf))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush(cx))
    }
}

impl<N: NetRef> Read for Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_read(cx, buf))
    }
}

impl<N: NetRef> Write for Conn<N> {
    fn write(&mut self, buf: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_write(cx, buf))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush(cx))
    }
}

impl<N: NetRef> Read for ReadHalf<'_, N> {
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_read(cx, buf))
    }
}

impl<N: NetRef> Read for OwnedReadHalf<N> {
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_read(cx, buf))
    }
}

impl<N: NetRef> Write for WriteHalf<'_, N> {
    fn write(&mut self, buf: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_write(cx, buf))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush(cx))
    }
}

impl<N: NetRef> Write for OwnedWriteHalf<N> {
    fn write(&mut self, buf: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(|cx| self.poll_write(cx, buf))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush(cx))
    }
}
