//! The halves of a connection: one to read, one to write.

use core::fmt;
use core::ops::Deref;

use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;

/// The reading half of a borrowed connection; see [`Conn::split`]. It dereferences to the connection.
pub struct ReadHalf<'a, N: NetRef>(&'a Conn<N>);

/// The writing half of a borrowed connection; see [`Conn::split`]. Dropping it shuts nothing down. It dereferences to
/// the connection.
pub struct WriteHalf<'a, N: NetRef>(&'a Conn<N>);

/// The reading half of a connection; see [`Conn::into_split`].
///
/// It dereferences to the connection, for its addresses and its `try_` and `poll_` methods. Timeouts are those of the
/// connection.
pub struct OwnedReadHalf<N: NetRef>(Conn<N>);

/// The writing half of a connection; see [`Conn::into_split`]. Dropping it shuts down writing: the peer reads the
/// remaining bytes and then the end of the stream.
///
/// It dereferences to the connection, for its addresses and its `try_` and `poll_` methods. Timeouts are those of the
/// connection.
pub struct OwnedWriteHalf<N: NetRef> {
    conn: Conn<N>,
    shut_on_drop: bool,
}

impl<N: NetRef> Conn<N> {
    /// Splits the connection into two halves that can be used at once, on different threads or in different futures.
    pub fn split(&mut self) -> (ReadHalf<'_, N>, WriteHalf<'_, N>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits the connection into two owned halves. The connection is closed when both are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::io::{Read, Write};
    /// # let net = virtnet::pipenet::Network::new("t");
    /// # let listener = net.host("a")?.listen(":1")?;
    /// # let b = net.host("b")?;
    /// # let mut dial = pin!(b.dial("a:1"));
    /// # assert!(dial.as_mut().try_wait().is_none());
    /// # let mut peer = listener.try_accept()?;
    /// # let conn = dial.try_wait().unwrap()?;
    /// let (mut read, mut write) = conn.into_split();
    /// write.write_all(b"the end")?;
    /// drop(write);
    ///
    /// let mut text = String::new();
    /// peer.read_to_string(&mut text)?;
    /// assert_eq!(text, "the end");
    /// drop(peer);
    /// assert_eq!(read.read(&mut [0])?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf<N>, OwnedWriteHalf<N>) {
        let read = Self::of(self.end.clone());
        (OwnedReadHalf(read), OwnedWriteHalf { conn: self, shut_on_drop: true })
    }
}

impl<N: NetRef> OwnedReadHalf<N> {
    /// Joins the two halves of one connection again.
    ///
    /// # Errors
    ///
    /// Returns both halves if they belong to different connections.
    pub fn reunite(self, write: OwnedWriteHalf<N>) -> Result<Conn<N>, ReuniteError<N>> {
        if !self.0.end.is_same(&write.conn.end) {
            return Err(ReuniteError(self, write));
        }
        write.forget();
        Ok(self.0)
    }
}

impl<N: NetRef> OwnedWriteHalf<N> {
    /// Joins the two halves of one connection again.
    ///
    /// # Errors
    ///
    /// Returns both halves if they belong to different connections.
    pub fn reunite(self, read: OwnedReadHalf<N>) -> Result<Conn<N>, ReuniteError<N>> {
        read.reunite(self)
    }

    /// Drops the half without shutting down writing.
    pub fn forget(mut self) {
        self.shut_on_drop = false;
    }
}

impl<N: NetRef> Drop for OwnedWriteHalf<N> {
    fn drop(&mut self) {
        if self.shut_on_drop {
            // A connection that is already down needs no shutdown.
            let _ = self.conn.close_write();
        }
    }
}

impl<N: NetRef> Deref for ReadHalf<'_, N> {
    type Target = Conn<N>;

    fn deref(&self) -> &Conn<N> {
        self.as_ref()
    }
}

impl<N: NetRef> AsRef<Conn<N>> for ReadHalf<'_, N> {
    fn as_ref(&self) -> &Conn<N> {
        self.0
    }
}

impl<N: NetRef> Deref for WriteHalf<'_, N> {
    type Target = Conn<N>;

    fn deref(&self) -> &Conn<N> {
        self.as_ref()
    }
}

impl<N: NetRef> AsRef<Conn<N>> for WriteHalf<'_, N> {
    fn as_ref(&self) -> &Conn<N> {
        self.0
    }
}

impl<N: NetRef> Deref for OwnedReadHalf<N> {
    type Target = Conn<N>;

    fn deref(&self) -> &Conn<N> {
        self.as_ref()
    }
}

impl<N: NetRef> AsRef<Conn<N>> for OwnedReadHalf<N> {
    fn as_ref(&self) -> &Conn<N> {
        &self.0
    }
}

impl<N: NetRef> Deref for OwnedWriteHalf<N> {
    type Target = Conn<N>;

    fn deref(&self) -> &Conn<N> {
        self.as_ref()
    }
}

impl<N: NetRef> AsRef<Conn<N>> for OwnedWriteHalf<N> {
    fn as_ref(&self) -> &Conn<N> {
        &self.conn
    }
}

/// Two halves of different connections, returned by a failed `reunite`.
pub struct ReuniteError<N: NetRef>(pub OwnedReadHalf<N>, pub OwnedWriteHalf<N>);

impl<N: NetRef> fmt::Display for ReuniteError<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("halves of different connections")
    }
}

impl<N: NetRef> core::error::Error for ReuniteError<N> {}

impl<N: NetRef> fmt::Debug for ReuniteError<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReuniteError({:?}, {:?})", self.0, self.1)
    }
}

impl<N: NetRef> fmt::Debug for ReadHalf<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadHalf({:?})", self.as_ref())
    }
}

impl<N: NetRef> fmt::Debug for WriteHalf<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteHalf({:?})", self.as_ref())
    }
}

impl<N: NetRef> fmt::Debug for OwnedReadHalf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedReadHalf({:?})", self.as_ref())
    }
}

impl<N: NetRef> fmt::Debug for OwnedWriteHalf<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedWriteHalf({:?})", self.as_ref())
    }
}
