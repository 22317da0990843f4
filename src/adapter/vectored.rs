//! Vectored reads and writes: several buffers, one after the other.

use std::io::{IoSlice, IoSliceMut};
use std::task::{Context, Poll};

use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;
use crate::wait::waker::noop_waker;

impl<N: NetRef> Conn<N> {
    /// Reads the available bytes into one buffer after the other. In a rendezvous network, it fills only the first.
    ///
    /// # Errors
    ///
    /// Those of [`try_read`](Conn::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize, Error> {
        let count = self.try_read(first_mut(bufs))?;
        Ok(self.read_more(count, bufs))
    }

    /// Writes as much as there is room for, from one buffer after the other. In a rendezvous network, it writes only
    /// the first.
    ///
    /// # Errors
    ///
    /// Those of [`try_write`](Conn::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> Result<usize, Error> {
        let count = self.try_write(first(bufs))?;
        Ok(self.write_more(count, bufs))
    }

    /// Continues after `count` bytes were read into the first buffer that is not empty, until a read would wait or
    /// fails. Returns how many bytes were read in total.
    pub(crate) fn read_more(&self, count: usize, bufs: &mut [IoSliceMut<'_>]) -> usize {
        let mut empty = bufs.iter_mut().filter(|buf| !buf.is_empty());
        let mut full = empty.next().is_some_and(|first| count == first.len()) && !self.is_rendezvous();
        let mut total = count;
        while let Some(next) = empty.next().filter(|_| full) {
            let Poll::Ready(Ok(count)) = self.poll_read(&mut Context::from_waker(noop_waker()), next) else { break };
            total += count;
            full = count == next.len();
        }
        total
    }

    /// Continues after `count` bytes of the first buffer that is not empty were written, until a write would wait or
    /// fails. Returns how many bytes were written in total.
    pub(crate) fn write_more(&self, count: usize, bufs: &[IoSlice<'_>]) -> usize {
        let mut full = bufs.iter().filter(|buf| !buf.is_empty());
        let mut whole = full.next().is_some_and(|first| count == first.len()) && !self.is_rendezvous();
        let mut total = count;
        while let Some(next) = full.next().filter(|_| whole) {
            let Poll::Ready(Ok(count)) = self.poll_write(&mut Context::from_waker(noop_waker()), next) else { break };
            total += count;
            whole = count == next.len();
        }
        total
    }
}

/// The first buffer that is not empty, if there is one.
pub(crate) fn first<'a>(bufs: &'a [IoSlice<'_>]) -> &'a [u8] {
    bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf)
}

/// The first buffer that is not empty, if there is one.
pub(crate) fn first_mut<'a>(bufs: &'a mut [IoSliceMut<'_>]) -> &'a mut [u8] {
    bufs.iter_mut().find(|buf| !buf.is_empty()).map_or(&mut [], |buf| buf)
}
