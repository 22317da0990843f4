//! `std::io`: blocking reads and writes, with timeouts.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::time::Duration;

use crate::adapter::vectored::{first, first_mut};
use crate::contract::engine::FastPath;
use crate::error::cause::{Cause, InvalidInput};
use crate::error::kind::ErrorKind;
use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::conn_ref::ConnRef;
use crate::net::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::net_ref::NetRef;
use crate::wait::waker::noop_waker;

/// The limit of handles of one connection. Each can be split into two halves, which count as handles too.
const MOST_HANDLES: u16 = u16::MAX / 2;

impl<N: NetRef> Conn<N> {
    /// Returns another handle of this connection, for example for a `BufReader` in one place and a writer in another.
    /// The connection closes when its last handle is dropped. A peer that reads to the end waits for that, or for
    /// [`close_write`](Conn::close_write). A `&Conn` also reads and writes, and [`into_split`](Conn::into_split)
    /// returns one handle that reads and one that writes.
    ///
    /// All handles share the timeouts of the connection.
    ///
    /// # Errors
    ///
    /// An error if the connection has 32,767 handles already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{BufRead, BufReader, Write};
    /// use std::thread;
    /// use virtnet::pipenet::{Conn, Network};
    ///
    /// fn echo_lines(mut conn: Conn) -> std::io::Result<()> {
    ///     for line in BufReader::new(conn.try_clone()?).lines() {
    ///         writeln!(conn, "{}", line?)?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let net = Network::new("t");
    /// let listener = net.host("a")?.listen(":1")?;
    /// let server = thread::spawn(move || echo_lines(listener.accept().wait()?));
    /// let mut conn = net.host("b")?.dial("a:1").wait()?;
    /// conn.write_all(b"hi\n")?;
    /// conn.close_write()?;
    /// assert_eq!(std::io::read_to_string(&conn)?, "hi\n");
    /// server.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        let counted = self.end.place.socket(|socket| {
            let more = socket.handles < MOST_HANDLES;
            socket.handles += u16::from(more);
            more
        });
        if counted != Some(true) {
            return Err(io::Error::other(std::format!("a connection has at most {MOST_HANDLES} handles")));
        }
        let end = ConnRef { place: self.end.place.clone(), link: self.end.link.clone() };
        Ok(Self::of(end))
    }

    /// Sets how long a blocking read may take, through any handle or half of this connection, before it fails with
    /// `timed out`. The default, `None`, sets no limit.
    ///
    /// The resulting `std::io::Error` has the kind that std's TCP has on the platform: `WouldBlock` on Unix, `TimedOut`
    /// on Windows.
    ///
    /// # Errors
    ///
    /// `invalid timeout` if it is zero, as in std.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.check(Operation::Read, timeout)?;
        self.end.net().timeouts.set(self.end.timeout(false), timeout);
        Ok(())
    }

    /// Sets how long a blocking write may take, like [`set_read_timeout`](Conn::set_read_timeout) for reads.
    ///
    /// # Errors
    ///
    /// `invalid timeout` if it is zero, as in std.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.check(Operation::Write, timeout)?;
        self.end.net().timeouts.set(self.end.timeout(true), timeout);
        Ok(())
    }

    /// The read timeout.
    #[must_use]
    pub fn read_timeout(&self) -> Option<Duration> {
        self.end.net().timeouts.get(self.end.timeout(false))
    }

    /// The write timeout.
    #[must_use]
    pub fn write_timeout(&self) -> Option<Duration> {
        self.end.net().timeouts.get(self.end.timeout(true))
    }

    /// Does nothing, because written bytes are sent at once. It exists for code that calls it on a `TcpStream`.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Returns `true`, because written bytes are sent at once.
    ///
    /// # Errors
    ///
    /// None.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Returns `None`, because each operation reports its own error.
    ///
    /// # Errors
    ///
    /// None.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    #[inline(never)]
    fn slow_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.end.wait_read(self.timeout(false), buf, expired)
    }

    #[inline(never)]
    fn slow_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.end.wait_write(self.timeout(true), buf, expired)
    }

    fn check(&self, operation: Operation, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            Some(Duration::ZERO) => Err(self.end.error(operation, Cause::Invalid(InvalidInput::Timeout)).into()),
            _ => Ok(()),
        }
    }
}

/// The error of a read or write that reached its timeout.
fn expired(error: Error) -> io::Error {
    let kind = if cfg!(windows) { io::ErrorKind::TimedOut } else { io::ErrorKind::WouldBlock };
    match error.kind() {
        ErrorKind::TimedOut => io::Error::new(kind, error),
        // A closed socket, host or network takes precedence over the timeout.
        _ => error.into(),
    }
}

impl<N: NetRef> Read for &Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.end.fast_read(noop_waker(), buf) {
            FastPath::Done(count) => Ok(count),
            FastPath::Pending | FastPath::Fallback => self.slow_read(buf),
        }
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let count = self.read(first_mut(bufs))?;
        Ok(self.read_more(count, bufs))
    }
}

impl<N: NetRef> Write for &Conn<N> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.end.fast_write(noop_waker(), buf) {
            FastPath::Done(count) => Ok(count),
            FastPath::Pending | FastPath::Fallback => self.slow_write(buf),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.write(first(bufs))?;
        Ok(self.write_more(count, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end.wait_flush(self.timeout(true), expired)
    }
}

/// Reads through a reference to the connection.
macro_rules! read_through {
    ($($type:ty),*) => {$(
        impl<N: NetRef> Read for $type {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.as_ref().read_vectored(bufs)
            }
        }
    )*};
}

/// Writes through a reference to the connection.
macro_rules! write_through {
    ($($type:ty),*) => {$(
        impl<N: NetRef> Write for $type {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.as_ref().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.as_ref().write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.as_ref().flush()
            }
        }
    )*};
}

read_through!(Conn<N>, ReadHalf<'_, N>, OwnedReadHalf<N>);
write_through!(Conn<N>, WriteHalf<'_, N>, OwnedWriteHalf<N>);
