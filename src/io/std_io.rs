//! `std::io`: blocking reads and writes, with timeouts.

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::cause::{Cause, Input};
use crate::conn::Conn;
use crate::end::End;
use crate::engine::Quick;
use crate::error::Operation;
use crate::half::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::handle::Handle;
use crate::waker::idle;

/// How many handles of one connection there may be: each can be split in two halves, which are counted, too.
const MOST_HANDLES: u16 = u16::MAX / 2;

impl<N: Handle> Conn<N> {
    /// Another handle of this connection, as for a `BufReader` in one place and a writer in another. The connection is
    /// closed when the last one is dropped: a peer that reads to the end waits for that, or for
    /// [`close_write`](Conn::close_write). A `&Conn` reads and writes, too, and [`into_split`](Conn::into_split) makes two
    /// handles that can do one each.
    ///
    /// Each handle has timeouts of its own, at first those of this one.
    ///
    /// # Errors
    ///
    /// If there are 32,767 handles.
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
        let end = End { place: self.end.place.clone(), link: self.end.link.clone() };
        Ok(Self { end, patience: self.patience.clone() })
    }

    /// How long a blocking read of this connection may take before it fails with `timed out`; `None` for as long as it
    /// takes, which is the default. Halves made later keep it.
    ///
    /// # Errors
    ///
    /// `invalid timeout` if it is zero, as in std.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.check(Operation::Read, timeout)?;
        self.patience.reading().set_limit(timeout);
        Ok(())
    }

    /// How long a blocking write of this connection may take before it fails with `timed out`; `None` for as long as it
    /// takes, which is the default. Halves made later keep it.
    ///
    /// # Errors
    ///
    /// `invalid timeout` if it is zero, as in std.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.check(Operation::Write, timeout)?;
        self.patience.writing().set_limit(timeout);
        Ok(())
    }

    /// The read timeout. A long one may have been rounded up: by a microsecond, a millisecond from 17 minutes on, a minute
    /// from 12 days on.
    #[must_use]
    pub fn read_timeout(&self) -> Option<Duration> {
        self.patience.reading().limit()
    }

    /// The write timeout, rounded up as the [read timeout](Conn::read_timeout) is.
    #[must_use]
    pub fn write_timeout(&self) -> Option<Duration> {
        self.patience.writing().limit()
    }

    /// Does nothing: whatever is written is on its way at once. For code that asks it of a `TcpStream`.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// `true`: whatever is written is on its way at once.
    ///
    /// # Errors
    ///
    /// None.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// `None`: every error is told by the operation that it is of.
    ///
    /// # Errors
    ///
    /// None.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }

    #[inline(never)]
    fn slow_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.end.wait_read(self.patience.reading(), |cx| self.end.poll_read(cx, buf))?)
    }

    #[inline(never)]
    fn slow_write(&self, buf: &[u8]) -> io::Result<usize> {
        Ok(self.end.wait_write(self.patience.writing(), buf)?)
    }

    fn check(&self, operation: Operation, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            Some(Duration::ZERO) => Err(self.end.error(operation, Cause::Invalid(Input::Timeout)).into()),
            _ => Ok(()),
        }
    }
}

impl<N: Handle> Read for &Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.end.quick_read(idle(), buf) {
            Quick::Moved(count) => Ok(count),
            Quick::Waits | Quick::Slow => self.slow_read(buf),
        }
    }
}

impl<N: Handle> Write for &Conn<N> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.end.quick_write(idle(), buf) {
            Quick::Moved(count) => Ok(count),
            Quick::Waits | Quick::Slow => self.slow_write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.end.wait_flush(self.patience.writing())?)
    }
}

impl<N: Handle> Read for Conn<N> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }
}

impl<N: Handle> Write for Conn<N> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl<N: Handle> Read for ReadHalf<'_, N> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read(buf)
    }
}

impl<N: Handle> Read for OwnedReadHalf<N> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.as_ref().read(buf)
    }
}

impl<N: Handle> Write for WriteHalf<'_, N> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.as_ref().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.as_ref().flush()
    }
}

impl<N: Handle> Write for OwnedWriteHalf<N> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.as_ref().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.as_ref().flush()
    }
}
